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
CONSENT_CHANGE_UNSPECIFIED: ConsentChange
CONSENT_CHANGE_PAUSE: ConsentChange
CONSENT_CHANGE_RESUME: ConsentChange
CONSENT_CHANGE_REVOKE: ConsentChange

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
