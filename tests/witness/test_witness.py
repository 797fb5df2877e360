"""The one sequence: alone with the folder, durable before it answers, never back in time, only on its own."""

from __future__ import annotations

import errno
import os
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path
from types import FrameType

import pytest

from scoregate.tlog.cosignature import cosign, cosigned_at
from scoregate.tlog.note import KeyKind, Note, NoteSignature, sign, verifier_key
from scoregate.witness.durable import NotDurable, Step
from scoregate.witness.faults import FolderSpoilt, LogUnknown, NotConsistent, SignatureRefused, SizeStale
from scoregate.witness.folder import Folder, Lock
from scoregate.witness.logs import Log
from scoregate.witness.witness import Witness
from tests.witness.conftest import NAME, Place
from tests.witness.made_log import ORIGIN, MadeLog, hashed, private, request

LOG = MadeLog()


def latest_size(place: Place) -> int | None:
    latest = Log.of(place.folder, ORIGIN).latest()
    return latest.checkpoint.size if latest else None


# --- two at once ------------------------------------------------------------------------------------


def race(place: Place, one: Witness, two: Witness, *, locked: bool) -> tuple[list[bytes], list[Exception]]:
    """One stands between judging and keeping 3 entries while the other is asked to cosign 5."""
    one.add_checkpoint(LOG.request(0, 1))
    judged, go, asked = threading.Event(), threading.Event(), threading.Event()

    def stall(step: Step) -> None:
        if step is Step.JUDGED and not judged.is_set():
            judged.set()
            assert go.wait(20)

    one.reached = stall
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(one.add_checkpoint, LOG.request(1, 3))
        assert judged.wait(20)
        two.lock = announcing(two.lock if locked else nullcontext, asked)
        quick = pool.submit(two.add_checkpoint, LOG.request(1, 5))
        if locked:
            assert asked.wait(20)
            assert not quick.done()
        else:
            quick.result(20)
        go.set()
        return ends([slow, quick])


def announcing(
    lock: Callable[[], AbstractContextManager[None]], asked: threading.Event
) -> Callable[[], AbstractContextManager[None]]:
    @contextmanager
    def announced() -> Iterator[None]:
        asked.set()
        with lock():
            yield

    return announced


def ends(futures: list[Future[bytes]]) -> tuple[list[bytes], list[Exception]]:
    cosigned, refused = [], []
    for each in futures:
        error = each.exception(20)
        if error is None:
            cosigned.append(each.result())
        else:
            assert isinstance(error, Exception)
            refused.append(error)
    return cosigned, refused


def test_of_two_growths_at_once_in_two_threads_one_is_cosigned(place: Place) -> None:
    witness = place.witness()
    cosigned, refused = race(place, witness, witness, locked=True)
    assert [place.times(LOG.note(3), each) for each in cosigned] == [[place.clock.seconds]]
    assert [each.size for each in refused if isinstance(each, SizeStale)] == [3]
    assert latest_size(place) == 3


def test_of_two_growths_at_once_in_two_processes_one_is_cosigned(place: Place) -> None:
    """Each with a lock of its own: only the file lies between them, as between processes."""
    cosigned, refused = race(place, place.witness(), place.witness(), locked=True)
    assert (len(cosigned), [type(each) for each in refused]) == (1, [SizeStale])
    assert latest_size(place) == 3


def test_without_the_lock_both_are_cosigned_and_the_larger_is_rolled_back(place: Place) -> None:
    """The control: what the lock is there for."""
    one, two = place.witness(), place.witness()
    one.lock = nullcontext
    cosigned, refused = race(place, one, two, locked=False)
    assert (len(cosigned), refused) == (2, [])
    assert latest_size(place) == 3  # and 5 were cosigned


def test_monitors_see_no_note_before_it_is_durable(place: Place) -> None:
    witness, reader = place.witness(), place.witness()
    witness.add_checkpoint(LOG.request(0, 1))
    replaced, go, asked = threading.Event(), threading.Event(), threading.Event()

    def stall(step: Step) -> None:
        if step is Step.REPLACED:
            replaced.set()
            assert go.wait(20)

    witness.reached = stall
    reader.lock = announcing(reader.lock, asked)
    with ThreadPoolExecutor(2) as pool:
        kept = pool.submit(witness.add_checkpoint, LOG.request(1, 3))
        assert replaced.wait(20)
        shown = pool.submit(reader.checkpoint, hashed(ORIGIN))
        assert asked.wait(20)
        assert not shown.done()
        go.set()
        assert kept.result(20) in (shown.result(20) or b"")


