"""Every text of the pages is in the catalogue, none is left over, and places for values are the same."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from consent.grant import Frequency, State, Terms
from consent.register.terms import NOTICE_VERSION
from gateway.pages import consumer
from gateway.pages.consumer import words
from scoregate.reasons import REASONS
from scoregate.words import CalendarUnit, ConsentEventKind, ConsentMode, Disclosure, InputFamily, Purpose
from scoring import records, store
from scoring.features import FEATURES, measure

ROOM = Path(consumer.__file__).parent
PLACE = re.compile(r"%\(\w+\)[sd]")


def texts(*templates: str) -> set[str]:
    """Those of the templates of these names; of the whole room without any."""
    kinds = [(f"templates/{name}", "jinja2") for name in templates]
    kinds = kinds or [("**.py", "python"), ("templates/**.html", "jinja2")]
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


def test_chinese_has_no_space_where_a_sentence_or_a_date_ends() -> None:
    """Chinese writes none there; between Chinese and a foreign name or number, one is usual."""
    dates = r"%\((?:at|on|day|end|begin|opened|due)\)s"
    with (ROOM / "locale" / "zh_Hans.po").open("rb") as source:
        for each in read_po(source):
            assert not re.search(rf"[，。：；！？、）”] |{dates} | {dates}", str(each.string)), each.string
    chinese = words.languages()["zh-Hans"]
    assert (chinese.gap, chinese.comma, chinese.colon) == ("", "、", "：")


def test_no_two_headings_of_one_page_read_the_same() -> None:
    chinese = words.languages()["zh-Hans"]
    assert chinese("Why") != chinese("Reasons")


def test_every_refusal_has_words_for_whom_it_was_about() -> None:
    assert REASONS.keys() - words.REFUSED.keys() == set()
    for language in words.languages().values():
        for code in REASONS:
            assert not re.search("[A-Z]_", words.refused(language, code))
        assert words.refused(language, "OF_A_NEWER_CONTRACT") == language("Refused")


def test_a_wait_is_never_said_shorter_than_it_is() -> None:
    english = words.languages()["en"]
    told = [english.wait(timedelta(seconds=each)) for each in (0, 1, 59, 60, 61, 321)]
    assert told == ["1 second", "1 second", "59 seconds", "1 minute", "2 minutes", "6 minutes"]


# --- the reasons of a score

WINDOWS = {
    "C01": "redit limit",
    "C02": "in the month with (the|your) highest bill",
    "H01": "at the end of the latest month on record",
    "H02": "before the two latest months on record",
    "H03": "of all the months on record",
    "H04": "in the latest month on record",
    "H05": "in the months before the latest on record",
    "H06": "of all the months on record",
}
"""By reason code: what the factor looks at, and so what every sentence about it names."""


def test_a_reason_tells_lenders_and_the_person_of_the_same_months() -> None:
    lenders = {feature.reason_code: feature.reason_text for feature in FEATURES}
    assert words.LOWERED.keys() == words.LIFTED.keys() == lenders.keys() == WINDOWS.keys()
    for code, window in WINDOWS.items():
        for said in (lenders[code], words.LOWERED[code][0], words.LIFTED[code]):
            assert re.search(window, said, flags=re.IGNORECASE), (code, said)


def test_what_would_help_says_of_what_it_speaks() -> None:
    """It stands below its reason, and is still to be understood without it."""
    for _, helps in words.LOWERED.values():
        assert not re.match(r"(It|They|Them|Their)\b", helps)
        assert not re.search(r"their place|it counts less", helps)


def test_each_sentence_is_true_of_everybody_to_whom_it_is_told(engine_folder: Path) -> None:
    """Then no two of them contradict each other, whoever they are told to. The model's cuts are learnt: where
    this fails, a sentence says more than its factor knows.
    """
    card = store.read(engine_folder)[0]
    known = records.read()
    position = {each.reason_code: number for number, each in enumerate(card.characteristics)}
    for epoch in card.epochs:
        then = known.as_of(epoch)
        points = np.array([each.average_points for each in card.characteristics])
        above = card.points(measure(then)) - points
        late = (then.status >= 1).sum(axis=1)
        unpaid = (then.paid == 0).sum(axis=1)
        months = then.status.shape[1]
        far = then.status[:, 2:].max(axis=1) >= 2 if months > 2 else np.zeros(len(late), dtype=bool)
        used = then.bill.max(axis=1) / then.limit
        few = np.minimum(1, months - 1)
        truths = {
            "H01": (then.status[:, 0] <= 0, then.status[:, 0] >= 1),
            "H02": (~far, far),
            "H03": (late <= few, late >= 1),
            "H06": (unpaid <= few, unpaid >= 1),
            "C02": (used < 0.6, used > 0.4),  # a good part free; much in use
        }
        for code, (if_lifted, if_lowered) in truths.items():
            told = above[:, position[code]]
            assert if_lifted[told > 0].all(), (epoch, code)
            assert if_lowered[told < 0].all(), (epoch, code)


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
NOTICE = "69f0c35a805bf3a5ecb17a751a6eac7aac2821fff693d2ae3f60110d3f8d0d95"
"""SHA-256 of the words of NOTICE_VERSION 2026-12, in every language."""


def test_the_words_that_people_agree_to_are_those_of_this_version() -> None:
    """Where this fails, the words have changed: raise NOTICE_VERSION, and write the new digest here."""
    pages = [(ROOM / "templates" / name).read_text() for name in AGREED]
    maps = (words.PURPOSES, words.FAMILIES, words.DISCLOSURES, words.FREQUENCIES)
    spoken = sorted(texts(*AGREED))
    for each in maps:
        for said in each.values():
            spoken += [said] if isinstance(said, str) else said
    translated = [language(text) for language in words.languages().values() for text in spoken]
    digest = hashlib.sha256("\0".join([*pages, *translated]).encode()).hexdigest()
    assert (NOTICE_VERSION, digest) == ("2026-12", NOTICE)
