"""Reads the UCI card records and shows them as they were known at an epoch. Files only; no clock.

Source: UCI Machine Learning Repository, "Default of Credit Card Clients" (Yeh and Lien, 2009), CC BY 4.0;
Taiwan, 2005, amounts in NT dollars. PAY_0 is September 2005, PAY_2 August, … PAY_6 April; BILL_AMT1 … 6 and
PAY_AMT1 … 6 run likewise. `default_next_month` is October's, the outcome.

Only the columns named here are ever looked at. SEX, AGE and MARRIAGE are protected, and EDUCATION belongs to
neither dimension: they are dropped line by line while reading, and the digest of the training data does not
cover them. Anyone can recompute it: `zcat FILE | cut -d, -f1,2,7-25 | sha256sum`.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from operator import itemgetter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scoring.errors import DataInvalid

UCI_CARD = Path(__file__).parent / "data" / "uci_credit_card.csv.gz"
MAX_BYTES = 64 * 1024 * 1024  # of the file, and of what it unpacks to

MONTHS = ("2005-09", "2005-08", "2005-07", "2005-06", "2005-05", "2005-04")  # in the columns' order
# An epoch is the 6th of the month after its newest known month.
EPOCHS = tuple(date(2005, month, 6) for month in range(5, 11))

_STATUS = ("PAY_0", "PAY_2", "PAY_3", "PAY_4", "PAY_5", "PAY_6")
_BILL = tuple(f"BILL_AMT{n}" for n in range(1, 7))
_PAID = tuple(f"PAY_AMT{n}" for n in range(1, 7))
COLUMNS = ("ID", "LIMIT_BAL", *_STATUS, *_BILL, *_PAID, "default_next_month")

_LARGEST = 999_999_999
_RANGES = {
    "ID": (1, 99_999),
    "LIMIT_BAL": (1, _LARGEST),
    **dict.fromkeys(_STATUS, (-2, 9)),
    **dict.fromkeys(_BILL, (-_LARGEST, _LARGEST)),
    **dict.fromkeys(_PAID, (0, _LARGEST)),
    "default_next_month": (0, 1),
}
_CELL = re.compile(rb"-?[0-9]{1,9}")
_ROW = re.compile(rb"-?[0-9]{1,9}(?:,-?[0-9]{1,9}){%d}" % (len(COLUMNS) - 1))

Whole = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Known:
    """What was known of everybody at one epoch. Months run backwards: column 0 is the newest known."""

    limit: Whole  # [people]; the file does not date it, so it is taken as known throughout
    status: Whole  # [people, months]; −2 unused, −1 paid in full, 0 revolving, n = n months behind
    bill: Whole  # [people, months]; may be negative (a credit balance)
    paid: Whole  # [people, months]


@dataclass(frozen=True, slots=True)
class Records:
    """The whole file."""

    subjects: tuple[str, ...]  # "uci-00001" …
    latest: Known  # as of the last epoch
    bad: Whole  # 1 = defaulted in the month after the last epoch's newest month
    sha256: str  # of COLUMNS as CSV text with a header, each line ended by one LF

    def as_of(self, epoch: date) -> Known:
        """What was known at one of EPOCHS. Later months are not merely hidden: they are not there."""
        unknown = len(EPOCHS) - 1 - EPOCHS.index(epoch)
        all_of = self.latest
        return Known(
            all_of.limit, all_of.status[:, unknown:], all_of.bill[:, unknown:], all_of.paid[:, unknown:]
        )


def read(path: Path = UCI_CARD) -> Records:
    """The records in a gzipped CSV file with a header; other columns may stand there and are ignored.

    Raises:
        DataInvalid: Absent, not gzip, too large, a column missing, or a cell that is no whole number in its
            range; names the line and the column.
    """
    lines = _unpack(path).splitlines()
    if not lines:
        raise DataInvalid("Line 1: the file is empty; a header was expected")
    pick, width = _header(lines[0])
    rows = [_row(line, number, pick, width) for number, line in enumerate(lines[1:], start=2)]
    if not rows:
        raise DataInvalid("Line 2: there are no records under the header")
    table = np.array(list(map(int, b",".join(rows).split(b","))), dtype=np.int64).reshape(-1, len(COLUMNS))
    _check(table)
    column = {name: n for n, name in enumerate(COLUMNS)}
    known = Known(
        limit=table[:, column["LIMIT_BAL"]],
        status=table[:, [column[name] for name in _STATUS]],
        bill=table[:, [column[name] for name in _BILL]],
        paid=table[:, [column[name] for name in _PAID]],
    )
    text = b"\n".join([",".join(COLUMNS).encode(), *rows, b""])
    return Records(
        subjects=tuple(f"uci-{n:05d}" for n in table[:, column["ID"]].tolist()),
        latest=known,
        bad=table[:, column["default_next_month"]],
        sha256=hashlib.sha256(text).hexdigest(),
    )


def _unpack(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataInvalid(f"{path.name} is larger than {MAX_BYTES} bytes")
        with gzip.open(path) as stream:
            data = stream.read(MAX_BYTES + 1)
    except gzip.BadGzipFile as error:
        raise DataInvalid(f"{path.name} is not a gzip file", "Compress it with gzip") from error
    except (EOFError, zlib.error) as error:
        raise DataInvalid(f"{path.name} is a damaged or cut gzip file") from error
    except OSError as error:
        raise DataInvalid(f"{path.name} cannot be read ({error.strerror})") from error
    if len(data) > MAX_BYTES:
        raise DataInvalid(f"{path.name} unpacks to more than {MAX_BYTES} bytes")
    return data


def _header(line: bytes) -> tuple[Callable[[list[bytes]], tuple[bytes, ...]], int]:
    names = line.split(b",")
    for column in COLUMNS:
        if names.count(column.encode()) != 1:
            raise DataInvalid(f"Line 1, column {column}: the header must name it exactly once")
    return itemgetter(*(names.index(column.encode()) for column in COLUMNS)), len(names)


def _row(line: bytes, number: int, pick: Callable[[list[bytes]], tuple[bytes, ...]], width: int) -> bytes:
    cells = line.split(b",")
    if len(cells) != width:
        raise DataInvalid(f"Line {number}: {len(cells)} columns; the header has {width}")
    picked = pick(cells)
    row = b",".join(picked)
    if not _ROW.fullmatch(row):
        wrong = next(name for name, cell in zip(COLUMNS, picked, strict=True) if not _CELL.fullmatch(cell))
        raise DataInvalid(f"Line {number}, column {wrong}: not a whole number of at most nine digits")
    return row


def _check(table: Whole) -> None:
    for n, (name, (low, high)) in enumerate(_RANGES.items()):
        outside = np.flatnonzero((table[:, n] < low) | (table[:, n] > high))
        if outside.size:
            raise DataInvalid(f"Line {outside[0] + 2}, column {name}: outside {low} to {high}")
    _, first = np.unique(table[:, 0], return_index=True)
    if len(first) != len(table):
        repeated = np.setdiff1d(np.arange(len(table)), first)[0]
        raise DataInvalid(f"Line {repeated + 2}, column ID: stands there a second time")
