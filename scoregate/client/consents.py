"""A partner's invitations, consents and quotas as values. Source: consent.proto, usage.proto."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Self

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from scoregate.client.arguments import numbers, require_instant, span
from scoregate.errors import AnswerUnreadable, ClientMisconfigured
from scoregate.partner.v1 import consent_pb2, types_pb2, usage_pb2
from scoregate.words import (
    CalendarUnit,
    ConsentEventKind,
    ConsentMode,
    Disclosure,
    InputFamily,
    Purpose,
    Word,
)

_CURSOR = re.compile(r"([0-9]{1,18}):([!-~]{1,64})")


class InvitationState(Word):
    """Where an invitation stands."""

    PENDING = "PENDING", 1
    APPROVED = "APPROVED", 2
    REJECTED = "REJECTED", 3
    EXPIRED = "EXPIRED", 4
    IDENTITY_MISMATCH = "IDENTITY_MISMATCH", 5


class ConsentState(Word):
    """Where a consent stands."""

    ACTIVE = "ACTIVE", 1
    PAUSED = "PAUSED", 2
    REVOKED = "REVOKED", 3
    EXPIRED = "EXPIRED", 4
    CONSUMED = "CONSUMED", 5


@dataclass(frozen=True, slots=True)
class Frequency:
    """At most so many scored answers in each calendar unit, in the consent's time zone."""

    uses: int  # 1 to 1,000
    unit: CalendarUnit | str


@dataclass(frozen=True, slots=True)
class Terms:
    """What a person is asked to agree to."""

    purpose: Purpose | str
    disclosures: tuple[Disclosure | str, ...]  # REASONS needs SCORE or BAND beside it
    valid_for: timedelta  # 60 seconds to 5 years
    data_life: timedelta  # how long an answer may be kept: 1 day to 5 years
    mode: ConsentMode | str = ConsentMode.ONE_TIME
    frequency: Frequency | None = None  # needed for PERIODIC, refused for ONE_TIME
    not_before: datetime | None = None  # None: from the person's decision on
    time_zone: str = "UTC"  # IANA name
    excluded_families: tuple[InputFamily | str, ...] = ()
    thresholds: tuple[int, ...] = ()  # told of a consent: the lines that the person read; never sent

    def message(self) -> consent_pb2.ConsentTerms:
        """Return them as they are sent.

        Raises:
            WordUnknown: A word is not one of the contract.
            ClientMisconfigured: A length of time is no timedelta, `not_before` has no time zone, or
                `disclosures` or `excluded_families` is one word instead of several.
        """
        message = consent_pb2.ConsentTerms(
            purpose=Purpose.read(self.purpose).number,
            disclosures=numbers("disclosures", self.disclosures, Disclosure),
            mode=ConsentMode.read(self.mode).number,
            valid_for=span("valid_for", self.valid_for),
            time_zone=self.time_zone,
            data_life=span("data_life", self.data_life),
            excluded_families=numbers("excluded_families", self.excluded_families, InputFamily),
        )
        if self.frequency is not None:
            unit = CalendarUnit.read(self.frequency.unit).number
            message.frequency.CopyFrom(types_pb2.Frequency(uses=self.frequency.uses, unit=unit))
        if self.not_before is not None:
            require_instant("not_before", self.not_before)
            message.not_before.FromDatetime(self.not_before)
        return message

    @classmethod
    def of(cls, message: consent_pb2.ConsentTerms) -> Self:
        """Return what a message says.

        Raises:
            WordUnknown: It uses a word of a newer contract.
            AnswerUnreadable: An instant or a duration is out of its range.
        """
        frequency = None
        if message.HasField("frequency"):
            frequency = Frequency(message.frequency.uses, CalendarUnit.of(message.frequency.unit))
        return cls(
            purpose=Purpose.of(message.purpose),
            disclosures=tuple(map(Disclosure.of, message.disclosures)),
            valid_for=_span(message.valid_for),
            data_life=_span(message.data_life),
            mode=ConsentMode.of(message.mode),
            frequency=frequency,
            not_before=instant(message.not_before) if message.HasField("not_before") else None,
            time_zone=message.time_zone,
            excluded_families=tuple(map(InputFamily.of, message.excluded_families)),
            thresholds=tuple(message.thresholds),
        )


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom you expect: what you name must match what the person's login says.

    Each is 1 to 120 characters; what is empty is not compared. Of a name its letters count, traditional as
    simplified. The gateway keeps keyed digests alone.
    """

    name: str = field(default="", repr=False)
    document_number: str = field(default="", repr=False)
    phone: str = field(default="", repr=False)  # such as "+86 138 0013 8000"

    def message(self) -> consent_pb2.IdentityToMatch:
        """Return it as it is sent."""
        return consent_pb2.IdentityToMatch(
            name=self.name, document_number=self.document_number, phone=self.phone
        )


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation to consent."""

    handle: str
    state: InvitationState
    terms: Terms
    partner_reference: str
    expires_at: datetime
    consent_id: str | None  # once APPROVED
    subject_ref: str | None  # once APPROVED
    url: str  # give this to the person
    return_address: str  # where they go back to; "": nowhere
    return_state: str
    qr_svg: str = field(default="", repr=False)  # the url as an SVG document; "" where it was looked up

    @classmethod
    def of(cls, message: consent_pb2.ConsentInvitation, qr_svg: str = "") -> Self:
        """Return what a message says.

        Raises:
            WordUnknown: It uses a word of a newer contract.
            AnswerUnreadable: An instant or a duration is out of its range.
        """
        return cls(
            handle=message.handle,
            state=InvitationState.of(message.state),
            terms=Terms.of(message.terms),
            partner_reference=message.partner_reference,
            expires_at=instant(message.expires_at),
            consent_id=message.consent_id or None,
            subject_ref=message.subject_ref or None,
            url=message.url,
            return_address=message.return_address,
            return_state=message.return_state,
            qr_svg=qr_svg,
        )


