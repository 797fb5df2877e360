"""One person, however spelled, is one; and another is another."""

from __future__ import annotations

import pytest

from consent.identity import Matcher, Trait, TraitInvalid, formed

KEY = bytes(range(32))
FORMS = [
    (Trait.NAME, "Zoë  O’Neill", "zoëoneill"),
    (Trait.NAME, "歐陽・娜娜", "欧阳娜娜"),
    (Trait.NAME, "राम", "राम"),
    (Trait.DOCUMENT, "11010519491231002X", "11010519491231002x"),
    (Trait.PHONE, "138 0013 8000", "+8613800138000"),
]
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
    for trait, other in ((Trait.NAME, "张炜"), (Trait.PHONE, "13800138001")):
        assert not matcher.matches(expected, {**found, trait: other})
        without = {each: text for each, text in found.items() if each is not trait}
        assert not matcher.matches(expected, without)
    assert matcher.matches({}, {})


def test_a_digest_is_of_its_own_trait_and_secret() -> None:
    traits = {Trait.NAME: "a1", Trait.DOCUMENT: "a1"}
    digests = Matcher(KEY).digests(traits)
    assert digests[Trait.NAME] != digests[Trait.DOCUMENT]
    assert digests != Matcher(bytes(32)).digests(traits)


@pytest.mark.parametrize(("trait", "text", "form"), FORMS)
def test_a_form_stays_as_it_is(trait: Trait, text: str, form: str) -> None:
    """Registers hold digests of forms: under another one, nobody invited before would be themselves."""
    assert formed(trait, text, "CN") == form


def test_a_digest_stays_as_it_is() -> None:
    """HMAC-SHA256 of the trait's name, a zero byte and the form, as OpenSSL makes it."""
    digests = Matcher(KEY).digests({Trait.NAME: "歐陽・娜娜", Trait.PHONE: "138 0013 8000"})
    assert {trait.value: digest.hex() for trait, digest in digests.items()} == {
        "name": "aab5de4cb9a26247f281921ba1a01dc74d5e4dc8ec004f93e5eb85d0ac5d432a",
        "phone": "015e2e107471877ceb31f0ab92a0f2b79b6d7ae24c366f838fa3f671d16d153b",
    }


PHONE = "a phone number such as +86 138 0013 8000"


@pytest.mark.parametrize(
    ("trait", "text", "why"),
    [
        (Trait.NAME, "", "1 to 120 characters"),
        (Trait.NAME, "a" * 121, "1 to 120 characters"),
        (Trait.NAME, "—·—", "letters or digits"),
        (Trait.DOCUMENT, " - ", "letters or digits"),
        (Trait.PHONE, "12", PHONE),
        (Trait.PHONE, "nobody", PHONE),
        (Trait.PHONE, "+86 138 0013 8000 ext. 7", PHONE),
    ],
)
def test_what_has_no_form_is_refused_by_name_and_with_what_belongs_there(
    trait: Trait, text: str, why: str
) -> None:
    with pytest.raises(TraitInvalid, match=f"^{trait}$") as refusal:
        Matcher(KEY).digests({trait: text})
    assert (refusal.value.trait, refusal.value.why) == (trait, why)


def test_a_name_may_be_one_letter_and_as_long_as_it_may_be() -> None:
    assert formed(Trait.NAME, "Ø", "CN") == "ø"
    assert formed(Trait.NAME, "a" * 120, "CN") == "a" * 120


def test_a_secret_has_its_length() -> None:
    with pytest.raises(ValueError, match="31 bytes; 32 needed"):
        Matcher(bytes(31))
