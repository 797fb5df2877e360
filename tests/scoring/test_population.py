"""The packed population: exactly what was measured, and only for its own scorecard."""

import hashlib
import io
import pickle
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_cards import card, characteristic

from scoring.artefact import digest
from scoring.errors import PopulationInvalid
from scoring.features import active_months, measure
from scoring.population import pack, unpack
from scoring.train import Training

# The form of a population for a card with one characteristic and two epochs.
CARD = card(characteristic(0))
KIND = [("subject", "S9"), ("active_months", "u1", (2,)), ("made_0", "<i4", (2,))]


def table(rows: list[tuple[object, ...]], kind: Sequence[object] = KIND) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.array(rows, dtype=np.dtype(list(kind))), allow_pickle=True)
    return stream.getvalue()


GOOD = table([(b"uci-00001", (1, 2), (-3, 4)), (b"uci-00002", (5, 6), (7, 8))])


def test_everybody_comes_back_as_measured(training: Training) -> None:
    people = unpack(training.scorecard, training.population, digest(training.population))
    assert list(people.places) == list(training.records.subjects)
    for n, epoch in enumerate(training.scorecard.epochs):
        known = training.records.as_of(epoch)
        assert np.array_equal(people.values[n], measure(known))
        assert people.months[n] == active_months(known).tobytes()


def test_packing_again_gives_the_same_bytes(training: Training) -> None:
    assert pack(training.scorecard, training.records) == training.population


def test_numpy_itself_reads_the_file_without_pickle(training: Training) -> None:
    table = np.load(io.BytesIO(training.population), allow_pickle=False)
    assert table["subject"][0] == b"uci-00001"
    assert table["limit"].shape == (30_000, 6)


def test_the_form_is_one_record_a_person() -> None:
    people = unpack(CARD, GOOD, digest(GOOD))
    assert people.places == {"uci-00001": 0, "uci-00002": 1}
    assert people.months == (b"\x01\x05", b"\x02\x06")
    assert [each.tolist() for each in people.values] == [[[-3], [7]], [[4], [8]]]


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_one_altered_byte_is_another_digest(place: int, change: int) -> None:
    altered = GOOD[:place] + bytes([GOOD[place] ^ change]) + GOOD[place + 1 :]
    with pytest.raises(PopulationInvalid, match="digest"):
        unpack(CARD, altered, digest(GOOD))


def header(text: str, data: bytes = b"") -> bytes:
    padded = text.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded + data


DESCR = repr(np.dtype(KIND).descr)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\x03\x04",
        GOOD[:5],
        GOOD[:40],
        GOOD[:-1],
        GOOD[:-17],
        GOOD + b"\x00",
        GOOD + GOOD[-19:],
        b"\x93NUMPY\x02\x00" + GOOD[8:],
        header("{'descr': " + DESCR + ", 'fortran_order': False, 'shape': (999999999999,)}"),
        header("{'descr': " + DESCR + ", 'fortran_order': False, 'shape': (-1,)}"),
        header("{'descr': " + DESCR + ", 'fortran_order': True, 'shape': (0,)}"),
        header("{'descr': " + DESCR + ", 'fortran_order': False, 'shape': ()}", b"\x00" * 19),
        header("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", pickle.dumps([1])),
        header("__import__('os').getcwd()"),
        header("{'descr': (((((" + "("),
        table([(b"uci-00001", (1, 2), (3, 4))], [KIND[0], KIND[1], ("made_1", "<i4", (2,))]),
        table([(b"uci-00001", (1, 2), (3, 4))], [KIND[0], KIND[1], ("made_0", ">i4", (2,))]),
        table(
            [(b"uci-00001", (1, 2, 3), (3, 4, 5))],
            [KIND[0], ("active_months", "u1", (3,)), ("made_0", "<i4", (3,))],
        ),
        table([(b"uci-00001", (1, 2), (3, 4))] * 2),
    ],
    ids=lambda data: hashlib.sha256(data).hexdigest()[:8],
)
def test_what_is_no_population_of_this_card_is_refused(data: bytes) -> None:
    with pytest.raises(PopulationInvalid, match="scoregate engine train"):
        unpack(CARD, data, digest(data))


@given(st.binary(max_size=300))
def test_no_bytes_crash_the_reader(data: bytes) -> None:
    with pytest.raises(PopulationInvalid):
        unpack(CARD, data, digest(data))
    with pytest.raises(PopulationInvalid):
        unpack(CARD, GOOD[:10] + data, digest(GOOD[:10] + data))
