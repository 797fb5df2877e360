"""A saved statement: it holds as it was written, and whatever else stands there is refused, never a crash."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scoregate.client.statements import require_same_as_before
from scoregate.errors import VerificationFailed
from scoregate.proof import jws, leaf
from scoregate.proof.statement import TYP
from scoregate.statements import Page, check, head
from scoregate.tlog import merkle, together
from scoregate.tlog.checkpoint import Checkpoint
from scoregate.tlog.faults import LogDiverged, LogError, LogIncomplete, LogInvalid
from scoregate.tlog.policy import Policy, QuorumMissing
from scoregate.tlog.tree_tiles import Frontier
from tests.attestation.made_answers import KEY, KEYS
from tests.proof.test_statement import entry, naive
from tests.signing import ORIGIN, log_vkey, policy_text, signed

POLICY = Policy.parse(f"log {log_vkey()}\nquorum none\n".encode())
KINDS = (
    "RELEASE",
    "REPLAY",
    "RELEASE",
    "REFUSAL",
    "CONSENT_GRANTED",
    "RELEASE",
    "COUNTED_REFUSALS",
    "RELEASE",
)
SIZE = 3 * len(KINDS)
BEGIN = datetime(2026, 11, 3, tzinfo=UTC)

# Every third entry is ours.
OURS = [(3 * at + 1, entry(at + 5, BEGIN + timedelta(hours=9 * at), kind)) for at, kind in enumerate(KINDS)]
HASHES = [merkle.leaf_hash(bytes([at])) for at in range(SIZE)]
for index, each in OURS:
    HASHES[index] = merkle.leaf_hash(leaf.encode(each))
TREE, ROOT = Frontier().grow(HASHES).tiles, merkle.root(HASHES)
SAID = naive(OURS, origin=ORIGIN, tree_size=SIZE, root_hash=ROOT.hex())
NOTE = signed(Checkpoint(ORIGIN, SIZE, ROOT))


def sign(payload: bytes = b"") -> str:
    signing = {"typ": TYP, "kid": KEY.kid, "algorithm": KEY.algorithm, "private": KEY.private}
    return jws.sign(payload or SAID.encode(), **signing)  # type: ignore[arg-type]


def page(begin: int, end: int) -> bytes:
    indexes = [index for index, _ in OURS[begin:end]]
    hashes = together.prove(indexes, SIZE, lambda level, number, _: TREE[level, number])
    return Page(tuple((at, leaf.encode(each)) for at, each in OURS[begin:end]), tuple(hashes)).encode()


LINES = [head(sign(), NOTE), page(0, 3), page(3, len(OURS))]


def checked(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "2026-11.statement"
    file.write_bytes(content)
    assert check(file, keys=KEYS, policy=POLICY).statement == SAID


def test_it_holds_as_it_was_written_in_pages_of_any_size(tmp_path: Path) -> None:
    checked(tmp_path, b"".join(LINES))
    checked(tmp_path, LINES[0] + b"".join(page(at, at + 1) for at in range(len(OURS))))


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", LogInvalid),
        (LINES[0], LogIncomplete),
        (b"".join(LINES[:2]), LogIncomplete),
        (LINES[0] + LINES[2], LogIncomplete),
        (LINES[0] + LINES[1] + LINES[1] + LINES[2], LogInvalid),
        (LINES[1] + LINES[0], LogInvalid),
        (b"".join(LINES)[:-1], LogIncomplete),
        (head(sign(), signed(Checkpoint(ORIGIN, SIZE + 1, ROOT))), LogDiverged),
        (head(sign(), NOTE.replace(b"2026h2", b"2027h1")), LogError),
        (head(sign()[:-5] + "AAAAA", NOTE), VerificationFailed),
    ],
)
def test_what_is_missing_or_swapped_has_its_own_fault(
    tmp_path: Path, content: bytes, fault: type[Exception]
) -> None:
    with pytest.raises(fault):
        checked(tmp_path, content)


def test_witnesses_are_asked_for_last(tmp_path: Path) -> None:
    file = tmp_path / "2026-11.statement"
    asked = Policy.parse(policy_text("all").encode())
    file.write_bytes(b"".join(LINES))
    with pytest.raises(QuorumMissing):
        check(file, keys=KEYS, policy=asked)
    file.write_bytes(LINES[0])
    with pytest.raises(LogIncomplete, match="entries 5 to 12 are missing"):
        check(file, keys=KEYS, policy=asked)


def test_the_statement_before_must_lead_here(tmp_path: Path) -> None:
    def before(last: int, month: str = "2026-10", **changes: object) -> bytes:
        made = naive([], last, month=month, origin=ORIGIN, tree_size=SIZE, **changes)
        assert made.last_sequence == last
        return head(sign(made.encode()), NOTE)

    previous = tmp_path / "2026-10.statement"
    previous.write_bytes(before(4))
    checked(tmp_path, b"".join(LINES))
    previous.write_bytes(before(3, is_final=False))  # more of its month came after it
    checked(tmp_path, b"".join(LINES))
    for wrong in (before(3), before(4, partner_id="zeta"), before(4, issuer="https://b.example"), LINES[0]):
        previous.write_bytes(wrong)
        with pytest.raises(LogDiverged):
            checked(tmp_path, b"".join(LINES))
    previous.write_bytes(head(sign()[:-5] + "AAAAA", NOTE))
    with pytest.raises(LogInvalid, match=r"2026-10\.statement"):
        checked(tmp_path, b"".join(LINES))


def test_a_final_statement_is_never_replaced_by_one_that_says_otherwise(tmp_path: Path) -> None:
    filed = tmp_path / "2026-11.statement"
    fewer = naive(OURS[:-1], origin=ORIGIN, tree_size=SIZE, root_hash=ROOT.hex())
    require_same_as_before(filed, SAID, KEYS)  # there is none
    filed.write_bytes(LINES[0])
    require_same_as_before(filed, replace(SAID, tree_size=SIZE + 9), KEYS)
    for other in (fewer, replace(SAID, is_final=False)):
        with pytest.raises(LogDiverged, match="final and says otherwise"):
            require_same_as_before(filed, other, KEYS)
    filed.write_bytes(head(sign(replace(fewer, is_final=False).encode()), NOTE))
    require_same_as_before(filed, SAID, KEYS)  # a provisional one is replaced


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_changed_byte_passes_and_none_is_a_crash(tmp_path: Path, data: st.DataObject) -> None:
    whole = b"".join(LINES)
    at = data.draw(st.integers(0, len(whole) - 1))
    end = data.draw(st.integers(at, min(at + 4, len(whole))))
    put = data.draw(
        st.one_of(st.binary(max_size=3), st.sampled_from([b"null", b"{}", b"[]", b'"', b"1", b"\n"]))
    )
    changed = whole[:at] + put + whole[end:]
    if changed.split() == whole.split():
        return
    try:
        checked(tmp_path, changed)
    except (LogError, VerificationFailed):
        return
    # JSON may be spelled otherwise, and nothing else.
    assert changed.translate(None, b" \t\r") == whole or b"\\u" in changed
