"""Everybody's values at every epoch, packed for serving: one numpy table, no pickle. Pure.

One record a person: the subject id, the active months at each epoch, and each characteristic of the scorecard
by its name, at each epoch. The table's type therefore says whether it fits a scorecard, and that one
comparison is the whole check of form.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from scoring.errors import PopulationInvalid
from scoring.features import FEATURES, active_months, measure
from scoring.records import Records
from scoring.scorecard import Scorecard, Values

MAX_BYTES = 256 * 1024 * 1024
_SUBJECT = "S9"  # uci-00001 … uci-99999


@dataclass(frozen=True, slots=True)
class Population:
    """The people who can be scored. Epochs are positions in the scorecard's list."""

    places: dict[str, int]  # subject → row
    months: tuple[bytes, ...]  # [epoch][row]: active months
    values: tuple[Values, ...]  # [epoch][row, characteristic]


def pack(card: Scorecard, records: Records) -> bytes:
    """The table for one scorecard, in numpy's own file format; equal records give equal bytes."""
    table = np.zeros(len(records.subjects), dtype=_type(card))
    table["subject"] = [subject.encode() for subject in records.subjects]
    for n, epoch in enumerate(card.epochs):
        known = records.as_of(epoch)
        table["active_months"][:, n] = active_months(known)
        for feature, column in zip(FEATURES, measure(known).T, strict=True):
            table[feature.name][:, n] = column
    return _header(table.dtype, len(table)) + table.tobytes()


def unpack(card: Scorecard, data: bytes, expected_sha256: str) -> Population:
    """The population in `data`, whose digest must be `expected_sha256` (64 hexadecimal digits).

    Raises:
        PopulationInvalid: Another digest, no such table, made for another scorecard, or a subject twice.
    """
    found = hashlib.sha256(data).hexdigest()
    if found != expected_sha256:
        raise PopulationInvalid(f"The population's digest is {found}, not the expected {expected_sha256}")
    table = _table(card, data)
    subjects = [subject.decode("ascii", "replace") for subject in table["subject"].tolist()]
    places = {subject: row for row, subject in enumerate(subjects)}
    if len(places) != len(subjects):
        raise PopulationInvalid("The population names a subject twice")
    names = [each.name for each in card.characteristics]
    values = np.stack([table[name] for name in names], axis=-1)
    return Population(
        places=places,
        months=tuple(table["active_months"][:, n].tobytes() for n in range(len(card.epochs))),
        values=tuple(np.ascontiguousarray(values[:, n]) for n in range(len(card.epochs))),
    )


def _table(card: Scorecard, data: bytes) -> NDArray[np.void]:
    kind = _type(card)
    start = len(_header(kind, 0))
    people, rest = divmod(len(data) - start, kind.itemsize)
    # The header is compared and never parsed: there is one that fits this scorecard and this length.
    if people < 0 or rest or data[:start] != _header(kind, people):
        raise PopulationInvalid("The population is no table that was made for this scorecard")
    return np.frombuffer(data, dtype=kind, offset=start)


def _header(kind: np.dtype[np.void], people: int) -> bytes:
    stream = io.BytesIO()
    form = {"descr": npy.dtype_to_descr(kind), "fortran_order": False, "shape": (people,)}
    npy.write_array_header_1_0(stream, form)
    return stream.getvalue()


def _type(card: Scorecard) -> np.dtype[np.void]:
    at_each_epoch = (len(card.epochs),)
    return np.dtype(
        [
            ("subject", _SUBJECT),
            ("active_months", "u1", at_each_epoch),
            *((each.name, "<i4", at_each_epoch) for each in card.characteristics),
        ]
    )
