import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from scoregate.options.v1 import options_pb2 as _options_pb2
from scoregate.partner.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class InvitationState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    INVITATION_STATE_UNSPECIFIED: _ClassVar[InvitationState]
    INVITATION_STATE_PENDING: _ClassVar[InvitationState]
    INVITATION_STATE_APPROVED: _ClassVar[InvitationState]
    INVITATION_STATE_REJECTED: _ClassVar[InvitationState]
    INVITATION_STATE_EXPIRED: _ClassVar[InvitationState]
    INVITATION_STATE_IDENTITY_MISMATCH: _ClassVar[InvitationState]

class ConsentState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONSENT_STATE_UNSPECIFIED: _ClassVar[ConsentState]
    CONSENT_STATE_ACTIVE: _ClassVar[ConsentState]
    CONSENT_STATE_PAUSED: _ClassVar[ConsentState]
    CONSENT_STATE_REVOKED: _ClassVar[ConsentState]
    CONSENT_STATE_EXPIRED: _ClassVar[ConsentState]
    CONSENT_STATE_CONSUMED: _ClassVar[ConsentState]
INVITATION_STATE_UNSPECIFIED: InvitationState
INVITATION_STATE_PENDING: InvitationState
INVITATION_STATE_APPROVED: InvitationState
INVITATION_STATE_REJECTED: InvitationState
INVITATION_STATE_EXPIRED: InvitationState
INVITATION_STATE_IDENTITY_MISMATCH: InvitationState
CONSENT_STATE_UNSPECIFIED: ConsentState
CONSENT_STATE_ACTIVE: ConsentState
CONSENT_STATE_PAUSED: ConsentState
CONSENT_STATE_REVOKED: ConsentState
CONSENT_STATE_EXPIRED: ConsentState
CONSENT_STATE_CONSUMED: ConsentState

class ConsentTerms(_message.Message):
    __slots__ = ("purpose", "disclosures", "mode", "not_before", "valid_for", "frequency", "time_zone", "data_life", "excluded_families", "thresholds")
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    DISCLOSURES_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    NOT_BEFORE_FIELD_NUMBER: _ClassVar[int]
    VALID_FOR_FIELD_NUMBER: _ClassVar[int]
    FREQUENCY_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    DATA_LIFE_FIELD_NUMBER: _ClassVar[int]
    EXCLUDED_FAMILIES_FIELD_NUMBER: _ClassVar[int]
    THRESHOLDS_FIELD_NUMBER: _ClassVar[int]
    purpose: _types_pb2.Purpose
    disclosures: _containers.RepeatedScalarFieldContainer[_types_pb2.Disclosure]
    mode: _types_pb2.ConsentMode
    not_before: _timestamp_pb2.Timestamp
    valid_for: _duration_pb2.Duration
    frequency: _types_pb2.Frequency
    time_zone: str
    data_life: _duration_pb2.Duration
    excluded_families: _containers.RepeatedScalarFieldContainer[_types_pb2.InputFamily]
    thresholds: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, purpose: _Optional[_Union[_types_pb2.Purpose, str]] = ..., disclosures: _Optional[_Iterable[_Union[_types_pb2.Disclosure, str]]] = ..., mode: _Optional[_Union[_types_pb2.ConsentMode, str]] = ..., not_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., valid_for: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., frequency: _Optional[_Union[_types_pb2.Frequency, _Mapping]] = ..., time_zone: _Optional[str] = ..., data_life: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., excluded_families: _Optional[_Iterable[_Union[_types_pb2.InputFamily, str]]] = ..., thresholds: _Optional[_Iterable[int]] = ...) -> None: ...

class ConsentInvitation(_message.Message):
    __slots__ = ("handle", "state", "terms", "partner_reference", "expires_at", "consent_id", "subject_ref", "url", "return_address", "return_state")
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    TERMS_FIELD_NUMBER: _ClassVar[int]
    PARTNER_REFERENCE_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    CONSENT_ID_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_REF_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    RETURN_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    RETURN_STATE_FIELD_NUMBER: _ClassVar[int]
    handle: str
    state: InvitationState
    terms: ConsentTerms
    partner_reference: str
    expires_at: _timestamp_pb2.Timestamp
    consent_id: str
    subject_ref: str
    url: str
    return_address: str
    return_state: str
    def __init__(self, handle: _Optional[str] = ..., state: _Optional[_Union[InvitationState, str]] = ..., terms: _Optional[_Union[ConsentTerms, _Mapping]] = ..., partner_reference: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., consent_id: _Optional[str] = ..., subject_ref: _Optional[str] = ..., url: _Optional[str] = ..., return_address: _Optional[str] = ..., return_state: _Optional[str] = ...) -> None: ...

class IdentityToMatch(_message.Message):
    __slots__ = ("name", "document_number", "phone")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_NUMBER_FIELD_NUMBER: _ClassVar[int]
    PHONE_FIELD_NUMBER: _ClassVar[int]
    name: str
    document_number: str
    phone: str
    def __init__(self, name: _Optional[str] = ..., document_number: _Optional[str] = ..., phone: _Optional[str] = ...) -> None: ...

