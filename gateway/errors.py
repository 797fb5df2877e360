"""Every room's failures, and the one table that gives each reason its gRPC status.

Rooms raise their own exceptions, each with a ``reason`` from the catalogue in
``error_reason.proto``. ``refused`` turns any of them into the one ``Refused`` that doors
know how to send. An exception without a reason is a bug of ours: INTERNAL, a fixed text,
and nothing of its own words.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from grpc import StatusCode

from gateway.quota.contract import Usage
from scoregate.reasons import Reason, reason
from scoregate.words import Purpose

DOMAIN = "scoregate"

_GROUPS: dict[StatusCode, str] = {
    StatusCode.UNAUTHENTICATED: """
        CERTIFICATE_UNKNOWN CERTIFICATE_REVOKED CERTIFICATE_EXPIRED
        CERTIFICATE_USAGE_INVALID CERTIFICATE_IDENTITY_INVALID""",
    StatusCode.PERMISSION_DENIED: """
        PARTNER_SUSPENDED METHOD_NOT_ALLOWED
        CONSENT_NOT_USABLE CONSENT_NOT_YET_VALID CONSENT_EXPIRED CONSENT_REVOKED CONSENT_PAUSED
        CONSENT_CONSUMED CONSENT_PURPOSE_MISMATCH CONSENT_DISCLOSURE_NOT_ALLOWED
        CONSENT_FREQUENCY_EXHAUSTED SUBJECT_FROZEN""",
    StatusCode.RESOURCE_EXHAUSTED: """
        BURST_EXCEEDED CONCURRENCY_EXCEEDED DAILY_QUOTA_EXHAUSTED MONTHLY_QUOTA_EXHAUSTED""",
    StatusCode.INVALID_ARGUMENT: "BODY_MALFORMED FIELD_INVALID",
    StatusCode.ALREADY_EXISTS: "REQUEST_ID_REUSED ALREADY_EXISTS",
    StatusCode.FAILED_PRECONDITION: "THRESHOLD_NOT_REGISTERED STATE_CONFLICT",
    StatusCode.NOT_FOUND: "NOT_FOUND",
    StatusCode.UNAVAILABLE: "ENGINE_UNAVAILABLE AUDIT_UNAVAILABLE SERVER_BUSY ENTRY_NOT_PUBLISHED",
    StatusCode.DEADLINE_EXCEEDED: "DEADLINE_PASSED",
    StatusCode.INTERNAL: "ENGINE_ANSWER_INVALID STATEMENT_CONTRADICTED INTERNAL",
}

STATUS: dict[str, StatusCode] = {name: status for status, names in _GROUPS.items() for name in names.split()}
"""Reason → status: the refusal table."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One refused field."""

    field: str
    description: str


class Refused(Exception):
    """A call, or one item of a batch, gets no answer. Holds no personal data.

    ``retry_after`` None: waiting does not help or is not known; ``stop`` True: tell the
    caller's retry loop to give up (pushback −1).
    """

    def __init__(
        self,
        code: str,
        *,
        violations: tuple[Violation, ...] = (),
        retry_after: timedelta | None = None,
        stop: bool = False,
        quota_subject: str = "",
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(code)
        self.code = code
        self.violations = violations
        self.retry_after = retry_after
        self.stop = stop
        self.quota_subject = quota_subject
        self.headers = headers  # initial metadata: RateLimit
        self.usage: Usage | None = None  # of the partner's contract, where it is known
        self.request_id = ""  # the caller's, once it is known to be one
        self.consent_id = ""  # that an unsound query names, for its entry alone: nobody is told of it
        self.purpose: Purpose | None = None  # likewise
        self.recorded = False  # set once the refusal has its entry in the log
        self.is_turned_away = False  # before anything was parsed or believed

    @property
    def status(self) -> StatusCode:
        """The gRPC status."""
        return STATUS[self.code]

    @property
    def reason(self) -> Reason:
        """Title and remedy."""
        return reason(self.code)


def refused(error: BaseException) -> Refused:
    """The refusal that this exception means; INTERNAL for one that is not ours."""
    if isinstance(error, Refused):
        return error
    code = getattr(error, "reason", None)
    made = Refused(code if isinstance(code, str) and code in STATUS else "INTERNAL")
    made.__cause__ = error
    return made
