"""Everything that this package raises, as one family.

    ScoregateError
    ├── Refused                     the gateway, or the way to it, said no
    │   ├── AuthenticationRefused   certificate, partner or role
    │   ├── InvalidRequest          a field, or a request id used twice
    │   ├── ConsentRefused          the person did not allow this, or no longer does
    │   ├── RateLimited             too fast; wait as told
    │   ├── QuotaExhausted          the contract's day or month is spent; stop
    │   ├── NotFound                nothing of this name for this caller
    │   ├── Conflict                the thing's state does not allow this
    │   ├── Unavailable             no answer this time; repeat with the same request id
    │   └── ServerFault             an error behind the gateway's door
    ├── VerificationFailed          an answer came, and must not be used
    │   ├── AttestationMalformed    not an attestation as this package writes them
    │   │   └── ClaimInvalid        one claim breaks its rule
    │   ├── KeyUnknown              signed by a key that is not trusted here
    │   ├── SignatureInvalid        bytes changed, or signed by somebody else
    │   ├── BindingMismatch         a true answer to another question, person or partner
    │   ├── AttestationNotYetValid  from the future: a clock is wrong
    │   ├── AttestationExpired      too old to be accepted as fresh
    │   ├── ViewMismatch            the typed result differs from what was signed
    │   ├── TermsAltered            a consent's terms are not what its digest is of
    │   └── ReceiptInvalid          the log entry does not belong to the answer
    ├── KeysInvalid                 a JWK Set that cannot be trusted
    ├── JsonRefused                 JSON outside the subset with one canonical form
    ├── WordUnknown                 an enum value that this contract does not know
    ├── AnswerUnreadable            an answer that no gateway of this contract sends
    ├── ReceiptConflict             another receipt lies where this one belongs
    ├── ReturnRefused               a way back that this session did not open
    └── ClientMisconfigured         the client was not given what it needs

What can be wrong with a log (LogError and its kinds, LeafInvalid, BundleInvalid, ProofInvalid,
CommitmentInvalid, PolicyInvalid) belongs to the family too, and stands in scoregate/proof/ beside what
raises it.

Pure: no gRPC here. Messages name the field and the remedy, and hold no personal data.
"""

from dataclasses import dataclass
from datetime import timedelta

from scoregate.reasons import REASONS, Reason


class ScoregateError(Exception):
    """The root of the family."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One refused field, or one limit that was met."""

    field: str
    description: str


class Refused(ScoregateError):
    """The gateway, or the way to it, said no. Nothing was released by this call as far as is known.

    Attributes:
        reason: The catalogue's entry; None when the refusal came from the transport
            or names a reason that only a newer contract knows.
        code: The reason's name as sent, "" when none was.
        status: The gRPC status by name, such as "PERMISSION_DENIED".
        remedy: What to do next.
        request_id: The call's own, "" for calls without one; repeat with it where the remedy says so.
        nonce: The query's own, "" for calls without one; a repeat needs it beside the request id.
        reference: Under this id the operator finds the call in the gateway's logs; "" when not sent.
        retry_after: How long to wait at least; None when nothing was said.
        stop: True when retrying by machine is no use: the gateway asked for that, or TLS can't be agreed on.
        violations: Every refused field or met limit.
        help_url: Where the reason is explained, "" when not sent.
    """

    def __init__(
        self,
        message: str,
        *,
        status: str,
        code: str = "",
        request_id: str = "",
        nonce: str = "",
        reference: str = "",
        retry_after: timedelta | None = None,
        stop: bool = False,
        remedy: str = "",
        violations: tuple[Violation, ...] = (),
        help_url: str = "",
    ) -> None:
        self.code = code
        self.reason: Reason | None = REASONS.get(code)
        self.status = status
        self.remedy = self.reason.remedy if self.reason else remedy or _remedy(status, code)
        self.request_id = request_id
        self.nonce = nonce
        self.reference = reference
        self.retry_after = retry_after
        self.stop = stop
        self.violations = violations
        self.help_url = help_url
        # A limit that was met is described in the title's own words.
        told = [f"{each.field}: {each.description}" for each in violations if each.description != message]
        sentences = [f"{text.rstrip('.')}." for text in (message, *told) if text]
        super().__init__(" ".join((f"{code or status}:", *sentences, self.remedy)))


