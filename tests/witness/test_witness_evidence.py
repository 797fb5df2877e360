"""What speaks against a log is refused and kept: both notes, once, and not without end."""

from __future__ import annotations

import json

import pytest

from scoregate.tlog.checkpoint import Checkpoint, open_checkpoint
from scoregate.tlog.cosignature import cosigned_at
from scoregate.tlog.faults import LogDiverged, LogRolledBack
from scoregate.witness import evidence
from scoregate.witness.faults import FolderSpoilt, NotConsistent, NotCosigned, SizeReversed, SizeStale
from scoregate.witness.judging import Contradiction
from scoregate.witness.witness import Witness
from tests.witness.conftest import Place
from tests.witness.made_log import ORIGIN, MadeLog, request

LOG = MadeLog()
FORK = LOG.forked(at=3)


@pytest.fixture
def witness(place: Place) -> Witness:
    """It cosigned 4 and then 8 entries."""
    witness = place.witness()
    witness.add_checkpoint(LOG.request(0, 4))
    witness.add_checkpoint(LOG.request(4, 8))
    return witness


def refused(witness: Witness, body: bytes, kind: type[NotCosigned]) -> None:
    with pytest.raises(NotCosigned) as raised:
        witness.add_checkpoint(body)
    assert type(raised.value) is kind


CASES = {
    "a fork": (request(8, [], FORK.note(8)), NotConsistent, Contradiction.FORK),
    "a fork from a stale size": (request(4, FORK.proof(4, 8), FORK.note(8)), SizeStale, Contradiction.FORK),
    "a larger fork": (FORK.request(8, 9), NotConsistent, Contradiction.UNPROVEN),
    "growth with a wrong proof": (
        request(8, [bytes(32)], LOG.note(9)),
        NotConsistent,
        Contradiction.UNPROVEN,
    ),
    "a rollback": (request(8, [], LOG.note(7)), SizeReversed, Contradiction.ROLLBACK),
    "a log that forgot its witness": (LOG.request(0, 7), SizeStale, Contradiction.ROLLBACK),
    "a log that goes on from an older copy": (LOG.request(5, 7), SizeStale, Contradiction.ROLLBACK),
    "a rollback with another history": (FORK.request(0, 7), SizeStale, Contradiction.ROLLBACK),
    "a rollback to nothing": (LOG.request(0, 0), SizeStale, Contradiction.ROLLBACK),
}


@pytest.mark.parametrize(("body", "why", "kind"), CASES.values(), ids=CASES.keys())
def test_it_is_refused_and_on_record_with_both_notes(
    place: Place, witness: Witness, body: bytes, why: type[NotCosigned], kind: Contradiction
) -> None:
    place.clock.now = place.clock.now.replace(hour=15)
    refused(witness, body, why)
    (record,) = evidence.records(place.folder)
    assert (record.kind, record.origin, record.cosigned_size) == (kind, ORIGIN, 8)
    assert record.at == place.clock.seconds
    files = {each.name: each.read_bytes() for each in (place.folder.evidence / record.name).iterdir()}
    cosigned, note = open_checkpoint(files["cosigned"], LOG.vkey)
    assert (cosigned, cosigned_at(note, place.vkey)) == (LOG.checkpoint(8), place.clock.seconds - 3 * 3600)
    submitted, _ = open_checkpoint(files["submitted"], LOG.vkey)
    assert submitted.size == record.submitted_size
    assert files["submitted"] == body.partition(b"\n\n")[2]
    assert f"old {json.loads(files['record.json'])['old_size']}\n".encode() in body
    assert len(place.told) == 1
    assert record.name in place.told[0]


@pytest.mark.parametrize(
    ("log", "size", "kind"), [(FORK, 8, LogDiverged), (LOG, 7, LogRolledBack)], ids=["fork", "rollback"]
)
def test_the_two_notes_alone_convince_anybody(
    place: Place, witness: Witness, log: MadeLog, size: int, kind: type[Exception]
) -> None:
    refused(witness, request(8, [], log.note(size)), NotConsistent if size == 8 else SizeReversed)
    (folder,) = place.evidence()
    cosigned, submitted = (
        open_checkpoint((folder / name).read_bytes(), LOG.vkey)[0] for name in ("cosigned", "submitted")
    )
    with pytest.raises(kind):
        cosigned.require_successor(submitted)


