"""What a consent receipt says: what one person allowed one partner, and all that has happened to it since.

Pure. Sources: ISO/IEC TS 27560:2023 (its four sections), RFC 7515 (the signature), RFC 8785 (the bytes).

    {"events": [{"by": …, "kind": "GRANTED", "leaf_hash": …, "log_index": …, "time": …}, …],
     "header": {"consent_id": …, "issued_at": …, "receipt_id": …, "schema_version": 1, "state": "ACTIVE"},
     "log": …,
     "parties": {"controller": {"legal_name": …, "partner_id": …}, "gateway": {"issuer": …},
                 "principal": {"subject_ref": …}},
     "processing": {"consent_sha256": …, "data_life_seconds": …, "disclosures": […], …}}

It holds no words for people, so it is of no language. The principal is named as that partner knows them,
and in no other way. `log` is the origin of the log that holds the events' entries.

Rules, in force whenever a receipt is made or read:

 1. exactly the named members, each of its type and inside its bounds;
 2. the inquiry type follows from the purpose (consent_terms.py); only a one-time consent is ever CONSUMED;
 3. the events keep the rules of consent_history.py, and the state follows from them and from `issued_at`;
 4. granted no later than `not_before`, which comes before `expires_at`;
 5. issued no earlier than its last event;
 6. the bytes are the canonical form: one meaning, one spelling.

Every error names the member and never its value. A receipt has no end: it says how things stood when it was
issued. A later one of the same consent begins with the same events.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Self

from scoregate.errors import AttestationMalformed, ClaimInvalid, JsonRefused, SignatureInvalid
from scoregate.proof import digest, jws, shapes
from scoregate.proof.consent_history import Beginner, ConsentEvent, ConsentState, state_after
from scoregate.proof.consent_terms import Processing
from scoregate.proof.digest import Json, TermsForm, spell_instant
from scoregate.proof.jwk import VerificationKeys
from scoregate.words import ConsentEventKind, ConsentMode

TYP = "consent-receipt+jwt"
SCHEMA_VERSION = 1
MAX_EVENTS = 10_000
MAX_COMPACT_CHARACTERS = 4 * 1024 * 1024  # a receipt of so many events has little more than half of it
MAX_LEGAL_NAME_CHARACTERS = 120

_TEXTS = {
    "receipt_id": re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "consent_id": re.compile(r"[A-Za-z0-9_-]{26}"),
    "partner_id": re.compile(r"[A-Za-z0-9._-]{1,64}"),
    "issuer": re.compile(r"[!-~]{1,255}"),
    "subject_ref": re.compile(r"[!-~]{1,128}"),
    "log": re.compile(r"[!-~]{1,255}"),
}
_SHA256 = re.compile(r"[0-9a-f]{64}")

_RECEIPT = frozenset({"header", "processing", "parties", "events", "log"})
_HEADER = frozenset({"schema_version", "receipt_id", "consent_id", "issued_at", "state"})
_PARTIES = frozenset({"controller", "gateway", "principal"})
_CONTROLLER = frozenset({"partner_id", "legal_name"})
_EVENT = frozenset({"kind", "time", "log_index", "by", "leaf_hash"})


@dataclass(frozen=True, slots=True)
class ConsentReceipt:
    """One consent as it stood when this was issued.

    Raises:
        ClaimInvalid: On making one that breaks a rule.
    """

    receipt_id: str  # a UUID
    consent_id: str
    issued_at: datetime  # UTC
    processing: Processing
    partner_id: str  # the controller: who asks
    legal_name: str  # the controller's
    issuer: str  # the gateway: who answers, and signs this
    subject_ref: str  # the controller's reference for the person
    events: tuple[ConsentEvent, ...]  # all of them, oldest first
    log: str  # origin of the log that holds their entries

    def __post_init__(self) -> None:
        for member, shape in _TEXTS.items():
            shapes.require_text(member, getattr(self, member), shape)
        shapes.require_instant("issued_at", self.issued_at)
        shapes.require_type("legal_name", self.legal_name, str)
        if not (0 < len(self.legal_name) <= MAX_LEGAL_NAME_CHARACTERS and self.legal_name.isprintable()):
            raise ClaimInvalid(
                "legal_name", f"1 to {MAX_LEGAL_NAME_CHARACTERS} printable characters belong here"
            )
        if len(self.events) > MAX_EVENTS:
            raise ClaimInvalid("events", f"a receipt has at most {MAX_EVENTS:,}")
        self._require_history()

    def _require_history(self) -> None:
        state_after(self.events, expires_at=self.processing.expires_at, now=self.issued_at)
        if self.events[0].at > self.processing.not_before:
            raise ClaimInvalid("not_before", "a consent does not hold before it was GRANTED")
        if self.issued_at < self.events[-1].at:
            raise ClaimInvalid("issued_at", "must not be earlier than the last event")
        used_up = any(event.kind is ConsentEventKind.CONSUMED for event in self.events)
        if used_up and self.processing.mode is not ConsentMode.ONE_TIME:
            raise ClaimInvalid("events", "only a ONE_TIME consent is ever CONSUMED")

    @property
    def state(self) -> ConsentState:
        """Where the consent stood, by its events and by the clock."""
        return state_after(self.events, expires_at=self.processing.expires_at, now=self.issued_at)

    def terms_sha256(self) -> str:
        """SHA-256, in hex, of digest.consent_form of what stands here.

        It is `consent_sha256`, but for a consent that was given when that form had fewer members.
        """
        form = self._form().of(
            consent_id=self.consent_id,
            partner_id=self.partner_id,
            subject_ref=self.subject_ref,
            not_before=self.processing.not_before,
            expires_at=self.processing.expires_at,
        )
        return sha256(form).hexdigest()

    def earlier_terms_sha256(self) -> str | None:
        """The same of the earlier form; None: with these terms no consent has it."""
        agreed = self.processing
        form = self._form().of_terms_alone(not_before=agreed.not_before, expires_at=agreed.expires_at)
        return None if form is None else sha256(form).hexdigest()

    def _form(self) -> TermsForm:
        agreed = self.processing
        return digest.terms_form(
            purpose=agreed.purpose,
            disclosures=agreed.disclosures,
            mode=agreed.mode,
            frequency=agreed.frequency,
            time_zone=agreed.time_zone,
            data_life=timedelta(seconds=agreed.data_life_seconds),
            excluded_families=agreed.excluded_families,
            thresholds=agreed.thresholds,
            notice_version=agreed.notice_version,
        )

    def members(self) -> dict[str, Json]:
        """Return it as a JSON object."""
        return {
            "header": {
                "schema_version": SCHEMA_VERSION,
                "receipt_id": self.receipt_id,
                "consent_id": self.consent_id,
                "issued_at": spell_instant("issued_at", self.issued_at),
                "state": self.state,
            },
            "processing": self.processing.members(),
            "parties": {
                "controller": {"partner_id": self.partner_id, "legal_name": self.legal_name},
                "gateway": {"issuer": self.issuer},
                "principal": {"subject_ref": self.subject_ref},
            },
            "events": [event.members() for event in self.events],
            "log": self.log,
        }

    def encode(self) -> bytes:
        """Return the canonical JSON that is signed."""
        return digest.canonical(self.members())

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Return the receipt that these bytes, and no others, are the form of.

        Raises:
            ClaimInvalid: A member is missing, unknown, of another type, or breaks a rule.
            AttestationMalformed: Not JSON, or not in canonical form.
        """
        try:
            members = shapes.members("receipt", digest.parse(payload), _RECEIPT, _RECEIPT)
        except JsonRefused as error:
            raise AttestationMalformed(f"receipt: {error}") from error
        receipt, state = cls._read(members)
        if state is not receipt.state:
            raise ClaimInvalid("state", "must be the one that the events lead to")
        if receipt.encode() != payload:
            raise AttestationMalformed("receipt: not in the canonical form of RFC 8785")
        return receipt

    @classmethod
    def _read(cls, members: dict[str, Any]) -> tuple[Self, ConsentState]:
        header = shapes.members("header", members["header"], _HEADER, _HEADER)
        shapes.require_version("schema_version", header["schema_version"], SCHEMA_VERSION)
        parties = shapes.members("parties", members["parties"], _PARTIES, _PARTIES)
        controller = shapes.members("controller", parties["controller"], _CONTROLLER, _CONTROLLER)
        gateway, principal = (
            shapes.members(party, parties[party], frozenset({name}), frozenset({name}))
            for party, name in (("gateway", "issuer"), ("principal", "subject_ref"))
        )
        receipt = cls(
            receipt_id=header["receipt_id"],
            consent_id=header["consent_id"],
            issued_at=shapes.instant("issued_at", header["issued_at"]),
            processing=Processing.read(members["processing"]),
            events=tuple(map(_read_event, shapes.items("events", members["events"]))),
            log=members["log"],
            **controller,
            **gateway,
            **principal,
        )
        return receipt, shapes.one_of("state", header["state"], ConsentState)


def verify(compact: str, keys: VerificationKeys) -> ConsentReceipt:
    """Return what a signed receipt says, if one of these keys signed it.

    Raises:
        AttestationMalformed, ClaimInvalid: Not a consent receipt as this package writes them.
        KeyUnknown: The named key is not among `keys`.
        SignatureInvalid: Anything was changed.
    """
    try:
        payload = jws.verify(compact, typ=TYP, keys=keys, most=MAX_COMPACT_CHARACTERS)
    except SignatureInvalid:
        raise SignatureInvalid(
            "the signature does not hold: the receipt was changed; download it again"
        ) from None
    return ConsentReceipt.decode(payload)


def _read_event(value: object) -> ConsentEvent:
    members = shapes.members("events", value, _EVENT, _EVENT)
    shapes.require_text("events.leaf_hash", members["leaf_hash"], _SHA256)
    return ConsentEvent(
        kind=shapes.word("events.kind", members["kind"], ConsentEventKind),
        at=shapes.instant("events.time", members["time"]),
        log_index=members["log_index"],
        by=shapes.one_of("events.by", members["by"], Beginner),
        leaf_hash=bytes.fromhex(members["leaf_hash"]),
    )