def test_whoever_waits_too_long_for_others_is_told_so(place: Place) -> None:
    lock = Lock(place.path / "lock", patience=0.01)
    with lock(), ThreadPoolExecutor(1) as pool, pytest.raises(TimeoutError):
        pool.submit(lambda: lock().__enter__()).result(20)


# --- durable before it answers ----------------------------------------------------------------------


def test_content_and_name_are_synced_in_this_order_before_there_is_an_answer(place: Place) -> None:
    witness = place.witness()
    witness.add_checkpoint(LOG.request(0, 1))
    calls: list[str] = []

    def watch(_: FrameType, event: str, what: object) -> None:
        if event == "c_call" and what in (os.fsync, os.replace):
            calls.append(what.__name__)

    place.clock.now += timedelta(seconds=1)
    sys.setprofile(watch)
    try:
        witness.add_checkpoint(LOG.request(1, 1))
    finally:
        sys.setprofile(None)
    assert calls == ["fsync", "replace", "fsync"]


def test_the_steps_come_in_the_order_of_their_names(place: Place) -> None:
    witness, steps = place.witness(), list[Step]()
    witness.add_checkpoint(LOG.request(0, 1))
    witness.reached = steps.append
    witness.add_checkpoint(LOG.request(1, 2))
    with pytest.raises(NotConsistent):
        witness.add_checkpoint(request(2, [], LOG.forked(at=0).note(2)))
    assert steps == list(Step)


def test_where_the_disk_refuses_the_draft_nothing_has_changed(place: Place) -> None:
    witness = place.witness()
    witness.add_checkpoint(LOG.request(0, 1))
    in_the_way = Log.of(place.folder, ORIGIN).path / ".checkpoint.draft"
    in_the_way.mkdir()
    with pytest.raises(IsADirectoryError):
        witness.add_checkpoint(LOG.request(1, 3))
    assert latest_size(place) == 1
    in_the_way.rmdir()
    assert witness.add_checkpoint(LOG.request(1, 3))


def test_where_the_new_note_may_not_last_nothing_is_cosigned_or_shown_before_it_is_written_anew(
    place: Place,
) -> None:
    witness = place.witness()
    witness.add_checkpoint(LOG.request(0, 1))
    refusing = True
    replaced = list[int]()  # the file's inode each time

    def fail(step: Step) -> None:
        if step is Step.REPLACED:
            replaced.append((Log.of(place.folder, ORIGIN).path / "checkpoint").stat().st_ino)
            if refusing:
                raise OSError(errno.EIO, os.strerror(errno.EIO))

    witness.reached = fail
    with pytest.raises(NotDurable):
        witness.add_checkpoint(LOG.request(1, 3))
    for _ in range(2):
        with pytest.raises(NotDurable):
            witness.checkpoint(hashed(ORIGIN))
        with pytest.raises(NotDurable):
            witness.add_checkpoint(LOG.request(3, 5))
    refusing = False
    with pytest.raises(SizeStale, match="is 3"):
        witness.add_checkpoint(LOG.request(1, 3))
    assert len(replaced) == 6
    assert replaced[-1] != replaced[-2], "the pages that the disk refused were synced again"
    with pytest.raises(NotConsistent):
        witness.add_checkpoint(request(3, [], LOG.forked(at=2).note(3)))
    assert witness.add_checkpoint(LOG.request(3, 5))
    assert len(replaced) == 7, "it is written anew once"


