"""Scorecards and records made up for tests: the smallest that show a rule, and any that are lawful."""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path

from hypothesis import strategies as st

from scoring.artefact import versioned
from scoring.records import COLUMNS
from scoring.scorecard import MISSING, Calibration, Characteristic, Family, Scorecard, Trend

VECTORS = Path(__file__).parent / "vectors"

CALIBRATION = Calibration(
    factor=Decimal("72.13475204"),
    offset=Decimal("383.90359526"),
    sample_log_odds=Decimal("1.0"),
    reference_bad_rate=Decimal("0.05"),
    shift=Decimal("1.94443898"),
)


def characteristic(
    position: int,
    *,
    family: Family = Family.HISTORY,
    edges: tuple[int, ...] = (0,),
    points: tuple[int, ...] = (-10, 10),
    missing_points: int = 0,
    average_points: int = 0,
) -> Characteristic:
    """One characteristic; its name and reason code follow from its position."""
    return Characteristic(
        name=f"made_{position}",
        family=family,
        trend=Trend.RISING if points[0] <= points[-1] else Trend.FALLING,
        edges=edges,
        points=points,
        missing_points=missing_points,
        average_points=average_points,
        reason_code=f"M{position:02d}",
        reason_text=f"Reason {position}.",
    )


def card(*characteristics: Characteristic, base_points: int = 600) -> Scorecard:
    """A scorecard around these."""
    return versioned(
        Scorecard(
            name="made",
            version="",
            characteristics=characteristics,
            base_points=base_points,
            calibration=CALIBRATION,
            minimum_months=2,
            epochs=(date(2005, 9, 6), date(2005, 10, 6)),
            first_month="2005-08",
            last_month="2005-09",
            training_data_sha256="00" * 32,
            sunset=date(2030, 12, 31),
        )
    )


values = st.integers(-(2**31) + 1, 2**31 - 1) | st.integers(-50, 50) | st.just(MISSING)
families = st.frozensets(st.sampled_from(Family))


@st.composite
def characteristics(draw: st.DrawFn, position: int) -> Characteristic:
    """Any lawful characteristic."""
    edges = tuple(sorted(draw(st.sets(st.integers(-40, 40), max_size=6))))
    size = len(edges) + 1
    points = draw(st.lists(st.integers(-150, 150), min_size=size, max_size=size))
    return characteristic(
        position,
        family=draw(st.sampled_from(Family)),
        edges=edges,
        points=tuple(sorted(points, reverse=draw(st.booleans()))),
        missing_points=draw(st.integers(-150, 150)),
        average_points=draw(st.integers(-20, 20)),
    )


@st.composite
def cards(draw: st.DrawFn) -> Scorecard:
    """Any lawful scorecard of one to eight characteristics."""
    size = draw(st.integers(1, 8))
    made = [draw(characteristics(position)) for position in range(size)]
    return card(*made, base_points=draw(st.integers(200, 1100)))


@st.composite
def cards_and_rows(draw: st.DrawFn, most: int = 20) -> tuple[Scorecard, list[list[int]]]:
    """A scorecard and a few people's values."""
    made = draw(cards())
    size = len(made.characteristics)
    row = st.lists(values, min_size=size, max_size=size)
    return made, draw(st.lists(row, min_size=1, max_size=most))


A_RECORD: Mapping[str, int] = {
    "LIMIT_BAL": 100_000,
    **{name: 0 for name in COLUMNS if name.startswith("PAY_") and not name.startswith("PAY_AMT")},
    **{f"BILL_AMT{n}": 10_000 * n for n in range(1, 7)},
    **{f"PAY_AMT{n}": 1_000 * n for n in range(1, 7)},
    "default_next_month": 0,
}


def csv_lines(records: Sequence[Mapping[str, int]]) -> list[str]:
    """A header and one line for each record; what a record leaves out is as in A_RECORD."""
    rows = ({"ID": n, **A_RECORD, **record} for n, record in enumerate(records, start=1))
    return [",".join(COLUMNS), *(",".join(str(row[name]) for name in COLUMNS) for row in rows)]


def write_csv(path: Path, lines: Sequence[str]) -> Path:
    """The lines as a gzipped file."""
    path.write_bytes(gzip.compress("\n".join([*lines, ""]).encode()))
    return path
