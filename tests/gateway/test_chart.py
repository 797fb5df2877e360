"""The two pictures: well-formed and within their frame for any scores, and free of style and script."""

from __future__ import annotations

import re
from datetime import date, timedelta
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.pages.consumer.chart import BANDS, EDGES, WIDTH, history, scale
from scoring import scorecard

SVG = "{http://www.w3.org/2000/svg}"
WORDS = {"name": "score", "title": "Your score", "desc": "It rose."}
JUNE = date(2005, 6, 6)
GLYPH = 0.62  # of a digit's width at size 1, generously

scores = st.integers(350, 950)
any_number = st.integers() | scores
months = st.lists(st.tuples(st.dates(), st.none() | any_number), max_size=40)
a_year = st.lists(st.none() | scores, max_size=24).map(
    lambda row: [(JUNE + timedelta(days=31 * n), score) for n, score in enumerate(row)]
)


def drawn(svg: str) -> ET.Element:
    """The picture, only if it keeps to its frame, and neither styles nor runs anything."""
    assert "nan" not in svg.lower()
    assert "inf" not in re.sub(r"<(title|desc).*?</\1>", "", svg).lower()
    root = ET.fromstring(svg)  # noqa: S314  # made here
    left, top, width, height = map(float, root.attrib["viewBox"].split())
    assert (left, top, width) == (0, 0, WIDTH)
    for each in root.iter():
        assert each.tag.removeprefix(SVG) in {
            "svg", "title", "desc", "line", "polyline", "polygon", "circle", "rect", "text",
        }  # fmt: skip
        assert not [
            name for name in each.attrib if name == "style" or name.startswith("on") or "href" in name
        ]
        for x, y in corners(each):
            assert -0.05 <= x <= width + 0.05
            assert -0.05 <= y <= height + 0.05
    return root


def corners(each: ET.Element) -> list[tuple[float, float]]:
    """The outermost points of one element."""
    at = {name: float(value) for name, value in each.attrib.items() if re.fullmatch(r"-?[\d.]+", value)}
    match each.tag.removeprefix(SVG):
        case "line":
            return [(at["x1"], at["y1"]), (at["x2"], at["y2"])]
        case "circle":
            return [(at["cx"] + d, at["cy"] + e) for d in (-at["r"], at["r"]) for e in (-at["r"], at["r"])]
        case "rect":
            return [(at["x"], at["y"]), (at["x"] + at["width"], at["y"] + at["height"])]
        case "polyline" | "polygon":
            return [tuple(map(float, point.split(","))) for point in each.attrib["points"].split()]  # type: ignore[misc]
        case "text":
            wide = len(each.text or "") * at["font-size"] * GLYPH
            before = {"start": 0.0, "middle": 0.5, "end": 1.0}[each.attrib["text-anchor"]] * wide
            return [(at["x"] - before, at["y"] - at["font-size"] * 0.8), (at["x"] - before + wide, at["y"])]
    return []


def of(root: ET.Element, name: str) -> list[ET.Element]:
    return list(root.iter(f"{SVG}{name}"))


@given(months)
@example([(date.min, 350), (date.max, 950)])
@example([(JUNE, -(10**30)), (JUNE, 10**30)])
def test_any_months_are_a_picture(made: list[tuple[date, int | None]]) -> None:
    root = drawn(history(made, **WORDS))
    assert len(of(root, "circle")) == len([1 for _, score in made if score is not None])


def test_months_before_the_first_score_take_no_room() -> None:
    row = [None, None, None, 600, None, 620]
    made = [(JUNE + timedelta(days=31 * n), score) for n, score in enumerate(row)]
    assert history(made, **WORDS) == history(made[3:], **WORDS)
    left = min(float(each.attrib["cx"]) for each in of(drawn(history(made, **WORDS)), "circle"))
    assert left < WIDTH / 4


@given(st.none() | any_number)
@example(350)
@example(950)
def test_any_number_is_on_the_scale(score: int | None) -> None:
    root = drawn(scale(score, **WORDS))
    assert len(of(root, "polygon")) == (score is not None)
    here = [each for each in of(root, "rect") if "chart-here" in each.attrib["class"]]
    assert len(here) == (score is not None)


