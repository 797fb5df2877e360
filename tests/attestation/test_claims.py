"""Claims that break a rule can neither be made nor read, and every refusal names the claim."""

import json
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from scoregate.errors import AttestationMalformed, ClaimInvalid
from scoregate.proof.claims import (
    Claims,
    NotScored,
    ScoreClaims,
    Scored,
    ScoreReason,
    ThresholdAnswer,
    ThresholdClaims,
    band_of,
    inquiry_of,
)
from scoregate.words import Band, Disclosure, InputFamily, InquiryType, Mark, NotScoredReason, Purpose
from tests.attestation.made_answers import (
    EPOCH,
    FAMILIES,
    FULL,
    LATE,
    NO_DATA,
    REACHED,
    SCORED,
    claims_for,
    score_request,
    threshold_request,
)

VECTORS = Path(__file__).parents[1] / "vectors" / "attestation"
SCORE = claims_for(score_request(with_reasons=True))
BAND = claims_for(score_request(disclosure=Disclosure.BAND.number))
NOT_SCORED = claims_for(score_request(), result=NO_DATA)
THRESHOLD = claims_for(threshold_request())
MARKS = (Mark.DISPUTED, Mark.UNDER_REVIEW)
MARKED = replace(SCORE, marks=MARKS)


@pytest.mark.parametrize(
    ("name", "claims"),
    [
        ("score", SCORE),
        ("band", BAND),
        ("not-scored", NOT_SCORED),
        ("threshold", THRESHOLD),
        ("marked-score", MARKED),
        ("marked-threshold", replace(THRESHOLD, marks=(Mark.DISPUTED,))),
    ],
)
def test_claims_are_written_and_read_as_the_vectors_are(name: str, claims: Claims) -> None:
    golden = (VECTORS / f"{name}-claims.json").read_bytes().rstrip(b"\n")
    assert claims.encode() == golden
    assert type(claims).decode(golden) == claims


IN_ORDER = "each mark stands once, in the contract's order"
A_MARK = "a Mark of this contract belongs here; a newer scoregate may know it"
NOT_JSON = "not JSON as this package writes it; fetch it again from its source"

# The tables.


@pytest.mark.parametrize(
    ("score", "band"),
    [(350, "350_549"), (549, "350_549"), (550, "550_599"), (599, "550_599"), (600, "600_649"),
     (649, "600_649"), (650, "650_699"), (699, "650_699"), (700, "700_950"), (950, "700_950")],
)  # fmt: skip
def test_bands_begin_and_end_where_the_contract_says(score: int, band: str) -> None:
    assert band_of(score) == band


@given(st.integers(350, 950))
def test_a_score_lies_within_the_ends_that_its_band_is_named_after(score: int) -> None:
    low, high = band_of(score).value.split("_")
    assert int(low) <= score <= int(high)


def test_only_an_application_for_credit_and_a_guarantee_are_hard_inquiries() -> None:
    hard = {purpose for purpose in Purpose if inquiry_of(purpose) is InquiryType.HARD}
    assert hard == {Purpose.CREDIT_APPLICATION, Purpose.GUARANTOR}


# Any claims that keep the rules.

models = st.from_regex(r"[a-z][a-z0-9.-]{0,20}@[0-9][0-9a-z.]{0,10}", fullmatch=True)
reasons = st.lists(
    st.builds(
        ScoreReason,
        st.from_regex(r"[A-Z][0-9]{2}", fullmatch=True),
        st.text(min_size=1, max_size=60).filter(str.isprintable),
    ),
    max_size=4,
    unique_by=lambda reason: reason.code,
).map(tuple)
families = st.lists(st.sampled_from(InputFamily), unique=True, max_size=5).map(tuple)
not_scored = st.builds(NotScored, st.sampled_from(NotScoredReason), st.dates())
thresholds = st.integers(7, 19).map(lambda step: step * 50)
answers = st.builds(ThresholdAnswer, thresholds, st.booleans(), models, st.dates(), families)


