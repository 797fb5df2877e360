"""A million consents, through the ledger's own transactions.

Each is what the register makes of an invitation that a person allowed: the same ids, window, digest and
pairwise reference, made by its own code, in rows that are written many at a time. That each of them is good
is shown later: every one is asked for at the door, and answered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache, partial

from consent.grant import Grant, State, Terms, window
from consent.pairwise import Pairwise
from consent.register import tables
from consent.register.invitations import new_id
from consent.register.terms import NOTICE_VERSION, consent_digest, dump
from consent.sql import Row, Write
from gateway.audit.private import Vault, owner_subject
from gateway.ledger import Ledger, Transaction
from gateway.server import wall_clock
from gateway.settings import Settings, read_secret
from gateway.store import open_store
from scoregate.instants import micros
from scoregate.words import CalendarUnit, Disclosure
from tests import agreed
from tests.bench.installation import USES_A_DAY
from tests.world import new_uuid

AT_ONCE = 50_000
CACHE_KIB = 512 * 1024  # of the writer that fills it; rows lie in no order of their ids, as in real life
DISCLOSURES = frozenset({Disclosure.SCORE, Disclosure.BAND, Disclosure.THRESHOLD, Disclosure.REASONS})
TERMS = agreed.periodic(USES_A_DAY, CalendarUnit.DAY, like=replace(agreed.ONE_TIME, disclosures=DISCLOSURES))

_invitations, _grants, _standings = map(Write, (tables.invitations, tables.grants, tables.standings))


def allow(
    settings: Settings,
    partner_ids: Sequence[str],
    subjects: Sequence[str],
    count: int,
    terms: Terms,
    first_number: int,
    step: Callable[[str], None],
) -> list[list[str]]:
    """``count`` consents dealt out among the partners, each partner's of everybody in turn.

    Returns each partner's consent ids, in the order in which they were made. Partners begin with different
    people: together, their first ones soon are everybody's. ``first_number`` is one more than the most that
    any of the partners has.
    """
    pairwise = Pairwise(read_secret(settings.secrets.pairwise_key))
    reference = cache(pairwise.reference)
    store = open_store(settings.database.url)
    ledger = Ledger(store, Vault(read_secret(settings.secrets.master_key)), clock=wall_clock)
    made: list[list[str]] = [[] for _ in partner_ids]
    spelled = dump(terms)
    apart = len(subjects) // len(partner_ids)

    def write(tx: Transaction, begin: int, end: int) -> None:
        tx.connection.exec_driver_sql(f"PRAGMA cache_size = -{CACHE_KIB}")
        if begin == 0:
            for subject in subjects:
                tx.vault.ensure(tx.connection, owner_subject(subject))
        invitations, grants, standings = list[Row](), list[Row](), list[Row]()
        for n in range(begin, end):
            turn, partner = divmod(n, len(partner_ids))
            partner_id = partner_ids[partner]
            subject = subjects[(turn + partner * apart) % len(subjects)]
            grant = _grant(partner_id, subject, reference(partner_id, subject), terms, tx.now)
            handle = new_id()
            invitations.append(_invitation(grant, handle, spelled, tx.now))
            grants.append(_row(grant, first_number + turn, handle, spelled))
            standings.append((grant.consent_id, grant.state.value, None, "", 0))
            made[partner].append(grant.consent_id)
        _invitations.rows(tx.connection, invitations)
        _grants.rows(tx.connection, grants)
        _standings.rows(tx.connection, standings)

    try:
        for begin in range(0, count, AT_ONCE):
            step(f"letting people consent: {begin:,} of {count:,}")
            end = min(begin + AT_ONCE, count)
            ledger.change(partial(write, begin=begin, end=end))
    finally:
        ledger.close()
        store.close()
    return made


def _grant(partner_id: str, subject: str, subject_ref: str, terms: Terms, now: datetime) -> Grant:
    not_before, expires_at = window(terms, now)
    grant = Grant(
        consent_id=new_id(),
        partner_id=partner_id,
        subject=subject,
        subject_ref=subject_ref,
        terms=terms,
        sha256=b"",
        granted_at=now,
        not_before=not_before,
        expires_at=expires_at,
        state=State.ACTIVE,
    )
    return replace(grant, sha256=consent_digest(grant, NOTICE_VERSION))


def _invitation(grant: Grant, handle: str, terms: str, now: datetime) -> Row:
    expires = micros(now + timedelta(days=1))
    return (
        handle,
        grant.partner_id,
        new_uuid(),
        bytes(32),
        terms,
        "",
        "APPROVED",
        micros(now),
        expires,
        grant.consent_id,
        "",
        "",
        "",
    )


def _row(grant: Grant, number: int, handle: str, terms: str) -> Row:
    return (
        grant.consent_id,
        number,
        grant.partner_id,
        grant.subject,
        grant.subject_ref,
        handle,
        "",
        terms,
        NOTICE_VERSION,
        grant.sha256,
        micros(grant.granted_at),
        micros(grant.not_before),
        micros(grant.expires_at),
        None,
    )
