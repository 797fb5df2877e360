import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from scoregate.options.v1 import options_pb2 as _options_pb2
from scoregate.partner.v1 import consent_pb2 as _consent_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ConsentChange(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONSENT_CHANGE_UNSPECIFIED: _ClassVar[ConsentChange]
    CONSENT_CHANGE_PAUSE: _ClassVar[ConsentChange]
    CONSENT_CHANGE_RESUME: _ClassVar[ConsentChange]
    CONSENT_CHANGE_REVOKE: _ClassVar[ConsentChange]

class DisputeKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DISPUTE_KIND_UNSPECIFIED: _ClassVar[DisputeKind]
    DISPUTE_KIND_DISPUTE: _ClassVar[DisputeKind]
    DISPUTE_KIND_REVIEW: _ClassVar[DisputeKind]
CONSENT_CHANGE_UNSPECIFIED: ConsentChange
CONSENT_CHANGE_PAUSE: ConsentChange
CONSENT_CHANGE_RESUME: ConsentChange
CONSENT_CHANGE_REVOKE: ConsentChange
DISPUTE_KIND_UNSPECIFIED: DisputeKind
DISPUTE_KIND_DISPUTE: DisputeKind
DISPUTE_KIND_REVIEW: DisputeKind

class AllowInvitationRequest(_message.Message):
    __slots__ = ("handle", "subject", "lift_freeze")
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    LIFT_FREEZE_FIELD_NUMBER: _ClassVar[int]
    handle: str
    subject: str
    lift_freeze: bool
    def __init__(self, handle: _Optional[str] = ..., subject: _Optional[str] = ..., lift_freeze: _Optional[bool] = ...) -> None: ...

class AllowInvitationResponse(_message.Message):
    __slots__ = ("consent",)
    CONSENT_FIELD_NUMBER: _ClassVar[int]
    consent: _consent_pb2.Consent
    def __init__(self, consent: _Optional[_Union[_consent_pb2.Consent, _Mapping]] = ...) -> None: ...

class DenyInvitationRequest(_message.Message):
    __slots__ = ("handle",)
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    handle: str
    def __init__(self, handle: _Optional[str] = ...) -> None: ...

class DenyInvitationResponse(_message.Message):
    __slots__ = ("invitation",)
    INVITATION_FIELD_NUMBER: _ClassVar[int]
    invitation: _consent_pb2.ConsentInvitation
    def __init__(self, invitation: _Optional[_Union[_consent_pb2.ConsentInvitation, _Mapping]] = ...) -> None: ...

class ChangeConsentRequest(_message.Message):
    __slots__ = ("consent_id", "change")
    CONSENT_ID_FIELD_NUMBER: _ClassVar[int]
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    consent_id: str
    change: ConsentChange
    def __init__(self, consent_id: _Optional[str] = ..., change: _Optional[_Union[ConsentChange, str]] = ...) -> None: ...

class ChangeConsentResponse(_message.Message):
    __slots__ = ("consent",)
    CONSENT_FIELD_NUMBER: _ClassVar[int]
    consent: _consent_pb2.Consent
    def __init__(self, consent: _Optional[_Union[_consent_pb2.Consent, _Mapping]] = ...) -> None: ...

class SetFreezeRequest(_message.Message):
    __slots__ = ("subject", "frozen")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    FROZEN_FIELD_NUMBER: _ClassVar[int]
    subject: str
    frozen: bool
    def __init__(self, subject: _Optional[str] = ..., frozen: _Optional[bool] = ...) -> None: ...

class SetFreezeResponse(_message.Message):
    __slots__ = ("frozen",)
    FROZEN_FIELD_NUMBER: _ClassVar[int]
    frozen: bool
    def __init__(self, frozen: _Optional[bool] = ...) -> None: ...

class ReopenMonthRequest(_message.Message):
    __slots__ = ("subject", "reason")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    subject: str
    reason: str
    def __init__(self, subject: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class ReopenMonthResponse(_message.Message):
    __slots__ = ("cells",)
    CELLS_FIELD_NUMBER: _ClassVar[int]
    cells: int
    def __init__(self, cells: _Optional[int] = ...) -> None: ...

class ListSubjectConsentsRequest(_message.Message):
    __slots__ = ("subject", "page_size", "page_token")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    subject: str
    page_size: int
    page_token: str
    def __init__(self, subject: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListSubjectConsentsResponse(_message.Message):
    __slots__ = ("consents", "next_page_token")
    CONSENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    consents: _containers.RepeatedCompositeFieldContainer[SubjectConsent]
    next_page_token: str
    def __init__(self, consents: _Optional[_Iterable[_Union[SubjectConsent, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class SubjectConsent(_message.Message):
    __slots__ = ("partner_id", "consent")
    PARTNER_ID_FIELD_NUMBER: _ClassVar[int]
    CONSENT_FIELD_NUMBER: _ClassVar[int]
    partner_id: str
    consent: _consent_pb2.Consent
    def __init__(self, partner_id: _Optional[str] = ..., consent: _Optional[_Union[_consent_pb2.Consent, _Mapping]] = ...) -> None: ...

class Dispute(_message.Message):
    __slots__ = ("reference", "kind", "subject", "words", "opened_at", "due_at", "resolved_at", "outcome")
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    OPENED_AT_FIELD_NUMBER: _ClassVar[int]
    DUE_AT_FIELD_NUMBER: _ClassVar[int]
    RESOLVED_AT_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    reference: str
    kind: DisputeKind
    subject: str
    words: str
    opened_at: _timestamp_pb2.Timestamp
    due_at: _timestamp_pb2.Timestamp
    resolved_at: _timestamp_pb2.Timestamp
    outcome: str
    def __init__(self, reference: _Optional[str] = ..., kind: _Optional[_Union[DisputeKind, str]] = ..., subject: _Optional[str] = ..., words: _Optional[str] = ..., opened_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., due_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., resolved_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., outcome: _Optional[str] = ...) -> None: ...

class ListDisputesRequest(_message.Message):
    __slots__ = ("with_resolved", "page_size", "page_token")
    WITH_RESOLVED_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    with_resolved: bool
    page_size: int
    page_token: str
    def __init__(self, with_resolved: _Optional[bool] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListDisputesResponse(_message.Message):
    __slots__ = ("disputes", "next_page_token")
    DISPUTES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    disputes: _containers.RepeatedCompositeFieldContainer[Dispute]
    next_page_token: str
    def __init__(self, disputes: _Optional[_Iterable[_Union[Dispute, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ResolveDisputeRequest(_message.Message):
    __slots__ = ("reference", "outcome")
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    reference: str
    outcome: str
    def __init__(self, reference: _Optional[str] = ..., outcome: _Optional[str] = ...) -> None: ...

class ResolveDisputeResponse(_message.Message):
    __slots__ = ("dispute",)
    DISPUTE_FIELD_NUMBER: _ClassVar[int]
    dispute: Dispute
    def __init__(self, dispute: _Optional[_Union[Dispute, _Mapping]] = ...) -> None: ...