@st.composite
def scored(draw: st.DrawFn, *, number: bool) -> Scored:
    score = draw(st.integers(350, 950))
    asked = draw(st.none() | reasons)
    return Scored(
        score if number else None, band_of(score), asked, draw(models), draw(st.dates()), draw(families)
    )


@st.composite
def any_claims(draw: st.DrawFn) -> Claims:
    kind = draw(st.sampled_from([ScoreClaims, ThresholdClaims]))
    disclosure = draw(st.sampled_from(sorted(kind.disclosures)))
    number = disclosure is Disclosure.SCORE
    given_result: st.SearchStrategy[Any] = scored(number=number) if kind is ScoreClaims else answers
    purpose = draw(st.sampled_from(Purpose))
    issued = draw(st.integers(0, 253_402_300_798))
    return kind(
        iss=draw(st.from_regex(r"[!-~]{1,255}", fullmatch=True)),
        aud=draw(st.from_regex(r"[a-z][a-z0-9-]{1,39}", fullmatch=True)),
        jti=str(draw(st.uuids())),
        iat=issued,
        exp=draw(st.integers(issued + 1, 253_402_300_799)),
        nonce=draw(st.from_regex(r"[A-Za-z0-9_-]{16,128}", fullmatch=True)),
        request_sha256=draw(st.binary(min_size=32, max_size=32)).hex(),
        consent_id=draw(st.from_regex(r"[a-z2-7]{26}", fullmatch=True)),
        consent_sha256=draw(st.binary(min_size=32, max_size=32)).hex(),
        purpose=purpose,
        disclosure=disclosure,
        inquiry=inquiry_of(purpose),
        subject_ref=draw(st.from_regex(r"[!-~]{1,128}", fullmatch=True)),
        log=draw(st.from_regex(r"[!-~]{1,255}", fullmatch=True)),
        result=draw(given_result | not_scored),
        marks=draw(st.sampled_from([(), MARKS[:1], MARKS[1:], MARKS])),
    )


@settings(max_examples=80)
@given(any_claims())
def test_lawful_claims_come_back_from_their_bytes(claims: Claims) -> None:
    assert type(claims).decode(claims.encode()) == claims
    assert rfc8785.dumps(json.loads(claims.encode())) == claims.encode()


@settings(max_examples=80)
@given(any_claims(), st.data())
def test_no_byte_of_the_canonical_form_may_be_dropped_or_doubled(claims: Claims, data: st.DataObject) -> None:
    whole = claims.encode()
    place = data.draw(st.integers(0, len(whole) - 1))
    for spoiled in (
        whole[:place] + whole[place + 1 :],
        whole[:place] + whole[place : place + 1] + whole[place:],
    ):
        try:
            found = type(claims).decode(spoiled)
        except AttestationMalformed:
            continue
        assert found != claims  # a shorter text is another claim, never a second spelling
        assert found.encode() == spoiled


