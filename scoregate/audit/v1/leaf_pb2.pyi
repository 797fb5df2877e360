from scoregate.options.v1 import options_pb2 as _options_pb2
from scoregate.partner.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class LeafKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LEAF_KIND_UNSPECIFIED: _ClassVar[LeafKind]
    LEAF_KIND_RELEASE: _ClassVar[LeafKind]
    LEAF_KIND_REFUSAL: _ClassVar[LeafKind]
    LEAF_KIND_REPLAY: _ClassVar[LeafKind]
    LEAF_KIND_COUNTED_REFUSALS: _ClassVar[LeafKind]
    LEAF_KIND_SELF_INQUIRY: _ClassVar[LeafKind]
    LEAF_KIND_INVITATION_CREATED: _ClassVar[LeafKind]
    LEAF_KIND_INVITATION_REJECTED: _ClassVar[LeafKind]
    LEAF_KIND_CONSENT_GRANTED: _ClassVar[LeafKind]
    LEAF_KIND_CONSENT_PAUSED: _ClassVar[LeafKind]
    LEAF_KIND_CONSENT_RESUMED: _ClassVar[LeafKind]
    LEAF_KIND_CONSENT_REVOKED: _ClassVar[LeafKind]
    LEAF_KIND_SUBJECT_FROZEN: _ClassVar[LeafKind]
    LEAF_KIND_SUBJECT_UNFROZEN: _ClassVar[LeafKind]
    LEAF_KIND_MONTH_REOPENED: _ClassVar[LeafKind]
    LEAF_KIND_CONSENT_EXPIRED: _ClassVar[LeafKind]
    LEAF_KIND_PARTNER_ADDED: _ClassVar[LeafKind]
    LEAF_KIND_PARTNER_SUSPENDED: _ClassVar[LeafKind]
    LEAF_KIND_PARTNER_RESUMED: _ClassVar[LeafKind]
    LEAF_KIND_CERTIFICATE_ISSUED: _ClassVar[LeafKind]
    LEAF_KIND_CERTIFICATE_REVOKED: _ClassVar[LeafKind]
    LEAF_KIND_CONTRACT_CHANGED: _ClassVar[LeafKind]
    LEAF_KIND_INVITATION_MISMATCHED: _ClassVar[LeafKind]
    LEAF_KIND_DISPUTE_OPENED: _ClassVar[LeafKind]
    LEAF_KIND_DISPUTE_RESOLVED: _ClassVar[LeafKind]
    LEAF_KIND_KEY_CHANGED: _ClassVar[LeafKind]
    LEAF_KIND_MODEL_CHANGED: _ClassVar[LeafKind]
    LEAF_KIND_LOG_RENAMED: _ClassVar[LeafKind]
    LEAF_KIND_REDACTED: _ClassVar[LeafKind]
    LEAF_KIND_OFFICER_READ: _ClassVar[LeafKind]
    LEAF_KIND_EXPORTED: _ClassVar[LeafKind]

