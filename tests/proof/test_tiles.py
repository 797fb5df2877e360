"""Entry bundles after C2SP tlog-tiles: names, bytes, and what is refused."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoregate.proof.tiles import BundleInvalid, bundle_path, decode_bundle, encode_bundle

BAD_VECTORS = sorted((Path(__file__).parents[1] / "vectors" / "log" / "bad").glob("bundle.*.hex"))


@pytest.mark.parametrize(
    ("number", "width", "path"),
    [
        (0, 256, "tile/entries/000"),
        (0, 1, "tile/entries/000.p/1"),
        (7, 255, "tile/entries/007.p/255"),
        (999, 256, "tile/entries/999"),
        (1000, 256, "tile/entries/x001/000"),
        (1234, 256, "tile/entries/x001/234"),
        (1234, 12, "tile/entries/x001/234.p/12"),
        (1231, 11, "tile/entries/x001/231.p/11"),
        (1_234_067, 256, "tile/entries/x001/x234/067"),  # the specification's example
    ],
)
def test_a_bundle_has_the_name_that_the_specification_gives_it(number: int, width: int, path: str) -> None:
    assert bundle_path(number, width) == path


def test_full_is_the_default_width() -> None:
    assert bundle_path(3) == "tile/entries/003"


@pytest.mark.parametrize(("number", "width"), [(-1, 256), (0, 0), (0, 257), (0, -1)])
def test_no_other_bundle_has_a_name(number: int, width: int) -> None:
    with pytest.raises(ValueError, match="no bundle"):
        bundle_path(number, width)


@given(st.lists(st.binary(max_size=70), min_size=1, max_size=256))
@settings(max_examples=100, deadline=None)
def test_every_bundle_comes_back_from_its_bytes(entries: list[bytes]) -> None:
    data = encode_bundle(entries)
    assert decode_bundle(data) == entries
    assert len(data) == sum(2 + len(entry) for entry in entries)


@given(st.binary(min_size=1, max_size=600))
@settings(max_examples=200, deadline=None)
def test_arbitrary_bytes_are_refused_or_are_exactly_a_bundle(data: bytes) -> None:
    try:
        entries = decode_bundle(data)
    except BundleInvalid as error:
        assert 0 <= error.offset <= len(data)  # noqa: PT017
        return
    assert encode_bundle(entries) == data


def test_the_golden_bundle_keeps_its_bytes(vectors: Path) -> None:
    data = bytes.fromhex((vectors / "bundle.hex").read_text())
    entries = [bytes.fromhex((vectors / "leaf.hex").read_text()), b"", b"C2SP", b"\xff" * 300]
    assert encode_bundle(entries) == data
    assert decode_bundle(data) == entries


@pytest.mark.parametrize("path", BAD_VECTORS, ids=lambda path: path.name)
def test_each_bad_bundle_is_refused_at_its_offset(path: Path) -> None:
    with pytest.raises(BundleInvalid) as caught:
        decode_bundle(bytes.fromhex(path.read_text()))
    assert caught.value.offset == int(path.name.split(".")[2])


def test_a_bundle_cut_anywhere_but_between_entries_names_the_entry_that_is_cut() -> None:
    entries = [b"one", b"four", b"seven77"]
    whole, starts = encode_bundle(entries), [0, 5, 11, 20]
    for cut in range(1, len(whole)):
        if cut in starts:
            assert len(decode_bundle(whole[:cut])) == starts.index(cut)
            continue
        with pytest.raises(BundleInvalid) as caught:
            decode_bundle(whole[:cut])
        place = max(place for place, start in enumerate(starts) if start < cut)
        assert (caught.value.place, caught.value.offset) == (place, starts[place])


def test_256_entries_fill_a_bundle_and_one_more_is_refused() -> None:
    assert len(decode_bundle(encode_bundle([b"x"] * 256))) == 256
    with pytest.raises(BundleInvalid, match="256 entries, not 257") as writing:
        encode_bundle([b"x"] * 257)
    with pytest.raises(BundleInvalid, match="goes on after 256") as reading:
        decode_bundle(encode_bundle([b"x"] * 256) + b"\x00\x01x")
    assert (
        (writing.value.offset, writing.value.place)
        == (reading.value.offset, reading.value.place)
        == (768, 256)
    )


def test_65535_bytes_fit_an_entry_and_one_more_does_not() -> None:
    assert decode_bundle(encode_bundle([bytes(65_535)])) == [bytes(65_535)]
    with pytest.raises(BundleInvalid, match="over 65535") as caught:
        encode_bundle([b"ok", bytes(65_536)])
    assert (caught.value.place, caught.value.offset) == (1, 4)


def test_an_empty_bundle_does_not_exist() -> None:
    with pytest.raises(BundleInvalid):
        encode_bundle([])
    with pytest.raises(BundleInvalid):
        decode_bundle(b"")
