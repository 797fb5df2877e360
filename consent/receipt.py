"""The signed receipt of one consent: what was agreed to, and what has happened to it so far.

The claims keep their own rules (`scoregate.proof.consent_receipt`); this file makes them of the register's
rows and signs them with the key that signs attestations.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from consent.keys import SigningKey
from consent.register import Entry
from scoregate.proof import jws
from scoregate.proof.consent_history import ConsentEvent
from scoregate.proof.consent_receipt import MAX_EVENTS, TYP, ConsentReceipt
from scoregate.proof.consent_terms import Processing
from scoregate.words import ConsentEventKind


class HistoryUnknown(Exception):
    """This consent was given before events were kept (revision 0007), so there is no receipt of it."""


class HistoryTooLong(Exception):
    """More has happened to this consent than a receipt holds (``MAX_EVENTS``)."""


def receipt_of(
    entry: Entry,
    events: Sequence[ConsentEvent],
    *,
    receipt_id: str,
    legal_name: str,
    issuer: str,
    log_origin: str,
    now: datetime,
) -> ConsentReceipt:
    """Return what a receipt says of a consent with these events, which are all of them, oldest first.

    Raises:
        HistoryTooLong: There are more than a receipt holds.
        HistoryUnknown: It was given before events were kept.
        ClaimInvalid: The events can't have happened so.
    """
    if len(events) > MAX_EVENTS:
        raise HistoryTooLong
    if not events or events[0].kind is not ConsentEventKind.GRANTED:
        raise HistoryUnknown
    grant = entry.grant
    return ConsentReceipt(
        receipt_id=receipt_id,
        consent_id=grant.consent_id,
        issued_at=max(now, events[-1].at),  # a clock that was set back is behind its own log
        processing=_processing(entry),
        partner_id=grant.partner_id,
        legal_name=legal_name,
        issuer=issuer,
        subject_ref=grant.subject_ref,
        events=tuple(events),
        log=log_origin,
    )


def sign(receipt: ConsentReceipt, key: SigningKey) -> str:
    """Return the receipt as a compact JWS."""
    return jws.sign(receipt.encode(), typ=TYP, kid=key.kid, algorithm=key.algorithm, private=key.private)


def _processing(entry: Entry) -> Processing:
    grant, terms = entry.grant, entry.grant.terms
    return Processing(
        purpose=terms.purpose,
        disclosures=terms.disclosures,
        mode=terms.mode,
        frequency=(terms.frequency.uses, terms.frequency.unit) if terms.frequency else None,
        time_zone=terms.time_zone,
        not_before=grant.not_before,
        expires_at=grant.expires_at,
        data_life_seconds=terms.data_life // timedelta(seconds=1),
        excluded_families=terms.excluded_families,
        thresholds=terms.thresholds,
        notice_version=entry.notice_version,
        consent_sha256=grant.sha256.hex(),
    )
