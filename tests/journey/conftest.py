"""Installations with a scripted engine. Core promises are kept on both stores; see ``world_on_both``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.server import Seams
from scoring.service import Engine
from tests.journey.engines import ScriptedEngine
from tests.world import Partner, World


@pytest.fixture(scope="session")
def scorer(engine_folder: Path) -> Engine:
    """The trained scorecard, opened once."""
    return Engine.open(engine_folder)


@pytest.fixture
def engine(scorer: Engine) -> ScriptedEngine:
    """The real engine behind a counter."""
    return ScriptedEngine(scorer)


@pytest.fixture
def world(new_world: Callable[..., World], engine: ScriptedEngine) -> World:
    """An installation on SQLite."""
    return new_world(seams=Seams(engine=engine))


@pytest.fixture
def world_on_both(new_world: Callable[..., World], engine: ScriptedEngine, database_url: str) -> World:
    """An installation on SQLite, and again on PostgreSQL."""
    return new_world(seams=Seams(engine=engine), url=database_url)


@pytest.fixture
def acme(world: World) -> Partner:
    """A lender with a generous contract."""
    return world.partner()
