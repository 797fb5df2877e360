"""Hash tiles and entry bundles after C2SP tlog-tiles: names, widths, bytes, and what is refused.

Quoted is the specification. Its other demands are on whoever serves or fetches, and on checkpoints.
"""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoregate.tlog.tiles import (
    BundleInvalid,
    TileInvalid,
    bundle_path,
    decode_bundle,
    encode_bundle,
    tile_hashes,
    tile_path,
    tile_width,
    tiles_of,
)

BAD_VECTORS = sorted((Path(__file__).parents[1] / "vectors" / "log" / "bad").glob("bundle.*.hex"))


# --- hash tiles -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("level", "number", "width", "path"),
    [
        (0, 0, 256, "tile/0/000"),
        (0, 0, 1, "tile/0/000.p/1"),
        (1, 7, 255, "tile/1/007.p/255"),
        (0, 999, 256, "tile/0/999"),
        (2, 1000, 256, "tile/2/x001/000"),
        (0, 1231, 11, "tile/0/x001/231.p/11"),
        (1, 4, 207, "tile/1/004.p/207"),
        (0, 1_234_067, 256, "tile/0/x001/x234/067"),  # "index 1234067 will be encoded as x001/x234/067"
        (5, 1_234_067, 12, "tile/5/x001/x234/067.p/12"),
        # "<L> … MUST be a decimal ASCII integer between 0 and 63, with no additional leading zeroes."
        (9, 0, 256, "tile/9/000"),
        (10, 0, 256, "tile/10/000"),
        (63, 0, 256, "tile/63/000"),
    ],
)
def test_a_hash_tile_has_the_name_that_the_specification_gives_it(
    level: int, number: int, width: int, path: str
) -> None:
    assert tile_path(level, number, width) == path


@given(st.integers(0, 63), st.integers(0, 10**12))
def test_elements_of_a_name_have_three_digits_and_all_but_the_last_begin_with_x(
    level: int, number: int
) -> None:
    # "<N> … MUST be a non-negative integer encoded into zero-padded 3-digit path elements. All but the last
    # path element MUST begin with an x."
    elements = tile_path(level, number).removeprefix(f"tile/{level}/").split("/")
    assert all(len(each) == 4 and each[0] == "x" for each in elements[:-1])
    digits = [each.removeprefix("x") for each in elements]
    assert all(len(each) == 3 and each.isdecimal() for each in digits)
    assert int("".join(digits)) == number
    assert len(digits) == 1 or digits[0] != "000"


def test_a_full_hash_tile_is_the_default() -> None:
    assert tile_path(1, 3) == "tile/1/003"


@pytest.mark.parametrize(
    ("level", "number", "width"),
    [(-1, 0, 256), (64, 0, 256), (0, -1, 256), (0, 0, 0), (0, 0, 257), (0, 0, -1)],
)
def test_no_other_hash_tile_has_a_name(level: int, number: int, width: int) -> None:
    with pytest.raises(ValueError, match="no hash tile"):
        tile_path(level, number, width)


def test_a_tree_of_70000_has_the_tiles_that_the_specification_counts() -> None:
    # "273 full level 0 tiles, one partial level 0 tile of width 112, one full level 1 tile, one partial level
    # 1 tile of width 17, and one partial level 2 tile of width 1"
    tiles = list(tiles_of(70_000))
    assert Counter((level, width) for level, _, width in tiles) == {
        (0, 256): 273,
        (0, 112): 1,
        (1, 256): 1,
        (1, 17): 1,
        (2, 1): 1,
    }
    assert tiles == sorted(tiles)
    assert [tile for tile in tiles if tile[2] < 256] == [(0, 273, 112), (1, 1, 17), (2, 0, 1)]


@pytest.mark.parametrize(
    ("size", "tiles"),
    [
        (0, []),
        (1, [(0, 0, 1)]),
        (255, [(0, 0, 255)]),
        (256, [(0, 0, 256), (1, 0, 1)]),  # "a full level 0 tile and a partial level 1 tile of width 1"
        (257, [(0, 0, 256), (0, 1, 1), (1, 0, 1)]),
        (512, [(0, 0, 256), (0, 1, 256), (1, 0, 2)]),
    ],
)
def test_a_small_tree_has_exactly_these_tiles(size: int, tiles: list[tuple[int, int, int]]) -> None:
    assert list(tiles_of(size)) == tiles


@pytest.mark.parametrize("size", [1, 255, 256, 257, 65_535, 65_536, 65_537, 70_000, 200_000])
def test_tiles_have_the_widths_that_the_specification_defines(size: int) -> None:
    # "The partial tile at level l for a tree of size s has floor(s / 256**l) mod 256 entries. Empty tiles
    # MUST NOT be served.", and a partial tile "MUST NOT be hashed into a tile at the level above."
    widths = Counter[int]()
    for level, number, width in tiles_of(size):
        assert 1 <= width <= 256
        assert width == 256 or (width == size // 256**level % 256 and number == size // 256 ** (level + 1))
        widths[level] += width
        assert tile_width(level, number, size) == width
    # On each level one hash for every full tile below, and none for a partial one.
    assert [widths[level] for level in range(4)] == [size // 256**level for level in range(4)]


@pytest.mark.parametrize(("level", "number"), [(0, 274), (0, 10**9), (1, 2), (2, 1), (3, 0), (63, 0)])
def test_a_tile_that_a_tree_does_not_have_has_no_width(level: int, number: int) -> None:
    assert tile_width(level, number, 70_000) == 0


def test_there_is_no_tree_of_fewer_than_no_leaves_and_no_tile_below_the_first() -> None:
    with pytest.raises(ValueError, match="no tree"):
        list(tiles_of(-1))
    with pytest.raises(ValueError, match="no tree"):
        tile_width(0, 0, -1)
    for level, number in ((-1, 0), (0, -1)):
        with pytest.raises(ValueError, match="no hash tile"):
            tile_width(level, number, 70_000)


def test_a_fuller_tile_serves_for_a_partial_one() -> None:
    # "Full tiles MUST be exactly 256 hashes wide, or 8,192 bytes."
    full = bytes(range(256)) * 32
    assert tile_hashes(full, 0, 0, 256) == full
    assert tile_hashes(full, 0, 0, 3) == full[:96]
    assert tile_hashes(full[:96], 0, 0, 3) == full[:96]


@pytest.mark.parametrize(("length", "width"), [(0, 1), (95, 3), (97, 3), (64, 3), (8191, 256), (8224, 256)])
def test_what_is_no_tile_of_this_width_is_refused_by_its_place(length: int, width: int) -> None:
    with pytest.raises(TileInvalid, match=f"hash tile 7 of level 2: {length} bytes where {width}") as caught:
        tile_hashes(bytes(length), 2, 7, width)
    assert (caught.value.level, caught.value.number) == (2, 7)


# --- entry bundles ----------------------------------------------------------------------------------


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
