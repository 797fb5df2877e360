"""Canonical JSON has one spelling, the RFC's; digests bind every field and nothing else."""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from scoregate.errors import JsonRefused, WordUnknown
from scoregate.proof.digest import (
    MAX_INTEGER,
    canonical,
    consent_form,
    parse,
    request_form,
    request_sha256,
    terms_form,
)
from scoregate.words import CalendarUnit, ConsentMode, Disclosure, InputFamily, Purpose
from tests.attestation.made_answers import score_request, threshold_request

VECTORS = Path(__file__).parents[1] / "vectors" / "attestation"
CONSENT: dict[str, Any] = {
    "consent_id": "mfrggzdfmztwq2lknnwg23tpob",
    "partner_id": "acme",
    "subject_ref": "p1-kq3w7zv5m2x4c6b8n1d0f9g7h5",
    "purpose": Purpose.ACCOUNT_REVIEW,
    "disclosures": (Disclosure.SCORE, Disclosure.REASONS, Disclosure.BAND),
    "mode": ConsentMode.PERIODIC,
    "not_before": datetime(2026, 11, 23, 9, 30, tzinfo=UTC),
    "expires_at": datetime(2027, 11, 23, 9, 30, tzinfo=UTC),
    "frequency": (4, CalendarUnit.MONTH),
    "time_zone": "Asia/Shanghai",
    "data_life": timedelta(days=90),
    "excluded_families": (InputFamily.SOCIAL, InputFamily.BEHAVIOUR),
    "notice_version": "2026-11",
}

WHOSE = frozenset({"consent_id", "partner_id", "subject_ref"})
EARLIER = "6f3e9dd6b8d8725f1bf949cd4a5a6274afb6c4c76554760ddbd93164b3285538"

texts = st.text(st.characters(codec="utf-8"))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=5),
    max_leaves=20,
)


