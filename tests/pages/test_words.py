"""Every text of the pages is in the catalogue, none is left over, and places for values are the same."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from consent.grant import Frequency, State, Terms
from consent.register.terms import NOTICE_VERSION
from gateway.pages import consumer
from gateway.pages.consumer import words
from scoregate.words import CalendarUnit, ConsentEventKind, ConsentMode, Disclosure, InputFamily, Purpose
from scoring.features import FEATURES

ROOM = Path(consumer.__file__).parent
PLACE = re.compile(r"%\(\w+\)[sd]")


def texts() -> set[str]:
    kinds = [("**.py", "python"), ("templates/**.html", "jinja2")]
    found = extract_from_dir(str(ROOM), kinds, {}, keywords={"_": None, "N_": None, "gettext": None})
    return {str(message) for _, _, message, _, _ in found}


def test_the_catalogue_has_every_text_and_no_other() -> None:
    with (ROOM / "locale" / "zh_Hans.po").open("rb") as source:
        catalogue = {str(each.id): str(each.string) for each in read_po(source) if each.id}
    assert texts() - catalogue.keys() == set()
    assert catalogue.keys() - texts() == set()
    for text, translation in catalogue.items():
        assert translation, text
        assert sorted(PLACE.findall(text)) == sorted(PLACE.findall(translation)), text


def test_there_are_words_for_every_word_of_the_contract() -> None:
    assert words.PURPOSES.keys() == words.PURPOSE_NAMES.keys() == set(Purpose)
    assert words.FAMILIES.keys() == set(InputFamily)
    assert words.DISCLOSURES.keys() == set(Disclosure)
    assert words.STATES.keys() == set(State)
    assert words.EVENTS.keys() == set(ConsentEventKind)
    assert words.FREQUENCIES.keys() == set(CalendarUnit)


def test_there_are_words_for_every_reason_of_the_model() -> None:
    codes = {feature.reason_code for feature in FEATURES}
    assert words.LOWERED.keys() == words.LIFTED.keys() == codes


@pytest.mark.parametrize(
    ("accepted", "chosen", "tag"),
    [
        ("", None, "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", None, "zh-Hans"),
        ("en-GB,zh;q=0.5", None, "en"),
        ("fr,de;q=0.5,zh;q=0.1", None, "zh-Hans"),
        ("fr", None, "en"),
        ("zh;q=0", None, "en"),
        ("zh;q=rubbish", None, "en"),
        (",;=,zh;q=1e400", None, "zh-Hans"),
        ("zh", "en", "en"),
        ("en", "zh-Hans", "zh-Hans"),
        ("en", "tlh", "en"),
    ],
)
def test_a_language_is_chosen_or_asked_for(accepted: str, chosen: str | None, tag: str) -> None:
    assert words.preferred(accepted, chosen).tag == tag


@pytest.mark.parametrize(
    ("span", "english", "chinese"),
    [
        (timedelta(days=1), "1 day", "1 天"),
        (timedelta(days=30), "30 days", "30 天"),
        (timedelta(hours=36), "36 hours", "36 小时"),
        (timedelta(seconds=61), "61 seconds", "61 秒"),
    ],
)
def test_spans_are_said_exactly(span: timedelta, english: str, chinese: str) -> None:
    both = [language.span(span) for language in words.languages().values()]
    assert both == [english, chinese]


def test_how_often_is_said_by_the_calendar() -> None:
    english, chinese = words.languages().values()
    terms = Terms(
        Purpose.ACCOUNT_REVIEW,
        frozenset({Disclosure.BAND}),
        ConsentMode.PERIODIC,
        None,
        timedelta(days=1),
        Frequency(3, CalendarUnit.WEEK),
        "UTC",
        timedelta(days=1),
        frozenset(),
    )
    assert words.how_often(english, terms) == "At most 3 times a week"
    assert words.how_often(chinese, terms) == "每周最多 3 次"
    assert english.instant(datetime(2026, 11, 23, 23, 30, tzinfo=UTC), UTC) == "23 Nov 2026, 23:30:00"


AGREED = ("invitation.html", "terms.html")
NOTICE = "28c1adc10bdbfa719b87c73f1c41b281e3d45d845baf056f82d1be1b68b31069"
"""SHA-256 of the words of NOTICE_VERSION 2026-11, in every language."""


def test_the_words_that_people_agree_to_are_those_of_this_version() -> None:
    """Where this fails, the words have changed: raise NOTICE_VERSION, and write the new digest here."""
    pages = [(ROOM / "templates" / name).read_text() for name in AGREED]
    maps = (words.PURPOSES, words.FAMILIES, words.DISCLOSURES, words.FREQUENCIES)
    spoken = sorted(text for text in texts() if any(text in page for page in pages))
    for each in maps:
        for said in each.values():
            spoken += [said] if isinstance(said, str) else said
    translated = [language(text) for language in words.languages().values() for text in spoken]
    digest = hashlib.sha256("\0".join([*pages, *translated]).encode()).hexdigest()
    assert (NOTICE_VERSION, digest) == ("2026-11", NOTICE)
