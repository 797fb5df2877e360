"""What the README says of the client and of saved receipts, held against the code."""

from __future__ import annotations

import re
from pathlib import Path

from scoregate.client import Client
from scoregate.partner.v1 import score_pb2
from scoregate.proof.digest import parse, request_form
from scoregate.words import Disclosure, Purpose

README = (Path(__file__).parents[2] / "README.md").read_text()


def table(heading: str) -> str:
    """The rows below a table's first line."""
    return README.partition(heading)[2].partition("\n\n")[0]


def test_every_method_of_the_client_is_in_its_table() -> None:
    public = {name for name, each in vars(Client).items() if callable(each) and not name.startswith("_")}
    assert set(re.findall(r"`(\w+)\(", table("| a client's method |"))) == public


def test_every_field_of_a_saved_request_is_listed() -> None:
    common = {"purpose": Purpose.CREDIT_APPLICATION.number}
    asked = score_pb2.GetScoreRequest(disclosure=Disclosure.SCORE.number, **common)
    compared = score_pb2.CheckThresholdRequest(**common)
    fields = set()
    for request in (asked, compared):
        form = parse(request_form(request))
        assert isinstance(form, dict)
        fields |= set(form)
    listed = table("| member |").partition("| `request` |")[2]
    assert fields == set(re.findall(r"`(\w+)`", listed))
