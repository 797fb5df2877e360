"""The engine's folder: whole or refused."""

import json
import shutil
from pathlib import Path

import pytest

from scoring import store
from scoring.artefact import MAX_BYTES, digest
from scoring.errors import ArtefactInvalid, PopulationInvalid, StoreUnwritable
from scoring.train import Training


@pytest.fixture
def folder(engine_folder: Path, tmp_path: Path) -> Path:
    """A copy that a test may break."""
    return Path(shutil.copytree(engine_folder, tmp_path / "engine"))


def one(folder: Path, pattern: str) -> Path:
    [found] = folder.glob(pattern)
    return found


def test_what_was_written_is_read(training: Training, engine_folder: Path) -> None:
    card, sha256, people = store.read(engine_folder)
    assert card == training.scorecard
    assert sha256 == digest(training.artefact)
    assert len(people.places) == 30_000


def test_files_are_named_by_their_digests_and_private(training: Training, engine_folder: Path) -> None:
    assert sorted(path.name for path in engine_folder.iterdir()) == [
        "engine.json",
        f"population-{digest(training.population)}.npy",
        f"scorecard-{digest(training.artefact)}.json",
    ]
    assert {path.stat().st_mode & 0o777 for path in engine_folder.iterdir()} == {0o600}


def test_writing_the_same_again_changes_nothing(training: Training, folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    store.write(folder, training.artefact, training.population)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_until_the_last_step_the_former_pair_is_current(training: Training, folder: Path) -> None:
    # A crash between the steps leaves new files that nothing names.
    (folder / f"scorecard-{'0' * 64}.json").write_bytes(b"{}")
    (folder / ".engine.json-half").write_bytes(b"{")
    assert store.read(folder)[0] == training.scorecard


@pytest.mark.parametrize(
    "pointer",
    [
        b"",
        b"{}",
        b"\xff",
        json.dumps({"population": "population.npy", "scorecard": "scorecard.json"}).encode(),
        b'{"population":"../population-%s.npy","scorecard":"scorecard-%s.json"}' % (b"0" * 64, b"0" * 64),
        b" " * 2000,
    ],
    ids=["empty", "no names", "not text", "no digests", "another folder", "too long"],
)
def test_a_pointer_that_names_no_pair_is_refused(folder: Path, pointer: bytes) -> None:
    (folder / "engine.json").write_bytes(pointer)
    with pytest.raises(ArtefactInvalid, match=r"engine\.json"):
        store.read(folder)


def test_an_empty_folder_says_how_to_fill_it(tmp_path: Path) -> None:
    with pytest.raises(ArtefactInvalid, match=r"engine\.json cannot be read.*`scoregate engine train`"):
        store.read(tmp_path)


def test_an_altered_scorecard_is_refused(folder: Path) -> None:
    path = one(folder, "scorecard-*")
    path.write_bytes(path.read_bytes().replace(b'"base_points":5', b'"base_points":6'))
    with pytest.raises(ArtefactInvalid, match="digest"):
        store.read(folder)


def test_an_oversize_scorecard_is_refused(folder: Path) -> None:
    one(folder, "scorecard-*").write_bytes(b" " * (MAX_BYTES + 1))
    with pytest.raises(ArtefactInvalid, match="longer than"):
        store.read(folder)


def test_an_absent_scorecard_is_named(folder: Path) -> None:
    path = one(folder, "scorecard-*")
    path.unlink()
    with pytest.raises(ArtefactInvalid, match=path.name):
        store.read(folder)


def test_an_absent_population_is_named(folder: Path) -> None:
    path = one(folder, "population-*")
    path.unlink()
    with pytest.raises(PopulationInvalid, match=path.name):
        store.read(folder)


def test_a_cut_population_is_refused(folder: Path) -> None:
    path = one(folder, "population-*")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(PopulationInvalid, match="digest"):
        store.read(folder)


def test_a_folder_that_cannot_be_made_is_named(training: Training, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreUnwritable, match="choose another folder"):
        store.write(tmp_path / "file" / "engine", training.artefact, training.population)


def test_a_failed_write_leaves_the_former_pair_and_no_draft(training: Training, folder: Path) -> None:
    (folder / "engine.json").unlink()
    (folder / "engine.json").mkdir()  # cannot be replaced by a file
    with pytest.raises(StoreUnwritable):
        store.write(folder, training.artefact, training.population)
    assert not list(folder.glob(".*"))