@given(values)
def test_the_canonical_form_is_that_of_an_independent_writer(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@given(values)
def test_what_was_written_reads_back_as_the_same_value(value: Any) -> None:
    assert parse(canonical(value)) == value


@given(st.permutations(list("abcdef")))
def test_the_order_in_which_members_were_given_leaves_no_trace(keys: list[str]) -> None:
    assert canonical(dict.fromkeys(keys, 1)) == b'{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1}'


def test_keys_are_ordered_by_utf16_code_units_and_not_by_code_points() -> None:
    # RFC 8785, 3.2.3: U+1F600 begins with the unit D83D, so it comes before U+FB33.
    assert canonical({"\ufb33": 1, "\U0001f600": 2}) == '{"\U0001f600":2,"\ufb33":1}'.encode()


def test_control_characters_are_escaped_as_the_rfc_says() -> None:
    assert (
        canonical('\b\t\n\f\r\x00\x1f"\\/\x7f\u2028')
        == '"\\b\\t\\n\\f\\r\\u0000\\u001f\\"\\\\/\x7f\u2028"'.encode()
    )


@pytest.mark.parametrize("number", [MAX_INTEGER, -MAX_INTEGER])
def test_the_largest_exact_integers_are_written(number: int) -> None:
    assert canonical(number) == str(number).encode()
    assert parse(str(number)) == number


@pytest.mark.parametrize(
    "value",
    [1.0, float("nan"), MAX_INTEGER + 1, -MAX_INTEGER - 1, "\ud800", {"\udfff": 1}, {1: 1}, {"a": 1, 2: 2},
     b"x", {1, 2}, object(), {None: 1}, [[[1.5]]]],
)  # fmt: skip
def test_what_has_no_one_spelling_is_refused(value: Any) -> None:
    with pytest.raises(JsonRefused):
        canonical(value)


def test_a_value_nested_too_deeply_is_refused() -> None:
    value: Any = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(JsonRefused, match="deep"):
        canonical(value)


@pytest.mark.parametrize(
    "text",
    ["", "{", "1.0", "1e3", "-0.0", "NaN", "Infinity", '{"a":1,"a":1}', r'{"a":1,"\u0061":2}',
     str(MAX_INTEGER + 1), "[1,]", "'a'", "\ufeff{}", "1" * 5000, "[" * 100_000,
     b'"\xff"', b'"\xed\xa0\x80"'],
)  # fmt: skip
def test_a_json_text_outside_the_subset_is_refused(text: str | bytes) -> None:
    with pytest.raises(JsonRefused) as error:
        parse(text)
    if text == str(MAX_INTEGER + 1):
        assert str(error.value) == "an integer lies beyond ±(2^53 - 1); spell it as text"
    else:
        assert str(error.value) == "not JSON as this package writes it; fetch it again from its source"


@given(st.binary(max_size=60))
def test_no_bytes_crash_the_reader(data: bytes) -> None:
    with suppress(JsonRefused):
        parse(data)


def test_request_digests_are_those_of_the_vectors() -> None:
    for row in json.loads((VECTORS / "request-digests.json").read_text()):
        make = score_request if row["method"] == "GetScore" else threshold_request
        assert request_form(make(**row["request"])) == row["canonical"].encode()
        digest = request_sha256(make(**row["request"]))
        assert digest.hex() == row["sha256"]
        assert digest == sha256(row["canonical"].encode()).digest()


SCORE_CHANGES: list[dict[str, Any]] = [
    {"request_id": "0b7e8a52-6c1d-4a52-9a0e-3f6f5d2b7c12"},
    {"consent_id": "mfrggzdfmztwq2lknnwg23tpoc"},
    {"subject_ref": "p1-somebody"},
    {"purpose": Purpose.COLLECTION.number},
    {"disclosure": Disclosure.BAND.number},
    {"with_reasons": True},
    {"nonce": "Zm9yLXRlc3RzLW9ubHkhISF"},
]


def test_the_changes_below_touch_every_field_of_the_request() -> None:
    changed = {name for change in SCORE_CHANGES for name in change}
    assert changed == set(score_request().DESCRIPTOR.fields_by_name)


@pytest.mark.parametrize("change", SCORE_CHANGES)
def test_every_field_of_a_request_is_bound(change: dict[str, Any]) -> None:
    assert request_sha256(score_request(**change)) != request_sha256(score_request())


@pytest.mark.parametrize(
    "change", [*SCORE_CHANGES[:4], {"threshold": 700}, {"nonce": "Zm9yLXRlc3RzLW9ubHkhISF"}]
)
def test_every_field_of_a_threshold_request_is_bound(change: dict[str, Any]) -> None:
    assert request_sha256(threshold_request(**change)) != request_sha256(threshold_request())


@given(st.uuids())
def test_one_request_id_has_one_digest_however_it_is_spelled(request_id: UUID) -> None:
    lower, upper = str(request_id), str(request_id).upper()
    for make in (score_request, threshold_request):
        assert request_sha256(make(request_id=upper)) == request_sha256(make(request_id=lower))


def test_a_field_cannot_slip_into_its_neighbour() -> None:
    one = score_request(request_id="ab", consent_id="c")
    other = score_request(request_id="a", consent_id="bc")
    assert request_sha256(one) != request_sha256(other)


@pytest.mark.parametrize("change", [{"purpose": 0}, {"purpose": 99}, {"disclosure": 0}, {"disclosure": 99}])
def test_a_request_with_an_unknown_word_has_no_digest(change: dict[str, Any]) -> None:
    with pytest.raises(WordUnknown):
        request_sha256(score_request(**change))


def test_a_consents_form_is_that_of_the_vector() -> None:
    vector = json.loads((VECTORS / "consent-digest.json").read_text())
    assert consent_form(**CONSENT) == vector["canonical"].encode()
    assert sha256(consent_form(**CONSENT)).hexdigest() == vector["sha256"]


def test_the_earlier_form_is_of_the_terms_alone() -> None:
    terms = {name: value for name, value in CONSENT.items() if name not in WHOSE}
    window = {name: terms.pop(name) for name in ("not_before", "expires_at")}
    whole = parse(consent_form(**CONSENT))
    assert isinstance(whole, dict)
    alone = {name: value for name, value in whole.items() if name not in WHOSE}
    assert terms_form(**terms).of_terms_alone(**window) == canonical(alone)
    # Computed at the last commit whose consents had it.
    assert sha256(canonical(alone)).hexdigest() == EARLIER
    assert terms_form(**terms, thresholds=()).of_terms_alone(**window) is None  # it is older than lines are


def test_the_same_instant_in_another_zone_is_the_same_consent() -> None:
    shanghai = timezone(timedelta(hours=8))
    moved = CONSENT | {"not_before": CONSENT["not_before"].astimezone(shanghai)}
    assert consent_form(**moved) == consent_form(**CONSENT)


def test_the_order_of_disclosures_and_families_leaves_no_trace() -> None:
    turned = CONSENT | {
        "disclosures": CONSENT["disclosures"][::-1],
        "excluded_families": CONSENT["excluded_families"][::-1],
    }
    assert consent_form(**turned) == consent_form(**CONSENT)


@pytest.mark.parametrize(
    "change",
    [
        {"consent_id": "mfrggzdfmztwq2lknnwg23tpoc"},
        {"partner_id": "bike-share"},
        {"subject_ref": "p1-somebody-else"},
        {"purpose": Purpose.COLLECTION},
        {"disclosures": (Disclosure.SCORE,)},
        {"mode": ConsentMode.ONE_TIME},
        {"not_before": datetime(2026, 11, 23, 9, 30, 0, 1, tzinfo=UTC)},
        {"expires_at": datetime(2027, 11, 23, 9, 30, 0, 1, tzinfo=UTC)},
        {"frequency": None},
        {"frequency": (5, CalendarUnit.MONTH)},
        {"frequency": (4, CalendarUnit.WEEK)},
        {"time_zone": "UTC"},
        {"data_life": timedelta(days=91)},
        {"excluded_families": ()},
        {"notice_version": "2026-12"},
        {"thresholds": (600,)},
    ],
)
def test_whose_consent_it_is_and_every_term_are_bound(change: dict[str, Any]) -> None:
    assert consent_form(**(CONSENT | change)) != consent_form(**CONSENT)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"not_before": datetime(2026, 11, 23)}, "not_before"),
        ({"expires_at": datetime(2026, 11, 23)}, "expires_at"),
        ({"data_life": timedelta(seconds=1, microseconds=1)}, "data_life"),
    ],
)
def test_terms_that_could_be_read_in_two_ways_are_refused(change: dict[str, Any], field: str) -> None:
    with pytest.raises(JsonRefused) as error:
        consent_form(**(CONSENT | change))
    rule = "give whole seconds" if field == "data_life" else "give the instant with its time zone"
    assert str(error.value) == f"{field}: {rule}"


