import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from scoregate.options.v1 import options_pb2 as _options_pb2
from scoregate.partner.v1 import types_pb2 as _types_pb2
from scoregate.audit.v1 import leaf_pb2 as _leaf_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetSubjectAccessReportRequest(_message.Message):
    __slots__ = ("subject", "since", "until", "page_size", "page_token")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    subject: str
    since: _timestamp_pb2.Timestamp
    until: _timestamp_pb2.Timestamp
    page_size: int
    page_token: str
    def __init__(self, subject: _Optional[str] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class GetSubjectAccessReportResponse(_message.Message):
    __slots__ = ("since", "until", "is_held", "opening", "checkpoint", "entries", "next_page_token")
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    IS_HELD_FIELD_NUMBER: _ClassVar[int]
    OPENING_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    since: _timestamp_pb2.Timestamp
    until: _timestamp_pb2.Timestamp
    is_held: bool
    opening: ReportEntry
    checkpoint: bytes
    entries: _containers.RepeatedCompositeFieldContainer[ReportEntry]
    next_page_token: str
    def __init__(self, since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., is_held: _Optional[bool] = ..., opening: _Optional[_Union[ReportEntry, _Mapping]] = ..., checkpoint: _Optional[bytes] = ..., entries: _Optional[_Iterable[_Union[ReportEntry, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ReportEntry(_message.Message):
    __slots__ = ("leaf_index", "time", "kind", "partner_id", "legal_name", "purpose", "decision", "reason", "shown", "leaf", "private_part", "blind", "hashes")
    LEAF_INDEX_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PARTNER_ID_FIELD_NUMBER: _ClassVar[int]
    LEGAL_NAME_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    SHOWN_FIELD_NUMBER: _ClassVar[int]
    LEAF_FIELD_NUMBER: _ClassVar[int]
    PRIVATE_PART_FIELD_NUMBER: _ClassVar[int]
    BLIND_FIELD_NUMBER: _ClassVar[int]
    HASHES_FIELD_NUMBER: _ClassVar[int]
    leaf_index: int
    time: _timestamp_pb2.Timestamp
    kind: _leaf_pb2.LeafKind
    partner_id: str
    legal_name: str
    purpose: _types_pb2.Purpose
    decision: _leaf_pb2.Decision
    reason: str
    shown: str
    leaf: bytes
    private_part: bytes
    blind: bytes
    hashes: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, leaf_index: _Optional[int] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., kind: _Optional[_Union[_leaf_pb2.LeafKind, str]] = ..., partner_id: _Optional[str] = ..., legal_name: _Optional[str] = ..., purpose: _Optional[_Union[_types_pb2.Purpose, str]] = ..., decision: _Optional[_Union[_leaf_pb2.Decision, str]] = ..., reason: _Optional[str] = ..., shown: _Optional[str] = ..., leaf: _Optional[bytes] = ..., private_part: _Optional[bytes] = ..., blind: _Optional[bytes] = ..., hashes: _Optional[_Iterable[bytes]] = ...) -> None: ...