NOTHING = {
    "growth from a stale size": (LOG.request(4, 9), SizeStale),
    "the latest once more, from a stale size": (LOG.request(4, 8), SizeStale),
    "who lost a race": (LOG.request(4, 7), SizeStale),
    "a first question": (LOG.request(0, 8), SizeStale),
    "a proof where nothing was added": (request(8, [bytes(32)], LOG.note(8)), NotConsistent),
}


@pytest.mark.parametrize(("body", "why"), NOTHING.values(), ids=NOTHING.keys())
def test_what_honest_logs_send_is_not_put_on_record(
    place: Place, witness: Witness, body: bytes, why: type[NotCosigned]
) -> None:
    refused(witness, body, why)
    assert (place.evidence(), place.told) == ([], [])


def test_what_the_log_did_not_sign_says_nothing_of_it(place: Place, witness: Witness) -> None:
    stranger = MadeLog(seed="stranger").forked(at=0)
    with pytest.raises(NotCosigned):
        witness.add_checkpoint(request(8, [], stranger.note(8)))
    assert place.evidence() == []


def test_after_a_fork_the_cosigned_history_goes_on(place: Place, witness: Witness) -> None:
    refused(witness, request(8, [], FORK.note(8)), NotConsistent)
    assert place.times(LOG.note(9), witness.add_checkpoint(LOG.request(8, 9)))


def test_the_same_note_is_on_record_once(place: Place, witness: Witness) -> None:
    for old in (8, 0, 8):
        refused(witness, request(old, [], FORK.note(8)), NotConsistent if old else SizeStale)
    assert len(place.evidence()) == len(place.told) == 1
    place.witness()
    assert len(evidence.records(place.folder)) == 1


def test_records_have_an_end_and_leave_room_for_forks(place: Place, witness: Witness) -> None:
    """Anybody who kept old notes of the log may send them; only the log makes a fork."""
    for number in range(evidence.MAX_RECORDS + 5):
        old_note = Checkpoint(ORIGIN, 5, LOG.checkpoint(5).root, (f"{number}",))
        refused(witness, request(8, [], LOG.signed(old_note.text())), SizeReversed)
    assert len(place.evidence()) == evidence.MAX_RECORDS
    refused(witness, request(8, [], FORK.note(8)), NotConsistent)
    assert len(place.evidence()) == evidence.MAX_RECORDS + 1


def test_where_evidence_can_t_be_written_it_is_refused_all_the_same_and_told(
    place: Place, witness: Witness
) -> None:
    place.folder.evidence.rmdir()
    place.folder.evidence.write_text("in the way")
    refused(witness, request(8, [], FORK.note(8)), NotConsistent)
    assert "NOT on record" in place.told[0]


def test_what_a_crash_left_of_a_record_is_no_record_and_no_obstacle(place: Place, witness: Witness) -> None:
    draft = place.folder.evidence / ".draft"
    draft.mkdir()
    (draft / "submitted").write_text("half a no")
    (draft / "older").write_text("")
    assert evidence.records(place.folder) == []
    refused(witness, request(8, [], FORK.note(8)), NotConsistent)
    (folder,) = place.evidence()
    assert sorted(each.name for each in folder.iterdir()) == ["cosigned", "record.json", "submitted"]


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b"[" * 50_000, None])
def test_a_record_that_is_none_is_named(place: Place, witness: Witness, content: bytes | None) -> None:
    refused(witness, request(8, [], FORK.note(8)), NotConsistent)
    (folder,) = place.evidence()
    (folder / "record.json").unlink()
    if content is not None:
        (folder / "record.json").write_bytes(content)
    with pytest.raises(FolderSpoilt, match=folder.name):
        evidence.records(place.folder)
