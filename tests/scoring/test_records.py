"""The card records: read strictly, without the protected columns, and never ahead of their time."""

import gzip
import hashlib
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from made_cards import csv_lines, write_csv

from scoring.errors import DataInvalid
from scoring.records import COLUMNS, EPOCHS, MAX_BYTES, UCI_CARD, Records, read
from scoring.train import Training

HEADER, FIRST, SECOND = csv_lines([{}, {}])


def test_the_included_file_holds_30000_people(training: Training) -> None:
    records = training.records
    assert (records.subjects[0], records.subjects[-1], len(set(records.subjects))) == (
        "uci-00001",
        "uci-30000",
        30_000,
    )
    assert int(records.bad.sum()) == 6_636


def test_the_digest_is_what_cut_and_sha256sum_say(training: Training) -> None:
    lines = gzip.decompress(UCI_CARD.read_bytes()).splitlines()
    cut = (b",".join([*cells[:2], *cells[6:25]]) for cells in (line.split(b",") for line in lines))
    assert training.records.sha256 == hashlib.sha256(b"".join(line + b"\n" for line in cut)).hexdigest()
    assert training.records.sha256 == "fc08fd639888b4f83b3d816f04c18bf943012124807cc6197e654d3b31d7851a"


@pytest.mark.parametrize("protected", ["SEX", "AGE", "MARRIAGE", "EDUCATION"])
def test_no_protected_column_is_read(protected: str) -> None:
    assert protected not in COLUMNS


def with_cell(column: str, cell: str) -> list[str]:
    """Two people; the second one's cell is replaced."""
    cells = SECOND.split(",")
    cells[COLUMNS.index(column)] = cell
    return [HEADER, FIRST, ",".join(cells)]


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        ([HEADER.replace("PAY_2", "PAY_1"), FIRST], "Line 1, column PAY_2"),
        ([HEADER.replace("PAY_2", "PAY_3"), FIRST], "Line 1, column PAY_2"),
        ([HEADER + ",PAY_2", FIRST + ",0"], "Line 1, column PAY_2"),
        ([HEADER.lower(), FIRST], "Line 1, column ID"),
        (["\ufeff" + HEADER, FIRST], "Line 1, column ID"),
        ([FIRST], "Line 1, column ID"),
        ([HEADER], "Line 2: there are no records"),
        ([HEADER, FIRST, SECOND.rpartition(",")[0]], "Line 3: 20 columns; the header has 21"),
        ([HEADER, FIRST, SECOND + ",0"], "Line 3: 22 columns; the header has 21"),
        ([HEADER, FIRST, "", SECOND], "Line 3: 1 columns"),
        *(
            (with_cell("BILL_AMT3", cell), "Line 3, column BILL_AMT3: not a whole number")
            for cell in (
                "",
                "NaN",
                "nan",
                "inf",
                "1.0",
                "1e3",
                " 1",
                "1_0",
                "+1",
                "0x1",
                "--1",
                "1234567890",
                "١",
                "a\x00",
            )
        ),
        *(
            (with_cell(column, cell), f"Line 3, column {column}: outside")
            for column, cell in [
                ("ID", "0"),
                ("ID", "100000"),
                ("LIMIT_BAL", "0"),
                ("LIMIT_BAL", "-1"),
                ("PAY_0", "-3"),
                ("PAY_6", "10"),
                ("PAY_AMT1", "-1"),
                ("default_next_month", "2"),
            ]
        ),
        (with_cell("ID", "1"), "Line 3, column ID: stands there a second time"),
    ],
)
def test_a_bad_cell_is_named_by_line_and_column(tmp_path: Path, lines: list[str], names: str) -> None:
    with pytest.raises(DataInvalid) as caught:
        read(write_csv(tmp_path / "cards.csv.gz", lines))
    assert names in caught.value.problem


@pytest.mark.parametrize(
    ("column", "cell"), [("PAY_0", "-2"), ("PAY_0", "9"), ("LIMIT_BAL", "1"), ("ID", "99999")]
)
def test_a_cell_at_the_end_of_its_range_is_read(tmp_path: Path, column: str, cell: str) -> None:
    assert len(read(write_csv(tmp_path / "cards.csv.gz", with_cell(column, cell))).subjects) == 2


def test_other_columns_may_stand_anywhere(tmp_path: Path) -> None:
    plain = read(write_csv(tmp_path / "plain.csv.gz", [HEADER, FIRST, SECOND]))
    wider = read(write_csv(tmp_path / "wider.csv.gz", ["SHOE," + HEADER, "x," + FIRST, "," + SECOND]))
    assert wider.sha256 == plain.sha256
    assert np.array_equal(wider.latest.bill, plain.latest.bill)


WHOLE = gzip.compress("\n".join([HEADER, FIRST]).encode())


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (b"", "the file is empty"),
        (b"ID,LIMIT_BAL\n", "not a gzip file"),
        (WHOLE[:-9], "damaged or cut"),
        (WHOLE[:20] + b"\x00\xff" * 20 + WHOLE[60:], "damaged or cut"),
        (gzip.compress(b"\x00" * (MAX_BYTES + 1), compresslevel=1), "unpacks to more than"),
    ],
    ids=["empty", "plain", "cut", "damaged", "bomb"],
)
def test_a_bad_file_is_named(tmp_path: Path, data: bytes, names: str) -> None:
    path = tmp_path / "cards.csv.gz"
    path.write_bytes(data)
    with pytest.raises(DataInvalid, match=names):
        read(path)


def test_an_oversize_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "cards.csv.gz"
    with path.open("wb") as stream:
        stream.truncate(MAX_BYTES + 1)
    with pytest.raises(DataInvalid, match="larger than"):
        read(path)


def test_an_absent_file_is_named_without_its_folder(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid, match=r"^none\.csv\.gz cannot be read"):
        read(tmp_path / "none.csv.gz")


def test_each_epoch_knows_one_month_more(training: Training) -> None:
    records: Records = training.records
    assert [records.as_of(epoch).bill.shape[1] for epoch in EPOCHS] == [1, 2, 3, 4, 5, 6]
    assert (EPOCHS[0], EPOCHS[-1]) == (date(2005, 5, 6), date(2005, 10, 6))
    first = records.as_of(EPOCHS[0])
    assert np.array_equal(first.bill[:, 0], records.latest.bill[:, 5])  # BILL_AMT6 is April's
