"""Whatever byte of a log is changed, or entry moved, is found; and of entries and leaf hashes, where."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoregate.auditing.recompute import verify
from scoregate.tlog.faults import LogDiverged, LogError, LogIncomplete, LogInvalid
from scoregate.tlog.policy import Policy
from scoregate.tlog.sources import Folder
from scoregate.tlog.tiles import encode_bundle
from tests.sample_log import SampleLog
from tests.signing import WITNESSES, policy_text

SIZE = 300
LOG = SampleLog().fill(SIZE)
ENTRIES = LOG.entries
POLICY = Policy.parse(policy_text("all").encode())
BUNDLES = {"tile/entries/000": (0, 256), "tile/entries/001.p/44": (256, SIZE)}
FILES = ["checkpoint", *BUNDLES, "tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1"]


@dataclass(frozen=True)
class Shelf:
    """A log that is whole again after each time that it was tampered with."""

    folder: Path

    @contextmanager
    def changed(self, name: str, change: Callable[[bytes], bytes]) -> Iterator[None]:
        path = self.folder / name
        before = path.read_bytes()
        path.write_bytes(change(before))
        try:
            yield
        finally:
            path.write_bytes(before)

    def fault(self) -> LogError:
        with pytest.raises(LogError) as error:
            verify(Folder(self.folder), policy=POLICY)
        return error.value


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    folder = LOG.pull(tmp_path_factory.mktemp("shelf"), WITNESSES)
    verify(Folder(folder), policy=POLICY)
    return Shelf(folder)


def place_of(name: str, at: int) -> int:
    """Which entry the byte at `at` of a bundle belongs to, its length included."""
    begin, end = BUNDLES[name]
    for index in range(begin, end):
        at -= 2 + len(ENTRIES[index])
        if at < 0:
            return index
    raise AssertionError


def rewritten(change: Callable[[list[bytes]], list[bytes]], name: str) -> Callable[[bytes], bytes]:
    begin, end = BUNDLES[name]
    return lambda _: encode_bundle(change(ENTRIES[begin:end]))


@given(st.sampled_from(FILES), st.integers(min_value=0), st.integers(1, 255))
@settings(max_examples=300, deadline=None)
def test_a_byte_that_was_changed_anywhere_is_found(shelf: Shelf, name: str, at: int, mask: int) -> None:
    at %= (shelf.folder / name).stat().st_size
    with shelf.changed(name, lambda data: data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]):
        fault = shelf.fault()
    if name in BUNDLES:
        assert fault.index == place_of(name, at)
    elif name.startswith("tile/0/"):
        assert fault.index == ("001" in name) * 256 + at // 32
    elif name == "checkpoint":
        # A cosigner whose name was changed is one that is not there: the quorum is told to lack it.
        assert isinstance(fault, LogInvalid | LogIncomplete)


@given(st.sampled_from(FILES), st.integers(min_value=0))
@settings(max_examples=100, deadline=None)
def test_a_file_that_was_cut_anywhere_is_found(shelf: Shelf, name: str, left: int) -> None:
    left %= (shelf.folder / name).stat().st_size
    with shelf.changed(name, lambda data: data[:left]):
        fault = shelf.fault()
    if name in BUNDLES:
        assert fault.index == place_of(name, left)


@given(st.sampled_from(FILES), st.binary(min_size=1, max_size=40))
@settings(max_examples=60, deadline=None)
def test_bytes_behind_the_end_are_found(shelf: Shelf, name: str, more: bytes) -> None:
    with shelf.changed(name, lambda data: data + more):
        shelf.fault()


@given(st.sampled_from([*BUNDLES]), st.integers(min_value=0))
@settings(max_examples=60, deadline=None)
def test_an_entry_that_was_deleted_is_found_where_it_was(shelf: Shelf, name: str, at: int) -> None:
    begin, end = BUNDLES[name]
    at %= end - begin
    with shelf.changed(name, rewritten(lambda it: [*it[:at], *it[at + 1 :]], name)):
        assert shelf.fault().index == begin + at


@given(st.sampled_from([*BUNDLES]), st.integers(min_value=0), st.integers(min_value=0))
@settings(max_examples=60, deadline=None)
def test_an_entry_that_was_inserted_is_found_where_it_is(
    shelf: Shelf, name: str, at: int, which: int
) -> None:
    begin, end = BUNDLES[name]
    at, extra = at % (end - begin), ENTRIES[which % SIZE]
    if extra == ENTRIES[begin + at]:  # its own double: the first that is wrong is the next
        at += 1
    with shelf.changed(name, rewritten(lambda it: [*it[:at], extra, *it[at:]][: end - begin], name)):
        if at < end - begin:
            assert shelf.fault().index == begin + at


@given(st.integers(0, SIZE - 1), st.integers(0, SIZE - 1))
@settings(max_examples=80, deadline=None)
def test_entries_that_were_swapped_are_found_at_the_first(shelf: Shelf, one: int, other: int) -> None:
    if one == other:
        return
    entries = list(ENTRIES)
    entries[one], entries[other] = entries[other], entries[one]
    full, partial = BUNDLES
    with (
        shelf.changed(full, lambda _: encode_bundle(entries[:256])),
        shelf.changed(partial, lambda _: encode_bundle(entries[256:])),
    ):
        assert shelf.fault().index == min(one, other)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_was_deleted_is_missed(shelf: Shelf, name: str) -> None:
    path = shelf.folder / name
    before = path.read_bytes()
    path.unlink()
    try:
        assert isinstance(shelf.fault(), LogIncomplete)
    finally:
        path.write_bytes(before)


@given(st.integers(0, SIZE - 1), st.integers(0, SIZE - 1))
@settings(max_examples=60, deadline=None)
def test_leaf_hashes_that_were_swapped_are_found_at_the_first(shelf: Shelf, one: int, other: int) -> None:
    if one == other or one // 256 != other // 256:
        return
    name = "tile/0/001.p/44" if one >= 256 else "tile/0/000"

    def swap(data: bytes) -> bytes:
        hashes = [data[at : at + 32] for at in range(0, len(data), 32)]
        a, b = one % 256, other % 256
        hashes[a], hashes[b] = hashes[b], hashes[a]
        return b"".join(hashes)

    with shelf.changed(name, swap):
        fault = shelf.fault()
    assert isinstance(fault, LogDiverged)
    assert fault.index == min(one, other)
