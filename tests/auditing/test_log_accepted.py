"""What was accepted once binds: a log that goes back, or forks, is refused by whoever remembers."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from scoregate.auditing.pulled import PulledLog
from scoregate.cli import app
from scoregate.proof import leaf
from scoregate.tlog import merkle
from scoregate.tlog.checkpoint import Checkpoint
from scoregate.tlog.note import Note
from scoregate.tlog.proof import TlogProof
from tests.sample_log import SampleLog
from tests.signing import LATER_ORIGIN, ORIGIN, WITNESSES, log_vkey, signed, witness_vkey

OK, USAGE, INVALID, DIVERGED, INCOMPLETE = 0, 2, 3, 4, 5


def forked(count: int) -> SampleLog:
    """Another history of the same log: entry 1 has another reason."""
    log = SampleLog().fill(count)
    log.leaves[1].reason = "NO_DATA"
    return log


@dataclass
class Auditor:
    """Somebody who verifies, now and then, what somebody else serves."""

    place: Path

    def shown(self, log: SampleLog, name: str = "log", witnesses: tuple[str, ...] = (), **said: Any) -> Path:
        """A folder in which the operator shows the whole log; `.accepted` alone is the auditor's."""
        folder = self.place / name
        memory = folder / ".accepted"
        kept = memory.read_bytes() if memory.is_file() else None
        for path in sorted(folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        pulled = PulledLog(folder)
        fields = {"origin": ORIGIN, "size": len(log.leaves), "root": log.checkpoint().root} | said
        pulled.write_checkpoint(signed(Checkpoint(**fields), witnesses))
        pulled.append(log.entries)
        pulled.write_tiles()
        if kept is not None:
            memory.write_bytes(kept)
        return folder

    def verify(self, folder: Path, *more: object, vkeys: tuple[object, ...] = (log_vkey(),)) -> Result:
        keys = [f"--vkey={each}" for each in vkeys]
        return CliRunner().invoke(app, ["log", "verify", str(folder), *keys, *map(str, more)])

    def told(self, *words: Any, **more: Any) -> dict[str, Any]:
        result = self.verify(*words, "-o", "json", **more)
        told: dict[str, Any] = json.loads(result.stdout) | {"code": result.exit_code}
        return told


@pytest.fixture
def auditor(tmp_path: Path) -> Auditor:
    return Auditor(tmp_path)


def accepted(path: Path) -> Checkpoint:
    return Checkpoint.decode(Note.decode(path.read_bytes()).text)


def test_what_holds_is_remembered_and_gone_on_from(auditor: Auditor) -> None:
    for size, before in ((300, None), (300, 300), (513, 300), (700, 513)):
        folder = auditor.shown(SampleLog().fill(size))
        told = auditor.told(folder)
        assert (told["code"], told["accepted_size"]) == (OK, before)
        assert accepted(folder / ".accepted").size == size
    shown = " ".join(auditor.verify(folder).stdout.split())
    assert "it goes on from the 700 entries accepted before; kept in" in shown


def test_an_empty_log_is_something_to_go_on_from(auditor: Auditor) -> None:
    for size in (0, 5):
        assert auditor.told(auditor.shown(SampleLog().fill(size)))["code"] == OK


def test_a_log_that_went_back_is_refused_and_the_memory_stays(auditor: Auditor) -> None:
    auditor.verify(auditor.shown(SampleLog().fill(300)))
    folder = auditor.shown(SampleLog().fill(256))
    told = auditor.told(folder)
    assert (told["code"], told["result"], told["index"]) == (DIVERGED, "diverged", 256)
    assert "rolled back" in told["message"]
    assert accepted(folder / ".accepted").size == 300


@pytest.mark.parametrize("size", [300, 301, 513, 700])
def test_a_fork_is_refused_whether_it_grew_or_not(auditor: Auditor, size: int) -> None:
    auditor.verify(auditor.shown(SampleLog().fill(300)))
    told = auditor.told(auditor.shown(forked(size)))
    assert told["code"] == DIVERGED
    assert ("two roots" if size == 300 else "the first 300 entries have another root") in told["message"]


@pytest.mark.parametrize("before", [1, 255, 256, 257, 300, 512, 699])
def test_every_size_that_was_accepted_is_recomputed(auditor: Auditor, before: int) -> None:
    auditor.verify(auditor.shown(SampleLog().fill(before)))
    assert auditor.told(auditor.shown(SampleLog().fill(700)))["code"] == OK
    (auditor.place / "log" / ".accepted").write_bytes(signed(Checkpoint(ORIGIN, before, bytes(32))))
    assert auditor.told(auditor.place / "log")["code"] == DIVERGED


# --- tail truncation: both sides


def test_a_log_cut_short_by_its_operator_holds_for_whoever_never_saw_more(auditor: Auditor) -> None:
    # The control arm. Whoever has the log's key can sign that there never was more, and the tree can't tell.
    assert auditor.told(auditor.shown(SampleLog().fill(256)))["code"] == OK


def test_a_log_cut_short_is_refused_by_whoever_accepted_more(auditor: Auditor) -> None:
    auditor.verify(auditor.shown(SampleLog().fill(300)))
    assert auditor.told(auditor.shown(SampleLog().fill(256)))["code"] == DIVERGED


def test_a_log_cut_short_lacks_the_witness_that_saw_more(auditor: Auditor) -> None:
    # A witness cosigns nothing smaller than what it cosigned before (tlog-witness), so its line is not there.
    keys = (log_vkey(), witness_vkey("w1.example"))
    assert auditor.told(auditor.shown(SampleLog().fill(300), witnesses=WITNESSES), vkeys=keys)["code"] == OK
    (auditor.place / "log" / ".accepted").unlink()
    told = auditor.told(auditor.shown(SampleLog().fill(256)), vkeys=keys)
    assert (told["code"], told["result"]) == (INCOMPLETE, "incomplete")
    assert "not by w1.example" in told["message"]


def test_a_log_cut_short_lacks_what_a_lender_holds(auditor: Auditor) -> None:
    whole = SampleLog().fill(300)
    receipts = whole.file_receipts(auditor.place / "receipts")
    told = auditor.told(auditor.shown(SampleLog().fill(256)), "--receipts", receipts)
    assert told["code"] == INCOMPLETE
    assert "the log ends before it, with 256" in told["message"]


# --- what a receipt's proof was shown


def kept(log: SampleLog, folder: Path, index: int, size: int, **said: Any) -> Path:
    """A receipt that was kept with its proof when the log had `size` entries."""
    hashes = [merkle.leaf_hash(entry) for entry in log.entries[:size]]
    note = signed(Checkpoint(**({"origin": ORIGIN, "size": size, "root": merkle.root(hashes)} | said)))
    proof = TlogProof(index, tuple(merkle.prove_inclusion(hashes, index)), note)
    folder.mkdir(exist_ok=True)
    (folder / f"{index}.json").write_bytes(log.receipt(index, proof=proof.encode()))
    return folder


@pytest.mark.parametrize("size", [9, 256, 299, 300])
def test_the_tree_that_a_lender_was_shown_is_the_beginning_of_the_log(auditor: Auditor, size: int) -> None:
    log = SampleLog().fill(300)
    receipts = kept(log, auditor.place / "receipts", 8, size)
    assert auditor.told(auditor.shown(log), "--receipts", receipts)["code"] == OK


def test_a_lender_who_was_shown_another_history_finds_it_out(auditor: Auditor) -> None:
    # Both histories hold the lender's own entry: only the tree around it differs.
    receipts = kept(forked(200), auditor.place / "receipts", 8, 200)
    told = auditor.told(auditor.shown(SampleLog().fill(300)), "--receipts", receipts)
    assert told["code"] == DIVERGED
    assert "the first 200 entries have another root than receipt 8.json says" in told["message"]


def test_a_lender_who_was_shown_more_is_told_that_the_log_ends_before(auditor: Auditor) -> None:
    receipts = kept(SampleLog().fill(300), auditor.place / "receipts", 8, 300)
    told = auditor.told(auditor.shown(SampleLog().fill(256)), "--receipts", receipts)
    assert (told["code"], told["index"]) == (INCOMPLETE, 256)


def test_a_proof_that_does_not_hold_is_told_by_its_receipt(auditor: Auditor) -> None:
    log, place = SampleLog().fill(300), auditor.place / "receipts"
    folder = auditor.shown(log)
    for spoil in (
        lambda: kept(log, place, 8, 200, root=bytes(32)),
        lambda: kept(log, place, 8, 200, origin="other/log"),
        lambda: (place / "8.json").write_bytes(log.receipt(8, proof="rubbish")),
        lambda: (place / "8.json").write_bytes(log.receipt(8, proof=7)),
    ):
        spoil()
        told = auditor.told(folder, "--receipts", place)
        assert (told["code"], told["index"]) == (INVALID, 8)
        assert "receipt 8.json: its proof does not hold" in told["message"]


# --- where it is kept, and by whom it was signed


def test_without_a_key_nothing_is_accepted_but_what_was_still_binds(auditor: Auditor) -> None:
    folder = auditor.shown(SampleLog().fill(300))
    assert auditor.told(folder, vkeys=())["code"] == OK
    assert not (folder / ".accepted").exists()
    auditor.verify(folder)
    assert auditor.told(folder, vkeys=())["accepted_size"] == 300
    assert auditor.told(auditor.shown(SampleLog().fill(256)), vkeys=())["code"] == DIVERGED


def test_the_memory_may_lie_elsewhere(auditor: Auditor) -> None:
    trusted = auditor.place / "mine" / "deep" / "accepted"
    folder = auditor.shown(SampleLog().fill(300))
    assert auditor.told(folder, "--trusted", trusted)["code"] == OK
    assert accepted(trusted).size == 300
    assert not (folder / ".accepted").exists()
    cut = auditor.shown(SampleLog().fill(256), name="elsewhere")
    assert auditor.told(cut, "--trusted", trusted)["code"] == DIVERGED


def garbage(path: Path) -> None:
    path.write_bytes(b"garbage")


def of_somebody_else(path: Path) -> None:
    path.write_bytes(signed(Checkpoint("other/log", 1, bytes(32))))


def unsigned_and_larger(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"\n300\n", b"\n900\n"))