@given(a_year)
def test_a_higher_score_lies_higher_and_a_later_one_further_right(
    made: list[tuple[date, int | None]],
) -> None:
    dots = [
        (float(c.attrib["cx"]), float(c.attrib["cy"])) for c in of(drawn(history(made, **WORDS)), "circle")
    ]
    told = [score for _, score in made if score is not None]
    assert [x for x, _ in dots] == sorted(x for x, _ in dots)
    for (_, high), one in zip(dots, told, strict=True):
        for (_, low), other in zip(dots, told, strict=True):
            assert one <= other or high <= low


@given(a_year, st.randoms())
def test_their_order_makes_no_difference(made: list[tuple[date, int | None]], chance: object) -> None:
    assert history(reversed(made), **WORDS) == history(made, **WORDS)


@given(a_year.map(lambda made: history(made, **WORDS)) | scores.map(lambda score: scale(score, **WORDS)))
def test_labels_are_not_written_over_each_other(svg: str) -> None:
    boxes = [corners(each) for each in of(drawn(svg), "text")]
    for n, ((left, top), (right, bottom)) in enumerate(boxes):
        for (other_left, other_top), (other_right, other_bottom) in boxes[:n]:
            apart = right <= other_left or other_right <= left or bottom <= other_top or other_bottom <= top
            assert apart


def test_the_line_breaks_where_there_was_no_score() -> None:
    row = [600, 610, None, 620, None, None, 630, 640, 650]
    root = drawn(history([(JUNE + timedelta(days=31 * n), s) for n, s in enumerate(row)], **WORDS))
    assert [len(each.attrib["points"].split()) for each in of(root, "polyline")] == [2, 3]
    assert len(of(root, "circle")) == 6


def test_one_month_is_a_dot_and_none_is_the_grid_alone() -> None:
    one = drawn(history([(JUNE, 612)], **WORDS))
    assert (len(of(one, "circle")), len(of(one, "polyline"))) == (1, 0)
    assert [each.text for each in of(one, "text")][-1] == "2005-06"
    for empty in ([], [(JUNE, None)]):
        root = drawn(history(empty, **WORDS))
        assert (len(of(root, "circle")), len(of(root, "line"))) == (0, len(EDGES))


def test_both_are_told_to_who_can_not_see_them() -> None:
    for svg in (history([], **WORDS), scale(612, **WORDS)):
        root = drawn(svg)
        assert root.attrib["role"] == "img"
        title, desc = root[0], root[1]
        assert root.attrib["aria-labelledby"].split() == [title.attrib["id"], desc.attrib["id"]]
        assert (title.text, desc.text) == ("Your score", "It rose.")


def test_words_are_text_and_never_markup() -> None:
    hostile = '</title><script>alert("1")</script>&\'"'
    for svg in (
        history([], name='a"b', title=hostile, desc=hostile),
        scale(None, name="a<b", title=hostile, desc=hostile),
    ):
        root = drawn(svg)
        assert (root[0].text, root[1].text) == (hostile, hostile)


def test_the_bands_are_the_scorecards() -> None:
    assert tuple((low, high) for _, low, high in BANDS) == scorecard.BANDS
    assert EDGES == (350, 550, 600, 650, 700, 950)


@pytest.mark.parametrize(
    ("score", "band"),
    [(350, "350–549"), (549, "350–549"), (550, "550–599"), (699, "650–699"), (950, "700–950")],
)
def test_the_number_stands_in_its_own_band(score: int, band: str) -> None:
    root = drawn(scale(score, **WORDS))
    [here] = [each for each in of(root, "rect") if "chart-here" in each.attrib["class"]]
    assert here[0].text == band
    tip = float(of(root, "polygon")[0].attrib["points"].partition(",")[0])
    left = float(here.attrib["x"])
    assert left - 0.1 <= tip <= left + float(here.attrib["width"]) + 0.1