def test_what_another_process_put_there_is_made_durable_before_it_is_built_on_or_shown(place: Place) -> None:
    """It may have died before it came to that. What is known to be durable is not synced again."""
    synced: list[str] = []

    def watch(_: FrameType, event: str, what: object) -> None:
        if event == "c_call" and what is os.fsync:
            synced.append("fsync")

    reader = place.witness()
    place.witness().add_checkpoint(LOG.request(0, 1))
    sys.setprofile(watch)
    try:
        started = place.witness()
        at_the_start = len(synced)
        for _ in range(2):
            started.checkpoint(hashed(ORIGIN))
        assert len(synced) == at_the_start == 2
        for _ in range(2):
            reader.checkpoint(hashed(ORIGIN))
        assert len(synced) == 4
    finally:
        sys.setprofile(None)


def test_the_same_again_in_the_same_second_is_the_same_line_and_costs_no_write(place: Place) -> None:
    """Anybody may send the latest note again, as often as they like."""
    witness, steps = place.witness(), list[Step]()
    line = witness.add_checkpoint(LOG.request(0, 1))
    witness.reached = steps.append
    assert witness.add_checkpoint(LOG.request(1, 1)) == line
    assert steps == [Step.JUDGED]
    place.clock.now += timedelta(seconds=1)
    assert witness.add_checkpoint(LOG.request(1, 1)) != line
    assert Step.DURABLE in steps
    note = LOG.signed(LOG.checkpoint(1).text() + "an extension\n")
    assert place.times(note, witness.add_checkpoint(request(1, [], note))) == [place.clock.seconds]


# --- time -------------------------------------------------------------------------------------------


def test_the_time_is_the_clock_s_and_never_goes_back(place: Place) -> None:
    witness, start, seen = place.witness(), place.clock.seconds, []
    for old, size, moved in ((0, 1, 0), (1, 3, -3600), (3, 3, 10), (3, 5, -1), (5, 5, 7200)):
        place.clock.now = place.clock.now.fromtimestamp(start + moved, place.clock.now.tzinfo)
        seen += place.times(LOG.note(size), witness.add_checkpoint(LOG.request(old, size)))
    assert seen == [start, start, start + 10, start + 10, start + 7200]


def test_a_restart_remembers_the_time(place: Place) -> None:
    place.witness().add_checkpoint(LOG.request(0, 1))
    later = place.clock.seconds
    place.clock.now = place.clock.now.replace(year=2020)
    assert place.times(LOG.note(3), place.witness().add_checkpoint(LOG.request(1, 3))) == [later]


def test_a_clock_before_1970_still_signs_a_time(place: Place) -> None:
    place.clock.now = place.clock.now.replace(year=1960)
    assert place.times(LOG.note(1), place.witness().add_checkpoint(LOG.request(0, 1))) == [1]


# --- whose signatures -------------------------------------------------------------------------------


def test_what_is_kept_has_the_log_s_signature_and_ours_and_nobody_else_s(place: Place) -> None:
    witness = place.witness()
    text = LOG.checkpoint(3).text()
    ours = place.vkey
    forged = NoteSignature(ours.name, ours.key_id, bytes(72))
    stranger = sign(text, "stranger.example", private("stranger"))
    noted = Note.decode(LOG.note(3))
    line = witness.add_checkpoint(request(0, [], noted.with_signatures([forged, stranger]).encode()))
    assert (witness.checkpoint(hashed(ORIGIN)) or b"") == LOG.note(3) + line


def test_64_signatures_are_no_obstacle(place: Place) -> None:
    text = LOG.checkpoint(3).text()
    strangers = [sign(text, f"s{index}.example", private("stranger")) for index in range(63)]
    note = Note(text, (*strangers, *Note.decode(LOG.note(3)).signatures)).encode()
    assert place.witness().add_checkpoint(request(0, [], note))


def test_a_second_key_of_a_log_signs_too_and_one_that_does_not_hold_spoils_the_note(place: Place) -> None:
    new = MadeLog(seed="new")
    Log.of(place.folder, ORIGIN).trust(new.vkey, beside=True)
    witness = place.witness()
    witness.add_checkpoint(LOG.request(0, 1))
    witness.add_checkpoint(new.request(1, 2))
    both = Note.decode(LOG.note(3)).with_signatures(Note.decode(new.note(3)).signatures)
    line = witness.add_checkpoint(request(2, LOG.proof(2, 3), both.encode()))
    assert witness.checkpoint(hashed(ORIGIN)) == both.encode() + line
    wrong = Note.decode(LOG.note(4)).with_signatures(Note.decode(new.forked(at=0).note(4)).signatures)
    with pytest.raises(SignatureRefused):
        witness.add_checkpoint(request(3, LOG.proof(3, 4), wrong.encode()))


