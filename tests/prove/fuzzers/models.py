"""The files that an engine is opened from and trained on: scorecard, population, records."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterable
from datetime import date
from functools import cache

import numpy as np

from scoring import artefact, population, records
from scoring.errors import ArtefactInvalid, DataInvalid, PopulationInvalid
from scoring.scorecard import Family
from tests.prove.fuzzers.engine import ROOM
from tests.prove.fuzzers.mutation import change_json
from tests.prove.fuzzers.target import Place, Take, Target, anywhere, each_of, refusing, require_same
from tests.scoring.made_cards import card, characteristic, csv_lines

CARD = card(characteristic(1), characteristic(2, family=Family.CAPACITY, edges=(0, 5), points=(20, 0, -20)))


# --- the scorecard's file


def take_artefact(data: bytes) -> bool:
    """As it came, and in canonical form with the version that its content demands."""

    def take(content: bytes) -> None:
        require_same(artefact.encode(artefact.decode(content, artefact.digest(content))), content)

    read = refusing(take, ArtefactInvalid)
    return each_of(read, lambda given: read(_demanded(given)))(data)


def take_artefact_at_its_word(data: bytes) -> None:
    """The guard that is off: a field's shape is looked at before it is used."""
    try:
        plain = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ArtefactInvalid("not JSON") from error
    if isinstance(plain, dict) and "epochs" in plain:
        [date.fromisoformat(each) for each in plain["epochs"]]


def _demanded(data: bytes) -> bytes:
    try:
        plain = json.loads(data)
        content = {key: value for key, value in plain.items() if key != "version"}
        plain["version"] = f"1.{artefact.digest(_spelled(content))[:8]}"
        return _spelled(plain)
    except Exception:
        return data


def _spelled(plain: object) -> bytes:
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def artefact_seeds() -> Iterable[bytes]:
    yield artefact.encode(CARD)
    yield artefact.encode(card(characteristic(1)))


# --- the population's file


def take_population(data: bytes) -> None:
    """A table that was made for this scorecard, or none."""
    found = population.unpack(CARD, data, hashlib.sha256(data).hexdigest())
    require_same(len(found.values), len(CARD.epochs))


def take_population_unguarded(data: bytes) -> None:
    """The guard that is off: the length is that of whole rows."""
    start = len(_table(0))
    if data[:8] != _table(0)[:8]:
        raise PopulationInvalid("no table")
    np.frombuffer(data, dtype=population._type(CARD), offset=start)


@cache
def _table(people: int) -> bytes:
    rows = np.zeros(people, dtype=population._type(CARD))
    rows["subject"] = [f"uci-{n:05}".encode() for n in range(people)]
    return population._header(rows.dtype, people) + rows.tobytes()


def population_seeds() -> Iterable[bytes]:
    return [_table(people) for people in (1, 2, 5)]


# --- training records


def take_records(place: Place) -> Take:
    """A CSV file; every other input is packed first, the rest are gzip at their word."""
    path = place.folder / "records.csv.gz"

    def take(data: bytes) -> None:
        path.write_bytes(gzip.compress(data[1:], 1) if data[:1] == b"z" else data)
        records.read(path)

    return refusing(take, DataInvalid)


def take_records_unguarded(_place: Place) -> Take:
    """The guard that is off: a cell is a whole number before it is taken for one."""

    def take(data: bytes) -> None:
        lines = data[1:].splitlines()
        if not lines or lines[0] != ",".join(records.COLUMNS).encode():
            raise DataInvalid("no header")
        for line in lines[1:]:
            [int(cell) for cell in line.split(b",")]

    return refusing(take, DataInvalid)


def record_seeds() -> Iterable[bytes]:
    plain = "\n".join([*csv_lines([{}, {"PAY_0": 2}]), ""]).encode()
    yield b"z" + plain
    yield gzip.compress(plain)


TARGETS = (
    Target(
        "artefact",
        ROOM,
        anywhere(take_artefact),
        anywhere(refusing(take_artefact_at_its_word, ArtefactInvalid)),
        artefact_seeds,
        share=40,
        change=change_json,
        words=(
            '"characteristics"',
            '"edges"',
            '"points"',
            '"epochs"',
            '"calibration"',
            '"RISING"',
            '"HISTORY"',
        ),
    ),
    Target(
        "population",
        ROOM,
        anywhere(refusing(take_population, PopulationInvalid)),
        anywhere(refusing(take_population_unguarded, PopulationInvalid)),
        population_seeds,
        share=60,
    ),
    Target("records", ROOM, take_records, take_records_unguarded, record_seeds, share=4),
)