class Consent(_message.Message):
    __slots__ = ("consent_id", "state", "subject_ref", "terms", "handle", "partner_reference", "not_before", "expires_at", "consent_sha256", "notice_version")
    CONSENT_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_REF_FIELD_NUMBER: _ClassVar[int]
    TERMS_FIELD_NUMBER: _ClassVar[int]
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    PARTNER_REFERENCE_FIELD_NUMBER: _ClassVar[int]
    NOT_BEFORE_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    CONSENT_SHA256_FIELD_NUMBER: _ClassVar[int]
    NOTICE_VERSION_FIELD_NUMBER: _ClassVar[int]
    consent_id: str
    state: ConsentState
    subject_ref: str
    terms: ConsentTerms
    handle: str
    partner_reference: str
    not_before: _timestamp_pb2.Timestamp
    expires_at: _timestamp_pb2.Timestamp
    consent_sha256: bytes
    notice_version: str
    def __init__(self, consent_id: _Optional[str] = ..., state: _Optional[_Union[ConsentState, str]] = ..., subject_ref: _Optional[str] = ..., terms: _Optional[_Union[ConsentTerms, _Mapping]] = ..., handle: _Optional[str] = ..., partner_reference: _Optional[str] = ..., not_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., consent_sha256: _Optional[bytes] = ..., notice_version: _Optional[str] = ...) -> None: ...

class CreateConsentInvitationRequest(_message.Message):
    __slots__ = ("request_id", "terms", "partner_reference", "decide_within", "return_address", "return_state", "identity")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TERMS_FIELD_NUMBER: _ClassVar[int]
    PARTNER_REFERENCE_FIELD_NUMBER: _ClassVar[int]
    DECIDE_WITHIN_FIELD_NUMBER: _ClassVar[int]
    RETURN_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    RETURN_STATE_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    terms: ConsentTerms
    partner_reference: str
    decide_within: _duration_pb2.Duration
    return_address: str
    return_state: str
    identity: IdentityToMatch
    def __init__(self, request_id: _Optional[str] = ..., terms: _Optional[_Union[ConsentTerms, _Mapping]] = ..., partner_reference: _Optional[str] = ..., decide_within: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., return_address: _Optional[str] = ..., return_state: _Optional[str] = ..., identity: _Optional[_Union[IdentityToMatch, _Mapping]] = ...) -> None: ...

class CreateConsentInvitationResponse(_message.Message):
    __slots__ = ("invitation", "qr_svg")
    INVITATION_FIELD_NUMBER: _ClassVar[int]
    QR_SVG_FIELD_NUMBER: _ClassVar[int]
    invitation: ConsentInvitation
    qr_svg: str
    def __init__(self, invitation: _Optional[_Union[ConsentInvitation, _Mapping]] = ..., qr_svg: _Optional[str] = ...) -> None: ...

class GetConsentInvitationRequest(_message.Message):
    __slots__ = ("handle",)
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    handle: str
    def __init__(self, handle: _Optional[str] = ...) -> None: ...

class GetConsentInvitationResponse(_message.Message):
    __slots__ = ("invitation",)
    INVITATION_FIELD_NUMBER: _ClassVar[int]
    invitation: ConsentInvitation
    def __init__(self, invitation: _Optional[_Union[ConsentInvitation, _Mapping]] = ...) -> None: ...

class GetConsentRequest(_message.Message):
    __slots__ = ("consent_id",)
    CONSENT_ID_FIELD_NUMBER: _ClassVar[int]
    consent_id: str
    def __init__(self, consent_id: _Optional[str] = ...) -> None: ...

class GetConsentResponse(_message.Message):
    __slots__ = ("consent",)
    CONSENT_FIELD_NUMBER: _ClassVar[int]
    consent: Consent
    def __init__(self, consent: _Optional[_Union[Consent, _Mapping]] = ...) -> None: ...

class ListConsentEventsRequest(_message.Message):
    __slots__ = ("start_index", "page_size", "page_token")
    START_INDEX_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    start_index: int
    page_size: int
    page_token: str
    def __init__(self, start_index: _Optional[int] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListConsentEventsResponse(_message.Message):
    __slots__ = ("events", "next_page_token", "next_index")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    NEXT_INDEX_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[ConsentEvent]
    next_page_token: str
    next_index: int
    def __init__(self, events: _Optional[_Iterable[_Union[ConsentEvent, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., next_index: _Optional[int] = ...) -> None: ...

class ConsentEvent(_message.Message):
    __slots__ = ("log_index", "consent_id", "kind", "time")
    LOG_INDEX_FIELD_NUMBER: _ClassVar[int]
    CONSENT_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    log_index: int
    consent_id: str
    kind: _types_pb2.ConsentEventKind
    time: _timestamp_pb2.Timestamp
    def __init__(self, log_index: _Optional[int] = ..., consent_id: _Optional[str] = ..., kind: _Optional[_Union[_types_pb2.ConsentEventKind, str]] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class RelinquishConsentRequest(_message.Message):
    __slots__ = ("consent_id",)
    CONSENT_ID_FIELD_NUMBER: _ClassVar[int]
    consent_id: str
    def __init__(self, consent_id: _Optional[str] = ...) -> None: ...

class RelinquishConsentResponse(_message.Message):
    __slots__ = ("consent",)
    CONSENT_FIELD_NUMBER: _ClassVar[int]
    consent: Consent
    def __init__(self, consent: _Optional[_Union[Consent, _Mapping]] = ...) -> None: ...

class ListConsentsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListConsentsResponse(_message.Message):
    __slots__ = ("consents", "next_page_token")
    CONSENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    consents: _containers.RepeatedCompositeFieldContainer[Consent]
    next_page_token: str
    def __init__(self, consents: _Optional[_Iterable[_Union[Consent, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
