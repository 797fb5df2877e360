import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Role(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROLE_UNSPECIFIED: _ClassVar[Role]
    ROLE_PARTNER: _ClassVar[Role]
    ROLE_PILOT: _ClassVar[Role]
    ROLE_COMPLIANCE: _ClassVar[Role]
    ROLE_OPERATOR: _ClassVar[Role]
ROLE_UNSPECIFIED: Role
ROLE_PARTNER: Role
ROLE_PILOT: Role
ROLE_COMPLIANCE: Role
ROLE_OPERATOR: Role

class Contract(_message.Message):
    __slots__ = ("time_zone", "daily_units", "monthly_units", "calls_per_second", "burst_calls", "thresholds", "charge_not_scored", "return_addresses")
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    DAILY_UNITS_FIELD_NUMBER: _ClassVar[int]
    MONTHLY_UNITS_FIELD_NUMBER: _ClassVar[int]
    CALLS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    BURST_CALLS_FIELD_NUMBER: _ClassVar[int]
    THRESHOLDS_FIELD_NUMBER: _ClassVar[int]
    CHARGE_NOT_SCORED_FIELD_NUMBER: _ClassVar[int]
    RETURN_ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    time_zone: str
    daily_units: int
    monthly_units: int
    calls_per_second: int
    burst_calls: int
    thresholds: _containers.RepeatedScalarFieldContainer[int]
    charge_not_scored: bool
    return_addresses: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, time_zone: _Optional[str] = ..., daily_units: _Optional[int] = ..., monthly_units: _Optional[int] = ..., calls_per_second: _Optional[int] = ..., burst_calls: _Optional[int] = ..., thresholds: _Optional[_Iterable[int]] = ..., charge_not_scored: _Optional[bool] = ..., return_addresses: _Optional[_Iterable[str]] = ...) -> None: ...

class Partner(_message.Message):
    __slots__ = ("partner_id", "legal_name", "role", "suspended", "contract", "certificates", "legal_entity")
    PARTNER_ID_FIELD_NUMBER: _ClassVar[int]
    LEGAL_NAME_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    SUSPENDED_FIELD_NUMBER: _ClassVar[int]
    CONTRACT_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATES_FIELD_NUMBER: _ClassVar[int]
    LEGAL_ENTITY_FIELD_NUMBER: _ClassVar[int]
    partner_id: str
    legal_name: str
    role: Role
    suspended: bool
    contract: Contract
    certificates: _containers.RepeatedCompositeFieldContainer[Certificate]
    legal_entity: str
    def __init__(self, partner_id: _Optional[str] = ..., legal_name: _Optional[str] = ..., role: _Optional[_Union[Role, str]] = ..., suspended: _Optional[bool] = ..., contract: _Optional[_Union[Contract, _Mapping]] = ..., certificates: _Optional[_Iterable[_Union[Certificate, _Mapping]]] = ..., legal_entity: _Optional[str] = ...) -> None: ...

