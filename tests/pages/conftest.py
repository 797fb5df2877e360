"""A gateway with the consumers' pages beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pages.attacking import ADA, BO, arrive, victim_of
from tests.pages.browser import Browser
from tests.pages.place import Place, open_place
from tests.world import settings_for


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, engine_folder: Path) -> Iterator[Place]:
    """On SQLite; shared by a file's tests, which each take a person of their own."""
    home = tmp_path_factory.mktemp("place") / "home"
    with open_place(settings_for(home, f"sqlite:///{home}/ledger.db", engine_folder)) as made:
        yield made


@pytest.fixture
def own_place(tmp_path: Path, database_url: str, engine_folder: Path) -> Iterator[Place]:
    """A test's own, on each store."""
    with open_place(settings_for(tmp_path / "home", database_url, engine_folder)) as made:
        yield made


@pytest.fixture(scope="module")
def victim(place: Place) -> dict[str, str]:
    """No refused form changes any of it."""
    return victim_of(place)


@pytest.fixture(scope="module")
def ada(place: Place) -> Browser:
    return arrive(place, ADA)


@pytest.fixture(scope="module")
def bo(place: Place) -> Browser:
    return arrive(place, BO)
