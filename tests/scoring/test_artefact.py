"""The scorecard's file: one form for each content, and nothing believed."""

import copy
import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_cards import VECTORS, card, cards, characteristic

from scoring import artefact
from scoring.artefact import MAX_BYTES, decode, digest, encode, versioned
from scoring.errors import ArtefactInvalid
from scoring.scorecard import Scorecard

GOLDEN = (VECTORS / "small_card.json").read_bytes()
PLAIN: dict[str, Any] = json.loads(GOLDEN)


def canonical(plain: object) -> bytes:
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def refusal(data: bytes) -> str:
    """Why a file is refused although its digest is the expected one."""
    with pytest.raises(ArtefactInvalid) as caught:
        decode(data, digest(data))
    assert "scoregate engine train" in str(caught.value)
    return caught.value.problem


def test_the_golden_card_keeps_its_bytes() -> None:
    assert digest(GOLDEN) == "5772f70794b3b9821e4ed98c56ec60262024fdb2c1274e0db8ec573e306e28cb"
    assert encode(decode(GOLDEN, digest(GOLDEN))) == GOLDEN


@given(cards())
def test_every_card_survives_its_file(scorecard: Scorecard) -> None:
    data = encode(scorecard)
    assert decode(data, digest(data)) == scorecard


@given(st.integers(0, len(GOLDEN) - 1), st.integers(1, 255))
def test_one_altered_byte_is_another_digest(place: int, change: int) -> None:
    altered = GOLDEN[:place] + bytes([GOLDEN[place] ^ change]) + GOLDEN[place + 1 :]
    with pytest.raises(ArtefactInvalid, match="digest"):
        decode(altered, digest(GOLDEN))


def test_the_version_follows_from_the_content() -> None:
    one, other = card(characteristic(0)), card(characteristic(0), base_points=601)
    assert one.version != other.version
    assert versioned(one) == one


@pytest.mark.parametrize(
    ("path", "value", "names"),
    [
        (["format"], "scoregate-scorecard/2", "format"),
        (["name"], "UCI card", "name"),
        (["name"], None, "name"),
        (["version"], "2", "version"),
        (["version"], "1.00000000", "version must be 1.17cfa538"),
        (["base_points"], "595", "base_points"),
        (["base_points"], True, "base_points"),
        (["base_points"], 595.0, "base_points"),
        (["base_points"], 2**31, "base_points"),
        (["minimum_months"], 0, "minimum_months"),
        (["calibration"], [], "calibration must be an object"),
        (["calibration", "factor"], 72.13, "calibration.factor"),
        (["calibration", "factor"], "NaN", "calibration.factor"),
        (["calibration", "shift"], "1e3", "calibration.shift"),
        (["characteristics"], [], "characteristics"),
        (["characteristics"], {}, "characteristics"),
        (["characteristics", 0], 7, r"characteristics[0] must be an object"),
        (["characteristics", 1, "name"], "made_1", "characteristics[].name must be different"),
        (["characteristics", 1, "reason_code"], "M01", "characteristics[].reason_code must be different"),
        (["characteristics", 1, "reason_code"], "late", "characteristics[1].reason_code"),
        (["characteristics", 1, "reason_text"], "", "characteristics[1].reason_text"),
        (["characteristics", 1, "reason_text"], "a\x00b", "characteristics[1].reason_text"),
        (["characteristics", 0, "dimension"], "AGE", "characteristics[0].dimension"),
        (["characteristics", 0, "dimension"], ["HISTORY"], "characteristics[0].dimension"),
        (["characteristics", 0, "trend"], "SIDEWAYS", "characteristics[0].trend"),
        (["characteristics", 0, "trend"], "RISING", "never move against the rising trend"),
        (["characteristics", 0, "edges"], [2, 1], "edges must rise"),
        (["characteristics", 0, "edges"], [1, 1], "edges must rise"),
        (["characteristics", 0, "edges"], [1], "points must hold 2 numbers"),
        (["characteristics", 0, "edges"], [1, 2**31], "characteristics[0].edges"),
        (["characteristics", 0, "points"], [30, -30, "x"], "characteristics[0].points"),
        (["characteristics", 0, "missing_points"], None, "characteristics[0].missing_points"),
        (["characteristics", 0, "average_points"], 0.5, "characteristics[0].average_points"),
        (["epochs"], [], "epochs"),
        (["epochs"], ["2005-10-06", "2005-09-06"], "epochs must rise"),
        (["epochs"], ["2005-09-31"], "epochs must be a day"),
        (["epochs"], ["20051006"], "epochs"),
        (["window", "first_month"], "2005-13", "window.first_month"),
        (["training_data_sha256"], "00", "training_data_sha256"),
        (["sunset"], "never", "sunset"),
        (["sunset"], "2030-02-30", "sunset"),
        (["extra"], 1, "scorecard must have only"),
        (["calibration", "extra"], 1, "calibration must have only"),
    ],
)
def test_a_field_out_of_shape_is_named(path: list[Any], value: object, names: str) -> None:
    plain = copy.deepcopy(PLAIN)
    place = plain
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert names in refusal(canonical(plain))


@pytest.mark.parametrize("path", [[], ["calibration"], ["characteristics", 0], ["window"]])
def test_every_absent_field_is_named(path: list[Any]) -> None:
    whole: Any = PLAIN
    for step in path:
        whole = whole[step]
    for name in whole:
        plain: Any = copy.deepcopy(PLAIN)
        place = plain
        for step in path:
            place = place[step]
        del place[name]
        assert f"have {name}" in refusal(canonical(plain))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff\xfe",
        b'"\\ud800"',
        b"\xef\xbb\xbf" + GOLDEN,
        GOLDEN + b"\n",
        GOLDEN[:-1],
        GOLDEN.replace(b'"base_points":595', b'"base_points": 595'),
        GOLDEN.replace(b'"base_points":595', b'"base_points":594,"base_points":595'),
        GOLDEN.replace(b'"base_points":595', b'"base_points":595e0'),
        GOLDEN.replace(b'"base_points":595', b'"base_points":NaN'),
        GOLDEN.replace(b'"base_points":595', b'"base_points":-Infinity'),
        GOLDEN.replace(b'"base_points":595', b'"base_points":' + b"9" * 5000),
        b"[" * 100_000 + b"]" * 100_000,
        GOLDEN.decode().encode("utf-16"),
        pickle.dumps(PLAIN),
    ],
    ids=str,
)
def test_what_is_not_canonical_json_is_refused(data: bytes) -> None:
    assert refusal(data)


def test_an_oversize_file_is_refused_before_it_is_read() -> None:
    assert "at most" in refusal(b" " * (MAX_BYTES + 1))
    assert "JSON" in refusal(b" " * MAX_BYTES)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(PLAIN)), anything)
def test_no_value_anywhere_gets_past_or_crashes(field: str, value: object) -> None:
    data = json.dumps({**PLAIN, field: value}, sort_keys=True, separators=(",", ":")).encode()
    try:
        read = decode(data, digest(data))
    except ArtefactInvalid:
        return
    assert artefact.encode(read) == data
