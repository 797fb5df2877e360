"""The attester signs only its own issuer's claims, with the life that it gives."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest

from consent.attest import AttestationRefused, Attester
from scoregate.proof import jws
from tests.attestation.made_answers import (
    ISSUER,
    KEY,
    KEYS,
    LIFE,
    NOW,
    claims_for,
    score_request,
    threshold_request,
)

ATTESTER = Attester(ISSUER, LIFE)
SCORE = claims_for(score_request())
THRESHOLD = claims_for(threshold_request())


@pytest.mark.parametrize("claims", [SCORE, THRESHOLD], ids=["score", "threshold"])
def test_an_attestation_holds_exactly_the_claims(claims: object) -> None:
    made = ATTESTER.attest(claims, KEY)  # type: ignore[arg-type]
    payload = jws.verify(made.compact, typ=claims.typ, keys=KEYS)  # type: ignore[attr-defined]
    assert payload == claims.encode()  # type: ignore[attr-defined]


def test_its_digest_is_that_of_the_compact_form() -> None:
    made = ATTESTER.attest(SCORE, KEY)
    assert made.sha256 == sha256(made.compact.encode("ascii")).digest()


def test_times_are_whole_seconds_and_one_life_apart() -> None:
    assert ATTESTER.times(NOW) == (SCORE.iat, SCORE.exp)
    assert ATTESTER.times(NOW + timedelta(microseconds=999_999)) == (SCORE.iat, SCORE.exp)
    assert [type(second) for second in ATTESTER.times(NOW)] == [int, int]
    assert ATTESTER.times(datetime(1970, 1, 1, tzinfo=UTC)) == (0, 86_400)


def test_another_issuers_claims_are_not_signed() -> None:
    with pytest.raises(AttestationRefused, match=r"^iss: the claims name another issuer$"):
        ATTESTER.attest(replace(SCORE, iss="https://other.example"), KEY)


@pytest.mark.parametrize("seconds", [-1, 1])
def test_another_life_is_not_signed(seconds: int) -> None:
    with pytest.raises(AttestationRefused, match=r"^exp: the claims live longer or shorter"):
        ATTESTER.attest(replace(SCORE, exp=SCORE.exp + seconds), KEY)
