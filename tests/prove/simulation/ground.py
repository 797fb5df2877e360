"""What every play begins with: one founded installation, of which each play gets a copy of the database.

Lenders, certificates, people and consents of every kind are made once, by the rooms themselves. A play
draws the contracts, the time and who takes part.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from consent.grant import Terms
from consent.pairwise import Pairwise
from gateway import founding, partners, pki
from gateway.audit.private import Vault
from gateway.ledger import Transaction
from gateway.pki import AuthorityRole
from gateway.quota.contract import Contract
from gateway.registry import add_partner, enroll_certificate
from gateway.settings import read_secret
from gateway.store import open_store
from scoregate.instants import micros
from scoregate.words import CalendarUnit, ConsentMode, Disclosure, InputFamily, Purpose
from tests import agreed
from tests.world import settings_for

THRESHOLDS = (450, 600, 750)
FOUNDED = datetime(2026, 3, 27, 20, 0, tzinfo=UTC)  # a month ends soon, and Europe's clocks change
LENDERS = ("acme", "bolt", "core")
PEOPLE = ("ann", "bob", "eve-thin")
CERTIFICATES = 2  # of each lender
ALL = frozenset({Disclosure.SCORE, Disclosure.BAND, Disclosure.THRESHOLD, Disclosure.REASONS})

ONCE = replace(agreed.ONE_TIME, disclosures=ALL)


def _often(uses: int, unit: CalendarUnit, zone: str = "UTC") -> Terms:
    return agreed.periodic(uses, unit, zone, like=ONCE)


KINDS = {
    "once": ONCE,
    "once, score alone": replace(ONCE, disclosures=frozenset({Disclosure.SCORE})),
    "once, to review": replace(ONCE, purpose=Purpose.ACCOUNT_REVIEW),
    "once a day": _often(1, CalendarUnit.DAY, "America/Santiago"),
    "twice a day": _often(2, CalendarUnit.DAY),
    "twice a week": _often(2, CalendarUnit.WEEK, "Asia/Kathmandu"),
    "thrice a month": _often(3, CalendarUnit.MONTH, "Europe/London"),
    "once a year": _often(1, CalendarUnit.YEAR, "Pacific/Kiritimati"),
    "often, to review": replace(_often(9, CalendarUnit.DAY), purpose=Purpose.ACCOUNT_REVIEW),
    "often, two hours": replace(_often(9, CalendarUnit.DAY), valid_for=timedelta(hours=2)),
    "often, from tomorrow": replace(
        _often(9, CalendarUnit.DAY), not_before=FOUNDED + timedelta(days=1), valid_for=timedelta(days=5)
    ),
    "often, band without friends": replace(
        _often(9, CalendarUnit.DAY),
        disclosures=frozenset({Disclosure.BAND, Disclosure.REASONS}),
        excluded_families=frozenset({InputFamily.SOCIAL}),
    ),
}


@dataclass(frozen=True, slots=True)
class Agreed:
    """One consent, as it was agreed."""

    name: str  # in plain words
    consent_id: str
    lender: str
    subject: str
    subject_ref: str
    terms: Terms
    begins: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class Ground:
    """An installation to copy. Can be given to another process."""

    database: Path
    keys: Path
    issuer: str
    log_origin: str
    operator: bytes  # certificate, PEM
    certificates: dict[str, tuple[bytes, ...]]  # by lender
    consents: tuple[Agreed, ...]
    master: bytes
    pairwise: bytes

    def copy(self, to: Path, contracts: dict[str, Contract]) -> None:
        """A database of one's own, with these contracts by lender."""
        shutil.copyfile(self.database, to)
        with closing(sqlite3.connect(to)) as connection, connection:
            for lender, contract in contracts.items():
                values = (json.dumps(asdict(contract)), lender)
                connection.execute("UPDATE partners SET contract = ? WHERE partner_id = ?", values)
                # All are this year's already, so that any contract may list any.
                values = (lender, json.dumps(THRESHOLDS), micros(FOUNDED))
                connection.execute("INSERT INTO entity_thresholds VALUES (?, ?, ?)", values)


def lay(folder: Path) -> Ground:
    """Found it."""
    database = folder / "ledger.db"
    settings = settings_for(folder / "home", f"sqlite:///{database}", folder / "engine")
    credentials = founding.found(settings, now=FOUNDED)
    authority = pki.load_authority(settings.tls.authorities, AuthorityRole.PARTNER)
    certificates = {
        lender: tuple(_certificate(authority, settings.trust_domain, lender) for _ in range(CERTIFICATES))
        for lender in LENDERS
    }
    master, pairwise = read_secret(settings.secrets.master_key), read_secret(settings.secrets.pairwise_key)
    store = open_store(settings.database.url)
    try:
        with store.writer.begin() as connection:
            tx = Transaction(connection, lambda: FOUNDED, Vault(master))
            for lender, pems in certificates.items():
                new = partners.Partner(
                    lender, f"{lender} Ltd", partners.Role.PARTNER, False, Contract(), lender
                )
                add_partner(tx, new, actor="operator")
                for pem in pems:
                    enroll_certificate(tx, lender, pem, actor="operator")
            consents = tuple(_agree(tx, Pairwise(pairwise)))
            tx.flush()
    finally:
        store.close()
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return Ground(
        database=database,
        keys=settings.attestation.key_folder,
        issuer=settings.issuer,
        log_origin=settings.log_origin,
        operator=credentials.certificate.read_bytes(),
        certificates=certificates,
        consents=consents,
        master=master,
        pairwise=pairwise,
    )


def _certificate(authority: pki.Authority, trust_domain: str, lender: str) -> bytes:
    _, csr_pem = pki.new_key_and_request(lender)
    uri = pki.spiffe_uri(trust_domain, "partner", lender)
    return authority.sign_request(csr_pem, spiffe_uri=uri, now=FOUNDED, days=397)


def _agree(tx: Transaction, pairwise: Pairwise) -> Iterator[Agreed]:
    for lender in LENDERS:
        for number, (kind, terms) in enumerate(KINDS.items()):
            subject = PEOPLE[number % len(PEOPLE)]
            grant = agreed.agree(tx, lender, subject, terms, pairwise.reference(lender, subject))
            begins = max(FOUNDED, terms.not_before or FOUNDED)
            ends = begins + terms.valid_for
            name = f"{lender}'s {kind} by {subject}"
            yield Agreed(name, grant.consent_id, lender, subject, grant.subject_ref, terms, begins, ends)


__all__ = ["ALL", "FOUNDED", "KINDS", "LENDERS", "PEOPLE", "Agreed", "ConsentMode", "Ground", "lay"]