def test_lines_are_bound_in_rising_order_and_having_read_none_is_another_consent() -> None:
    assert consent_form(**(CONSENT | {"thresholds": (650, 600)})).endswith(
        b'"thresholds":[600,650],"time_zone":"Asia/Shanghai"}'
    )
    assert b'"thresholds":[],' in consent_form(**(CONSENT | {"thresholds": ()}))
    assert b"thresholds" not in consent_form(**(CONSENT | {"thresholds": None}))


def test_an_odd_number_of_seconds_is_whole_too() -> None:
    assert b'"data_life_seconds":3,' in consent_form(**(CONSENT | {"data_life": timedelta(seconds=3)}))


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("\ud800", "a text holds a lone surrogate, which UTF-8 cannot spell; remove it"),
        (MAX_INTEGER + 1, "an integer lies beyond ±(2^53 - 1); spell it as text"),
        ({1: 2}, "a key is not a string; spell it as text"),
        (1.5, "float has no canonical form here; use text or an integer"),
    ],
)
def test_what_has_no_canonical_form_says_what_to_do(value: Any, told: str) -> None:
    with pytest.raises(JsonRefused) as error:
        canonical(value)
    assert str(error.value) == told


def test_what_is_nested_too_deeply_says_what_to_do() -> None:
    value: Any = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(JsonRefused, match=r"^nested too deeply; flatten it$"):
        canonical(value)
