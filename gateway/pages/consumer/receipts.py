"""The consent receipt that a person downloads: made of the register and of the log, and signed."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from consent import register
from consent.grant import ConsentAltered
from consent.receipt import receipt_of, sign
from consent.register import Entry, NotFound
from gateway import partners
from gateway.audit.log import read_entries, read_head
from gateway.audit.persons import entry_about
from gateway.audit.private import Vault
from gateway.keys import Signer, Signing
from scoregate.proof.consent_history import ConsentEvent, event_in
from scoregate.proof.consent_receipt import MAX_EVENTS
from scoregate.proof.leaf import LeafInvalid
from scoregate.words import ConsentEventKind

MEDIA_TYPE = "application/consent-receipt+jwt"


@dataclass(frozen=True, slots=True)
class SignedReceipt:
    """A receipt to download."""

    compact: str  # RFC 7515, 7.1; ASCII
    file_name: str  # ASCII; tells nothing of the person


def consent_receipt(
    connection: Connection,
    consent_id: str,
    subject: str,
    *,
    vault: Vault,
    signer: Signer,
    issuer: str,
    now: datetime,
) -> SignedReceipt:
    """Return the receipt of this person's consent as it stands now. Each has an id of its own.

    Raises:
        NotFound: There is no such consent, or it is somebody else's.
        HistoryUnknown: It was given before events were kept.
        HistoryTooLong: More has happened to it than a receipt holds.
        ConsentAltered: The register does not hold what was agreed to; nothing is signed.
        LeafInvalid: The log and the register tell different stories; nothing is signed.
    """
    entry = register.entry(connection, consent_id)
    if entry.grant.subject != subject:
        raise NotFound
    # What was agreed to never changes, and what happened later is read later: no change falls between.
    events = _events(connection, entry.grant.partner_id, consent_id)
    _require_agreed(connection, vault, entry, events)
    signing = _signing(connection, signer)
    receipt = receipt_of(
        entry,
        events,
        receipt_id=str(uuid.uuid4()),
        legal_name=partners.partner(connection, entry.grant.partner_id).legal_name,
        issuer=issuer,
        log_origin=signing.log_origin,
        now=now,
    )
    name = f"consent-receipt-{receipt.partner_id}-{receipt.events[-1].log_index}.jws"
    return SignedReceipt(sign(receipt, signing.key), name)


def _events(connection: Connection, partner_id: str, consent_id: str) -> list[ConsentEvent]:
    told = register.latest_events_of_consent(connection, partner_id, consent_id, limit=MAX_EVENTS + 1)[::-1]
    entries = read_entries(connection, [event.leaf_index for event in told])
    found = [event_in(entries.get(each.leaf_index, b""), each.leaf_index, partner_id) for each in told]
    if [event.kind for event in found] != [event.what for event in told]:
        raise LeafInvalid("kind", "is not the one that the register holds")
    return found


def _require_agreed(
    connection: Connection, vault: Vault, entry: Entry, events: Sequence[ConsentEvent]
) -> None:
    """Return only if the register has what was agreed to, and the log's entry of that says so.

    Whoever changes the register could make the digest anew; it is in the entry's private part, too, which
    nobody changes unseen. In the entries of earlier versions it is not.
    """
    grant = entry.grant
    if not grant.is_intact:
        raise ConsentAltered("the digest does not follow from the terms")
    if not events or events[0].kind is not ConsentEventKind.GRANTED:
        return  # there is no receipt of it either
    index = events[0].log_index
    found = entry_about(connection, vault, grant.subject, index)
    part = None if found is None else found.part
    is_of_it = part is not None and (part.subject, part.consent_id) == (grant.subject, grant.consent_id)
    if part is None or not is_of_it or part.consent_sha256 not in {b"", grant.sha256}:
        raise ConsentAltered(f"entry {index} has another digest, or does not open")


def _signing(connection: Connection, signer: Signer) -> Signing:
    """The key that signs now: another process may have turned it."""
    known = signer.signing()
    return known if read_head(connection).signing_kid == known.key.kid else signer.refresh()
