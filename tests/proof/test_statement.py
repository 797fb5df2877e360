"""A statement: what it says is what its entries come to, and whatever is changed in either is found."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit import accounts
from scoregate.audit.v1 import leaf_pb2
from scoregate.errors import AttestationMalformed, ClaimInvalid, SignatureInvalid
from scoregate.instants import micros
from scoregate.proof import jws, leaf, statement
from scoregate.proof.recount import Recount
from scoregate.proof.statement import TYP, Group, Statement, Sums
from scoregate.tlog.faults import LogError
from tests.attestation.made_answers import KEY, KEYS

ACME, ZONE, MONTH = "acme", "Asia/Shanghai", "2026-11"
BEGIN = datetime(2026, 10, 31, 10, tzinfo=UTC)  # six hours before the month, in that zone
GET_SCORE = "/scoregate.partner.v1.ScoreService/GetScore"
KINDS = ("RELEASE", "RELEASE", "RELEASE", "REFUSAL", "REPLAY", "COUNTED_REFUSALS", "CONSENT_GRANTED")

Entry = tuple[int, leaf_pb2.Leaf]


def entry(
    sequence: int, at: datetime, kind: str, *, cost: int = 1, free: bool = False, count: int = 3
) -> leaf_pb2.Leaf:
    made = leaf_pb2.Leaf(
        version=1,
        kind=f"LEAF_KIND_{kind}",  # type: ignore[arg-type]
        time_micros=micros(at),
        partner_id=ACME,
        partner_sequence=sequence,
        method=GET_SCORE,
        salt=sequence.to_bytes(16, "big"),
    )
    if kind == "RELEASE":
        made.decision = leaf_pb2.DECISION_NOT_SCORED if free else leaf_pb2.DECISION_SCORED
        made.attestation_sha256 = sequence.to_bytes(32, "big")
        if not free:
            made.cost_units = 1
            day = at.astimezone(ZoneInfo(ZONE)).date().isoformat()
            made.quota_periods[:] = [day, day[:7]]
    elif kind == "COUNTED_REFUSALS":
        made.count, made.decision = count, leaf_pb2.DECISION_REFUSED
    elif kind == "REFUSAL":
        made.decision = leaf_pb2.DECISION_REFUSED
    return made


@st.composite
def histories(draw: st.DrawFn, least: int = 0) -> list[Entry]:
    """A partner's entries in a log that has others' between them, from October to December."""
    steps = draw(
        st.lists(
            st.tuples(
                st.integers(0, 5 * 86_400),
                st.integers(1, 4),
                st.sampled_from(KINDS),
                st.booleans(),
                st.integers(1, 9),
            ),
            min_size=least,
            max_size=25,
        )
    )
    at, index, made = BEGIN, 0, list[Entry]()
    for number, (wait, gap, kind, free, count) in enumerate(steps, draw(st.integers(1, 9))):
        at, index = at + timedelta(seconds=wait), index + gap
        made.append((index, entry(number, at, kind, free=free, count=count)))
    return made


def naive(history: list[Entry], before: int = 0, **changes: Any) -> Statement:
    """The statement, by the plainest of sums."""

    def day(each: leaf_pb2.Leaf) -> str:
        local = datetime.fromtimestamp(each.time_micros // 1_000_000, UTC).astimezone(ZoneInfo(ZONE))
        return f"{local:%Y-%m-%d}"

    mine = [(index, each) for index, each in history if day(each).startswith(MONTH)]
    lines = defaultdict[Group, list[leaf_pb2.Leaf]](list)
    for _, each in mine:
        group = Group.of(day(each), each.kind, each.method, each.purpose, each.decision)
        if group is not None:
            lines[group].append(each)
    counted = leaf_pb2.LEAF_KIND_COUNTED_REFUSALS
    fields: dict[str, Any] = {
        "statement_id": "123e4567-e89b-42d3-a456-426614174000",
        "issued_at": datetime(2026, 12, 2, tzinfo=UTC),
        "issuer": "https://scoregate.example",
        "partner_id": ACME,
        "legal_name": "Acme Lending Ltd",
        "month": MONTH,
        "time_zone": ZONE,
        "is_final": True,
        "daily_units": 100,
        "monthly_units": 1_000,
        "charge_not_scored": False,
        "count": len(mine),
        "first_sequence": mine[0][1].partner_sequence if mine else before + 1,
        "last_sequence": mine[-1][1].partner_sequence if mine else before,
        "first_index": mine[0][0] if mine else None,
        "last_index": mine[-1][0] if mine else None,
        "other_entries": len(mine) - sum(map(len, lines.values())),
        "lines": tuple(
            (
                group,
                Sums(
                    len(some),
                    sum(each.count if each.kind == counted else 1 for each in some),
                    sum(each.cost_units for each in some),
                ),
            )
            for group, some in sorted(lines.items(), key=lambda line: line[0])
        ),
        "units": sum(each.cost_units for _, each in mine),
        "origin": "scoregate.example/log/2026h2",
        "tree_size": (history[-1][0] if history else 0) + 5,
        "root_hash": "0" * 64,
    }
    return Statement(**(fields | changes))


def feed(said: Statement, entries: list[Entry]) -> None:
    taken = Recount(said)
    for index, each in entries:
        taken.add(index, each.SerializeToString(deterministic=True))
    taken.finish()


def recount(said: Statement, history: list[Entry]) -> None:
    numbers = range(said.first_sequence, said.last_sequence + 1)
    feed(said, [each for each in history if each[1].partner_sequence in numbers])


@given(histories())
def test_a_months_entries_come_to_what_a_plain_sum_says(history: list[Entry]) -> None:
    said = naive(history)
    recount(said, history)
    assert Statement.decode(said.encode()) == said


@given(histories(least=4), st.data())
def test_no_entry_can_be_left_out_changed_doubled_or_swapped(
    history: list[Entry], data: st.DataObject
) -> None:
    said = naive(history)
    inside = [
        each for each in history if said.first_sequence <= each[1].partner_sequence <= said.last_sequence
    ]
    if len(inside) < 2:
        return
    at = data.draw(st.integers(0, len(inside) - 1))
    index, each = inside[at]
    other = leaf_pb2.Leaf()
    other.CopyFrom(each)
    change: Callable[[], None] = data.draw(
        st.sampled_from(
            [
                lambda: setattr(other, "partner_id", "zeta"),
                lambda: setattr(other, "partner_sequence", each.partner_sequence + 1),
                lambda: setattr(other, "method", "/another/Method"),
                lambda: setattr(other, "cost_units", each.cost_units + 1),
                lambda: setattr(other, "time_micros", each.time_micros - 40 * 86_400_000_000),
                lambda: setattr(other, "version", 2),
            ]
        )
    )
    change()
    if each.kind == leaf_pb2.LEAF_KIND_CONSENT_GRANTED and other.method != each.method:
        return  # entries that record no call are counted, whatever their method
    spoiled = [
        [*inside[:at], *inside[at + 1 :]],
        [*inside[: at + 1], *inside[at:]],
        [*inside[:at], (index, other), *inside[at + 1 :]],
        [inside[1], inside[0], *inside[2:]],
        [*inside, (index + 100, inside[-1][1])],
    ]
    for wrong in spoiled:
        with pytest.raises(LogError):
            feed(said, wrong)


@given(histories(least=6))
def test_a_statement_that_says_something_else_is_found(history: list[Entry]) -> None:
    said = naive(history)
    if not said.lines:
        return
    (group, sums), *rest = said.lines
    more = replace(said, lines=((group, replace(sums, calls=sums.calls + 1)), *rest))
    moved = replace(said, lines=((replace(group, method="/a/B"), sums), *rest)) if not rest else more
    fewer = replace(
        said,
        lines=tuple(rest),
        units=said.units - sums.units,
        other_entries=said.other_entries + sums.entries,
    )
    for wrong in (
        more,
        moved,
        fewer,
        replace(said, first_index=(said.first_index or 0) - 1) if said.first_index else more,
    ):
        with pytest.raises(LogError):
            recount(wrong, history)


def test_a_charge_can_not_be_named_into_another_month() -> None:
    late = entry(1, datetime(2026, 11, 20, tzinfo=UTC), "RELEASE")
    for periods in (
        ["2026-12-01", "2026-12"],
        ["2026-11-22", "2026-11"],
        ["2026-11-20", "2026-12"],
        ["2026-11-20"],
        ["20 Nov", "20 Nov"],
    ):
        late.quota_periods[:] = periods
        said = naive([(3, entry(1, datetime(2026, 11, 20, tzinfo=UTC), "RELEASE"))])
        with pytest.raises(LogError, match="quota_periods"):
            Recount(said).add(3, leaf.encode(late))


def test_no_answer_can_be_charged_twice_and_none_for_nothing() -> None:
    noon = datetime(2026, 11, 20, tzinfo=UTC)
    first, second = entry(1, noon, "RELEASE"), entry(2, noon, "RELEASE")
    said = naive([(3, first), (4, second)])
    feed(said, [(3, first), (4, second)])
    for digest in (first.attestation_sha256, b""):
        second.attestation_sha256 = digest
        with pytest.raises(LogError, match="attestation_sha256"):
            feed(said, [(3, first), (4, second)])


def test_between_may_lie_what_another_time_zone_charged_to_the_month_before() -> None:
    noon = datetime(2026, 11, 1, 4, tzinfo=UTC)
    strange = entry(2, noon, "RELEASE")
    strange.quota_periods[:] = ["2026-10-31", "2026-10"]
    own = [(1, entry(1, noon, "RELEASE")), (4, entry(3, noon, "REPLAY"))]
    said = replace(naive(own), count=2, last_sequence=3)
    recount(said, [own[0], (2, strange), own[1]])


@pytest.mark.parametrize(
    "changes",
    [
        {"units": 1},
        {"count": 1},
        {"other_entries": 1},
        {"month": "2026-13"},
        {"month": "2026-1"},
        {"time_zone": "no zone"},
        {"first_sequence": 0},
        {"last_sequence": 9},
        {"first_index": 0},
        {"tree_size": 0},
        {"root_hash": "0" * 63},
        {"legal_name": "\n"},
        {"is_final": 1},
        {"daily_units": -1},
        {"issuer": ""},
        {"lines": ((Group("2026-11-31", "RELEASE", "", "UNSPECIFIED", "SCORED"), Sums(0, 0, 0)),)},
        {"lines": ((Group("2026-12-01", "RELEASE", "", "UNSPECIFIED", "SCORED"), Sums(0, 0, 0)),)},
        {
            "lines": ((Group("2026-11-30", "REFUSAL", "", "UNSPECIFIED", "REFUSED"), Sums(0, 0, 1)),),
            "units": 1,
        },
        {"lines": ((Group("2026-11-30", "GIFT", "", "UNSPECIFIED", "SCORED"), Sums(0, 0, 0)),)},
        {"lines": ((Group("2026-11-30", "RELEASE", "", "FUN", "SCORED"), Sums(0, 0, 0)),)},
        {"lines": 2 * ((Group("2026-11-30", "RELEASE", "", "UNSPECIFIED", "SCORED"), Sums(0, 0, 0)),)},
    ],
)
def test_there_is_no_statement_that_contradicts_itself(changes: dict[str, Any]) -> None:
    empty = naive([])
    with pytest.raises(ClaimInvalid):
        replace(empty, **changes)


def test_it_is_signed_as_what_it_is_and_in_one_spelling_only() -> None:
    said = naive([(2, entry(5, datetime(2026, 11, 9, tzinfo=UTC), "RELEASE"))])

    def sign(payload: bytes, typ: str = TYP) -> str:
        return jws.sign(payload, typ=typ, kid=KEY.kid, algorithm=KEY.algorithm, private=KEY.private)

    assert statement.verify(sign(said.encode()), KEYS) == said
    with pytest.raises(AttestationMalformed, match="typ"):
        statement.verify(sign(said.encode(), "consent-receipt+jwt"), KEYS)
    with pytest.raises(AttestationMalformed, match="canonical"):
        statement.verify(sign(json.dumps(json.loads(said.encode())).encode()), KEYS)
    for spoil in ({"more": 1}, {"units": "1"}, {"lines": {}}, {"lines": [{"day": 1}]}, {"header": {}}):
        with pytest.raises(ClaimInvalid):
            statement.verify(sign(json.dumps(json.loads(said.encode()) | spoil).encode()), KEYS)
    head, payload, signature = sign(said.encode()).split(".")
    changed = f"{head}.{payload[:40]}{payload[40].swapcase()}{payload[41:]}.{signature}"
    with pytest.raises(SignatureInvalid, match="fetch it again"):
        statement.verify(changed, KEYS)


def test_a_quarter_of_an_hour_is_the_same_to_both_who_count() -> None:
    assert accounts.QUARTER_MICROS == 15 * 60 * 1_000_000
