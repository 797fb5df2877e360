"""One person, however spelled, is one; and another is another."""

from __future__ import annotations

import shutil
import subprocess
import unicodedata
from pathlib import Path

import opencc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.identity import Matcher, Trait, TraitInvalid, formed

KEY = bytes(range(32))
SAME = [
    (Trait.NAME, "張偉", "张伟"),
    (Trait.NAME, "Zoë  O’Neill", "zoë oneill"),
    (Trait.NAME, "Zoe\u0308 Kanari", "Zoë KANARI"),
    (Trait.NAME, "ＺＨＡＮＧ Ｗｅｉ", "zhang wei"),
    (Trait.NAME, "歐陽・娜娜", "欧阳娜娜"),
    (Trait.NAME, "張昇", "张昇"),
    (Trait.NAME, "陳 昇", "陳昇"),
    (Trait.NAME, "韓昇延", "韩昇延"),
    (Trait.NAME, "蕭乾", "萧乾"),
    (Trait.NAME, "錢鍾書", "錢 鍾書"),
    (Trait.NAME, "錢鍾書", "钱锺书"),
    (Trait.NAME, "錢鍾書", "钱钟书"),
    (Trait.NAME, "於忠祥", "於 忠祥"),
    (Trait.NAME, "李澤鉅", "李·澤·鉅"),
    (Trait.NAME, "薴", "苎"),
    (Trait.NAME, "Z o e \u0308", "zoë"),
    (Trait.NAME, "α \u0345 \u0301", "ᾴ"),
    (Trait.NAME, "STRASSE", "Straße"),
    (Trait.DOCUMENT, "11010519491231002X", "11010519491231002x"),
    (Trait.DOCUMENT, "A123-456-789", "ａ１２３４５６７８９"),
    (Trait.PHONE, "138 0013 8000", "+86 (138) 0013-8000"),
    (Trait.PHONE, "＋８６１３８００１３８０００", "+8613800138000"),
    (Trait.PHONE, "0049 30 555012345", "+4930555012345"),
]


T2S = opencc.OpenCC("t2s")
CHINESE = st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF)
ALPHABETS = CHINESE | st.characters(categories=("L", "M", "N"))
WORDS = st.sampled_from([text for trait, *both in SAME if trait is Trait.NAME for text in both])


@pytest.mark.parametrize(("trait", "one", "other"), SAME)
def test_spellings_of_one_thing_match(trait: Trait, one: str, other: str) -> None:
    matcher = Matcher(KEY)
    assert formed(trait, one, "CN") == formed(trait, other, "CN")
    assert matcher.matches(matcher.digests({trait: one}), {trait: other})


def require_one_form(name: str) -> None:
    """Traditional or simplified, in one piece or not: it is the same name."""
    form = formed(Trait.NAME, name, "CN")
    assert formed(Trait.NAME, form, "CN") == form
    assert formed(Trait.NAME, T2S.convert(name), "CN") == form, ascii(name)
    assert formed(Trait.NAME, " ".join(name), "CN") == form, ascii(name)
    assert formed(Trait.NAME, "·".join(name), "CN") == form, ascii(name)


@given(st.lists(ALPHABETS | WORDS, min_size=1, max_size=4).map("".join))
def test_a_name_has_one_form_in_either_script_and_with_anything_between(name: str) -> None:
    require_one_form(name)


def test_every_character_has_one_form() -> None:
    for first, last in ((0x3400, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x323AF)):
        for each in map(chr, range(first, last + 1)):
            if unicodedata.category(each) == "Lo":  # or it is none yet
                form = formed(Trait.NAME, each, "CN")
                assert form == formed(Trait.NAME, T2S.convert(each), "CN") == formed(Trait.NAME, form, "CN")


def test_every_word_that_opencc_reads_as_one_has_one_form(tmp_path: Path) -> None:
    room = Path(opencc.__file__).parent / "clib"
    reader = shutil.copy(room / "bin" / "opencc_dict", tmp_path)
    Path(reader).chmod(0o700)
    words = tmp_path / "words"
    source = room / "share" / "opencc" / "TSPhrases.ocd2"
    told = [reader, "-i", str(source), "-o", str(words), "-f", "ocd2", "-t", "text"]
    subprocess.run(told, check=True, capture_output=True, timeout=30)
    found = [line.partition("\t")[0] for line in words.read_text().splitlines()]
    assert len(found) > 400
    for word in found:
        require_one_form(word)


@pytest.mark.parametrize(
    ("trait", "one", "other"),
    [
        (Trait.NAME, "张伟", "张炜"),
        (Trait.NAME, "钟", "锤"),
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


# Of KEY, made by the form that had no number: an invitation of that time may wait for 30 days.
BEFORE = {  # 張昇, A1234
    Trait.NAME: bytes.fromhex("46a0d225773417e413606e8626641a5294bd0c5ba0588a4b1e46df39f4d9c780"),
    Trait.DOCUMENT: bytes.fromhex("f9e20df8495247b768ccd70b11f8bea15ade2c06699c881d3d600f226777d88d"),
}


def test_a_digest_of_the_form_before_is_compared_by_that_form() -> None:
    matcher = Matcher(KEY)
    assert matcher.matches(BEFORE, {Trait.NAME: "張昇", Trait.DOCUMENT: "a1234"})
    assert matcher.matches(BEFORE, {Trait.NAME: "張昇 ", Trait.DOCUMENT: "A-1234"})
    assert not matcher.matches(BEFORE, {Trait.NAME: "张昇", Trait.DOCUMENT: "A1234"})  # why there is another
    assert not matcher.matches(BEFORE, {Trait.NAME: "张伟", Trait.DOCUMENT: "A1234"})
    now = matcher.digests({Trait.NAME: "张昇", Trait.DOCUMENT: "A1234"})
    assert now[Trait.DOCUMENT] == BEFORE[Trait.DOCUMENT]
    assert (now[Trait.NAME][:1], len(now[Trait.NAME])) == (b"\x02", 33)
    assert now[Trait.NAME][1:] != BEFORE[Trait.NAME]


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
