from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class Receipt(_message.Message):
    __slots__ = ("log_origin", "leaf_index", "leaf")
    LOG_ORIGIN_FIELD_NUMBER: _ClassVar[int]
    LEAF_INDEX_FIELD_NUMBER: _ClassVar[int]
    LEAF_FIELD_NUMBER: _ClassVar[int]
    log_origin: str
    leaf_index: int
    leaf: bytes
    def __init__(self, log_origin: _Optional[str] = ..., leaf_index: _Optional[int] = ..., leaf: _Optional[bytes] = ...) -> None: ...

class GetVerificationKeysRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetVerificationKeysResponse(_message.Message):
    __slots__ = ("issuer", "jwks", "log_origin")
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    JWKS_FIELD_NUMBER: _ClassVar[int]
    LOG_ORIGIN_FIELD_NUMBER: _ClassVar[int]
    issuer: str
    jwks: str
    log_origin: str
    def __init__(self, issuer: _Optional[str] = ..., jwks: _Optional[str] = ..., log_origin: _Optional[str] = ...) -> None: ...
