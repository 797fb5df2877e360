"""What a lender's client reads: attestations and keys, whole answers, refusals, consents."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from scoregate.client.trust import Trust
from scoregate.errors import (
    AttestationMalformed,
    JsonRefused,
    KeysInvalid,
    VerificationFailed,
)
from scoregate.partner.v1 import score_pb2
from scoregate.proof import digest, jws, leaf
from scoregate.proof.claims import Claims, ScoreClaims, ThresholdClaims
from scoregate.proof.jwk import Algorithm, VerificationKeys, public_jwk
from scoregate.words import Purpose
from tests.attestation import made_answers as made
from tests.prove.fuzzers.mutation import change_json, message_of
from tests.prove.fuzzers.target import Target, anywhere, refusing, require_same

ROOM = "client"
VECTORS = Path(__file__).parents[2] / "vectors" / "attestation"
TRUST = Trust(made.KEYS, made.ISSUER, made.ACME, lambda: made.NOW)
QUESTION, THRESHOLD = made.score_request(with_reasons=True), made.threshold_request()
CLAIM_WORDS = (
    *(f'"{each}"' for each in ("iss", "aud", "jti", "iat", "exp", "nonce", "result", "scored", "not_scored")),
    *(f'"{each}"' for each in ("score", "band", "reasons", "families", "range", "evaluated_at", "model")),
    *(
        f'"{each}"'
        for each in ("700_950", "HISTORY", "CREDIT_APPLICATION", "SCORE", "BAND", "HARD", "NO_DATA")
    ),
)


# --- canonical JSON


def take_json(data: bytes) -> None:
    """What was read has one canonical form, which reads as the same."""
    value = digest.parse(data)
    spelled = digest.canonical(value)
    require_same(digest.parse(spelled), value)
    require_same(digest.canonical(digest.parse(spelled)), spelled)


def take_json_unguarded(data: bytes) -> None:
    """The guard that is off: an integer is none that a double would round."""
    try:
        numbers = list[str]()
        json.loads(data, parse_int=numbers.append)
    except (ValueError, RecursionError) as error:
        raise JsonRefused("not JSON") from error
    for digits in numbers:
        require_same(int(float(digits)), int(digits))


# --- claims


def take_claims(kind: type[Claims], data: bytes) -> bool:
    """As they came, and in canonical form, or few mutations would get behind that."""

    def take(payload: bytes) -> None:
        require_same(kind.decode(payload).encode(), payload)

    parse = refusing(take, AttestationMalformed)
    return parse(data) | parse(_canonical(data))


def take_claims_at_their_word(kind: type[Claims], data: bytes) -> None:
    """The guard that is off: a claim's type is looked at before it is used."""
    try:
        members: Any = digest.parse(data)
    except JsonRefused as error:
        raise AttestationMalformed("not JSON") from error
    if not isinstance(members, dict) or "result" not in members:
        raise AttestationMalformed("no claims")
    members["purpose"] = Purpose.read(members["purpose"])
    members["result"] = dict(members["result"])


def _canonical(data: bytes) -> bytes:
    try:
        return digest.canonical(digest.parse(data))
    except JsonRefused:
        return data


def claims_seeds(question: Any) -> Iterable[bytes]:
    yield made.claims_for(question).encode()
    yield made.claims_for(question, result=made.NO_DATA).encode()
    for path in sorted(VECTORS.glob("*-claims.json")):
        yield path.read_bytes().strip()


# --- attestations


def take_compact(data: bytes) -> None:
    """A compact JWS, and what its claims say."""
    compact = data.decode("latin-1")
    ScoreClaims.decode(jws.verify(compact, typ=ScoreClaims.typ, keys=made.KEYS))


def take_compact_unguarded(data: bytes) -> None:
    """The guard that is off: base64url is spelled one way."""
    parts = data.decode("latin-1").split(".")
    if len(parts) != 3:
        raise AttestationMalformed("not three parts")
    for part in parts:
        made.unspell(part)


def compact_seeds() -> Iterable[bytes]:
    yield made.attest(made.claims_for(QUESTION)).compact.encode()
    yield (VECTORS / "score-es256.jws").read_bytes().strip()
    yield (VECTORS / "threshold-ed25519.jws").read_bytes().strip()


# --- keys


def take_jwks(data: bytes) -> None:
    """A JWK Set in any JSON."""
    keys = VerificationKeys.from_jwks(data.decode("latin-1"))
    for key in keys.by_kid.values():
        require_same(public_jwk(key.public)["kid"], key.kid)