class Decision(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DECISION_UNSPECIFIED: _ClassVar[Decision]
    DECISION_SCORED: _ClassVar[Decision]
    DECISION_NOT_SCORED: _ClassVar[Decision]
    DECISION_REFUSED: _ClassVar[Decision]
LEAF_KIND_UNSPECIFIED: LeafKind
LEAF_KIND_RELEASE: LeafKind
LEAF_KIND_REFUSAL: LeafKind
LEAF_KIND_REPLAY: LeafKind
LEAF_KIND_COUNTED_REFUSALS: LeafKind
LEAF_KIND_SELF_INQUIRY: LeafKind
LEAF_KIND_INVITATION_CREATED: LeafKind
LEAF_KIND_INVITATION_REJECTED: LeafKind
LEAF_KIND_CONSENT_GRANTED: LeafKind
LEAF_KIND_CONSENT_PAUSED: LeafKind
LEAF_KIND_CONSENT_RESUMED: LeafKind
LEAF_KIND_CONSENT_REVOKED: LeafKind
LEAF_KIND_SUBJECT_FROZEN: LeafKind
LEAF_KIND_SUBJECT_UNFROZEN: LeafKind
LEAF_KIND_MONTH_REOPENED: LeafKind
LEAF_KIND_CONSENT_EXPIRED: LeafKind
LEAF_KIND_PARTNER_ADDED: LeafKind
LEAF_KIND_PARTNER_SUSPENDED: LeafKind
LEAF_KIND_PARTNER_RESUMED: LeafKind
LEAF_KIND_CERTIFICATE_ISSUED: LeafKind
LEAF_KIND_CERTIFICATE_REVOKED: LeafKind
LEAF_KIND_CONTRACT_CHANGED: LeafKind
LEAF_KIND_INVITATION_MISMATCHED: LeafKind
LEAF_KIND_DISPUTE_OPENED: LeafKind
LEAF_KIND_DISPUTE_RESOLVED: LeafKind
LEAF_KIND_KEY_CHANGED: LeafKind
LEAF_KIND_MODEL_CHANGED: LeafKind
LEAF_KIND_LOG_RENAMED: LeafKind
LEAF_KIND_REDACTED: LeafKind
LEAF_KIND_OFFICER_READ: LeafKind
LEAF_KIND_EXPORTED: LeafKind
DECISION_UNSPECIFIED: Decision
DECISION_SCORED: Decision
DECISION_NOT_SCORED: Decision
DECISION_REFUSED: Decision

class Leaf(_message.Message):
    __slots__ = ("version", "kind", "time_micros", "partner_id", "partner_sequence", "method", "purpose", "decision", "reason", "cost_units", "quota_periods", "degraded", "attestation_sha256", "commitment", "salt", "refers_to", "count", "actor", "object_id")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    TIME_MICROS_FIELD_NUMBER: _ClassVar[int]
    PARTNER_ID_FIELD_NUMBER: _ClassVar[int]
    PARTNER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    COST_UNITS_FIELD_NUMBER: _ClassVar[int]
    QUOTA_PERIODS_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    ATTESTATION_SHA256_FIELD_NUMBER: _ClassVar[int]
    COMMITMENT_FIELD_NUMBER: _ClassVar[int]
    SALT_FIELD_NUMBER: _ClassVar[int]
    REFERS_TO_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    OBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    version: int
    kind: LeafKind
    time_micros: int
    partner_id: str
    partner_sequence: int
    method: str
    purpose: _types_pb2.Purpose
    decision: Decision
    reason: str
    cost_units: int
    quota_periods: _containers.RepeatedScalarFieldContainer[str]
    degraded: _containers.RepeatedScalarFieldContainer[str]
    attestation_sha256: bytes
    commitment: bytes
    salt: bytes
    refers_to: int
    count: int
    actor: str
    object_id: str
    def __init__(self, version: _Optional[int] = ..., kind: _Optional[_Union[LeafKind, str]] = ..., time_micros: _Optional[int] = ..., partner_id: _Optional[str] = ..., partner_sequence: _Optional[int] = ..., method: _Optional[str] = ..., purpose: _Optional[_Union[_types_pb2.Purpose, str]] = ..., decision: _Optional[_Union[Decision, str]] = ..., reason: _Optional[str] = ..., cost_units: _Optional[int] = ..., quota_periods: _Optional[_Iterable[str]] = ..., degraded: _Optional[_Iterable[str]] = ..., attestation_sha256: _Optional[bytes] = ..., commitment: _Optional[bytes] = ..., salt: _Optional[bytes] = ..., refers_to: _Optional[int] = ..., count: _Optional[int] = ..., actor: _Optional[str] = ..., object_id: _Optional[str] = ...) -> None: ...

class PrivatePart(_message.Message):
    __slots__ = ("subject", "consent_id", "event_id", "request_id", "score", "shown", "legal_name", "peer", "handle", "consent_sha256", "redacted")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    CONSENT_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    SHOWN_FIELD_NUMBER: _ClassVar[int]
    LEGAL_NAME_FIELD_NUMBER: _ClassVar[int]
    PEER_FIELD_NUMBER: _ClassVar[int]
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    CONSENT_SHA256_FIELD_NUMBER: _ClassVar[int]
    REDACTED_FIELD_NUMBER: _ClassVar[int]
    subject: str
    consent_id: str
    event_id: str
    request_id: str
    score: int
    shown: str
    legal_name: str
    peer: str
    handle: str
    consent_sha256: bytes
    redacted: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, subject: _Optional[str] = ..., consent_id: _Optional[str] = ..., event_id: _Optional[str] = ..., request_id: _Optional[str] = ..., score: _Optional[int] = ..., shown: _Optional[str] = ..., legal_name: _Optional[str] = ..., peer: _Optional[str] = ..., handle: _Optional[str] = ..., consent_sha256: _Optional[bytes] = ..., redacted: _Optional[_Iterable[int]] = ...) -> None: ...
