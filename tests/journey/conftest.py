"""Two kinds of installation: one that a module's tests share, and one of a test's own.

The shared one saves most of the time. Each test meets it with lenders of its own, and never moves its
clock, restarts or breaks it; a test that does takes ``own_world``. A module whose promises are kept on
both stores overrides ``store``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest

from gateway.server import Seams
from scoring.service import Engine
from tests.journey.contract import METHODS
from tests.journey.engines import ScriptedEngine
from tests.world import Partner, World, new_uuid, open_world, settings_for

STORES = ["sqlite", "postgresql"]

Channels = dict[str, tuple[grpc.Channel, str]]
"""Path → a channel to the method's door, and whose certificate it shows."""


@pytest.fixture(scope="session")
def scorer(engine_folder: Path) -> Engine:
    """The trained scorecard, opened once."""
    return Engine.open(engine_folder)


@pytest.fixture(scope="module")
def store() -> str:
    """The kind of database."""
    return "sqlite"


@pytest.fixture(scope="module")
def new_database(store: str, request: pytest.FixtureRequest) -> Callable[[], str]:
    """Makes a database of the module's kind; an empty URL means a file of the installation's own."""
    make: Callable[[], str] = (lambda: "") if store == "sqlite" else request.getfixturevalue("new_postgres")
    return make


@pytest.fixture(scope="module")
def module_engine(scorer: Engine) -> ScriptedEngine:
    """The engine behind the shared installation."""
    return ScriptedEngine(scorer)


@pytest.fixture(scope="module")
def world(
    new_database: Callable[[], str],
    module_engine: ScriptedEngine,
    tmp_path_factory: pytest.TempPathFactory,
    engine_folder: Path,
) -> Iterator[World]:
    """The installation that the module's tests share."""
    home = tmp_path_factory.mktemp("world") / "home"
    settings = settings_for(home, new_database() or f"sqlite:///{home}/ledger.db", engine_folder)
    with open_world(settings, seams=Seams(engine=module_engine)) as shared:
        yield shared
        shared.require_balanced()


@pytest.fixture(autouse=True)
def engine(module_engine: ScriptedEngine) -> ScriptedEngine:
    """The engine, without a script."""
    module_engine.reset()
    return module_engine


@pytest.fixture
def new_own_world(
    new_world: Callable[..., World], new_database: Callable[[], str], engine: ScriptedEngine
) -> Callable[..., World]:
    """Opens installations of the test's own; ``overrides`` are settings."""
    return lambda **overrides: new_world(seams=Seams(engine=engine), url=new_database(), **overrides)


@pytest.fixture
def own_world(new_own_world: Callable[..., World]) -> Iterator[World]:
    """An installation of the test's own."""
    own = new_own_world()
    yield own
    own.require_balanced()


@pytest.fixture
def acme(world: World) -> Partner:
    """A lender of the test's own in the shared installation, with a generous contract."""
    return world.partner(new_name("acme"))


@pytest.fixture
def zeta(world: World) -> Partner:
    """Another lender."""
    return world.partner(new_name("zeta"))


@pytest.fixture(scope="module")
def channels(world: World) -> Channels:
    """Every method with somebody who may call it, as often as a test likes."""
    lender = world.partner("lender")
    officer, _ = world.officer()
    reading = world.admin_channel(officer.certificate, officer.key)
    admin = world.admin_channel(world.operator_certificate, world.operator_key)
    world.set_contract("operator")
    world.add("sample-lender")
    found = {}
    for method in METHODS:
        if method.door == "partner":
            found[method.path] = lender.channel, "lender"
        elif ".audit." in method.path:
            found[method.path] = reading, "officer"
        else:
            found[method.path] = admin, "operator"
    return found


def new_name(stem: str) -> str:
    return f"{stem}-{new_uuid()[:8]}"
