"""One training, one folder and one engine for the whole room; all are read-only."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from scoring import store
from scoring.service import Engine
from scoring.train import Training, train

# How long an example takes says something about the machine and nothing about the code.
settings.register_profile("scoring", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("scoring")


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
