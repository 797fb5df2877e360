"""scoregate.partner.v1.ScoreService: score queries in, signed answers out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from consent.grant import Ask
from gateway.doors.door import REPLAYED, Asked, Done, Handlers, Reply, by_path, report
from gateway.doors.wire import A_CONSENT_ID, ID, NONCE, SUBJECT, Check, read
from gateway.errors import Refused
from gateway.journey import Answered, Journey, Parse, Result
from gateway.metrics import ITEMS
from gateway.partners import Partner
from gateway.query import CHECK_THRESHOLD, GET_SCORE, Call, ScoreQuery
from gateway.quota.headers import Headers
from gateway.thresholds.policy import CELL, HIGHEST, LOWEST, is_threshold
from scoregate.partner.v1 import score_pb2
from scoregate.proof.digest import request_sha256
from scoregate.words import Disclosure, Purpose

SERVICE = "scoregate.partner.v1.ScoreService"
MAX_ITEMS = 1_000
RESULTS_TAG, ANSWER_TAG = b"\x0a", b"\x12"  # fields 1 and 2, each of a length
A_NONCE = "16 to 128 characters of A-Z, a-z, 0-9, '-' and '_'"
A_SUBJECT_REF = "empty or a subject reference of yours"


class ScoreDoor:
    """Reads score queries for the journey, and writes what came of them."""

    def __init__(self, journey: Journey) -> None:
        self._journey = journey

    def service(self) -> Handlers:
        """The service's handlers for calls of many queries. The journey does all eight steps itself."""
        return by_path(SERVICE, {"BatchGetScores": self._batch_get_scores})

    def asked(self) -> Mapping[str, Asked]:
        """The handlers for calls of one query, which hold no thread."""
        return {
            GET_SCORE: lambda call, done: self._inquire(call, _read_get_score, done),
            CHECK_THRESHOLD: lambda call, done: self._inquire(call, _read_check_threshold, done),
        }

    def _inquire(self, call: Call, parse: Parse, done: Done) -> None:
        self._journey.inquire(call, parse, lambda result, headers: done(_reply(result, headers)))

    def _batch_get_scores(self, call: Call) -> Reply:
        conversation = self._journey.answer(call, _read_batch)
        body, answered = list[bytes](), 0
        for query, result in zip(conversation.queries, conversation.results, strict=True):
            if isinstance(result, Answered):
                answered += 1
                body.append(_answer_item(query.request_id, result.response))
            else:
                ITEMS.labels(result.code).inc()
                report(call.method, query.request_id, result)
                item = score_pb2.BatchGetScoresResult(request_id=query.request_id, error=_item_error(result))
                body.append(score_pb2.BatchGetScoresResponse(results=[item]).SerializeToString())
        ITEMS.labels("OK").inc(answered)
        return Reply(b"".join(body), conversation.headers)


def _reply(result: Result, headers: Headers) -> Reply | Refused:
    if isinstance(result, Refused):
        return result
    return Reply(result.response, headers + ((REPLAYED,) if result.replayed else ()))


def _answer_item(request_id: str, answer: bytes) -> bytes:
    """One answered item of a BatchGetScoresResponse, around an answer that is serialised already.

    Messages join by concatenation, so items are written one by one: a tag, a length, and the bytes
    (protobuf's encoding, "Length-Delimited Records").
    """
    item = score_pb2.BatchGetScoresResult(request_id=request_id).SerializeToString()
    item += ANSWER_TAG + _varint(len(answer)) + answer
    return RESULTS_TAG + _varint(len(item)) + item


def _varint(number: int) -> bytes:
    """A length as protobuf writes it: seven bits a byte, the least first."""
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)


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
    _finish(check, request)
    return [query]


def _read_check_threshold(body: bytes, partner: Partner) -> Sequence[ScoreQuery]:
    check = Check()
    request = read(score_pb2.CheckThresholdRequest, body)
    purpose = _shared(check, "", request)
    if not is_threshold(request.threshold):
        one = f"a multiple of {CELL} from {LOWEST} to {HIGHEST} that is registered for you"
        check.refuse("threshold", f"must be {one}")
    _finish(check, request)
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


def _finish(check: Check, request: score_pb2.GetScoreRequest | score_pb2.CheckThresholdRequest) -> None:
    """Return only if nothing was refused. What is refused names its consent, so that the person reads of it.

    Whose it is, the ledger finds in the transaction that records it, as for every other refusal.

    Raises:
        Refused: FIELD_INVALID with every violation.
    """
    try:
        check.finish()
    except Refused as refusal:
        wrong = {violation.field for violation in refusal.violations}
        if "consent_id" not in wrong:
            refusal.consent_id = request.consent_id
        if "purpose" not in wrong:
            refusal.purpose = Purpose.of(request.purpose)
        raise


def _shared(
    check: Check, prefix: str, request: score_pb2.GetScoreRequest | score_pb2.CheckThresholdRequest
) -> Purpose:
    check.uuid(f"{prefix}request_id", request.request_id)
    check.text(f"{prefix}consent_id", request.consent_id, ID, A_CONSENT_ID)
    check.text(f"{prefix}nonce", request.nonce, NONCE, A_NONCE)
    if request.subject_ref:
        check.text(f"{prefix}subject_ref", request.subject_ref, SUBJECT, A_SUBJECT_REF)
    return check.purpose(f"{prefix}purpose", request.purpose)


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
