"""The QR code of a link: the link itself, in a document that any page may show."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
import segno

from gateway.doors.qr import QUIET_MODULES, qr_svg

SVG = "{http://www.w3.org/2000/svg}"
URL = f"https://people.example/i/{'mfrggzdfmztwq2lknnwg23tpob'}"
TOKEN = re.compile(r"([Mmhv])(-?[\d.]+)(?: (-?[\d.]+))?")


def dark(path: str) -> set[tuple[int, int]]:
    """(row, column) of every module that a path of horizontal strokes draws."""
    found, x, y = set[tuple[int, int]](), 0.0, 0.0
    assert "".join(match[0] for match in TOKEN.finditer(path)) == path  # or something was passed over
    for command, first, second in TOKEN.findall(path):
        if command == "M":
            x, y = float(first), float(second)
        elif command == "m":
            x, y = x + float(first), y + float(second)
        else:
            assert command == "h"
            found |= {(int(y), int(x) + step) for step in range(int(first))}
            x += float(first)
    return found


@pytest.mark.parametrize(
    "url", [URL, "http://127.0.0.1:8081/i/" + "a" * 26, f"https://{'p' * 200}.example/i/x"]
)
def test_the_code_is_the_link_with_a_quiet_zone_all_round(url: str) -> None:
    root = ElementTree.fromstring(qr_svg(url))  # noqa: S314  # our own
    code = segno.make_qr(url, error="m", boost_error=False)
    light, strokes = root.findall(f"{SVG}path")
    modules = {
        (row, column) for row, line in enumerate(code.matrix) for column, bit in enumerate(line) if bit
    }
    drawn = dark(strokes.attrib["d"])
    assert {(row - QUIET_MODULES, column - QUIET_MODULES) for row, column in drawn} == modules
    side = len(code.matrix) + 2 * QUIET_MODULES
    assert root.attrib["viewBox"] == f"0 0 {side} {side}"
    assert light.attrib == {"fill": "#fff", "d": f"M0 0h{side}v{side}h-{side}z"}
    assert code.error == "M"


def test_another_link_is_another_code() -> None:
    assert qr_svg(URL) != qr_svg(URL[:-1] + "a")


def test_it_names_itself_and_holds_nothing_that_a_strict_page_refuses() -> None:
    root = ElementTree.fromstring(qr_svg(URL))  # noqa: S314  # our own
    title = root.find(f"{SVG}title")
    assert title is not None
    assert title.text
    assert {each.tag.removeprefix(SVG) for each in root.iter()} == {"svg", "title", "path"}
    names = {name for each in root.iter() for name in each.attrib}
    assert not {name for name in names if name.startswith("on") or name in ("style", "href")}


def test_it_is_small() -> None:
    assert len(qr_svg(URL)) < 4_000
