"""Terms that people in tests agree to, as the consent room has them; and that somebody agreed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

from consent import register
from consent.grant import Frequency, Grant, Terms
from gateway.audit.private import owner_subject
from gateway.ledger import Transaction
from scoregate.words import ConsentMode, Disclosure, Purpose

ONE_TIME = Terms(
    purpose=Purpose.CREDIT_APPLICATION,
    disclosures=frozenset({Disclosure.SCORE, Disclosure.BAND}),
    mode=ConsentMode.ONE_TIME,
    not_before=None,
    valid_for=timedelta(days=30),
    frequency=None,
    time_zone="UTC",
    data_life=timedelta(days=90),
    excluded_families=frozenset(),
)


def periodic(uses: int, unit: Any, time_zone: str = "UTC", *, like: Terms = ONE_TIME) -> Terms:
    """At most so many uses in each calendar unit."""
    frequency = Frequency(uses, unit)
    return replace(like, mode=ConsentMode.PERIODIC, frequency=frequency, time_zone=time_zone)


def agree(
    tx: Transaction,
    partner_id: str,
    subject: str,
    terms: Terms,
    subject_ref: str,
    *,
    lines: tuple[int, ...] | None = None,
) -> Grant:
    """One person's grant to one partner, by the register; it leaves no entry in the log."""
    invitation, _ = register.invite(
        tx.connection,
        partner_id=partner_id,
        request_id=str(uuid4()),
        request_sha256=bytes(32),
        terms=terms,
        partner_reference="",
        now=tx.now,
        decide_within=timedelta(days=1),
    )
    tx.vault.ensure(tx.connection, owner_subject(subject))
    return register.allow(
        tx.connection,
        invitation.handle,
        subject=subject,
        subject_ref=subject_ref,
        now=tx.now,
        thresholds=lines,
    ).grant
