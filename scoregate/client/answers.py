"""Questions as a lender asks them, and answers that were verified.

An answer shows what its claims say; the response's typed fields were compared with them and dropped.
"""

import json
import os
import secrets
import time
import uuid
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from scoregate.client.arguments import require_consent
from scoregate.client.filing import file_receipt
from scoregate.partner.v1 import score_pb2
from scoregate.proof.claims import Claims, NotScored, ScoreClaims, ScoreReason, ThresholdClaims
from scoregate.proof.digest import Json
from scoregate.proof.results import Scored
from scoregate.proof.results import ThresholdAnswer as Compared
from scoregate.words import Band, Disclosure, InputFamily, InquiryType, Mark, NotScoredReason, Purpose


def new_request_id() -> str:
    """Return a UUID that begins with the time (AIP-155; RFC 9562, 5.7), with 74 random bits.

    Ids that grow keep a gateway with millions of answers as fast as an empty one: each new answer is filed
    beside the last, where random ids would have it read and write another page for each.
    """
    made = bytearray((time.time_ns() // 1_000_000).to_bytes(6) + os.urandom(10))
    made[6] = 0x70 | made[6] & 0x0F  # version 7
    made[8] = 0x80 | made[8] & 0x3F  # the variant of RFC 9562, 4.1
    return str(uuid.UUID(bytes=bytes(made)))


def new_nonce() -> str:
    """Return 128 random bits in base64url."""
    return secrets.token_urlsafe(16)


@dataclass(frozen=True, slots=True)
class ScoreQuery:
    """One question for a score.

    It carries its request id and nonce from the start, so asking again with the same object is a repeat:
    within 24 hours it brings the first answer and costs nothing.
    """

    consent_id: str
    purpose: Purpose | str
    disclosure: Disclosure | str = Disclosure.SCORE
    with_reasons: bool = False
    subject_ref: str = ""
    request_id: str = field(default_factory=new_request_id)
    nonce: str = field(default_factory=new_nonce)

    def message(self) -> score_pb2.GetScoreRequest:
        """Return it as it is sent.

        Raises:
            WordUnknown: No such purpose or disclosure.
            ClientMisconfigured: The consent id is None.
        """
        return score_pb2.GetScoreRequest(
            request_id=self.request_id.lower(),  # one UUID has one spelling
            consent_id=require_consent(self.consent_id),
            subject_ref=self.subject_ref,
            purpose=Purpose.read(self.purpose).number,
            disclosure=Disclosure.read(self.disclosure).number,
            with_reasons=self.with_reasons,
            nonce=self.nonce,
        )


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer's place in the audit log."""

    log_origin: str
    leaf_index: int
    leaf: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """A verified answer.

    Attributes:
        claims: What the issuer signed.
        attestation: The compact JWS; keep it.
        receipt: Where the log records it; keep it too.
        request: The question in the canonical form that the claim `request_sha256` covers.
        request_id: The question's.
        replayed: Whether this was the first answer given again; None for an item of a batch.
    """

    claims: Claims
    attestation: str = field(repr=False)
    receipt: Receipt
    request: bytes = field(repr=False)
    request_id: str
    replayed: bool | None

    @property
    def nonce(self) -> str:
        """The question's; with the request id, it brings this answer again."""
        return self.claims.nonce

    @property
    def event_id(self) -> str:
        """The release's id."""
        return self.claims.jti

    @property
    def consent_id(self) -> str:
        """The consent that was used."""
        return self.claims.consent_id

    @property
    def subject_ref(self) -> str:
        """This partner's reference for the person."""
        return self.claims.subject_ref

    @property
    def inquiry(self) -> InquiryType:
        """How it counts in the person's inquiry history."""
        return self.claims.inquiry

    @property
    def marks(self) -> tuple[Mark, ...]:
        """What the person has said about their own file, such as that something is wrong; mostly nothing."""
        return self.claims.marks

    @property
    def not_scored(self) -> NotScoredReason | None:
        """Why there is no score; None when there is one."""
        return self.claims.result.reason if isinstance(self.claims.result, NotScored) else None

    @property
    def evaluated_at(self) -> date:
        """The epoch: the answer rests on what was known by then."""
        return self.claims.result.evaluated_at

    @property
    def model(self) -> str | None:
        """The model as "name@version"; None without a score."""
        return None if isinstance(self.claims.result, NotScored) else self.claims.result.model

    @property
    def families(self) -> tuple[InputFamily, ...]:
        """The families that it rests on; none without a score."""
        return () if isinstance(self.claims.result, NotScored) else self.claims.result.families

    def save(self, folder: Path | str) -> Path:
        """File the receipt where `scoregate log verify --receipts` finds it, and return its path.

        It holds what a later check needs: attestation, leaf, and the question with request id and nonce
        (`scoregate.proof.receipts`). The file is whole or not there, also after a crash. One folder holds
        the receipts of one log. `Client.keep` files the proof that the entry is in the log along with it.

        Raises:
            ReceiptConflict: Another receipt lies there under this index.
            OSError: The disk refuses.
        """
        return file_receipt(Path(folder), self.form())

    def form(self) -> dict[str, Json]:
        """Return the receipt's members, as they are filed."""
        return {
            "log_origin": self.receipt.log_origin,
            "leaf_index": self.receipt.leaf_index,
            "leaf": b64encode(self.receipt.leaf).decode(),
            "attestation": self.attestation,
            "request": json.loads(self.request),
        }


@dataclass(frozen=True, slots=True)
class ScoreAnswer(Answer):
    """A verified answer to a question for a score."""

    claims: ScoreClaims

    @property
    def score(self) -> int | None:
        """350 to 950; None under BAND and without a score."""
        return self.claims.result.score if isinstance(self.claims.result, Scored) else None

    @property
    def band(self) -> Band | None:
        """The score's band; None without a score."""
        return self.claims.result.band if isinstance(self.claims.result, Scored) else None

    @property
    def reasons(self) -> tuple[ScoreReason, ...]:
        """What lowered the score most, strongest first; none unless asked for."""
        return (self.claims.result.reasons or ()) if isinstance(self.claims.result, Scored) else ()


@dataclass(frozen=True, slots=True)
class ThresholdAnswer(Answer):
    """A verified answer to the question whether a score reaches a threshold."""

    claims: ThresholdClaims
    threshold: int

    @property
    def reached(self) -> bool | None:
        """Whether score >= threshold; None without a score, which is neither yes nor no."""
        return self.claims.result.reached if isinstance(self.claims.result, Compared) else None
