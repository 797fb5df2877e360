from scoregate.options.v1 import options_pb2 as _options_pb2
from scoregate.partner.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ScoreRequest(_message.Message):
    __slots__ = ("queries", "as_of")
    QUERIES_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    queries: _containers.RepeatedCompositeFieldContainer[SubjectQuery]
    as_of: str
    def __init__(self, queries: _Optional[_Iterable[_Union[SubjectQuery, _Mapping]]] = ..., as_of: _Optional[str] = ...) -> None: ...

class SubjectQuery(_message.Message):
    __slots__ = ("subject", "excluded_families")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    EXCLUDED_FAMILIES_FIELD_NUMBER: _ClassVar[int]
    subject: str
    excluded_families: _containers.RepeatedScalarFieldContainer[_types_pb2.InputFamily]
    def __init__(self, subject: _Optional[str] = ..., excluded_families: _Optional[_Iterable[_Union[_types_pb2.InputFamily, str]]] = ...) -> None: ...

class ScoreResponse(_message.Message):
    __slots__ = ("outcomes",)
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    outcomes: _containers.RepeatedCompositeFieldContainer[SubjectOutcome]
    def __init__(self, outcomes: _Optional[_Iterable[_Union[SubjectOutcome, _Mapping]]] = ...) -> None: ...

class SubjectOutcome(_message.Message):
    __slots__ = ("subject", "score", "not_scored", "epoch")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    NOT_SCORED_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    subject: str
    score: EngineScore
    not_scored: _types_pb2.NotScoredReason
    epoch: str
    def __init__(self, subject: _Optional[str] = ..., score: _Optional[_Union[EngineScore, _Mapping]] = ..., not_scored: _Optional[_Union[_types_pb2.NotScoredReason, str]] = ..., epoch: _Optional[str] = ...) -> None: ...

class EngineScore(_message.Message):
    __slots__ = ("score", "reason_codes", "families", "model")
    SCORE_FIELD_NUMBER: _ClassVar[int]
    REASON_CODES_FIELD_NUMBER: _ClassVar[int]
    FAMILIES_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    score: int
    reason_codes: _containers.RepeatedScalarFieldContainer[str]
    families: _containers.RepeatedScalarFieldContainer[_types_pb2.InputFamily]
    model: str
    def __init__(self, score: _Optional[int] = ..., reason_codes: _Optional[_Iterable[str]] = ..., families: _Optional[_Iterable[_Union[_types_pb2.InputFamily, str]]] = ..., model: _Optional[str] = ...) -> None: ...

class GetModelRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetModelResponse(_message.Message):
    __slots__ = ("model", "artefact_sha256", "training_data_sha256", "sunset", "latest_epoch", "reason_texts")
    class ReasonTextsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ARTEFACT_SHA256_FIELD_NUMBER: _ClassVar[int]
    TRAINING_DATA_SHA256_FIELD_NUMBER: _ClassVar[int]
    SUNSET_FIELD_NUMBER: _ClassVar[int]
    LATEST_EPOCH_FIELD_NUMBER: _ClassVar[int]
    REASON_TEXTS_FIELD_NUMBER: _ClassVar[int]
    model: str
    artefact_sha256: bytes
    training_data_sha256: bytes
    sunset: str
    latest_epoch: str
    reason_texts: _containers.ScalarMap[str, str]
    def __init__(self, model: _Optional[str] = ..., artefact_sha256: _Optional[bytes] = ..., training_data_sha256: _Optional[bytes] = ..., sunset: _Optional[str] = ..., latest_epoch: _Optional[str] = ..., reason_texts: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ExplainRequest(_message.Message):
    __slots__ = ("subject", "as_of")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    subject: str
    as_of: str
    def __init__(self, subject: _Optional[str] = ..., as_of: _Optional[str] = ...) -> None: ...

class ExplainResponse(_message.Message):
    __slots__ = ("epochs", "contributions")
    EPOCHS_FIELD_NUMBER: _ClassVar[int]
    CONTRIBUTIONS_FIELD_NUMBER: _ClassVar[int]
    epochs: _containers.RepeatedCompositeFieldContainer[ExplainedEpoch]
    contributions: _containers.RepeatedCompositeFieldContainer[Contribution]
    def __init__(self, epochs: _Optional[_Iterable[_Union[ExplainedEpoch, _Mapping]]] = ..., contributions: _Optional[_Iterable[_Union[Contribution, _Mapping]]] = ...) -> None: ...

class ExplainedEpoch(_message.Message):
    __slots__ = ("epoch", "score", "not_scored")
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    NOT_SCORED_FIELD_NUMBER: _ClassVar[int]
    epoch: str
    score: int
    not_scored: _types_pb2.NotScoredReason
    def __init__(self, epoch: _Optional[str] = ..., score: _Optional[int] = ..., not_scored: _Optional[_Union[_types_pb2.NotScoredReason, str]] = ...) -> None: ...

class Contribution(_message.Message):
    __slots__ = ("code", "family", "points")
    CODE_FIELD_NUMBER: _ClassVar[int]
    FAMILY_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    code: str
    family: _types_pb2.InputFamily
    points: int
    def __init__(self, code: _Optional[str] = ..., family: _Optional[_Union[_types_pb2.InputFamily, str]] = ..., points: _Optional[int] = ...) -> None: ...