@pytest.mark.parametrize("spoil", [garbage, of_somebody_else, unsigned_and_larger])
def test_a_memory_that_the_log_never_signed_is_refused(
    auditor: Auditor, spoil: Callable[[Path], None]
) -> None:
    folder = auditor.shown(SampleLog().fill(300))
    auditor.verify(folder)
    spoil(folder / ".accepted")
    told = auditor.told(folder)
    assert told["code"] == INVALID
    assert "what was accepted last" in told["message"]


def test_a_memory_that_can_not_be_read_or_written_is_told(auditor: Auditor) -> None:
    folder = auditor.shown(SampleLog().fill(30))
    (folder / "..accepted.writing").mkdir()
    told = auditor.told(folder)
    assert told["code"] == INCOMPLETE
    assert "all of it holds, but" in told["message"]
    assert "name another file with --trusted" in told["message"]
    (folder / ".accepted").mkdir()
    told = auditor.told(folder)
    assert told["code"] == INCOMPLETE
    assert "can't be read" in told["message"]


def test_a_log_goes_on_under_another_name_for_whoever_has_both_keys(auditor: Auditor) -> None:
    auditor.verify(auditor.shown(SampleLog().fill(300)))
    both = (log_vkey(), log_vkey(LATER_ORIGIN))
    later = auditor.shown(SampleLog().fill(513), origin=LATER_ORIGIN)
    assert auditor.told(later, vkeys=(log_vkey(LATER_ORIGIN),))["code"] == INVALID
    told = auditor.told(later, vkeys=both)
    assert (told["code"], told["origin"], told["accepted_size"]) == (OK, LATER_ORIGIN, 300)
    # Receipts of its earlier name are receipts of it.
    receipts = SampleLog().fill(300).file_receipts(auditor.place / "receipts")
    assert auditor.told(later, "--receipts", receipts, vkeys=both)["code"] == OK
    assert auditor.told(auditor.shown(SampleLog().fill(300)), vkeys=both)["code"] == DIVERGED
    assert auditor.told(auditor.shown(forked(600), origin=LATER_ORIGIN), vkeys=both)["code"] == DIVERGED


def test_a_fork_is_told_before_a_witness_that_is_missing(auditor: Auditor) -> None:
    keys = (log_vkey(), witness_vkey("w1.example"))
    auditor.verify(auditor.shown(SampleLog().fill(300), witnesses=WITNESSES), vkeys=keys)
    assert auditor.told(auditor.shown(forked(301)), vkeys=keys)["code"] == DIVERGED


def test_what_lacks_its_witnesses_is_not_accepted(auditor: Auditor) -> None:
    keys = (log_vkey(), witness_vkey("w1.example"))
    folder = auditor.shown(SampleLog().fill(300))
    assert auditor.told(folder, vkeys=keys)["code"] == INCOMPLETE
    assert not (folder / ".accepted").exists()


def test_a_leaf_that_a_fork_changed_is_still_a_leaf() -> None:
    # What the tests above rest on: the forked history breaks no rule of leaves.
    for each in forked(20).entries:
        leaf.decode(each)
