"""The demo's browser: it reads a page as a person would, and sends of a form what a browser sends."""

from __future__ import annotations

import pytest

from gateway.demo.browser import Form, Screen
from gateway.demo.page import StepFailed

PAGE = """
<!doctype html><title>A page</title><h1>Lender &amp; Sons
  asks</h1>
<dl><dt>Why</dt><dd>You applied.</dd><dt>How long</dt><dd>Until <small>noon</small></dd></dl>
<ul><li><a href="/asked/7"><strong>Lender</strong> Answered: yes</a></li></ul>
<form action="/i/x/allow"><input type="hidden" name="token" value="t&quot;1">
<label><input type="checkbox" name="HISTORY" checked> History</label>
<label><input type="checkbox" name="SOCIAL"> Friends</label>
<label><input type="checkbox" name="IDENTITY" disabled> Left out</label></form>
<form action="/authorize"><input name="state" value="s"><button name="subject" value="a">A</button></form>
<input name="outside" value="of every form">
"""


def test_it_reads_what_stands_there() -> None:
    screen = Screen(200, PAGE)
    assert screen.headline == "Lender & Sons asks"
    assert screen.facts == {"Why": "You applied.", "How long": "Until noon"}
    assert screen.links == [("/asked/7", "Lender Answered: yes")]
    assert list(screen.all("strong")) == ["Lender"]


def test_a_form_has_its_fields_and_of_the_boxes_those_that_can_be_changed() -> None:
    screen = Screen(200, PAGE)
    assert screen.form("/allow") == Form("/i/x/allow", {"token": 't"1'}, {"HISTORY": True, "SOCIAL": False})
    assert screen.form("/authorize") == Form("/authorize", {"state": "s"}, {}, {("subject", "a")})


def test_what_is_not_there_ends_the_story_by_name() -> None:
    screen = Screen(404, "<h1>Nothing here</h1>")
    with pytest.raises(StepFailed, match="it has none: Nothing here") as failed:
        screen.form("/allow")
    assert failed.value.step == "the page has a form for /allow"
    with pytest.raises(StepFailed, match="it does not: Nothing here"):
        screen.link("/login")
