from scoregate.options.v1 import options_pb2 as _options_pb2
from scoregate.partner.v1 import receipt_pb2 as _receipt_pb2
from scoregate.partner.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetScoreRequest(_message.Message):
    __slots__ = ("request_id", "consent_id", "subject_ref", "purpose", "disclosure", "with_reasons", "nonce")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    CONSENT_ID_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_REF_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    DISCLOSURE_FIELD_NUMBER: _ClassVar[int]
    WITH_REASONS_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    consent_id: str
    subject_ref: str
    purpose: _types_pb2.Purpose
    disclosure: _types_pb2.Disclosure
    with_reasons: bool
    nonce: str
    def __init__(self, request_id: _Optional[str] = ..., consent_id: _Optional[str] = ..., subject_ref: _Optional[str] = ..., purpose: _Optional[_Union[_types_pb2.Purpose, str]] = ..., disclosure: _Optional[_Union[_types_pb2.Disclosure, str]] = ..., with_reasons: _Optional[bool] = ..., nonce: _Optional[str] = ...) -> None: ...

class GetScoreResponse(_message.Message):
    __slots__ = ("event_id", "consent_id", "subject_ref", "purpose", "disclosure", "inquiry", "scored", "not_scored", "attestation", "marks", "receipt")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    CONSENT_ID_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_REF_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    DISCLOSURE_FIELD_NUMBER: _ClassVar[int]
    INQUIRY_FIELD_NUMBER: _ClassVar[int]
    SCORED_FIELD_NUMBER: _ClassVar[int]
    NOT_SCORED_FIELD_NUMBER: _ClassVar[int]
    ATTESTATION_FIELD_NUMBER: _ClassVar[int]
    MARKS_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    consent_id: str
    subject_ref: str
    purpose: _types_pb2.Purpose
    disclosure: _types_pb2.Disclosure
    inquiry: _types_pb2.InquiryType
    scored: Scored
    not_scored: NotScored
    attestation: str
    marks: _containers.RepeatedScalarFieldContainer[_types_pb2.Mark]
    receipt: _receipt_pb2.Receipt
    def __init__(self, event_id: _Optional[str] = ..., consent_id: _Optional[str] = ..., subject_ref: _Optional[str] = ..., purpose: _Optional[_Union[_types_pb2.Purpose, str]] = ..., disclosure: _Optional[_Union[_types_pb2.Disclosure, str]] = ..., inquiry: _Optional[_Union[_types_pb2.InquiryType, str]] = ..., scored: _Optional[_Union[Scored, _Mapping]] = ..., not_scored: _Optional[_Union[NotScored, _Mapping]] = ..., attestation: _Optional[str] = ..., marks: _Optional[_Iterable[_Union[_types_pb2.Mark, str]]] = ..., receipt: _Optional[_Union[_receipt_pb2.Receipt, _Mapping]] = ...) -> None: ...

class Scored(_message.Message):
    __slots__ = ("score", "band", "reasons", "model", "evaluated_at", "families", "range_min", "range_max")
    SCORE_FIELD_NUMBER: _ClassVar[int]
    BAND_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    EVALUATED_AT_FIELD_NUMBER: _ClassVar[int]
    FAMILIES_FIELD_NUMBER: _ClassVar[int]
    RANGE_MIN_FIELD_NUMBER: _ClassVar[int]
    RANGE_MAX_FIELD_NUMBER: _ClassVar[int]
    score: int
    band: _types_pb2.Band
    reasons: _containers.RepeatedCompositeFieldContainer[ScoreReason]
    model: str
    evaluated_at: str
    families: _containers.RepeatedScalarFieldContainer[_types_pb2.InputFamily]
    range_min: int
    range_max: int
    def __init__(self, score: _Optional[int] = ..., band: _Optional[_Union[_types_pb2.Band, str]] = ..., reasons: _Optional[_Iterable[_Union[ScoreReason, _Mapping]]] = ..., model: _Optional[str] = ..., evaluated_at: _Optional[str] = ..., families: _Optional[_Iterable[_Union[_types_pb2.InputFamily, str]]] = ..., range_min: _Optional[int] = ..., range_max: _Optional[int] = ...) -> None: ...

