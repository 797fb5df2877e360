"""scoregate.partner.v1.ScoreService: score queries in, signed answers out."""

from __future__ import annotations

from collections.abc import Sequence

from consent.grant import Ask
from gateway.doors.door import REPLAYED, Handlers, Reply, by_path, report
from gateway.doors.wire import ID, NONCE, SUBJECT, Check, read
from gateway.errors import Refused
from gateway.journey import Answered, Conversation, Journey
from gateway.metrics import ITEMS
from gateway.partners import Partner
from gateway.query import CHECK_THRESHOLD, GET_SCORE, Call, ScoreQuery
from scoregate.partner.v1 import score_pb2
from scoregate.proof.digest import request_sha256
from scoregate.words import Disclosure, Purpose

SERVICE = "scoregate.partner.v1.ScoreService"
MAX_ITEMS = 1_000
A_CONSENT_ID = "a consent id: 26 characters of a-z and 2-7"
A_NONCE = "16 to 128 characters of A-Z, a-z, 0-9, '-' and '_'"
A_SUBJECT_REF = "empty or a subject reference of yours"


class ScoreDoor:
    """Reads score queries for the journey, and writes what came of them."""

    def __init__(self, journey: Journey) -> None:
        self._journey = journey

    def service(self) -> Handlers:
        """The service's handlers. The journey does all eight steps itself."""
        handlers = {
            "GetScore": self._get_score,
            "CheckThreshold": self._check_threshold,
            "BatchGetScores": self._batch_get_scores,
        }
        return by_path(SERVICE, handlers)

    def _get_score(self, call: Call) -> Reply:
        return _single(self._journey.answer(call, _read_get_score))

    def _check_threshold(self, call: Call) -> Reply:
        return _single(self._journey.answer(call, _read_check_threshold))

    def _batch_get_scores(self, call: Call) -> Reply:
        conversation = self._journey.answer(call, _read_batch)
        response = score_pb2.BatchGetScoresResponse()
        for query, result in zip(conversation.queries, conversation.results, strict=True):
            item = response.results.add(request_id=query.request_id)
            if isinstance(result, Answered):
                ITEMS.labels("OK").inc()
                item.answer.ParseFromString(result.response)
            else:
                ITEMS.labels(result.code).inc()
                report(call.method, query.request_id, result)
                item.error.CopyFrom(_item_error(result))
        return Reply(response.SerializeToString(), conversation.headers)


def _single(conversation: Conversation) -> Reply:
    result = conversation.results[0]
    if isinstance(result, Refused):
        result.headers = conversation.headers
        result.request_id = conversation.queries[0].request_id
        raise result
    return Reply(result.response, conversation.headers + ((REPLAYED,) if result.replayed else ()))


def _item_error(refusal: Refused) -> score_pb2.ItemError:
    return score_pb2.ItemError(
        code=refusal.status.value[0],
        reason=refusal.code,
        message=refusal.reason.title,
        remedy=refusal.reason.remedy,
        field_violations=[
            score_pb2.FieldViolation(field=v.field, description=v.description) for v in refusal.violations
        ],
    )


def _read_get_score(body: bytes, partner: Partner) -> Sequence[ScoreQuery]:
    check = Check()
    request = read(score_pb2.GetScoreRequest, body)
    query = _score_query(check, "", request, partner)
    check.finish()
    return [query]


def _read_check_threshold(body: bytes, partner: Partner) -> Sequence[ScoreQuery]:
    check = Check()
    request = read(score_pb2.CheckThresholdRequest, body)
    purpose = _shared(check, "", request)
    if not 400 <= request.threshold <= 900 or request.threshold % 50:
        check.refuse("threshold", "must be a multiple of 50 from 400 to 900 that is registered for you")
    check.finish()
    ask = Ask(partner.partner_id, purpose, Disclosure.THRESHOLD, False, request.subject_ref)
    return [_query(CHECK_THRESHOLD, request, ask, request.threshold)]


def _read_batch(body: bytes, partner: Partner) -> Sequence[ScoreQuery]:
    check = Check()
    request = read(score_pb2.BatchGetScoresRequest, body)
    if not 1 <= len(request.items) <= MAX_ITEMS:
        check.refuse("items", f"must hold 1 to {MAX_ITEMS} items")
        check.finish()
    queries = [_score_query(check, f"items[{i}].", item, partner) for i, item in enumerate(request.items)]
    if len({item.request_id.lower() for item in request.items}) != len(request.items):
        check.refuse("items", "must have request ids of their own, none twice")
    check.request_id = ""
    check.finish()
    return queries


def _score_query(
    check: Check, prefix: str, request: score_pb2.GetScoreRequest, partner: Partner
) -> ScoreQuery:
    purpose = _shared(check, prefix, request)
    disclosure = Disclosure.SCORE
    if request.disclosure not in (Disclosure.SCORE.number, Disclosure.BAND.number):
        check.refuse(f"{prefix}disclosure", "must be SCORE or BAND; CheckThreshold answers yes or no")
    elif request.disclosure == Disclosure.BAND.number:
        disclosure = Disclosure.BAND
    ask = Ask(partner.partner_id, purpose, disclosure, request.with_reasons, request.subject_ref)
    return _query(GET_SCORE, request, ask, None, unsound=bool(check.violations))


def _shared(
    check: Check, prefix: str, request: score_pb2.GetScoreRequest | score_pb2.CheckThresholdRequest
) -> Purpose:
    check.uuid(f"{prefix}request_id", request.request_id)
    check.text(f"{prefix}consent_id", request.consent_id, ID, A_CONSENT_ID)
    check.text(f"{prefix}nonce", request.nonce, NONCE, A_NONCE)
    if request.subject_ref:
        check.text(f"{prefix}subject_ref", request.subject_ref, SUBJECT, A_SUBJECT_REF)
    purpose = check.word(f"{prefix}purpose", Purpose, request.purpose)
    return purpose or Purpose.CONSUMER_SELF  # never used: ``finish`` raises


def _query(
    method: str,
    request: score_pb2.GetScoreRequest | score_pb2.CheckThresholdRequest,
    ask: Ask,
    threshold: int | None,
    *,
    unsound: bool = False,
) -> ScoreQuery:
    return ScoreQuery(
        method=method,
        request_id=request.request_id.lower(),
        consent_id=request.consent_id,
        ask=ask,
        threshold=threshold,
        nonce=request.nonce,
        request_sha256=b"" if unsound else request_sha256(request),
    )