def take_jwks_at_its_word(data: bytes) -> None:
    """The guard that is off: a coordinate is 32 bytes of text."""
    try:
        document: Any = digest.parse(data)
    except JsonRefused as error:
        raise KeysInvalid("not JSON") from error
    if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
        raise KeysInvalid("no keys")
    for entry in document["keys"]:
        made.unspell(entry["x"])


def jwks_seeds() -> Iterable[bytes]:
    yield made.JWKS.encode()
    yield (VECTORS / "jwks.json").read_bytes()
    both = [made.signing_key(each).public_jwk for each in (Algorithm.ES256, Algorithm.ED25519)]
    yield f'{{"keys":[{",".join(both)}]}}'.encode()


# --- whole answers


def take_answer(threshold: bool, data: bytes) -> None:
    """An answer whose attestation is spelled as its claims; it is signed here, and its leaf names it."""
    response = score_pb2.CheckThresholdResponse() if threshold else score_pb2.GetScoreResponse()
    response.ParseFromString(data)
    _sign(response, (ThresholdClaims if threshold else ScoreClaims).typ)
    if isinstance(response, score_pb2.CheckThresholdResponse):
        TRUST.threshold(response, THRESHOLD, replayed=False)
    else:
        answer = TRUST.score(response, QUESTION, replayed=False)
        require_same(answer.band is None, answer.not_scored is not None)


def take_answer_unguarded(threshold: bool, data: bytes) -> None:
    """The guard that is off: a receipt's leaf keeps its own exception."""
    response = score_pb2.CheckThresholdResponse() if threshold else score_pb2.GetScoreResponse()
    response.ParseFromString(data)
    if not response.receipt.leaf:
        raise AttestationMalformed("no receipt")
    leaf.decode(response.receipt.leaf)


def _sign(response: Any, typ: str) -> None:
    response.attestation = jws.sign(
        _canonical(response.attestation.encode()),
        typ=typ,
        kid=made.KEY.kid,
        algorithm=made.KEY.algorithm,
        private=made.KEY.private,
    )
    try:
        entry = leaf.decode(response.receipt.leaf)
    except leaf.LeafInvalid:
        return
    entry.attestation_sha256 = sha256(response.attestation.encode()).digest()
    response.receipt.leaf = leaf.encode(entry)


def answer_seeds(question: Any) -> Iterable[bytes]:
    for changes in ({}, {"result": made.NO_DATA}):
        claims = made.claims_for(question, **changes)
        response = made.answer(claims)
        response.attestation = claims.encode().decode()
        yield response.SerializeToString()


def _of(kind: type[Claims], question: Any, name: str) -> Target:
    return Target(
        name,
        ROOM,
        anywhere(partial(take_claims, kind)),
        anywhere(refusing(partial(take_claims_at_their_word, kind), AttestationMalformed)),
        partial(claims_seeds, question),
        share=40,
        change=change_json,
        words=CLAIM_WORDS,
    )


def _answering(threshold: bool, name: str) -> Target:
    return Target(
        name,
        ROOM,
        anywhere(refusing(partial(take_answer, threshold), DecodeError, VerificationFailed)),
        anywhere(refusing(partial(take_answer_unguarded, threshold), DecodeError, AttestationMalformed)),
        partial(answer_seeds, THRESHOLD if threshold else QUESTION),
        share=12,
        change=message_of(
            lambda _: score_pb2.CheckThresholdResponse if threshold else score_pb2.GetScoreResponse
        ),
        words=CLAIM_WORDS,
    )


TARGETS = (
    Target(
        "canonical-json",
        ROOM,
        anywhere(refusing(take_json, JsonRefused)),
        anywhere(refusing(take_json_unguarded, JsonRefused)),
        partial(claims_seeds, QUESTION),
        share=50,
        change=change_json,
        words=CLAIM_WORDS,
    ),
    _of(ScoreClaims, QUESTION, "score-claims"),
    _of(ThresholdClaims, THRESHOLD, "threshold-claims"),
    Target(
        "attestation",
        ROOM,
        anywhere(refusing(take_compact, VerificationFailed)),
        anywhere(refusing(take_compact_unguarded, AttestationMalformed)),
        compact_seeds,
        share=80,
    ),
    Target(
        "jwks",
        ROOM,
        anywhere(refusing(take_jwks, KeysInvalid)),
        anywhere(refusing(take_jwks_at_its_word, KeysInvalid)),
        jwks_seeds,
        share=50,
        change=change_json,
        words=(
            '"keys"',
            '"kty"',
            '"EC"',
            '"OKP"',
            '"crv"',
            '"P-256"',
            '"Ed25519"',
            '"x"',
            '"y"',
            '"kid"',
            '"d"',
        ),
    ),
    _answering(False, "score-answer"),
    _answering(True, "threshold-answer"),
)