@given(st.binary(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_no_payload_crashes_the_reader(payload: bytes) -> None:
    for kind in (ScoreClaims, ThresholdClaims):
        with pytest.raises(AttestationMalformed):
            kind.decode(payload)


# One rule broken at a time: made, and read.

BROKEN_FIELDS: list[tuple[str, Any]] = [
    *[(claim, value) for claim in ("iss", "log") for value in ("", "a b", "a\n", "x" * 256, "ü", None, 5)],
    *[("aud", value) for value in ("", "a b", "acme/x", "x" * 65, ["acme"], "acme\n")],
    *[("jti", value) for value in ("", "D9428888-122B-41E1-B85C-61FFA1F5B6A3",
                                   "d9428888122b41e1b85c61ffa1f5b6a3",
                                   "{d9428888-122b-41e1-b85c-61ffa1f5b6a3}", 7)],
    *[(claim, value) for claim in ("iat", "exp") for value in (-1, 253_402_300_800, "1", True, None)],
    *[("nonce", value) for value in ("a" * 15, "a" * 129, "a" * 16 + "=", "a" * 15 + "+", "a" * 16 + "\n")],
    *[(claim, value) for claim in ("request_sha256", "consent_sha256")
      for value in ("", "0" * 63, "0" * 65, "A" * 64, "g" * 64, "0" * 64 + "\n")],
    *[("consent_id", value) for value in ("", "a" * 25, "a" * 27, "a" * 25 + " ")],
    *[("subject_ref", value) for value in ("", "a b", "x" * 129, "é", "a\n")],
]  # fmt: skip


@pytest.mark.parametrize(("claim", "value"), BROKEN_FIELDS)
def test_a_claim_outside_its_bounds_is_refused_by_name(claim: str, value: Any) -> None:
    for claims in (SCORE, THRESHOLD):
        with pytest.raises(ClaimInvalid, match=rf"\b{claim}\b") as made:
            replace(claims, **{claim: value})
        assert made.value.claim == claim
        spoiled = json.loads(claims.encode()) | {claim: value}
        with pytest.raises(ClaimInvalid) as read:
            type(claims).decode(json.dumps(spoiled).encode())
        assert read.value.claim == claim


@pytest.mark.parametrize(
    ("claim", "value"),
    [("jti", str(UUID(int=0))), ("nonce", "a" * 16), ("nonce", "_" * 128), ("iat", 0),
     ("exp", 253_402_300_799), ("iss", "x" * 255), ("aud", "x" * 64),
     ("subject_ref", "x"), ("subject_ref", "x" * 128)],
)  # fmt: skip
def test_a_claim_at_its_bound_is_allowed(claim: str, value: Any) -> None:
    claims = replace(SCORE, **{claim: value})
    assert ScoreClaims.decode(claims.encode()) == claims


def test_the_table_above_and_the_cross_rules_reach_every_claim() -> None:
    covered = {claim for claim, _ in BROKEN_FIELDS} | {"purpose", "disclosure", "inquiry", "result", "marks"}
    assert covered == {field.name for field in fields(Claims)}


@pytest.mark.parametrize("exp", [SCORE.iat, SCORE.iat - 1])
def test_an_attestation_expires_after_it_was_issued(exp: int) -> None:
    with pytest.raises(ClaimInvalid, match="exp"):
        replace(SCORE, exp=exp)
    assert replace(SCORE, exp=SCORE.iat + 1).exp == SCORE.iat + 1


@pytest.mark.parametrize("purpose", Purpose)
def test_the_inquiry_type_of_another_purpose_is_refused(purpose: Purpose) -> None:
    (other,) = set(InquiryType) - {inquiry_of(purpose)}
    with pytest.raises(ClaimInvalid, match="inquiry"):
        replace(SCORE, purpose=purpose, inquiry=other)


@pytest.mark.parametrize(
    ("claims", "disclosure"),
    [(SCORE, Disclosure.THRESHOLD), (SCORE, Disclosure.REASONS), (THRESHOLD, Disclosure.SCORE),
     (THRESHOLD, Disclosure.BAND), (THRESHOLD, Disclosure.REASONS)],
)  # fmt: skip
def test_a_disclosure_of_the_other_kind_is_refused(claims: Claims, disclosure: Disclosure) -> None:
    with pytest.raises(ClaimInvalid, match="disclosure"):
        replace(claims, disclosure=disclosure)


@pytest.mark.parametrize(("claims", "result"), [(SCORE, REACHED), (THRESHOLD, SCORED)])
def test_a_result_of_the_other_kind_is_refused(claims: Any, result: Any) -> None:
    with pytest.raises(ClaimInvalid, match="result"):
        replace(claims, result=result)
    other = THRESHOLD if claims is SCORE else SCORE
    mixed = json.loads(claims.encode()) | {"result": json.loads(other.encode())["result"]}
    with pytest.raises(ClaimInvalid):
        type(claims).decode(json.dumps(mixed).encode())


def test_a_number_under_band_is_refused() -> None:
    with pytest.raises(ClaimInvalid, match="score"):
        replace(BAND, result=SCORED)


def test_a_missing_number_under_score_is_refused() -> None:
    with pytest.raises(ClaimInvalid, match="score"):
        replace(SCORE, result=replace(SCORED, score=None))


@pytest.mark.parametrize(
    ("change", "claim"),
    [
        ({"score": 349}, "score"),
        ({"score": 951}, "score"),
        ({"score": 712.0}, "score"),
        ({"score": True}, "score"),
        ({"score": "712"}, "score"),
        ({"score": 699}, "band"),
        ({"band": Band.FROM_650}, "band"),
        ({"band": "700_950"}, "band"),
        ({"reasons": (LATE, LATE)}, "reasons"),
        ({"reasons": tuple(replace(LATE, code=f"H{number}") for number in range(5))}, "reasons"),
        ({"reasons": (replace(LATE, code=""),)}, "reasons.code"),
        ({"reasons": (replace(LATE, code="h01"),)}, "reasons.code"),
        ({"reasons": (replace(LATE, text=""),)}, "reasons.text"),
        ({"reasons": (replace(LATE, text="x" * 401),)}, "reasons.text"),
        ({"reasons": (replace(LATE, text="a\0b"),)}, "reasons.text"),
        ({"reasons": (replace(LATE, text="\ud800"),)}, "reasons.text"),
        ({"reasons": (ScoreReason("H01", None),)}, "reasons.text"),  # type: ignore[arg-type]
        ({"model": ""}, "model"),
        ({"model": "card"}, "model"),
        ({"model": "card@"}, "model"),
        ({"model": "card@1@2"}, "model"),
        ({"model": "card 1@2"}, "model"),
        ({"evaluated_at": "2005-09-01"}, "evaluated_at"),
        ({"evaluated_at": datetime(2005, 9, 1, tzinfo=UTC)}, "evaluated_at"),
        ({"families": (InputFamily.SOCIAL, InputFamily.SOCIAL)}, "families"),
        ({"families": ("SOCIAL",)}, "families"),
    ],
)
def test_a_score_that_breaks_a_rule_cannot_be_made(change: dict[str, Any], claim: str) -> None:
    with pytest.raises(ClaimInvalid) as error:
        replace(SCORED, **change)
    assert error.value.claim == claim


@pytest.mark.parametrize(
    ("change", "claim"),
    [({"threshold": 349}, "threshold"), ({"threshold": 1000}, "threshold"), ({"threshold": 651}, "threshold"),
     ({"threshold": True}, "threshold"), ({"reached": 1}, "reached"), ({"reached": None}, "reached"),
     ({"model": "x"}, "model"), ({"families": (InputFamily.SOCIAL,) * 2}, "families")],
)  # fmt: skip
def test_a_threshold_answer_that_breaks_a_rule_cannot_be_made(change: dict[str, Any], claim: str) -> None:
    with pytest.raises(ClaimInvalid) as error:
        replace(REACHED, **change)
    assert error.value.claim == claim


@pytest.mark.parametrize("change", [{"reason": "NO_DATA"}, {"reason": None}, {"evaluated_at": None}])
def test_a_not_scored_result_that_breaks_a_rule_cannot_be_made(change: dict[str, Any]) -> None:
    with pytest.raises(ClaimInvalid):
        replace(NO_DATA, **change)


Spoil = Callable[[dict[str, Any]], object]


def inside(members: dict[str, Any]) -> dict[str, Any]:
    (found,) = members["result"].values()
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("claims", "spoil", "claim"),
    [
        (SCORE, lambda top: top.update(extra=1), "'extra'"),
        (SCORE, lambda top: top.update(nbf=1), "'nbf'"),
        (SCORE, lambda top: top.pop("log"), "log"),
        (SCORE, lambda top: top.pop("result"), "result"),
        (SCORE, lambda top: top.update(purpose="PURPOSE_COLLECTION"), "purpose"),
        (SCORE, lambda top: top.update(purpose=1), "purpose"),
        (SCORE, lambda top: top.update(disclosure="ALL"), "disclosure"),
        (SCORE, lambda top: top.update(inquiry=None), "inquiry"),
        (SCORE, lambda top: top.update(result=None), "result"),
        (SCORE, lambda top: top.update(result={}), "result"),
        (SCORE, lambda top: top["result"].update(json.loads(NOT_SCORED.encode())["result"]), "result"),
        (SCORE, lambda top: top["result"].update(answer={}), "'answer'"),
        (SCORE, lambda top: top.update(result={"scored": 712}), "scored"),
        (SCORE, lambda top: inside(top).update(percentile=3), "'percentile'"),
        (SCORE, lambda top: inside(top).pop("band"), "band"),
        (SCORE, lambda top: inside(top).pop("score"), "score"),
        (BAND, lambda top: inside(top).update(score=712), "score"),
        (BAND, lambda top: inside(top).update(score=None), "scored"),
        (BAND, lambda top: inside(top).update(reasons=None), "scored"),
        (SCORE, lambda top: inside(top).update(range=[300, 850]), "range"),
        (SCORE, lambda top: inside(top).update(range="350-950"), "range"),
        (SCORE, lambda top: inside(top).update(band="700-950"), "band"),
        (SCORE, lambda top: inside(top).update(evaluated_at="20050901"), "evaluated_at"),
        (SCORE, lambda top: inside(top).update(evaluated_at="2005-W35-4"), "evaluated_at"),
        (SCORE, lambda top: inside(top).update(evaluated_at="2005-02-30"), "evaluated_at"),
        (SCORE, lambda top: inside(top).update(families="HISTORY"), "families"),
        (SCORE, lambda top: inside(top).update(families=["HISTORY", "HOROSCOPE"]), "families"),
        (SCORE, lambda top: inside(top).update(reasons={}), "reasons"),
        (SCORE, lambda top: inside(top)["reasons"][0].pop("text"), "text"),
        (SCORE, lambda top: inside(top)["reasons"][0].update(weight=3), "'weight'"),
        (SCORE, lambda top: inside(top)["reasons"][0].update(code=[]), "reasons.code"),
        (SCORE, lambda top: inside(top)["reasons"].append("H03"), "reasons"),
        (NOT_SCORED, lambda top: inside(top).update(reason="NOT_AUTHORISED"), "not_scored.reason"),
        (NOT_SCORED, lambda top: inside(top).update(score=350), "'score'"),
        (THRESHOLD, lambda top: inside(top).update(score=712), "'score'"),
        (THRESHOLD, lambda top: inside(top).update(band="700_950"), "'band'"),
        (THRESHOLD, lambda top: inside(top).update(reached="true"), "reached"),
        (THRESHOLD, lambda top: inside(top).pop("threshold"), "threshold"),
    ],
)  # fmt: skip
def test_members_that_do_not_belong_are_refused_by_name(claims: Claims, spoil: Spoil, claim: str) -> None:
    members = json.loads(claims.encode())
    spoil(members)
    with pytest.raises(ClaimInvalid) as error:
        type(claims).decode(json.dumps(members).encode())
    assert error.value.claim == claim


@pytest.mark.parametrize(
    "respell",
    [
        lambda text: text.replace(b",", b", ", 1),
        lambda text: text + b"\n",
        lambda text: text.replace(b'"aud":"acme"', b'"aud":"\\u0061cme"'),
        lambda text: b"{" + b",".join(reversed(text[1:-1].split(b',"consent_id"', 1))) + b"}",
        lambda text: text.replace(b"712", b"712.0"),
        lambda text: text.replace(b"712", b"7.12e2"),
        lambda text: text.replace(b'"score":712', b'"score":712,"score":712'),
    ],
)
def test_a_second_spelling_of_the_same_claims_is_refused(respell: Callable[[bytes], bytes]) -> None:
    assert respell(SCORE.encode()) != SCORE.encode()
    with pytest.raises(AttestationMalformed, match=r"^claims: not ") as error:
        ScoreClaims.decode(respell(SCORE.encode()))
    told = {"not in the canonical form of RFC 8785", NOT_JSON}
    assert str(error.value).removeprefix("claims: ") in told


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: replace(SCORE, purpose="GUARANTOR"), "purpose: a Purpose belongs here"),
        (lambda: replace(SCORE, disclosure="SCORE"), "disclosure: a Disclosure belongs here"),
        (lambda: replace(SCORE, inquiry="HARD"), "inquiry: a InquiryType belongs here"),
        (lambda: replace(SCORE, exp=SCORE.iat), "exp: must be later than iat"),
        (lambda: replace(SCORE, inquiry=InquiryType.SOFT), "inquiry: must be the purpose's own inquiry type"),
        (lambda: replace(SCORE, disclosure=Disclosure.THRESHOLD),
         "disclosure: one of BAND, SCORE belongs here"),
        (lambda: replace(SCORE, result=REACHED), "result: scored or not_scored belongs here"),
        (lambda: replace(THRESHOLD, result=SCORED), "result: answer or not_scored belongs here"),
        (lambda: replace(BAND, result=SCORED), "score: there is a number under SCORE, and none under BAND"),
        (lambda: replace(SCORED, band=Band.FROM_650), "band: must be the score's own band"),
        (lambda: replace(SCORED, score=951), "score: an integer from 350 to 950 belongs here"),
        (lambda: replace(SCORED, families=FAMILIES * 2), "families: each family stands once"),
        (lambda: replace(SCORED, reasons=(LATE, LATE)), "reasons: at most 4, and each code once"),
        (lambda: replace(SCORED, reasons=(replace(LATE, text=""),)),
         "reasons.text: 1 to 400 printable characters belong here"),
        (lambda: replace(SCORED, reasons=(replace(LATE, code=""),)),
         "reasons.code: a text of the form [A-Z0-9_]{1,32} belongs here"),
        (lambda: replace(REACHED, threshold=651), "threshold: a multiple of 50 belongs here"),
        (lambda: replace(REACHED, reached=1), "reached: a bool belongs here"),
        (lambda: replace(NO_DATA, reason="NO_DATA"), "not_scored.reason: a NotScoredReason belongs here"),
        (lambda: replace(NO_DATA, evaluated_at=None), "evaluated_at: a date belongs here"),
        (lambda: replace(SCORE, marks=None), "marks: a tuple belongs here"),
        (lambda: replace(SCORE, marks=[]), "marks: a tuple belongs here"),
        (lambda: replace(SCORE, marks=[Mark.DISPUTED]), "marks: a tuple belongs here"),
        (lambda: replace(THRESHOLD, marks=("DISPUTED",)), "marks: a Mark belongs here"),
        (lambda: replace(SCORE, marks=MARKS[:1] * 2), f"marks: {IN_ORDER}"),
        (lambda: replace(THRESHOLD, marks=MARKS[::-1]), f"marks: {IN_ORDER}"),
    ],
)  # fmt: skip
def test_a_claim_that_can_not_be_made_says_what_belongs_there(make: Callable[[], object], told: str) -> None:
    with pytest.raises(ClaimInvalid) as error:
        make()
    assert str(error.value) == f"claim {told}"