@dataclass(frozen=True, slots=True)
class Consent:
    """One person's permission to this partner for one purpose."""

    consent_id: str
    state: ConsentState
    subject_ref: str
    terms: Terms
    handle: str
    partner_reference: str
    not_before: datetime
    expires_at: datetime  # dead at this instant
    notice_version: str  # of the words that the person saw
    consent_sha256: str  # hex, as attestations repeat it

    @classmethod
    def of(cls, message: consent_pb2.Consent) -> Self:
        """Return what a message says.

        Raises:
            WordUnknown: It uses a word of a newer contract.
            AnswerUnreadable: An instant or a duration is out of its range.
        """
        return cls(
            consent_id=message.consent_id,
            state=ConsentState.of(message.state),
            subject_ref=message.subject_ref,
            terms=Terms.of(message.terms),
            handle=message.handle,
            partner_reference=message.partner_reference,
            notice_version=message.notice_version,
            not_before=instant(message.not_before),
            expires_at=instant(message.expires_at),
            consent_sha256=message.consent_sha256.hex(),
        )


@dataclass(frozen=True, slots=True)
class ConsentEvent:
    """One thing that happened to one consent, as the log's entry says."""

    log_index: int
    consent_id: str
    kind: ConsentEventKind
    time: datetime  # UTC

    @property
    def cursor(self) -> str:
        """Where to go on after this one: keep it once the event is dealt with.

        One entry may bring several events, so its index alone does not say which of them were.
        """
        return f"{self.log_index}:{self.consent_id}"

    @classmethod
    def of(cls, message: consent_pb2.ConsentEvent) -> Self:
        """Return what a message says.

        Raises:
            WordUnknown: It uses a word of a newer contract.
            AnswerUnreadable: The instant is out of its range.
        """
        kind = ConsentEventKind.of(message.kind)
        return cls(message.log_index, message.consent_id, kind, instant(message.time))


@dataclass(frozen=True, slots=True)
class Usage:
    """One limit and its use now."""

    limit_name: str  # "burst", "day" or "month"
    period: str  # such as "2026-11-23"; empty for "burst"
    limit: int
    used: int
    remaining: int
    resets_at: datetime
    time_zone: str

    @classmethod
    def of(cls, message: usage_pb2.QuotaUsage) -> Self:
        """Return what a message says."""
        return cls(
            limit_name=message.limit_name,
            period=message.period,
            limit=message.limit,
            used=message.used,
            remaining=message.remaining,
            resets_at=instant(message.resets_at),
            time_zone=message.time_zone,
        )


def place_of(cursor: str) -> tuple[int, str]:
    """Return the log index and the consent id that an event's cursor names.

    Raises:
        ClientMisconfigured: It is no event's cursor.
    """
    found = _CURSOR.fullmatch(cursor) if isinstance(cursor, str) else None
    if found is None:
        raise ClientMisconfigured("after: give the cursor of an event, as it was")
    return int(found[1]), found[2]


def require_identity(given: object) -> Identity:
    """Return whom a caller expects.

    Raises:
        ClientMisconfigured: It is no Identity.
    """
    if not isinstance(given, Identity):
        raise ClientMisconfigured(f"identity: give an Identity(name=…, phone=…), not {type(given).__name__}")
    return given


def instant(message: Timestamp) -> datetime:
    """Return a message's instant, UTC.

    Raises:
        AnswerUnreadable: Outside the years 1 to 9999.
    """
    try:
        return message.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise AnswerUnreadable("an answer holds an instant outside the years 1 to 9999") from None


def _span(message: Duration) -> timedelta:
    try:
        return message.ToTimedelta()
    except (ValueError, OverflowError):
        raise AnswerUnreadable("an answer holds a duration of more than 10,000 years") from None