class AuthenticationRefused(Refused):
    """The certificate, the partner or the role is refused."""


class InvalidRequest(Refused):
    """A field is refused, or a request id was used twice; `violations` names every field."""


class ConsentRefused(Refused):
    """The person did not allow this, or no longer does."""


class RateLimited(Refused):
    """Calls came too fast; `retry_after` says how long to wait."""


class QuotaExhausted(Refused):
    """The contract's day or month is spent. Stop until the period ends."""


class NotFound(Refused):
    """Nothing of this name for this caller."""


class Conflict(Refused):
    """The thing's state does not allow this."""


class Unavailable(Refused):
    """No answer this time. It may have been released: repeat with the same request id and nonce."""


class ServerFault(Refused):
    """An error behind the gateway's door; the request id finds it in the logs."""


class VerificationFailed(ScoregateError):
    """An answer came and must not be used.

    The gateway released it all the same: a unit is spent, and a one-time consent used up. Once the cause
    is mended, such as a key that the issuer turned, the same question with the same request id and nonce
    brings the first answer again, within 24 hours and at no cost:

        try:
            answer = client.score(consent_id, purpose)
        except KeyUnknown as error:
            renewed = Client(..., jwks=new_jwks)  # compared with the issuer's over another channel
            answer = renewed.score(consent_id, purpose, request_id=error.request_id, nonce=error.nonce)

    Attributes:
        request_id: The request that was answered, "" outside the client.
        nonce: The request's own, "" outside the client.
    """

    request_id: str = ""
    nonce: str = ""

    def __str__(self) -> str:
        """What is wrong, and where the question is known, how its answer is had again."""
        told = super().__str__()
        if not self.request_id:
            return told
        return (
            f"{told}. Once the cause is mended, the same question with request_id={self.request_id!r} and "
            f"nonce={self.nonce!r} brings this answer again, within 24 hours and at no cost"
        )


class AttestationMalformed(VerificationFailed):
    """Not an attestation as this package writes them."""


class ClaimInvalid(AttestationMalformed):
    """One claim breaks its rule; `claim` names it."""

    def __init__(self, claim: str, rule: str) -> None:
        self.claim = claim
        super().__init__(f"claim {claim}: {rule}")


class KeyUnknown(VerificationFailed):
    """Signed by a key that is not among the trusted ones; `kid` names it."""

    def __init__(self, kid: str) -> None:
        self.kid = kid
        super().__init__(
            f"no trusted key has kid {kid[:64]!r}; if the issuer rotated its keys, check the new JWK Set "
            "with the issuer over another channel and pin it"
        )


class TermsAltered(VerificationFailed):
    """A consent receipt says other terms than those that its digest is of."""


class SignatureInvalid(VerificationFailed):
    """The bytes were changed, or somebody else signed them."""


class BindingMismatch(VerificationFailed):
    """A true answer to another question; `claim` names what differs."""

    def __init__(self, claim: str, rule: str) -> None:
        self.claim = claim
        super().__init__(f"claim {claim}: {rule}; do not use this answer")


class AttestationNotYetValid(VerificationFailed):
    """Issued in the future; `ahead` says by how much, so that the wrong clock can be found."""

    def __init__(self, ahead: timedelta, allowed: timedelta) -> None:
        self.ahead = ahead
        super().__init__(
            f"issued {ahead.total_seconds():.0f} s in the future, where {allowed.total_seconds():.0f} s are "
            "allowed; check this machine's clock, then the issuer's"
        )


class AttestationExpired(VerificationFailed):
    """Too old to be accepted as fresh; `ago` says since when."""

    def __init__(self, ago: timedelta) -> None:
        self.ago = ago
        super().__init__(
            f"expired {ago.total_seconds():.0f} s ago; ask again, or check it as an archived answer "
            "(archival=True)"
        )


