import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from scoregate.audit.v1 import bundles_pb2 as _bundles_pb2
from scoregate.audit.v1 import leaf_pb2 as _leaf_pb2
from scoregate.audit.v1 import report_pb2 as _report_pb2
from scoregate.options.v1 import options_pb2 as _options_pb2
from scoregate.partner.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class LegalBasis(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LEGAL_BASIS_UNSPECIFIED: _ClassVar[LegalBasis]
    LEGAL_BASIS_GDPR_ART_17_1_A: _ClassVar[LegalBasis]
    LEGAL_BASIS_GDPR_ART_17_1_B: _ClassVar[LegalBasis]
    LEGAL_BASIS_GDPR_ART_17_1_C: _ClassVar[LegalBasis]
    LEGAL_BASIS_GDPR_ART_17_1_D: _ClassVar[LegalBasis]
    LEGAL_BASIS_GDPR_ART_17_1_E: _ClassVar[LegalBasis]
    LEGAL_BASIS_PIPL_ART_47: _ClassVar[LegalBasis]
    LEGAL_BASIS_COURT_ORDER: _ClassVar[LegalBasis]
    LEGAL_BASIS_RETENTION_ENDED: _ClassVar[LegalBasis]

class PrivatePartState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PRIVATE_PART_STATE_UNSPECIFIED: _ClassVar[PrivatePartState]
    PRIVATE_PART_STATE_OPENED: _ClassVar[PrivatePartState]
    PRIVATE_PART_STATE_ABSENT: _ClassVar[PrivatePartState]
    PRIVATE_PART_STATE_UNREADABLE: _ClassVar[PrivatePartState]
LEGAL_BASIS_UNSPECIFIED: LegalBasis
LEGAL_BASIS_GDPR_ART_17_1_A: LegalBasis
LEGAL_BASIS_GDPR_ART_17_1_B: LegalBasis
LEGAL_BASIS_GDPR_ART_17_1_C: LegalBasis
LEGAL_BASIS_GDPR_ART_17_1_D: LegalBasis
LEGAL_BASIS_GDPR_ART_17_1_E: LegalBasis
LEGAL_BASIS_PIPL_ART_47: LegalBasis
LEGAL_BASIS_COURT_ORDER: LegalBasis
LEGAL_BASIS_RETENTION_ENDED: LegalBasis
PRIVATE_PART_STATE_UNSPECIFIED: PrivatePartState
PRIVATE_PART_STATE_OPENED: PrivatePartState
PRIVATE_PART_STATE_ABSENT: PrivatePartState
PRIVATE_PART_STATE_UNREADABLE: PrivatePartState

class GetHeadRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetHeadResponse(_message.Message):
    __slots__ = ("log_origin", "tree_size", "root_hash")
    LOG_ORIGIN_FIELD_NUMBER: _ClassVar[int]
    TREE_SIZE_FIELD_NUMBER: _ClassVar[int]
    ROOT_HASH_FIELD_NUMBER: _ClassVar[int]
    log_origin: str
    tree_size: int
    root_hash: bytes
    def __init__(self, log_origin: _Optional[str] = ..., tree_size: _Optional[int] = ..., root_hash: _Optional[bytes] = ...) -> None: ...

class ListEntriesRequest(_message.Message):
    __slots__ = ("start_index", "tree_size", "page_size", "page_token")
    START_INDEX_FIELD_NUMBER: _ClassVar[int]
    TREE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    start_index: int
    tree_size: int
    page_size: int
    page_token: str
    def __init__(self, start_index: _Optional[int] = ..., tree_size: _Optional[int] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListEntriesResponse(_message.Message):
    __slots__ = ("first_index", "leaves", "next_page_token")
    FIRST_INDEX_FIELD_NUMBER: _ClassVar[int]
    LEAVES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    first_index: int
    leaves: _containers.RepeatedScalarFieldContainer[bytes]
    next_page_token: str
    def __init__(self, first_index: _Optional[int] = ..., leaves: _Optional[_Iterable[bytes]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetCheckpointRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetCheckpointResponse(_message.Message):
    __slots__ = ("checkpoint",)
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    checkpoint: bytes
    def __init__(self, checkpoint: _Optional[bytes] = ...) -> None: ...

class GetInclusionProofRequest(_message.Message):
    __slots__ = ("leaf_index",)
    LEAF_INDEX_FIELD_NUMBER: _ClassVar[int]
    leaf_index: int
    def __init__(self, leaf_index: _Optional[int] = ...) -> None: ...

class GetInclusionProofResponse(_message.Message):
    __slots__ = ("leaf_index", "checkpoint", "hashes")
    LEAF_INDEX_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    HASHES_FIELD_NUMBER: _ClassVar[int]
    leaf_index: int
    checkpoint: bytes
    hashes: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, leaf_index: _Optional[int] = ..., checkpoint: _Optional[bytes] = ..., hashes: _Optional[_Iterable[bytes]] = ...) -> None: ...

class GetConsistencyProofRequest(_message.Message):
    __slots__ = ("old_size",)
    OLD_SIZE_FIELD_NUMBER: _ClassVar[int]
    old_size: int
    def __init__(self, old_size: _Optional[int] = ...) -> None: ...

class GetConsistencyProofResponse(_message.Message):
    __slots__ = ("old_size", "checkpoint", "hashes")
    OLD_SIZE_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    HASHES_FIELD_NUMBER: _ClassVar[int]
    old_size: int
    checkpoint: bytes
    hashes: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, old_size: _Optional[int] = ..., checkpoint: _Optional[bytes] = ..., hashes: _Optional[_Iterable[bytes]] = ...) -> None: ...

class PreviewErasureRequest(_message.Message):
    __slots__ = ("subject",)
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    subject: str
    def __init__(self, subject: _Optional[str] = ...) -> None: ...

class PreviewErasureResponse(_message.Message):
    __slots__ = ("entries", "open_consents", "ended_consents", "cells", "open_disputes", "resolved_disputes", "frozen")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    OPEN_CONSENTS_FIELD_NUMBER: _ClassVar[int]
    ENDED_CONSENTS_FIELD_NUMBER: _ClassVar[int]
    CELLS_FIELD_NUMBER: _ClassVar[int]
    OPEN_DISPUTES_FIELD_NUMBER: _ClassVar[int]
    RESOLVED_DISPUTES_FIELD_NUMBER: _ClassVar[int]
    FROZEN_FIELD_NUMBER: _ClassVar[int]
    entries: int
    open_consents: int
    ended_consents: int
    cells: int
    open_disputes: int
    resolved_disputes: int
    frozen: bool
    def __init__(self, entries: _Optional[int] = ..., open_consents: _Optional[int] = ..., ended_consents: _Optional[int] = ..., cells: _Optional[int] = ..., open_disputes: _Optional[int] = ..., resolved_disputes: _Optional[int] = ..., frozen: _Optional[bool] = ...) -> None: ...

class EraseSubjectRequest(_message.Message):
    __slots__ = ("subject", "basis", "reason")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    BASIS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    subject: str
    basis: LegalBasis
    reason: str
    def __init__(self, subject: _Optional[str] = ..., basis: _Optional[_Union[LegalBasis, str]] = ..., reason: _Optional[str] = ...) -> None: ...

class EraseSubjectResponse(_message.Message):
    __slots__ = ("entries", "revoked_consents", "rows_left", "first_leaf_index", "last_leaf_index")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    REVOKED_CONSENTS_FIELD_NUMBER: _ClassVar[int]
    ROWS_LEFT_FIELD_NUMBER: _ClassVar[int]
    FIRST_LEAF_INDEX_FIELD_NUMBER: _ClassVar[int]
    LAST_LEAF_INDEX_FIELD_NUMBER: _ClassVar[int]
    entries: int
    revoked_consents: int
    rows_left: int
    first_leaf_index: int
    last_leaf_index: int
    def __init__(self, entries: _Optional[int] = ..., revoked_consents: _Optional[int] = ..., rows_left: _Optional[int] = ..., first_leaf_index: _Optional[int] = ..., last_leaf_index: _Optional[int] = ...) -> None: ...

class GetRetentionRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Retention(_message.Message):
    __slots__ = ("purpose", "days", "due", "held")
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    DAYS_FIELD_NUMBER: _ClassVar[int]
    DUE_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    purpose: str
    days: int
    due: int
    held: int
    def __init__(self, purpose: _Optional[str] = ..., days: _Optional[int] = ..., due: _Optional[int] = ..., held: _Optional[int] = ...) -> None: ...

class GetRetentionResponse(_message.Message):
    __slots__ = ("retentions", "backup_days")
    RETENTIONS_FIELD_NUMBER: _ClassVar[int]
    BACKUP_DAYS_FIELD_NUMBER: _ClassVar[int]
    retentions: _containers.RepeatedCompositeFieldContainer[Retention]
    backup_days: int
    def __init__(self, retentions: _Optional[_Iterable[_Union[Retention, _Mapping]]] = ..., backup_days: _Optional[int] = ...) -> None: ...

class EntryFilter(_message.Message):
    __slots__ = ("partner_id", "since", "until", "decisions", "purposes", "kinds", "subject", "start_index", "end_index")
    PARTNER_ID_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    PURPOSES_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    START_INDEX_FIELD_NUMBER: _ClassVar[int]
    END_INDEX_FIELD_NUMBER: _ClassVar[int]
    partner_id: str
    since: _timestamp_pb2.Timestamp
    until: _timestamp_pb2.Timestamp
    decisions: _containers.RepeatedScalarFieldContainer[_leaf_pb2.Decision]
    purposes: _containers.RepeatedScalarFieldContainer[_types_pb2.Purpose]
    kinds: _containers.RepeatedScalarFieldContainer[_leaf_pb2.LeafKind]
    subject: str
    start_index: int
    end_index: int
    def __init__(self, partner_id: _Optional[str] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., decisions: _Optional[_Iterable[_Union[_leaf_pb2.Decision, str]]] = ..., purposes: _Optional[_Iterable[_Union[_types_pb2.Purpose, str]]] = ..., kinds: _Optional[_Iterable[_Union[_leaf_pb2.LeafKind, str]]] = ..., subject: _Optional[str] = ..., start_index: _Optional[int] = ..., end_index: _Optional[int] = ...) -> None: ...

class ExportBundleRequest(_message.Message):
    __slots__ = ("filter", "with_private_parts", "reason", "page_size", "page_token")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    WITH_PRIVATE_PARTS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    filter: EntryFilter
    with_private_parts: bool
    reason: str
    page_size: int
    page_token: str
    def __init__(self, filter: _Optional[_Union[EntryFilter, _Mapping]] = ..., with_private_parts: _Optional[bool] = ..., reason: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ExportedEntry(_message.Message):
    __slots__ = ("leaf_index", "leaf", "hashes", "private_part_state", "private_part", "blind")
    LEAF_INDEX_FIELD_NUMBER: _ClassVar[int]
    LEAF_FIELD_NUMBER: _ClassVar[int]
    HASHES_FIELD_NUMBER: _ClassVar[int]
    PRIVATE_PART_STATE_FIELD_NUMBER: _ClassVar[int]
    PRIVATE_PART_FIELD_NUMBER: _ClassVar[int]
    BLIND_FIELD_NUMBER: _ClassVar[int]
    leaf_index: int
    leaf: bytes
    hashes: _containers.RepeatedScalarFieldContainer[bytes]
    private_part_state: PrivatePartState
    private_part: bytes
    blind: bytes
    def __init__(self, leaf_index: _Optional[int] = ..., leaf: _Optional[bytes] = ..., hashes: _Optional[_Iterable[bytes]] = ..., private_part_state: _Optional[_Union[PrivatePartState, str]] = ..., private_part: _Optional[bytes] = ..., blind: _Optional[bytes] = ...) -> None: ...

class ExportBundleResponse(_message.Message):
    __slots__ = ("checkpoint", "entries", "looked_up_to", "end_index", "next_page_token", "manifest", "jwks", "policy")
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    LOOKED_UP_TO_FIELD_NUMBER: _ClassVar[int]
    END_INDEX_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_FIELD_NUMBER: _ClassVar[int]
    JWKS_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    checkpoint: bytes
    entries: _containers.RepeatedCompositeFieldContainer[ExportedEntry]
    looked_up_to: int
    end_index: int
    next_page_token: str
    manifest: str
    jwks: str
    policy: str
    def __init__(self, checkpoint: _Optional[bytes] = ..., entries: _Optional[_Iterable[_Union[ExportedEntry, _Mapping]]] = ..., looked_up_to: _Optional[int] = ..., end_index: _Optional[int] = ..., next_page_token: _Optional[str] = ..., manifest: _Optional[str] = ..., jwks: _Optional[str] = ..., policy: _Optional[str] = ...) -> None: ...
