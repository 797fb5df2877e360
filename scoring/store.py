"""The engine's folder: a scorecard, its population, and which of them are current.

    engine.json                    {"population": "population-….npy", "scorecard": "scorecard-….json"}
    scorecard-<sha256>.json        the artefact
    population-<sha256>.npy        everybody's values at every epoch

Files are named by their digests and never change. `engine.json` is replaced in one step after both lie there,
so a crash leaves the former pair current. All are readable by their owner only: they hold credit records.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path

from scoring import artefact, population
from scoring.errors import ArtefactInvalid, PopulationInvalid, StoreUnwritable
from scoring.population import Population
from scoring.scorecard import Scorecard

CURRENT = "engine.json"
_NAMES = re.compile(
    r'\{"population":"(population-([0-9a-f]{64})\.npy)","scorecard":"(scorecard-([0-9a-f]{64})\.json)"\}'
)


def write(folder: Path, card: bytes, people: bytes) -> None:
    """Put an artefact and its population into a folder, made if need be, and make them current.

    Raises:
        StoreUnwritable: The folder cannot be made, or a file not be written; the former pair stays current.
    """
    names = {
        "population": f"population-{artefact.digest(people)}.npy",
        "scorecard": f"scorecard-{artefact.digest(card)}.json",
    }
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _replace(folder / names["population"], people)
        _replace(folder / names["scorecard"], card)
        # Until here the former pair is current, whatever happens.
        _replace(folder / CURRENT, json.dumps(names, sort_keys=True, separators=(",", ":")).encode())
    except OSError as error:
        raise StoreUnwritable(
            f"The engine's folder {folder} cannot be written ({error.strerror})",
            "Free the space, or choose another folder",
        ) from error


def read(folder: Path) -> tuple[Scorecard, str, Population]:
    """The current scorecard, its SHA-256 in hexadecimal, and its population.

    Raises:
        ArtefactInvalid: No engine in this folder, or its scorecard is absent, altered or malformed.
        PopulationInvalid: The population is.
    """
    names = _NAMES.fullmatch(_load(folder / CURRENT, 1024, ArtefactInvalid).decode("ascii", "replace"))
    if names is None:
        raise ArtefactInvalid(f"{CURRENT} does not name one population and one scorecard")
    population_name, population_sha256, card_name, card_sha256 = names.groups()
    card = artefact.decode(_load(folder / card_name, artefact.MAX_BYTES, ArtefactInvalid), card_sha256)
    data = _load(folder / population_name, population.MAX_BYTES, PopulationInvalid)
    return card, card_sha256, population.unpack(card, data, population_sha256)


def _load(path: Path, most: int, failure: type[ArtefactInvalid] | type[PopulationInvalid]) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(most + 1)
    except OSError as error:
        raise failure(f"{path.name} cannot be read from the engine's folder ({error.strerror})") from error
    if len(data) > most:
        raise failure(f"{path.name} is longer than {most} bytes")
    return data


def _replace(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, 0600 and on the disk when this returns."""
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