@pytest.mark.parametrize(
    ("claims", "spoil", "told"),
    [
        (SCORE, lambda top: top.update(result=5), "result: an object belongs here"),
        (SCORE, lambda top: top.update(result={}), "result: exactly one of not_scored, scored belongs here"),
        (SCORE, lambda top: top.pop("log"), "log: missing in claims"),
        (SCORE, lambda top: top.update(nbf=1), "'nbf': unknown in claims; a newer scoregate may know it"),
        (SCORE, lambda top: top.update({"x" * 33: 1}),
         f"'{'x' * 32}': unknown in claims; a newer scoregate may know it"),
        (SCORE, lambda top: top.update(purpose=1),
         "purpose: a Purpose of this contract belongs here; a newer scoregate may know it"),
        (SCORE, lambda top: top.update(marks=[]), "marks: without any, the claim is left out"),
        (SCORE, lambda top: top.update(marks=None), "marks: an array belongs here"),
        (SCORE, lambda top: top.update(marks="DISPUTED"), "marks: an array belongs here"),
        (SCORE, lambda top: top.update(marks={"DISPUTED": 1}), "marks: an array belongs here"),
        (THRESHOLD, lambda top: top.update(marks=[1]), f"marks: {A_MARK}"),
        (THRESHOLD, lambda top: top.update(marks=["DISPUTED", None]), f"marks: {A_MARK}"),
        (MARKED, lambda top: top["marks"].append("WITHDRAWN"), f"marks: {A_MARK}"),
        (MARKED, lambda top: top["marks"].append("DISPUTED"), f"marks: {IN_ORDER}"),
        (MARKED, lambda top: top["marks"].reverse(), f"marks: {IN_ORDER}"),
        (MARKED, lambda top: inside(top).update(marks=["DISPUTED"]),
         "'marks': unknown in scored; a newer scoregate may know it"),
        (SCORE, lambda top: inside(top).update(range=[300, 850]), "range: [350, 950] belongs here"),
        (BAND, lambda top: inside(top).update(score=None),
         "scored: what is absent is left out, and never null"),
        (SCORE, lambda top: inside(top).update(families="HISTORY"), "families: an array belongs here"),
        (SCORE, lambda top: inside(top)["reasons"][0].pop("text"), "text: missing in reasons"),
        (SCORE, lambda top: inside(top).update(evaluated_at="2005"),
         "evaluated_at: a date as YYYY-MM-DD belongs here"),
        (THRESHOLD, lambda top: top.update(result={"answer": 5}), "answer: an object belongs here"),
        (THRESHOLD, lambda top: inside(top).update(evaluated_at="2005"),
         "evaluated_at: a date as YYYY-MM-DD belongs here"),
        (NOT_SCORED, lambda top: top.update(result={"not_scored": 5}), "not_scored: an object belongs here"),
        (NOT_SCORED, lambda top: inside(top).update(evaluated_at="2005"),
         "evaluated_at: a date as YYYY-MM-DD belongs here"),
    ],
)  # fmt: skip
def test_a_claim_that_can_not_be_read_says_what_belongs_there(
    claims: Claims, spoil: Spoil, told: str
) -> None:
    members = json.loads(claims.encode())
    spoil(members)
    with pytest.raises(ClaimInvalid) as error:
        type(claims).decode(json.dumps(members).encode())
    assert str(error.value) == f"claim {told}"


