"""One training, one folder and one engine for the whole room; all are read-only."""

from pathlib import Path

import pytest

from scoring import store
from scoring.service import Engine
from scoring.train import Training, train


@pytest.fixture(scope="session")
def training() -> Training:
    return train()


@pytest.fixture(scope="session")
def engine_folder(training: Training, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("engine")
    store.write(folder, training.artefact, training.population)
    return folder


@pytest.fixture(scope="session")
def engine(engine_folder: Path) -> Engine:
    return Engine.open(engine_folder)
