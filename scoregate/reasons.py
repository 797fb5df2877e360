"""Every refusal's reason, in plain words, with what the caller does next.

Pure. Source: protos/scoregate/partner/v1/error_reason.proto; a test walks both and fails on a gap.
Server and client read the same table, so a remedy never depends on which of them is newer.
"""

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Retry(StrEnum):
    """When the same call may come again."""

    SAME_REQUEST_ID = "same request id"  # soon, unchanged: id and nonce included
    AFTER_THE_WAIT = "after the wait"  # unchanged, once RetryInfo's time is over
    AFTER_THE_PERIOD = "after the period"  # unchanged, once the day, month or agreed period ends
    AFTER_THE_REMEDY = "after the remedy"  # once somebody has done what the remedy says
    NEVER = "never"  # this call cannot succeed


@dataclass(frozen=True, slots=True)
class Reason:
    """One entry of the catalogue."""

    code: str
    title: str
    remedy: str
    retry: Retry


def reason(code: str) -> Reason:
    """Return the catalogue's entry for a name without prefix, such as "CONSENT_REVOKED".

    Raises:
        KeyError: The catalogue has no such name; only a newer contract may.
    """
    return REASONS[code]


_CATALOGUE = (
    Reason(
        "CERTIFICATE_UNKNOWN",
        "This client certificate is not registered here.",
        "Use the certificate that was enrolled with this gateway, or have this one enrolled by the operator.",
        Retry.AFTER_THE_REMEDY,
    ),
    Reason(
        "CERTIFICATE_REVOKED",
        "This client certificate was revoked.",
        "Make a new key and send a new CSR to the operator; a revoked certificate is never let in again.",
        Retry.AFTER_THE_REMEDY,
    ),
    Reason(
        "CERTIFICATE_EXPIRED",
        "This client certificate is outside its validity.",
        "Enrol a new certificate and connect again; if it should still hold, check the clocks.",
        Retry.AFTER_THE_REMEDY,
    ),
    Reason(
        "CERTIFICATE_USAGE_INVALID",
        "This certificate is not made for clients.",
        "Connect with a certificate whose extended key usage includes clientAuth.",
        Retry.AFTER_THE_REMEDY,
    ),
    Reason(
        "CERTIFICATE_IDENTITY_INVALID",
        "This certificate does not carry exactly the one registered SPIFFE URI.",
        "Ask the operator for a certificate with exactly one URI in its subject alternative name.",
        Retry.AFTER_THE_REMEDY,
    ),
    Reason(
        "PARTNER_SUSPENDED",
        "This partner is suspended.",
        "Ask the operator why; calls are let in again once the suspension is lifted.",
        Retry.AFTER_THE_REMEDY,
    ),
    Reason(
        "METHOD_NOT_ALLOWED",
        "This role may not call this method.",
        "Call it with a certificate of the role that it belongs to.",
        Retry.NEVER,
    ),
    Reason(
        "BURST_EXCEEDED",
        "Calls came faster than the contract allows.",
        "Wait as long as RetryInfo says, then repeat with the same request id; send many queries as a batch.",
        Retry.AFTER_THE_WAIT,
    ),
    Reason(
        "CONCURRENCY_EXCEEDED",
        "Too many calls of this partner are under way.",
        "Wait as long as RetryInfo says, then repeat with the same request id; keep fewer calls in flight.",
        Retry.AFTER_THE_WAIT,
    ),
    Reason(
        "DAILY_QUOTA_EXHAUSTED",
        "The contract's units for this day are spent.",
        "Stop until the day ends in the contract's time zone (ListQuotaUsage says when), "
        "or have the quota raised.",
        Retry.AFTER_THE_PERIOD,
    ),
    Reason(
        "MONTHLY_QUOTA_EXHAUSTED",
        "The contract's units for this month are spent.",
        "Stop until the month ends in the contract's time zone (ListQuotaUsage says when), "
        "or have the quota raised.",
        Retry.AFTER_THE_PERIOD,
    ),
    Reason(
        "BODY_MALFORMED",
        "The body is not a message of this method's type.",
        "Build the request from the published protos and send it whole.",
        Retry.NEVER,
    ),
    Reason(
        "FIELD_INVALID",
        "One or more fields are refused.",
        "Correct every field that BadRequest names, then send the call under a new request id.",
        Retry.AFTER_THE_REMEDY,
    ),
    Reason(
        "REQUEST_ID_REUSED",
        "This request id was used with another body.",
        "Take a new request id for a new question; a retry repeats every field of the first call, "
        "nonce included.",
        Retry.NEVER,
    ),
    Reason(
        "THRESHOLD_NOT_REGISTERED",
        "This threshold is not registered for this partner.",
        "Ask about a registered threshold, or have the operator register this one.",
        Retry.AFTER_THE_REMEDY,
    ),
    Reason(
        "CONSENT_NOT_USABLE",
        "There is no such consent for this partner.",
        "Check consent id and subject reference; if they are right, invite the person to consent.",
        Retry.NEVER,
    ),
    Reason(
        "CONSENT_NOT_YET_VALID",
        "The consent's window has not begun.",
        "Ask again once the consent's not_before has passed.",
        Retry.AFTER_THE_PERIOD,
    ),
    Reason(
        "CONSENT_EXPIRED",
        "The consent's window has closed.",
        "Invite the person to a new consent.",
        Retry.NEVER,
    ),
    Reason(
        "CONSENT_REVOKED",
        "The consent was revoked.",
        "Do not ask again under it; invite the person only if they want to go on.",
        Retry.NEVER,
    ),
    Reason(
        "CONSENT_PAUSED",
        "The person paused the consent.",
        "Wait until the person resumes it; GetConsent shows its state.",
        Retry.AFTER_THE_REMEDY,
    ),
    Reason(
        "CONSENT_CONSUMED",
        "The one-time consent gave its answer already.",
        "Use the answer you hold, or repeat its request id within 24 hours; for a new one, "
        "invite the person again.",
        Retry.NEVER,
    ),
    Reason(
        "CONSENT_PURPOSE_MISMATCH",
        "The person agreed to another purpose.",
        "Ask for the purpose in the consent's terms, or invite the person to consent to this one.",
        Retry.NEVER,
    ),
    Reason(
        "CONSENT_DISCLOSURE_NOT_ALLOWED",
        "The person did not agree to this disclosure.",
        "Ask for a disclosure in the consent's terms, or invite the person to consent to this one.",
        Retry.NEVER,
    ),
    Reason(
        "CONSENT_FREQUENCY_EXHAUSTED",
        "The agreed frequency is used up for this period.",
        "Ask again in the next period of the consent's frequency, in the consent's time zone.",
        Retry.AFTER_THE_PERIOD,
    ),
    Reason(
        "SUBJECT_FROZEN",
        "The person froze their file.",
        "Ask the person; only they can lift the freeze.",
        Retry.AFTER_THE_REMEDY,
    ),
    Reason(
        "ENGINE_UNAVAILABLE",
        "The scoring engine does not answer.",
        "Repeat with the same request id and nonce, after growing pauses.",
        Retry.SAME_REQUEST_ID,
    ),
    Reason(
        "ENGINE_ANSWER_INVALID",
        "The scoring engine's answer broke its contract, so nothing was released.",
        "Report the request id to the operator; repeating helps only once the engine is repaired.",
        Retry.AFTER_THE_REMEDY,
    ),
    Reason(
        "DEADLINE_PASSED",
        "The call's deadline passed before anything was released or spent.",
        "Repeat with the same request id and nonce and a longer timeout.",
        Retry.SAME_REQUEST_ID,
    ),
    Reason(
        "AUDIT_UNAVAILABLE",
        "The audit log cannot be written, so nothing leaves.",
        "Repeat with the same request id and nonce, after growing pauses.",
        Retry.SAME_REQUEST_ID,
    ),
    Reason(
        "SERVER_BUSY",
        "The server is draining or overloaded.",
        "Repeat with the same request id and nonce, after growing pauses.",
        Retry.SAME_REQUEST_ID,
    ),
    Reason(
        "ENTRY_NOT_PUBLISHED",
        "The entry is committed, and no published checkpoint covers it yet.",
        "Ask for its proof again after the wait in RetryInfo; checkpoints come about once a second.",
        Retry.AFTER_THE_WAIT,
    ),
    Reason(
        "STATEMENT_CONTRADICTED",
        "The log and the quota counters differ, so no statement is signed.",
        "Report the request id to the operator; repeating helps only once they agree.",
        Retry.AFTER_THE_REMEDY,
    ),
    Reason(
        "INTERNAL",
        "An error on the gateway's side.",
        "Report the request id to the operator; one repeat with the same request id and nonce is safe.",
        Retry.SAME_REQUEST_ID,
    ),
    Reason(
        "NOT_FOUND",
        "There is nothing of this name for this caller.",
        "Check the name, and that it was made with this partner's certificate.",
        Retry.NEVER,
    ),
    Reason(
        "ALREADY_EXISTS",
        "The name is taken.",
        "Choose another name, or use what is there.",
        Retry.NEVER,
    ),
    Reason(
        "STATE_CONFLICT",
        "The thing is not in a state that allows this.",
        "Read its state first, then decide again.",
        Retry.AFTER_THE_REMEDY,
    ),
)

REASONS = MappingProxyType({entry.code: entry for entry in _CATALOGUE})
