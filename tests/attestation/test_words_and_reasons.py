"""Words, reasons and errors cover the contract, without gaps and without extras."""

import re
from types import ModuleType
from typing import Any

import pytest

from scoregate import errors, words
from scoregate.errors import Refused, WordUnknown, refusal_class
from scoregate.partner.v1 import error_reason_pb2, types_pb2
from scoregate.reasons import REASONS, Retry, reason

KINDS = [kind for kind in vars(words).values() if isinstance(kind, type) and issubclass(kind, words.Word)]
WORD_KINDS = [kind for kind in KINDS if kind is not words.Word]
CODES = [
    name.removeprefix("ERROR_REASON_") for name, number in error_reason_pb2.ErrorReason.items() if number
]


def without_prefix(enum: Any, kind: type[words.Word]) -> dict[str, int]:
    prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).upper() + "_"
    return {name.removeprefix(prefix): number for name, number in enum.items() if number}


def test_every_enum_of_the_contract_has_its_words() -> None:
    assert {kind.__name__ for kind in WORD_KINDS} == set(types_pb2.DESCRIPTOR.enum_types_by_name)


@pytest.mark.parametrize("kind", WORD_KINDS)
def test_words_and_enum_have_the_same_names_and_numbers(kind: type[words.Word]) -> None:
    enum = getattr(types_pb2, kind.__name__)
    assert {word.value: word.number for word in kind} == without_prefix(enum, kind)


@pytest.mark.parametrize("kind", WORD_KINDS)
def test_a_word_is_found_by_number_and_by_text(kind: type[words.Word]) -> None:
    for word in kind:
        assert kind.of(word.number) is word
        assert kind.read(word.value) is word


@pytest.mark.parametrize("kind", WORD_KINDS)
@pytest.mark.parametrize("number", [0, -1, 99, 2**31 - 1])
def test_unset_and_newer_numbers_are_no_words(kind: type[words.Word], number: int) -> None:
    with pytest.raises(WordUnknown, match=kind.__name__):
        kind.of(number)


@pytest.mark.parametrize("text", ["", "UNSPECIFIED", "score", "SCORE ", "PURPOSE_COLLECTION"])
def test_other_spellings_are_no_words(text: str) -> None:
    for kind in WORD_KINDS:
        with pytest.raises(WordUnknown):
            kind.read(text)


def test_the_catalogue_holds_every_reason_of_the_contract_and_no_other() -> None:
    assert sorted(REASONS) == sorted(CODES)


@pytest.mark.parametrize("code", CODES)
def test_a_reason_tells_what_happened_and_what_to_do(code: str) -> None:
    entry = reason(code)
    assert entry.code == code
    assert isinstance(entry.retry, Retry)
    for text in (entry.title, entry.remedy):
        assert text.endswith(".")
        assert text[0].isupper()
        assert 15 <= len(text) <= 160
    assert entry.title != entry.remedy


@pytest.mark.parametrize("code", CODES)
def test_every_reason_belongs_to_a_group_that_a_lender_can_catch(code: str) -> None:
    assert refusal_class("a status without a group", code) is not Refused


@pytest.mark.parametrize(
    ("code", "group"),
    [
        ("CERTIFICATE_REVOKED", errors.AuthenticationRefused),
        ("PARTNER_SUSPENDED", errors.AuthenticationRefused),
        ("FIELD_INVALID", errors.InvalidRequest),
        ("REQUEST_ID_REUSED", errors.InvalidRequest),
        ("CONSENT_REVOKED", errors.ConsentRefused),
        ("SUBJECT_FROZEN", errors.ConsentRefused),
        ("BURST_EXCEEDED", errors.RateLimited),
        ("MONTHLY_QUOTA_EXHAUSTED", errors.QuotaExhausted),
        ("AUDIT_UNAVAILABLE", errors.Unavailable),
        ("DEADLINE_PASSED", errors.Unavailable),
        ("ENGINE_ANSWER_INVALID", errors.ServerFault),
        ("STATEMENT_CONTRADICTED", errors.ServerFault),
        ("NOT_FOUND", errors.NotFound),
        ("STATE_CONFLICT", errors.Conflict),
    ],
)
def test_reasons_are_grouped_by_what_the_caller_does_about_them(code: str, group: type[Refused]) -> None:
    assert refusal_class("PERMISSION_DENIED", code) is group


def test_a_reason_from_a_newer_gateway_falls_back_to_its_status() -> None:
    assert refusal_class("UNAVAILABLE", "MOON_IN_THE_WRONG_HOUSE") is errors.Unavailable
    error = Refused("no.", status="UNAVAILABLE", code="MOON_IN_THE_WRONG_HOUSE")
    assert error.reason is None
    assert "upgrade" in error.remedy


def test_the_drawing_at_the_top_names_every_error_in_its_place() -> None:
    assert drawn(errors.__doc__ or "") == declared(errors)


def drawn(picture: str) -> set[tuple[str, str]]:
    """(child, parent) pairs of the drawn tree; four columns are one level."""
    path: list[str] = []
    pairs = set()
    for line in picture.splitlines():
        if found := re.match(r"^([ │├└─]*)([A-Z]\w+)(?: {2,}|$)", line):
            level = len(found[1]) // 4 - 1
            path[level:] = [found[2]]
            if level:
                pairs.add((found[2], path[level - 1]))
    return pairs


def declared(module: ModuleType) -> set[tuple[str, str]]:
    family = [
        kind
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, module.ScoregateError)
    ]
    return {(kind.__name__, kind.__mro__[1].__name__) for kind in family if kind is not module.ScoregateError}
