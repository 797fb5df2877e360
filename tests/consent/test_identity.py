"""One person, however spelled, is one; and another is another."""

from __future__ import annotations

import pytest

from consent.identity import Matcher, Trait, TraitInvalid, formed

KEY = bytes(range(32))
SAME = [
    (Trait.NAME, "張偉", "张伟"),
    (Trait.NAME, "Zoë  O’Neill", "zoë oneill"),
    (Trait.NAME, "Zoe\u0308 Kanari", "Zoë KANARI"),
    (Trait.NAME, "ＺＨＡＮＧ Ｗｅｉ", "zhang wei"),
    (Trait.NAME, "歐陽・娜娜", "欧阳娜娜"),
    (Trait.NAME, "STRASSE", "Straße"),
    (Trait.DOCUMENT, "11010519491231002X", "11010519491231002x"),
    (Trait.DOCUMENT, "A123-456-789", "ａ１２３４５６７８９"),
    (Trait.PHONE, "138 0013 8000", "+86 (138) 0013-8000"),
    (Trait.PHONE, "＋８６１３８００１３８０００", "+8613800138000"),
    (Trait.PHONE, "0049 30 555012345", "+4930555012345"),
]


@pytest.mark.parametrize(("trait", "one", "other"), SAME)
def test_spellings_of_one_thing_match(trait: Trait, one: str, other: str) -> None:
    matcher = Matcher(KEY)
    assert formed(trait, one, "CN") == formed(trait, other, "CN")
    assert matcher.matches(matcher.digests({trait: one}), {trait: other})


@pytest.mark.parametrize(
    ("trait", "one", "other"),
    [
        (Trait.NAME, "张伟", "张炜"),
        (Trait.NAME, "राम", "रमा"),  # the same letters, with the vowel's mark elsewhere
        (Trait.NAME, "ปู", "ป"),
        (Trait.DOCUMENT, "110105194912310021", "110105194912310022"),
        (Trait.PHONE, "+8613800138000", "+8613800138001"),
        (Trait.PHONE, "13800138000", "+4913800138000"),
    ],
)
def test_others_do_not(trait: Trait, one: str, other: str) -> None:
    matcher = Matcher(KEY)
    assert not matcher.matches(matcher.digests({trait: one}), {trait: other})


def test_all_that_is_expected_must_match_and_nothing_else_need() -> None:
    matcher = Matcher(KEY)
    expected = matcher.digests({Trait.NAME: "张伟", Trait.PHONE: "13800138000"})
    found = {Trait.NAME: "張偉", Trait.PHONE: "13800138000", Trait.DOCUMENT: "any"}
    assert matcher.matches(expected, found)
    assert not matcher.matches(expected, {**found, Trait.PHONE: "13800138001"})
    assert not matcher.matches(expected, {Trait.NAME: "张伟"})
    assert matcher.matches({}, {})


def test_a_digest_is_of_its_own_trait_and_secret() -> None:
    traits = {Trait.NAME: "a1", Trait.DOCUMENT: "a1"}
    digests = Matcher(KEY).digests(traits)
    assert digests[Trait.NAME] != digests[Trait.DOCUMENT]
    assert digests != Matcher(bytes(32)).digests(traits)


@pytest.mark.parametrize(
    ("trait", "text"),
    [
        (Trait.NAME, ""),
        (Trait.NAME, "a" * 121),
        (Trait.NAME, "—·—"),
        (Trait.DOCUMENT, " - "),
        (Trait.PHONE, "12"),
        (Trait.PHONE, "nobody"),
    ],
)
def test_what_has_no_form_is_refused_by_name(trait: Trait, text: str) -> None:
    with pytest.raises(TraitInvalid) as refusal:
        Matcher(KEY).digests({trait: text})
    assert refusal.value.trait is trait


def test_a_secret_has_its_length() -> None:
    with pytest.raises(ValueError, match="31 bytes; 32 needed"):
        Matcher(bytes(31))
