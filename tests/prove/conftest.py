"""The stage of `make prove`, small enough for `make test`."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.prove.campaign import POSTGRESQL, SQLITE, Stage


@pytest.fixture
def stage(tmp_path: Path, engine_folder: Path, new_postgres: Callable[[], str]) -> Stage:
    """Both stores, few runs."""
    folder = tmp_path / "stage"
    folder.mkdir()

    def new_database(store: str) -> str:
        return new_postgres() if store == POSTGRESQL else f"sqlite:///{tmp_path}/{uuid.uuid4().hex}.db"

    return Stage(
        full=False,
        seed=1,
        folder=folder,
        engine_folder=engine_folder,
        new_database=new_database,
        stores=(SQLITE, POSTGRESQL),
        step=lambda what, done, total: None,
    )