class ScoreReason(_message.Message):
    __slots__ = ("code", "text")
    CODE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    code: str
    text: str
    def __init__(self, code: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class NotScored(_message.Message):
    __slots__ = ("reason", "evaluated_at")
    REASON_FIELD_NUMBER: _ClassVar[int]
    EVALUATED_AT_FIELD_NUMBER: _ClassVar[int]
    reason: _types_pb2.NotScoredReason
    evaluated_at: str
    def __init__(self, reason: _Optional[_Union[_types_pb2.NotScoredReason, str]] = ..., evaluated_at: _Optional[str] = ...) -> None: ...

class CheckThresholdRequest(_message.Message):
    __slots__ = ("request_id", "consent_id", "subject_ref", "purpose", "threshold", "nonce")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    CONSENT_ID_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_REF_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    consent_id: str
    subject_ref: str
    purpose: _types_pb2.Purpose
    threshold: int
    nonce: str
    def __init__(self, request_id: _Optional[str] = ..., consent_id: _Optional[str] = ..., subject_ref: _Optional[str] = ..., purpose: _Optional[_Union[_types_pb2.Purpose, str]] = ..., threshold: _Optional[int] = ..., nonce: _Optional[str] = ...) -> None: ...

class CheckThresholdResponse(_message.Message):
    __slots__ = ("event_id", "consent_id", "subject_ref", "purpose", "inquiry", "answer", "not_scored", "attestation", "marks", "receipt")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    CONSENT_ID_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_REF_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    INQUIRY_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    NOT_SCORED_FIELD_NUMBER: _ClassVar[int]
    ATTESTATION_FIELD_NUMBER: _ClassVar[int]
    MARKS_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    consent_id: str
    subject_ref: str
    purpose: _types_pb2.Purpose
    inquiry: _types_pb2.InquiryType
    answer: ThresholdAnswer
    not_scored: NotScored
    attestation: str
    marks: _containers.RepeatedScalarFieldContainer[_types_pb2.Mark]
    receipt: _receipt_pb2.Receipt
    def __init__(self, event_id: _Optional[str] = ..., consent_id: _Optional[str] = ..., subject_ref: _Optional[str] = ..., purpose: _Optional[_Union[_types_pb2.Purpose, str]] = ..., inquiry: _Optional[_Union[_types_pb2.InquiryType, str]] = ..., answer: _Optional[_Union[ThresholdAnswer, _Mapping]] = ..., not_scored: _Optional[_Union[NotScored, _Mapping]] = ..., attestation: _Optional[str] = ..., marks: _Optional[_Iterable[_Union[_types_pb2.Mark, str]]] = ..., receipt: _Optional[_Union[_receipt_pb2.Receipt, _Mapping]] = ...) -> None: ...

class ThresholdAnswer(_message.Message):
    __slots__ = ("threshold", "reached", "model", "evaluated_at", "families")
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    REACHED_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    EVALUATED_AT_FIELD_NUMBER: _ClassVar[int]
    FAMILIES_FIELD_NUMBER: _ClassVar[int]
    threshold: int
    reached: bool
    model: str
    evaluated_at: str
    families: _containers.RepeatedScalarFieldContainer[_types_pb2.InputFamily]
    def __init__(self, threshold: _Optional[int] = ..., reached: _Optional[bool] = ..., model: _Optional[str] = ..., evaluated_at: _Optional[str] = ..., families: _Optional[_Iterable[_Union[_types_pb2.InputFamily, str]]] = ...) -> None: ...

class BatchGetScoresRequest(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[GetScoreRequest]
    def __init__(self, items: _Optional[_Iterable[_Union[GetScoreRequest, _Mapping]]] = ...) -> None: ...

class BatchGetScoresResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[BatchGetScoresResult]
    def __init__(self, results: _Optional[_Iterable[_Union[BatchGetScoresResult, _Mapping]]] = ...) -> None: ...

class BatchGetScoresResult(_message.Message):
    __slots__ = ("request_id", "answer", "error")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    answer: GetScoreResponse
    error: ItemError
    def __init__(self, request_id: _Optional[str] = ..., answer: _Optional[_Union[GetScoreResponse, _Mapping]] = ..., error: _Optional[_Union[ItemError, _Mapping]] = ...) -> None: ...

class ItemError(_message.Message):
    __slots__ = ("code", "reason", "message", "remedy", "field_violations")
    CODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REMEDY_FIELD_NUMBER: _ClassVar[int]
    FIELD_VIOLATIONS_FIELD_NUMBER: _ClassVar[int]
    code: int
    reason: str
    message: str
    remedy: str
    field_violations: _containers.RepeatedCompositeFieldContainer[FieldViolation]
    def __init__(self, code: _Optional[int] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., remedy: _Optional[str] = ..., field_violations: _Optional[_Iterable[_Union[FieldViolation, _Mapping]]] = ...) -> None: ...

class FieldViolation(_message.Message):
    __slots__ = ("field", "description")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    field: str
    description: str
    def __init__(self, field: _Optional[str] = ..., description: _Optional[str] = ...) -> None: ...