class Certificate(_message.Message):
    __slots__ = ("fingerprint", "expires_at", "revoked_at")
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    REVOKED_AT_FIELD_NUMBER: _ClassVar[int]
    fingerprint: str
    expires_at: _timestamp_pb2.Timestamp
    revoked_at: _timestamp_pb2.Timestamp
    def __init__(self, fingerprint: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., revoked_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class AddPartnerRequest(_message.Message):
    __slots__ = ("partner",)
    PARTNER_FIELD_NUMBER: _ClassVar[int]
    partner: Partner
    def __init__(self, partner: _Optional[_Union[Partner, _Mapping]] = ...) -> None: ...

class AddPartnerResponse(_message.Message):
    __slots__ = ("partner",)
    PARTNER_FIELD_NUMBER: _ClassVar[int]
    partner: Partner
    def __init__(self, partner: _Optional[_Union[Partner, _Mapping]] = ...) -> None: ...

class EnrollPartnerRequest(_message.Message):
    __slots__ = ("partner_id", "csr_pem", "valid_days")
    PARTNER_ID_FIELD_NUMBER: _ClassVar[int]
    CSR_PEM_FIELD_NUMBER: _ClassVar[int]
    VALID_DAYS_FIELD_NUMBER: _ClassVar[int]
    partner_id: str
    csr_pem: str
    valid_days: int
    def __init__(self, partner_id: _Optional[str] = ..., csr_pem: _Optional[str] = ..., valid_days: _Optional[int] = ...) -> None: ...

class EnrollPartnerResponse(_message.Message):
    __slots__ = ("certificate_pem", "server_ca_pem", "fingerprint")
    CERTIFICATE_PEM_FIELD_NUMBER: _ClassVar[int]
    SERVER_CA_PEM_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    certificate_pem: str
    server_ca_pem: str
    fingerprint: str
    def __init__(self, certificate_pem: _Optional[str] = ..., server_ca_pem: _Optional[str] = ..., fingerprint: _Optional[str] = ...) -> None: ...

class GetPartnerRequest(_message.Message):
    __slots__ = ("partner_id",)
    PARTNER_ID_FIELD_NUMBER: _ClassVar[int]
    partner_id: str
    def __init__(self, partner_id: _Optional[str] = ...) -> None: ...

class GetPartnerResponse(_message.Message):
    __slots__ = ("partner",)
    PARTNER_FIELD_NUMBER: _ClassVar[int]
    partner: Partner
    def __init__(self, partner: _Optional[_Union[Partner, _Mapping]] = ...) -> None: ...

class ListPartnersRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListPartnersResponse(_message.Message):
    __slots__ = ("partners", "next_page_token")
    PARTNERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    partners: _containers.RepeatedCompositeFieldContainer[Partner]
    next_page_token: str
    def __init__(self, partners: _Optional[_Iterable[_Union[Partner, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class SuspendPartnerRequest(_message.Message):
    __slots__ = ("partner_id", "reason")
    PARTNER_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    partner_id: str
    reason: str
    def __init__(self, partner_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class SuspendPartnerResponse(_message.Message):
    __slots__ = ("partner",)
    PARTNER_FIELD_NUMBER: _ClassVar[int]
    partner: Partner
    def __init__(self, partner: _Optional[_Union[Partner, _Mapping]] = ...) -> None: ...

class ResumePartnerRequest(_message.Message):
    __slots__ = ("partner_id", "reason")
    PARTNER_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    partner_id: str
    reason: str
    def __init__(self, partner_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class ResumePartnerResponse(_message.Message):
    __slots__ = ("partner",)
    PARTNER_FIELD_NUMBER: _ClassVar[int]
    partner: Partner
    def __init__(self, partner: _Optional[_Union[Partner, _Mapping]] = ...) -> None: ...

class RevokeCertificateRequest(_message.Message):
    __slots__ = ("fingerprint", "reason")
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    fingerprint: str
    reason: str
    def __init__(self, fingerprint: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class RevokeCertificateResponse(_message.Message):
    __slots__ = ("certificate",)
    CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    certificate: Certificate
    def __init__(self, certificate: _Optional[_Union[Certificate, _Mapping]] = ...) -> None: ...

class SetContractRequest(_message.Message):
    __slots__ = ("partner_id", "contract", "reason")
    PARTNER_ID_FIELD_NUMBER: _ClassVar[int]
    CONTRACT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    partner_id: str
    contract: Contract
    reason: str
    def __init__(self, partner_id: _Optional[str] = ..., contract: _Optional[_Union[Contract, _Mapping]] = ..., reason: _Optional[str] = ...) -> None: ...

class SetContractResponse(_message.Message):
    __slots__ = ("partner",)
    PARTNER_FIELD_NUMBER: _ClassVar[int]
    partner: Partner
    def __init__(self, partner: _Optional[_Union[Partner, _Mapping]] = ...) -> None: ...
