from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Purpose(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PURPOSE_UNSPECIFIED: _ClassVar[Purpose]
    PURPOSE_CREDIT_APPLICATION: _ClassVar[Purpose]
    PURPOSE_PREQUALIFICATION: _ClassVar[Purpose]
    PURPOSE_ACCOUNT_REVIEW: _ClassVar[Purpose]
    PURPOSE_COLLECTION: _ClassVar[Purpose]
    PURPOSE_GUARANTOR: _ClassVar[Purpose]
    PURPOSE_DEPOSIT_WAIVER: _ClassVar[Purpose]
    PURPOSE_PILOT_STUDY: _ClassVar[Purpose]
    PURPOSE_CONSUMER_SELF: _ClassVar[Purpose]

class Disclosure(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DISCLOSURE_UNSPECIFIED: _ClassVar[Disclosure]
    DISCLOSURE_SCORE: _ClassVar[Disclosure]
    DISCLOSURE_BAND: _ClassVar[Disclosure]
    DISCLOSURE_THRESHOLD: _ClassVar[Disclosure]
    DISCLOSURE_REASONS: _ClassVar[Disclosure]

class ConsentMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONSENT_MODE_UNSPECIFIED: _ClassVar[ConsentMode]
    CONSENT_MODE_ONE_TIME: _ClassVar[ConsentMode]
    CONSENT_MODE_PERIODIC: _ClassVar[ConsentMode]

class CalendarUnit(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CALENDAR_UNIT_UNSPECIFIED: _ClassVar[CalendarUnit]
    CALENDAR_UNIT_DAY: _ClassVar[CalendarUnit]
    CALENDAR_UNIT_WEEK: _ClassVar[CalendarUnit]
    CALENDAR_UNIT_MONTH: _ClassVar[CalendarUnit]
    CALENDAR_UNIT_YEAR: _ClassVar[CalendarUnit]

class InquiryType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    INQUIRY_TYPE_UNSPECIFIED: _ClassVar[InquiryType]
    INQUIRY_TYPE_SOFT: _ClassVar[InquiryType]
    INQUIRY_TYPE_HARD: _ClassVar[InquiryType]

class InputFamily(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    INPUT_FAMILY_UNSPECIFIED: _ClassVar[InputFamily]
    INPUT_FAMILY_HISTORY: _ClassVar[InputFamily]
    INPUT_FAMILY_BEHAVIOUR: _ClassVar[InputFamily]
    INPUT_FAMILY_CAPACITY: _ClassVar[InputFamily]
    INPUT_FAMILY_IDENTITY: _ClassVar[InputFamily]
    INPUT_FAMILY_SOCIAL: _ClassVar[InputFamily]

class Band(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BAND_UNSPECIFIED: _ClassVar[Band]
    BAND_350_549: _ClassVar[Band]
    BAND_550_599: _ClassVar[Band]
    BAND_600_649: _ClassVar[Band]
    BAND_650_699: _ClassVar[Band]
    BAND_700_950: _ClassVar[Band]

class NotScoredReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NOT_SCORED_REASON_UNSPECIFIED: _ClassVar[NotScoredReason]
    NOT_SCORED_REASON_NO_DATA: _ClassVar[NotScoredReason]
    NOT_SCORED_REASON_THIN_FILE: _ClassVar[NotScoredReason]

class Mark(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MARK_UNSPECIFIED: _ClassVar[Mark]
    MARK_DISPUTED: _ClassVar[Mark]
    MARK_UNDER_REVIEW: _ClassVar[Mark]

class ConsentEventKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONSENT_EVENT_KIND_UNSPECIFIED: _ClassVar[ConsentEventKind]
    CONSENT_EVENT_KIND_GRANTED: _ClassVar[ConsentEventKind]
    CONSENT_EVENT_KIND_PAUSED: _ClassVar[ConsentEventKind]
    CONSENT_EVENT_KIND_RESUMED: _ClassVar[ConsentEventKind]
    CONSENT_EVENT_KIND_REVOKED: _ClassVar[ConsentEventKind]
    CONSENT_EVENT_KIND_EXPIRED: _ClassVar[ConsentEventKind]
    CONSENT_EVENT_KIND_CONSUMED: _ClassVar[ConsentEventKind]
    CONSENT_EVENT_KIND_FROZEN: _ClassVar[ConsentEventKind]
    CONSENT_EVENT_KIND_UNFROZEN: _ClassVar[ConsentEventKind]
PURPOSE_UNSPECIFIED: Purpose
PURPOSE_CREDIT_APPLICATION: Purpose
PURPOSE_PREQUALIFICATION: Purpose
PURPOSE_ACCOUNT_REVIEW: Purpose
PURPOSE_COLLECTION: Purpose
PURPOSE_GUARANTOR: Purpose
PURPOSE_DEPOSIT_WAIVER: Purpose
PURPOSE_PILOT_STUDY: Purpose
PURPOSE_CONSUMER_SELF: Purpose
DISCLOSURE_UNSPECIFIED: Disclosure
DISCLOSURE_SCORE: Disclosure
DISCLOSURE_BAND: Disclosure
DISCLOSURE_THRESHOLD: Disclosure
DISCLOSURE_REASONS: Disclosure
CONSENT_MODE_UNSPECIFIED: ConsentMode
CONSENT_MODE_ONE_TIME: ConsentMode
CONSENT_MODE_PERIODIC: ConsentMode
CALENDAR_UNIT_UNSPECIFIED: CalendarUnit
CALENDAR_UNIT_DAY: CalendarUnit
CALENDAR_UNIT_WEEK: CalendarUnit
CALENDAR_UNIT_MONTH: CalendarUnit
CALENDAR_UNIT_YEAR: CalendarUnit
INQUIRY_TYPE_UNSPECIFIED: InquiryType
INQUIRY_TYPE_SOFT: InquiryType
INQUIRY_TYPE_HARD: InquiryType
INPUT_FAMILY_UNSPECIFIED: InputFamily
INPUT_FAMILY_HISTORY: InputFamily
INPUT_FAMILY_BEHAVIOUR: InputFamily
INPUT_FAMILY_CAPACITY: InputFamily
INPUT_FAMILY_IDENTITY: InputFamily
INPUT_FAMILY_SOCIAL: InputFamily
BAND_UNSPECIFIED: Band
BAND_350_549: Band
BAND_550_599: Band
BAND_600_649: Band
BAND_650_699: Band
BAND_700_950: Band
NOT_SCORED_REASON_UNSPECIFIED: NotScoredReason
NOT_SCORED_REASON_NO_DATA: NotScoredReason
NOT_SCORED_REASON_THIN_FILE: NotScoredReason
MARK_UNSPECIFIED: Mark
MARK_DISPUTED: Mark
MARK_UNDER_REVIEW: Mark
CONSENT_EVENT_KIND_UNSPECIFIED: ConsentEventKind
CONSENT_EVENT_KIND_GRANTED: ConsentEventKind
CONSENT_EVENT_KIND_PAUSED: ConsentEventKind
CONSENT_EVENT_KIND_RESUMED: ConsentEventKind
CONSENT_EVENT_KIND_REVOKED: ConsentEventKind
CONSENT_EVENT_KIND_EXPIRED: ConsentEventKind
CONSENT_EVENT_KIND_CONSUMED: ConsentEventKind
CONSENT_EVENT_KIND_FROZEN: ConsentEventKind
CONSENT_EVENT_KIND_UNFROZEN: ConsentEventKind

class Frequency(_message.Message):
    __slots__ = ("uses", "unit")
    USES_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    uses: int
    unit: CalendarUnit
    def __init__(self, uses: _Optional[int] = ..., unit: _Optional[_Union[CalendarUnit, str]] = ...) -> None: ...
