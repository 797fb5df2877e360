"""The pulled folder: one log makes one folder, however often the pull broke off."""

import json
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scoregate.auditing.pulled import PulledLog, stored_size
from scoregate.auditing.recompute import Report, verify
from scoregate.tlog import merkle
from scoregate.tlog.checkpoint import Checkpoint
from scoregate.tlog.faults import LogDiverged, LogIncomplete, LogInvalid, LogRolledBack
from scoregate.tlog.policy import Policy
from scoregate.tlog.sources import Folder
from scoregate.tlog.tiles import BundleInvalid, bundle_path, encode_bundle, tile_path, tiles_of
from tests.signing import log_vkey, signed

ENTRIES = [b"entry %d" % number for number in range(700)]
ROOT = bytes(range(32))


def contents(folder: Path) -> dict[str, bytes | None]:
    """Every file and every folder below `folder`."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def pull(folder: Path, stops: list[int], origin: str = "a/log") -> PulledLog:
    """Pull ENTRIES up to each of `stops` in turn, with a new opening each time."""
    for stop in stops:
        pulled = PulledLog(folder)
        pulled.append(ENTRIES[pulled.size() : stop])
    pulled = PulledLog(folder)
    pulled.write_checkpoint(signed(Checkpoint(origin, pulled.size(), ROOT)))
    pulled.write_tiles()
    return pulled


# --- writing ----------------------------------------------------------------------------------------


def test_a_new_folder_is_empty(tmp_path: Path) -> None:
    pulled = PulledLog(tmp_path / "deep" / "new")
    assert (pulled.size(), pulled.checkpoint()) == (0, None)


@pytest.mark.parametrize(
    ("size", "files"),
    [
        (0, set()),
        (1, {"tile/entries/000.p/1"}),
        (255, {"tile/entries/000.p/255"}),
        (256, {"tile/entries/000"}),
        (257, {"tile/entries/000", "tile/entries/001.p/1"}),
        (700, {"tile/entries/000", "tile/entries/001", "tile/entries/002.p/188"}),
    ],
)
def test_a_log_of_each_size_has_its_bundles(tmp_path: Path, size: int, files: set[str]) -> None:
    pull(tmp_path, [size])
    found = {name for name, data in contents(tmp_path).items() if data is not None}
    assert found == files | {"checkpoint"} | {tile_path(*each) for each in tiles_of(size)}
    assert PulledLog(tmp_path).size() == size == stored_size(tmp_path)


@given(st.lists(st.integers(0, 700), max_size=6), st.integers(0, 700))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_pull_broken_off_anywhere_ends_in_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, stops: list[int], size: int
) -> None:
    once, often = tmp_path_factory.mktemp("once"), tmp_path_factory.mktemp("often")
    pull(once, [size])
    pull(often, [*sorted(min(stop, size) for stop in stops), size])
    assert contents(often) == contents(once)


@pytest.mark.parametrize(
    "leave_behind",
    [
        pytest.param({".writing": b"half"}, id="half a file"),
        pytest.param({"tile/entries/001.p/9": b"stale"}, id="the partial of a bundle that is full"),
        pytest.param({"tile/entries/002.p/100": b"stale"}, id="a narrower partial"),
        pytest.param({"tile/0/001.p/9": b"stale"}, id="the partial of a hash tile that is full"),
        pytest.param({"tile/0/002.p/100": b"stale"}, id="a narrower partial hash tile"),
        pytest.param({"tile/1/000.p/1": b"stale"}, id="a narrower partial hash tile, higher up"),
    ],
)
def test_what_a_crash_leaves_behind_is_gone_after_the_next_pull(
    tmp_path: Path, leave_behind: dict[str, bytes]
) -> None:
    pull(tmp_path / "clean", [700])
    pull(tmp_path / "crashed", [630])
    for name, data in leave_behind.items():
        path = tmp_path / "crashed" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    pull(tmp_path / "crashed", [700])
    assert contents(tmp_path / "crashed") == contents(tmp_path / "clean")


def test_stale_partials_go_even_when_there_is_nothing_new(tmp_path: Path) -> None:
    pull(tmp_path, [512])
    before = contents(tmp_path)
    stale = tmp_path / "tile/entries/001.p/17"
    stale.parent.mkdir()
    stale.write_bytes(b"stale")
    PulledLog(tmp_path)
    assert contents(tmp_path) == before


def test_a_disk_that_refuses_in_the_middle_leaves_a_folder_to_resume(tmp_path: Path) -> None:
    # A real I/O error: no file may grow beyond 2,000 bytes, and a full bundle here has over 2,500.
    program = (
        "import resource, sys; from pathlib import Path; from scoregate.auditing.pulled import PulledLog\n"
        "pulled = PulledLog(Path(sys.argv[1])); entries = [b'entry %d' % n for n in range(700)]\n"
        "pulled.append(entries[:200]); resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
        "try: pulled.append(entries[200:])\n"
        "except OSError: print(pulled.size())\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "log"], capture_output=True, text=True, check=True
    )
    assert run.stdout == "200\n"
    assert PulledLog(tmp_path / "log").size() == 200
    pull(tmp_path / "log", [700])
    pull(tmp_path / "clean", [700])
    assert contents(tmp_path / "log") == contents(tmp_path / "clean")


def test_a_gap_is_where_the_pull_goes_on(tmp_path: Path) -> None:
    pull(tmp_path, [700])
    before = contents(tmp_path)
    (tmp_path / bundle_path(1)).unlink()
    assert PulledLog(tmp_path).size() == 256
    pull(tmp_path, [700])
    assert contents(tmp_path) == before


def test_odd_names_beside_a_partial_are_not_widths(tmp_path: Path) -> None:
    pull(tmp_path, [10])
    for name in ("011", "0", "256", "+12", "12.json"):
        (tmp_path / "tile/entries/000.p" / name).write_bytes(b"")
    assert stored_size(tmp_path) == 10


def test_an_entry_too_long_for_a_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleInvalid):
        PulledLog(tmp_path).append([bytes(65_536)])


def test_a_damaged_partial_is_not_filled_up(tmp_path: Path) -> None:
    pulled = pull(tmp_path, [10])
    (tmp_path / "tile/entries/000.p/10").write_bytes(b"\x00\x05four")
    with pytest.raises(LogInvalid, match=r"000\.p/10"):
        pulled.append([b"eleven"])


@pytest.mark.parametrize(("found", "error"), [(9, LogIncomplete), (11, LogInvalid)])
def test_a_partial_that_does_not_hold_its_width_is_not_filled_up(
    tmp_path: Path, found: int, error: type[Exception]
) -> None:
    pulled = pull(tmp_path, [10])
    (tmp_path / "tile/entries/000.p/10").write_bytes(encode_bundle(ENTRIES[:found]))
    before = contents(tmp_path)
    with pytest.raises(error, match=f"holds {found} entries instead of 10"):
        pulled.append([b"eleven"])
    assert contents(tmp_path) == before


# --- hash tiles -------------------------------------------------------------------------------------


def test_a_tree_of_70000_has_the_tiles_that_the_specification_counts(tmp_path: Path) -> None:
    # tlog-tiles, Partial Tiles: 273 full and one of 112; one full and one of 17; one of 1.
    pulled = PulledLog(tmp_path)
    pulled.append([b"%d" % number for number in range(70_000)])
    pulled.write_tiles()
    found = sorted(name for name, data in contents(tmp_path / "tile").items() if data is not None)
    hash_tiles = [name for name in found if not name.startswith("entries/")]
    assert len(hash_tiles) == 273 + 1 + 1 + 1 + 1
    assert {"0/273.p/112", "1/000", "1/001.p/17", "2/000.p/1"} < set(hash_tiles)
    tiles = {name: (tmp_path / "tile" / name).read_bytes() for name in hash_tiles}
    assert {len(data) for name, data in tiles.items() if ".p/" not in name} == {8192}
    leaves = [merkle.leaf_hash(b"%d" % number) for number in range(70_000)]
    assert tiles["0/273.p/112"] == b"".join(leaves[273 * 256 :])
    assert tiles["2/000.p/1"] == merkle.root(leaves[:65_536])


def test_tiles_that_are_there_are_not_made_again(tmp_path: Path) -> None:
    pulled = pull(tmp_path, [700])
    (tmp_path / "tile/0/000").write_bytes(b"damaged")  # found by whoever verifies
    pulled.write_tiles()
    assert (tmp_path / "tile/0/000").read_bytes() == b"damaged"


def test_a_damaged_tile_is_not_hashed_into_the_next(tmp_path: Path) -> None:
    pulled = pull(tmp_path, [700])
    (tmp_path / "tile/0/000").write_bytes(b"damaged")
    (tmp_path / "tile/1/000.p/2").unlink()
    with pytest.raises(LogInvalid, match="delete tile/0/000 and"):
        pulled.write_tiles()


def test_a_damaged_bundle_is_not_hashed(tmp_path: Path) -> None:
    pulled = pull(tmp_path, [700])
    (tmp_path / "tile/0/000").unlink()
    (tmp_path / bundle_path(0)).write_bytes(encode_bundle(ENTRIES[:255]))
    with pytest.raises(LogIncomplete, match="holds 255 entries instead of 256"):
        pulled.write_tiles()


# --- the checkpoint ---------------------------------------------------------------------------------


def note(origin: str = "a/log", size: int = 7, root: bytes = ROOT) -> bytes:
    return signed(Checkpoint(origin, size, root))


def test_the_checkpoint_is_kept_as_it_was_signed_and_read_again(tmp_path: Path) -> None:
    PulledLog(tmp_path).write_checkpoint(note())
    assert (tmp_path / "checkpoint").read_bytes() == note()
    assert PulledLog(tmp_path).checkpoint() == Checkpoint("a/log", 7, ROOT)


@pytest.mark.parametrize(("size", "root"), [(7, ROOT), (8, bytes(32)), (2**63 - 1, bytes(32))])
def test_a_checkpoint_grows_or_stays(tmp_path: Path, size: int, root: bytes) -> None:
    pulled = PulledLog(tmp_path)
    pulled.write_checkpoint(note())
    pulled.write_checkpoint(note(size=size, root=root))
    assert PulledLog(tmp_path).checkpoint() == Checkpoint("a/log", size, root)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (note(size=6), LogRolledBack),
        (note(size=0), LogRolledBack),
        (note(root=bytes(32)), LogDiverged),
        (note(origin="b/log", size=8), LogDiverged),
        (b"", LogInvalid),
        (b"a/log\n7\n", LogInvalid),
        (note().partition(b"\n\n")[0], LogInvalid),
        (note().replace(b"\n7\n", b"\n9223372036854775808\n"), LogInvalid),
    ],
)
def test_a_checkpoint_that_can_not_follow_is_refused_and_changes_nothing(
    tmp_path: Path, data: bytes, error: type[Exception]
) -> None:
    pulled = PulledLog(tmp_path)
    pulled.write_checkpoint(note())
    for each in (PulledLog(tmp_path), pulled):
        with pytest.raises(error):
            each.write_checkpoint(data)
    assert PulledLog(tmp_path).checkpoint() == Checkpoint("a/log", 7, ROOT)


def test_what_an_earlier_scoregate_pulled_is_kept_and_not_pulled_into(tmp_path: Path) -> None:
    (tmp_path / "head.json").write_text("{}")
    with pytest.raises(LogIncomplete, match=r"pulled by an earlier scoregate.* pull into a new folder"):
        PulledLog(tmp_path)
    with pytest.raises(LogIncomplete, match=r"checkpoint is missing, and head\.json is what an earlier"):
        verify(Folder(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["head.json"]


# --- verifying --------------------------------------------------------------------------------------


def test_a_log_that_holds_is_reported(log: Any, tmp_path: Path) -> None:
    receipts = log.file_receipts(tmp_path / "receipts")
    policy = Policy.of([log_vkey()])
    report = verify(Folder(log.pull(tmp_path / "log")), policy=policy, receipts=receipts)
    releases = len(log.attestations)
    note = signed(log.checkpoint())
    assert report == Report(
        checkpoint=log.checkpoint(),
        note=note,
        judged=policy.judge(note),
        foreign=False,
        since=None,
        bundles=2,
        tiles=3,
        partners=3,
        releases=releases,
        replays=43,
        units=releases,
        receipts=releases,
        requests=releases,
        opened=None,
        erased=None,
        first_micros=log.leaves[0].time_micros,
        last_micros=log.leaves[-1].time_micros,
    )


def test_without_receipts_none_are_counted(log: Any, tmp_path: Path) -> None:
    report = verify(Folder(log.pull(tmp_path / "log")))
    assert (report.receipts, report.requests) == (None, None)


@pytest.mark.parametrize("place", range(4))
def test_every_one_of_the_receipts_is_held_against_its_entry(log: Any, tmp_path: Path, place: int) -> None:
    (tmp_path / "receipts").mkdir()
    for number, index in enumerate((1, 2, 4, 8)):
        claimed = {"leaf_index": index + 1} if number == place else {}
        (tmp_path / "receipts" / f"{number}.json").write_bytes(log.receipt(index, **claimed))
    with pytest.raises(LogDiverged, match=rf"^receipt {place}\.json holds another leaf"):
        verify(Folder(log.pull(tmp_path / "log")), receipts=tmp_path / "receipts")


def test_receipts_that_name_no_request_are_told_apart(log: Any, tmp_path: Path) -> None:
    receipts = log.file_receipts(tmp_path / "receipts")
    older = json.loads((receipts / "1.json").read_bytes())
    del older["request"]
    (receipts / "1.json").write_text(json.dumps(older))
    report = verify(Folder(log.pull(tmp_path / "log")), receipts=receipts)
    assert (report.receipts, report.requests) == (len(log.attestations), len(log.attestations) - 1)


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 512])
def test_a_log_of_each_size_holds(make_log: Callable[[int], Any], tmp_path: Path, size: int) -> None:
    report = verify(Folder(make_log(size).pull(tmp_path)))
    assert (report.checkpoint.size, report.bundles, report.receipts) == (size, -(-size // 256), None)


def test_progress_counts_up_to_the_checkpoint(log: Any, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    verify(Folder(log.pull(tmp_path)), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(256, 300), (300, 300)]


def test_memory_does_not_grow_with_the_log(make_log: Callable[[int], Any], tmp_path: Path) -> None:
    def peak(size: int) -> int:
        folder = make_log(size).pull(tmp_path / str(size))
        verify(Folder(folder))  # once before, so that nothing is imported or cached while it is measured
        tracemalloc.start()
        verify(Folder(folder))
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest

    small, large = peak(2_560), peak(10_240)
    # 7,680 further entries have over a million bytes; four bytes of each are kept.
    assert large - small < 7_680 * 4 * 2 + 10_000
