import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from scoregate.partner.v1 import usage_pb2 as _usage_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class KeyState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    KEY_STATE_UNSPECIFIED: _ClassVar[KeyState]
    KEY_STATE_NEXT: _ClassVar[KeyState]
    KEY_STATE_CURRENT: _ClassVar[KeyState]
    KEY_STATE_RETIRED: _ClassVar[KeyState]
KEY_STATE_UNSPECIFIED: KeyState
KEY_STATE_NEXT: KeyState
KEY_STATE_CURRENT: KeyState
KEY_STATE_RETIRED: KeyState

class AttestationKey(_message.Message):
    __slots__ = ("kid", "algorithm", "state", "created_at")
    KID_FIELD_NUMBER: _ClassVar[int]
    ALGORITHM_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    kid: str
    algorithm: str
    state: KeyState
    created_at: _timestamp_pb2.Timestamp
    def __init__(self, kid: _Optional[str] = ..., algorithm: _Optional[str] = ..., state: _Optional[_Union[KeyState, str]] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListKeysRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListKeysResponse(_message.Message):
    __slots__ = ("keys",)
    KEYS_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedCompositeFieldContainer[AttestationKey]
    def __init__(self, keys: _Optional[_Iterable[_Union[AttestationKey, _Mapping]]] = ...) -> None: ...

class RotateKeysRequest(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: str
    def __init__(self, reason: _Optional[str] = ...) -> None: ...

class RotateKeysResponse(_message.Message):
    __slots__ = ("keys",)
    KEYS_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedCompositeFieldContainer[AttestationKey]
    def __init__(self, keys: _Optional[_Iterable[_Union[AttestationKey, _Mapping]]] = ...) -> None: ...

class MasterKey(_message.Message):
    __slots__ = ("version", "oldest_version", "file", "older_files")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    OLDEST_VERSION_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    OLDER_FILES_FIELD_NUMBER: _ClassVar[int]
    version: int
    oldest_version: int
    file: str
    older_files: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, version: _Optional[int] = ..., oldest_version: _Optional[int] = ..., file: _Optional[str] = ..., older_files: _Optional[_Iterable[str]] = ...) -> None: ...

class GetMasterKeyRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetMasterKeyResponse(_message.Message):
    __slots__ = ("master_key",)
    MASTER_KEY_FIELD_NUMBER: _ClassVar[int]
    master_key: MasterKey
    def __init__(self, master_key: _Optional[_Union[MasterKey, _Mapping]] = ...) -> None: ...

class RotateMasterKeyRequest(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: str
    def __init__(self, reason: _Optional[str] = ...) -> None: ...

class RotateMasterKeyResponse(_message.Message):
    __slots__ = ("master_key",)
    MASTER_KEY_FIELD_NUMBER: _ClassVar[int]
    master_key: MasterKey
    def __init__(self, master_key: _Optional[_Union[MasterKey, _Mapping]] = ...) -> None: ...

class GetPartnerUsageRequest(_message.Message):
    __slots__ = ("partner_id",)
    PARTNER_ID_FIELD_NUMBER: _ClassVar[int]
    partner_id: str
    def __init__(self, partner_id: _Optional[str] = ...) -> None: ...

class GetPartnerUsageResponse(_message.Message):
    __slots__ = ("usages",)
    USAGES_FIELD_NUMBER: _ClassVar[int]
    usages: _containers.RepeatedCompositeFieldContainer[_usage_pb2.QuotaUsage]
    def __init__(self, usages: _Optional[_Iterable[_Union[_usage_pb2.QuotaUsage, _Mapping]]] = ...) -> None: ...

class GetActiveModelRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetActiveModelResponse(_message.Message):
    __slots__ = ("model", "artefact_sha256", "sunset", "latest_epoch")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ARTEFACT_SHA256_FIELD_NUMBER: _ClassVar[int]
    SUNSET_FIELD_NUMBER: _ClassVar[int]
    LATEST_EPOCH_FIELD_NUMBER: _ClassVar[int]
    model: str
    artefact_sha256: str
    sunset: str
    latest_epoch: str
    def __init__(self, model: _Optional[str] = ..., artefact_sha256: _Optional[str] = ..., sunset: _Optional[str] = ..., latest_epoch: _Optional[str] = ...) -> None: ...