class ViewMismatch(VerificationFailed):
    """The typed result differs from what was signed; `fields` names where."""

    def __init__(self, fields: tuple[str, ...]) -> None:
        self.fields = fields
        super().__init__(f"the typed result differs from the attestation in {', '.join(fields)}")


class ReceiptInvalid(VerificationFailed):
    """The log entry does not belong to the answer; `member` names what differs."""

    def __init__(self, member: str, rule: str) -> None:
        self.member = member
        super().__init__(f"receipt {member}: {rule}")


class KeysInvalid(ScoregateError):
    """A JWK Set that cannot be trusted."""


class JsonRefused(ScoregateError):
    """JSON outside the subset that has one canonical form here."""


class AnswerUnreadable(ScoregateError):
    """An answer that no gateway of this contract sends, such as a date beyond the year 9999."""


class WordUnknown(ScoregateError):
    """An enum value that this contract does not know; ``known`` are those that it does."""

    def __init__(self, kind: str, value: int | str, known: tuple[str, ...]) -> None:
        self.kind = kind
        self.value = value
        super().__init__(
            f"{value!r} is not a {kind} of this contract, which knows {', '.join(known)}; "
            "if the gateway is newer, upgrade scoregate"
        )


class ReceiptConflict(ScoregateError):
    """Another receipt lies where this one belongs."""


class ReturnRefused(ScoregateError):
    """A way back from the consumer's pages that this session did not open: believe nothing that it says."""


class ClientMisconfigured(ScoregateError):
    """The client was not given what it needs; the message begins with the argument's name."""


def _remedy(status: str, code: str) -> str:
    if code:
        return "This reason is newer than this client: upgrade scoregate, or read the help page."
    if status == "DEADLINE_EXCEEDED":
        return (
            "No answer came in time, though there may be one: repeat with the same request id and nonce, and "
            "a longer timeout. If none ever comes, check address and network."
        )
    if status in ("UNAVAILABLE", "CANCELLED"):
        return "Check address, certificate and network, then repeat with the same request id and nonce."
    return "Check that address and port belong to a Scoregate gateway of this version."


_GROUPS: tuple[tuple[type[Refused], tuple[str, ...]], ...] = (
    (AuthenticationRefused, ("CERTIFICATE_", "PARTNER_SUSPENDED", "METHOD_NOT_ALLOWED")),
    (ConsentRefused, ("CONSENT_", "SUBJECT_FROZEN")),
    (RateLimited, ("BURST_EXCEEDED", "CONCURRENCY_EXCEEDED")),
    (QuotaExhausted, ("DAILY_QUOTA_EXHAUSTED", "MONTHLY_QUOTA_EXHAUSTED")),
    (InvalidRequest, ("BODY_MALFORMED", "FIELD_INVALID", "REQUEST_ID_REUSED", "THRESHOLD_NOT_REGISTERED")),
    (
        Unavailable,
        ("ENGINE_UNAVAILABLE", "AUDIT_UNAVAILABLE", "SERVER_BUSY", "DEADLINE_PASSED", "ENTRY_NOT_PUBLISHED"),
    ),
    (ServerFault, ("ENGINE_ANSWER_INVALID", "STATEMENT_CONTRADICTED", "INTERNAL")),
    (NotFound, ("NOT_FOUND",)),
    (Conflict, ("ALREADY_EXISTS", "STATE_CONFLICT")),
)
_BY_STATUS: dict[str, type[Refused]] = {
    "UNAUTHENTICATED": AuthenticationRefused,
    "INVALID_ARGUMENT": InvalidRequest,
    "NOT_FOUND": NotFound,
    "ALREADY_EXISTS": Conflict,
    "FAILED_PRECONDITION": Conflict,
    "UNAVAILABLE": Unavailable,
    "DEADLINE_EXCEEDED": Unavailable,
    "CANCELLED": Unavailable,
    "INTERNAL": ServerFault,
    "UNKNOWN": ServerFault,
}


def refusal_class(status: str, code: str) -> type[Refused]:
    """Return the group of a reason, or of a bare gRPC status where no known reason was sent."""
    if code in REASONS:
        for group, starts in _GROUPS:
            if code.startswith(starts):
                return group
    return _BY_STATUS.get(status, Refused)
