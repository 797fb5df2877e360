"""What clients hold must be in the log: each answer and each refusal, as it is told, against the model."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from functools import lru_cache
from typing import Any

from gateway.doors.door import REPLAYED, Reply
from gateway.errors import Refused
from gateway.query import CHECK_THRESHOLD
from scoregate.audit.v1 import leaf_pb2 as pb
from scoregate.errors import ScoregateError
from scoregate.partner.v1 import score_pb2
from scoregate.proof.claims import ScoreClaims, ThresholdClaims
from scoregate.proof.jwk import VerificationKeys, decode
from scoregate.proof.results import Scored, ThresholdAnswer
from scoregate.proof.verify import verify_score, verify_threshold
from tests.prove.simulation.asked import Asked, Request, question
from tests.prove.simulation.engine import score_of
from tests.prove.simulation.ground import Ground
from tests.prove.simulation.model import Model

COUNTED = frozenset(
    {
        "PARTNER_SUSPENDED",
        "CERTIFICATE_REVOKED",
        "CERTIFICATE_EXPIRED",
        "BURST_EXCEEDED",
        "CONCURRENCY_EXCEEDED",
    }
)
"""Refusals of steps 1 and 2, which are counted. Some are found again under the lock, and have an entry."""

NO_ENTRY = frozenset({"AUDIT_UNAVAILABLE", "SERVER_BUSY", "DEADLINE_PASSED"})


class Hands:
    """Everything that clients hold, of one play."""

    def __init__(self, ground: Ground, model: Model) -> None:
        self._ground = ground
        self._model = model
        self._bytes: dict[int, bytes] = {}  # first answers, by their index
        self.counted: Counter[str] = Counter()  # refusals of steps 1 and 2
        self.refused: Counter[tuple[str, str, str]] = Counter()  # told, by address, request id and reason
        self.outcomes: Counter[str] = Counter()

    def told(self, asked: Asked, outcome: Reply | Refused) -> Iterator[str]:
        """Take what a client was told; yields what is wrong with it."""
        asked.told.append(outcome)
        if len(asked.told) > 1:
            yield f"call {asked.number} was told twice"
        if isinstance(outcome, Refused):
            for request in asked.requests[:1]:
                yield from self._refused(asked, request.request_id, outcome.code, is_call=True)
        elif len(asked.requests) == 1 and not asked.method.endswith("BatchGetScores"):
            is_repeated = REPLAYED in outcome.headers
            yield from self._answered(asked, asked.requests[0], outcome.body, is_repeated=is_repeated)
        else:
            yield from self._batch(asked, score_pb2.BatchGetScoresResponse.FromString(outcome.body))

    def _batch(self, asked: Asked, batch: score_pb2.BatchGetScoresResponse) -> Iterator[str]:
        if [each.request_id for each in batch.results] != [each.request_id for each in asked.requests]:
            yield f"call {asked.number}: a batch out of order"
            return
        for request, each in zip(asked.requests, batch.results, strict=True):
            if each.HasField("answer"):
                body = each.answer.SerializeToString()
                yield from self._answered(asked, request, body, is_repeated=None)
            else:
                yield from self._refused(asked, request.request_id, each.error.reason, is_call=False)

    # --- refusals

    def _refused(self, asked: Asked, request_id: str, reason: str, *, is_call: bool) -> Iterator[str]:
        self.outcomes[f"refused: {reason}"] += 1
        if reason == "INTERNAL":
            yield f"call {asked.number} was refused with INTERNAL"
        if reason in NO_ENTRY:
            return
        key = asked.peer, request_id, reason
        if any(
            each.leaf.kind == pb.LEAF_KIND_REFUSAL
            and (each.part.peer, each.part.request_id, each.leaf.reason) == key
            for each in self._model.entries
        ):
            self.refused[key] += 1
        elif reason in COUNTED and is_call:
            self.counted[reason] += 1
        else:
            yield f"call {asked.number} was refused with {reason}, and no entry says so"

    # --- answers

    def _answered(
        self, asked: Asked, request: Request, body: bytes, *, is_repeated: bool | None
    ) -> Iterator[str]:
        is_threshold = asked.method == CHECK_THRESHOLD
        kind = score_pb2.CheckThresholdResponse if is_threshold else score_pb2.GetScoreResponse
        answer: Any = kind.FromString(body)
        index = answer.receipt.leaf_index
        entries = self._model.entries
        if index >= len(entries) or entries[index].data != answer.receipt.leaf:
            yield f"call {asked.number} holds an answer whose entry {index} is not in the log"
            return
        own = self._own(asked, request.request_id, pb.LEAF_KIND_RELEASE)
        repeats = self._own(asked, request.request_id, pb.LEAF_KIND_REPLAY)
        if is_repeated is None:
            is_repeated = index not in own
        self.outcomes["replayed" if is_repeated else "answered"] += 1
        if is_repeated and index not in {entries[n].leaf.refers_to for n in repeats}:
            yield f"call {asked.number} was answered again from entry {index}, and no entry says so"
        if not is_repeated and index not in own:
            yield f"call {asked.number} was answered from entry {index}, which is another call's"
        if self._bytes.setdefault(index, body) != body:
            yield f"call {asked.number} got other bytes than the first answer of entry {index}"
        yield from self._verified(asked, request, answer, index)

    def _own(self, asked: Asked, request_id: str, kind: int) -> list[int]:
        return [
            each.index
            for each in self._model.entries
            if each.leaf.kind == kind and (each.part.peer, each.part.request_id) == (asked.peer, request_id)
        ]

    def _verified(self, asked: Asked, request: Request, answer: Any, index: int) -> Iterator[str]:
        """As the lender's own client would, and then against what the person's score is."""
        entry = self._model.entries[index]
        claims: ScoreClaims | ThresholdClaims
        arguments: dict[str, Any] = {
            "keys": _keys(tuple(self._model.jwks())),
            "issuer": self._ground.issuer,
            "audience": asked.lender,
            "now": entry.at + timedelta(hours=1),
            "archival": True,
        }
        try:
            if isinstance(request, score_pb2.CheckThresholdRequest):
                claims = verify_threshold(answer, request, **arguments)
            else:
                claims = verify_score(answer, request, **arguments)
        except ScoregateError as error:
            yield f"call {asked.number}: its answer does not verify: {error}"
            return
        kid = json.loads(decode("header", answer.attestation.partition(".")[0]))["kid"]
        if kid != self._model.stands.signing[index]:
            yield f"call {asked.number}: its answer is signed with a key that was not current"
        model = getattr(claims.result, "model", "")
        if model and self._model.stands.models.get(model, index) >= index:
            yield f"call {asked.number}: its answer rests on {model}, of which no entry tells"
        held = self._model.stands.consents[request.consent_id]
        result, score = claims.result, score_of(held.agreed.subject)
        if isinstance(result, Scored) and result.score is not None and result.score != score:
            yield f"call {asked.number} was told {result.score}, where the score is {score}"
        if isinstance(result, ThresholdAnswer) and score is not None:
            threshold = question(asked.lender, request).threshold or 0
            if result.reached != (score >= threshold):
                yield f"call {asked.number} was told {result.reached} of {threshold}"
        if (score is None) != (entry.leaf.decision == pb.DECISION_NOT_SCORED):
            yield f"call {asked.number}: there is a score, or none, otherwise than its entry says"


@lru_cache(maxsize=256)
def _keys(jwks: tuple[str, ...]) -> VerificationKeys:
    return VerificationKeys.from_jwks('{"keys":[' + ",".join(jwks) + "]}")