def test_a_key_that_is_trusted_no_longer_signs_nothing_new_and_what_was_cosigned_is_shown(
    place: Place,
) -> None:
    witness = place.witness()
    witness.add_checkpoint(LOG.request(0, 1))
    (Log.of(place.folder, ORIGIN).path / "keys").write_text("")
    with pytest.raises(LogUnknown):
        witness.add_checkpoint(LOG.request(1, 2))
    assert witness.checkpoint(hashed(ORIGIN))


# --- only on top of its own -------------------------------------------------------------------------


def spoil_with(place: Place, content: bytes, name: str = "checkpoint") -> None:
    (Log.of(place.folder, ORIGIN).path / name).write_bytes(content)


def cosigned_by(place: Place, note: bytes, name: str = NAME) -> bytes:
    text = Note.decode(note).text
    return Note.decode(note).with_signatures([cosign(text, name, place.folder.key(), at=1)]).encode()


SPOILT: dict[str, Callable[[Place], bytes]] = {
    "rubbish": lambda _: b"\0",
    "nothing": lambda _: b"",
    "a note without our line": lambda _: LOG.note(1),
    "another witness's": lambda place: cosigned_by(place, LOG.note(1), "other.example"),
    "another log's": lambda place: cosigned_by(place, MadeLog("other.example").note(1)),
    "one whose text was changed": lambda place: cosigned_by(place, LOG.note(1)).replace(b"\n1\n", b"\n2\n"),
}


@pytest.mark.parametrize("content", SPOILT.values(), ids=SPOILT.keys())
def test_a_note_that_is_not_its_own_stops_the_log(place: Place, content: Callable[[Place], bytes]) -> None:
    witness = place.witness()
    witness.add_checkpoint(LOG.request(0, 1))
    spoil_with(place, content(place))
    with pytest.raises(FolderSpoilt):
        witness.add_checkpoint(LOG.request(1, 3))
    with pytest.raises(FolderSpoilt):
        witness.checkpoint(hashed(ORIGIN))
    with pytest.raises(FolderSpoilt):
        place.witness()


def test_keys_of_another_log_or_kind_stop_the_log(place: Place) -> None:
    keys = Log.of(place.folder, ORIGIN).path / "keys"
    for wrong in (str(MadeLog("other.example").vkey), str(place.vkey), "rubbish", "\xff"):
        keys.write_text(f"{wrong}\n", encoding="latin-1")
        with pytest.raises(FolderSpoilt):
            place.witness()


# --- the folder -------------------------------------------------------------------------------------


def test_a_new_folder_and_its_key_are_the_owner_s_alone(place: Place) -> None:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (place.path, *place.path.iterdir())}
    assert modes == {"witness": 0o700, "key.pem": 0o600, "vkey": 0o600, "logs": 0o700, "evidence": 0o700}
    assert verifier_key(NAME, place.folder.key(), KeyKind.COSIGNATURE) == place.vkey


def test_what_a_broken_off_attempt_made_is_completed_with_its_key(tmp_path: Path) -> None:
    made = Folder.make(tmp_path / "w", NAME)
    (tmp_path / "w" / "vkey").unlink()
    assert Folder.make(tmp_path / "w", NAME) == made


def test_another_key_than_the_vkey_s_is_refused(place: Place, tmp_path: Path) -> None:
    other = Folder.make(tmp_path / "other", NAME)
    (other.path / "key.pem").replace(place.path / "key.pem")
    with pytest.raises(FolderSpoilt):
        place.witness()


def test_the_latest_note_is_one_that_the_log_and_the_witness_signed(place: Place) -> None:
    place.witness().add_checkpoint(LOG.request(0, 1))
    latest = Log.of(place.folder, ORIGIN).latest()
    assert latest is not None
    assert latest.note.verified_by(LOG.vkey)
    assert cosigned_at(latest.note, place.vkey) == latest.at == place.clock.seconds