@pytest.mark.parametrize("claims", [SCORE, BAND, NOT_SCORED, THRESHOLD])
@pytest.mark.parametrize("marks", [MARKS[:1], MARKS[1:], MARKS])
def test_a_mark_is_one_claim_more_and_changes_no_other(claims: Claims, marks: tuple[Mark, ...]) -> None:
    marked = replace(claims, marks=marks)
    assert type(claims).decode(marked.encode()) == marked
    assert json.loads(marked.encode()) == json.loads(claims.encode()) | {"marks": list(marks)}
    assert b"marks" not in claims.encode()


def test_a_reason_is_told_in_up_to_400_characters() -> None:
    (told,) = replace(SCORED, reasons=(replace(LATE, text="x" * 400),)).reasons or ()
    assert len(told.text) == 400


def test_a_refused_claim_is_not_quoted() -> None:
    for change in ({"subject_ref": "Zhang San, 13800138000"}, {"consent_id": "Zhang San, 13800138000"}):
        with pytest.raises(ClaimInvalid) as error:
            replace(SCORE, **change)
        assert "138" not in str(error.value)


def test_a_threshold_attestation_holds_neither_score_nor_band() -> None:
    assert b'"score"' not in THRESHOLD.encode()
    assert b'"band"' not in THRESHOLD.encode()
    assert not {"score", "band"} & {field.name for field in fields(ThresholdAnswer)}


def test_asked_for_reasons_without_any_differ_from_none_asked_for() -> None:
    none_found = replace(SCORE, result=replace(SCORED, reasons=()))
    assert b'"reasons":[]' in none_found.encode()
    assert ScoreClaims.decode(none_found.encode()).result.reasons == ()  # type: ignore[union-attr]
    assert b'"reasons"' not in replace(SCORE, result=SCORED).encode()


def test_times_are_instants_in_utc() -> None:
    assert SCORE.issued_at == datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
    assert SCORE.expires_at == datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


def test_the_samples_are_what_the_tests_take_them_for() -> None:
    assert SCORE.result == Scored(712, Band.FROM_700, (LATE, FULL), "card@2026.1", EPOCH, FAMILIES)
    assert date(2005, 9, 1) == EPOCH
