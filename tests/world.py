"""A whole installation for tests: its own CAs, a real database, a real gateway, real mTLS channels.

``Partner`` is a lender with a certificate; ``World`` is the operator's side. Nothing is
patched: the clock and the engine come in through the server's seams.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import sqlalchemy as sa
from google.protobuf.duration_pb2 import Duration

from consent.register.disputes import DisputeKind
from gateway import decisions, founding, pki
from gateway.audit.log import read_head, read_leaves
from gateway.ledger import Ledger
from gateway.masters import Masters
from gateway.partners import enroll
from gateway.quota.contract import quota_usage
from gateway.server import Gateway, Seams
from gateway.settings import Settings, load, template
from gateway.store import open_store
from scoregate.admin.v1 import (
    consent_admin_pb2,
    consent_admin_pb2_grpc,
    operations_admin_pb2,
    operations_admin_pb2_grpc,
    partner_admin_pb2,
    partner_admin_pb2_grpc,
)
from scoregate.audit.v1 import audit_pb2_grpc, leaf_pb2
from scoregate.auditing.history import History
from scoregate.partner.v1 import (
    consent_pb2,
    consent_pb2_grpc,
    receipt_pb2_grpc,
    score_pb2,
    score_pb2_grpc,
    types_pb2,
    usage_pb2,
    usage_pb2_grpc,
)
from scoregate.proof import leaf
from tests.wire import open_channel

OF_ITS_OWN_ACCORD = (leaf_pb2.LEAF_KIND_COUNTED_REFUSALS, leaf_pb2.LEAF_KIND_MODEL_CHANGED)
"""What the gateway enters each second and at each start; no call's entry."""

CREDIT = "PURPOSE_CREDIT_APPLICATION"
RETURN_ADDRESS = "https://lender.example/back"
ALL_DISCLOSURES = (
    "DISCLOSURE_SCORE",
    "DISCLOSURE_BAND",
    "DISCLOSURE_THRESHOLD",
    "DISCLOSURE_REASONS",
)


@dataclass
class Clock:
    """A clock that moves when told to. It begins at the true time, which TLS goes by."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.now

    def move(self, **span: float) -> None:
        self.now += timedelta(**span)


def new_uuid() -> str:
    return str(uuid.uuid4())


def seconds(count: float) -> Duration:
    made = Duration()
    made.FromTimedelta(timedelta(seconds=count))
    return made


def terms(**changes: Any) -> consent_pb2.ConsentTerms:
    """Generous one-time terms; ``changes`` replace fields."""
    fields: dict[str, Any] = {
        "purpose": CREDIT,
        "disclosures": ALL_DISCLOSURES,
        "mode": "CONSENT_MODE_ONE_TIME",
        "valid_for": seconds(30 * 86_400),
        "data_life": seconds(90 * 86_400),
    }
    if changes.get("mode") == "CONSENT_MODE_PERIODIC" and "frequency" not in changes:
        fields["frequency"] = types_pb2.Frequency(uses=1_000, unit="CALENDAR_UNIT_DAY")
    return consent_pb2.ConsentTerms(**(fields | changes))


def contract(**changes: Any) -> partner_admin_pb2.Contract:
    """A generous contract; ``changes`` replace fields."""
    fields: dict[str, Any] = {
        "daily_units": 1_000,
        "monthly_units": 10_000,
        "calls_per_second": 10_000,
        "burst_calls": 10_000,
        "thresholds": [600, 650],
        "return_addresses": [RETURN_ADDRESS],
    }
    return partner_admin_pb2.Contract(**(fields | changes))


@dataclass
class Partner:
    """A caller with a certificate."""

    partner_id: str
    certificate: bytes
    key: bytes
    fingerprint: str
    world: World
    channel: grpc.Channel = field(init=False)

    def __post_init__(self) -> None:
        self.connect()

    def connect(self) -> None:
        port = self.world.gateway.partner_port
        self.channel = open_channel(port, self.world.server_ca, self.certificate, self.key)
        self.consents = consent_pb2_grpc.ConsentServiceStub(self.channel)
        self.scores = score_pb2_grpc.ScoreServiceStub(self.channel)
        self.usage = usage_pb2_grpc.UsageServiceStub(self.channel)
        self.receipts = receipt_pb2_grpc.ReceiptServiceStub(self.channel)
        self.world.channels.append(self.channel)

    def at(self, world: World) -> Partner:
        """The same caller, connected to another gateway."""
        return replace(self, world=world)

    def invite(self, **changes: Any) -> consent_pb2.ConsentInvitation:
        request = consent_pb2.CreateConsentInvitationRequest(request_id=new_uuid(), terms=terms(**changes))
        return self.consents.CreateConsentInvitation(request).invitation

    def query(self, consent: consent_pb2.Consent | str, **changes: Any) -> score_pb2.GetScoreRequest:
        fields: dict[str, Any] = {
            "request_id": new_uuid(),
            "consent_id": consent if isinstance(consent, str) else consent.consent_id,
            "purpose": CREDIT,
            "disclosure": "DISCLOSURE_SCORE",
            "nonce": "n" * 22,
        }
        return score_pb2.GetScoreRequest(**(fields | changes))

    def threshold_query(
        self, consent: consent_pb2.Consent | str, **changes: Any
    ) -> score_pb2.CheckThresholdRequest:
        fields: dict[str, Any] = {
            "request_id": new_uuid(),
            "consent_id": consent if isinstance(consent, str) else consent.consent_id,
            "purpose": CREDIT,
            "threshold": 600,
            "nonce": "n" * 22,
        }
        return score_pb2.CheckThresholdRequest(**(fields | changes))

    def score(self, consent: consent_pb2.Consent | str, **changes: Any) -> score_pb2.GetScoreResponse:
        return self.scores.GetScore(self.query(consent, **changes), timeout=10)

    def spent(self) -> dict[str, int]:
        usages = self.usage.ListQuotaUsage(usage_pb2.ListQuotaUsageRequest()).usages
        return {usage.limit_name: usage.used for usage in usages if usage.limit_name != "burst"}


@dataclass
class World:
    """One installation and its operator."""

    settings: Settings
    gateway: Gateway
    clock: Clock
    server_ca: bytes
    operator: Partner | None = None
    channels: list[grpc.Channel] = field(default_factory=list)

    def __post_init__(self) -> None:
        folder = self.settings.home / "operator"
        self.operator_certificate = (folder / "operator.pem").read_bytes()
        self.operator_key = (folder / "operator.key").read_bytes()
        self.connect_operator()

    def connect_operator(self) -> None:
        channel = self.admin_channel(self.operator_certificate, self.operator_key)
        self.partners = partner_admin_pb2_grpc.PartnerAdminServiceStub(channel)
        self.people = consent_admin_pb2_grpc.ConsentAdminServiceStub(channel)
        self.operations = operations_admin_pb2_grpc.OperationsAdminServiceStub(channel)

    def admin_channel(self, certificate: bytes, key: bytes) -> grpc.Channel:
        channel = open_channel(self.gateway.admin_port, self.server_ca, certificate, key)
        self.channels.append(channel)
        return channel

    def add(
        self, partner_id: str, role: str = "ROLE_PARTNER", *, legal_entity: str = "", **terms: Any
    ) -> None:
        added = partner_admin_pb2.Partner(
            partner_id=partner_id,
            legal_name=f"{partner_id.title()} Lending Ltd",
            role=role,
            contract=contract(**terms),
            legal_entity=legal_entity,
        )
        self.partners.AddPartner(partner_admin_pb2.AddPartnerRequest(partner=added))

    def set_contract(self, partner_id: str, **terms: Any) -> None:
        request = partner_admin_pb2.SetContractRequest(
            partner_id=partner_id, contract=contract(**terms), reason="a test"
        )
        self.partners.SetContract(request)

    def enroll(self, partner_id: str) -> Partner:
        key_pem, csr_pem = pki.new_key_and_request(partner_id)
        enrolled = self.partners.EnrollPartner(
            partner_admin_pb2.EnrollPartnerRequest(
                partner_id=partner_id,
                csr_pem=csr_pem.decode(),
                valid_days=397,  # so that a clock can be moved into the next year
            )
        )
        return Partner(partner_id, enrolled.certificate_pem.encode(), key_pem, enrolled.fingerprint, self)

    def partner(self, partner_id: str = "acme", role: str = "ROLE_PARTNER", **terms: Any) -> Partner:
        self.add(partner_id, role, **terms)
        return self.enroll(partner_id)

    def suspend(self, partner_id: str) -> None:
        request = partner_admin_pb2.SuspendPartnerRequest(partner_id=partner_id, reason="a test")
        self.partners.SuspendPartner(request)

    def resume(self, partner_id: str) -> None:
        request = partner_admin_pb2.ResumePartnerRequest(partner_id=partner_id, reason="a test")
        self.partners.ResumePartner(request)

    def enter(self, partner_id: str, certificate_pem: bytes) -> str:
        """Put a certificate into the registry that no enrolment would have; returns its fingerprint."""
        peer = pki.parse_peer(certificate_pem)
        store = open_store(self.settings.database.url)
        try:
            with store.writer.begin() as connection:
                enroll(
                    connection,
                    fingerprint=peer.fingerprint,
                    key_sha256=peer.key_sha256,
                    partner_id=partner_id,
                    expires_at=peer.not_after,
                    now=self.clock(),
                )
        finally:
            store.close()
        return peer.fingerprint

    def fingerprints(self, partner_id: str) -> list[str]:
        """Of the partner's certificates, newest first."""
        request = partner_admin_pb2.GetPartnerRequest(partner_id=partner_id)
        return [each.fingerprint for each in self.partners.GetPartner(request).partner.certificates]

    def revoke(self, *fingerprints: str) -> None:
        for fingerprint in fingerprints:
            request = partner_admin_pb2.RevokeCertificateRequest(fingerprint=fingerprint, reason="a test")
            self.partners.RevokeCertificate(request)

    def usage(self, partner_id: str) -> dict[str, int]:
        """What ``Partner.spent`` says, asked by the operator."""
        request = operations_admin_pb2.GetPartnerUsageRequest(partner_id=partner_id)
        usages = self.operations.GetPartnerUsage(request).usages
        return {usage.limit_name: usage.used for usage in usages if usage.limit_name != "burst"}

    def allow(
        self, invitation: consent_pb2.ConsentInvitation, subject: str, *, lift_freeze: bool = False
    ) -> consent_pb2.Consent:
        request = consent_admin_pb2.AllowInvitationRequest(
            handle=invitation.handle, subject=subject, lift_freeze=lift_freeze
        )
        return self.people.AllowInvitation(request).consent

    def deny(self, invitation: consent_pb2.ConsentInvitation) -> None:
        self.people.DenyInvitation(consent_admin_pb2.DenyInvitationRequest(handle=invitation.handle))

    def consent(self, partner: Partner, subject: str = "uci-00001", **changes: Any) -> consent_pb2.Consent:
        return self.allow(partner.invite(**changes), subject)

    def change(self, consent: consent_pb2.Consent, change: str) -> consent_pb2.Consent:
        request = consent_admin_pb2.ChangeConsentRequest(
            consent_id=consent.consent_id, change=f"CONSENT_CHANGE_{change}"
        )
        return self.people.ChangeConsent(request).consent

    def freeze(self, subject: str, *, frozen: bool = True) -> None:
        self.people.SetFreeze(consent_admin_pb2.SetFreezeRequest(subject=subject, frozen=frozen))

    def reopen(self, subject: str, reason: str = "a test") -> int:
        """Correct what a person's answers in cells rest on; returns how many are forgotten."""
        request = consent_admin_pb2.ReopenMonthRequest(subject=subject, reason=reason)
        return int(self.people.ReopenMonth(request).cells)

    def dispute(self, subject: str, kind: str = "DISPUTE", words: str = "That was not me.") -> str:
        """A person says that something is wrong, or asks for a review; returns the reference."""
        return open_dispute(self.settings, subject, kind, words, clock=self.clock)

    def resolve(self, reference: str, outcome: str = "It was put right.") -> consent_admin_pb2.Dispute:
        request = consent_admin_pb2.ResolveDisputeRequest(reference=reference, outcome=outcome)
        return self.people.ResolveDispute(request).dispute

    def keys(self) -> dict[str, str]:
        """State, such as "CURRENT" → kid."""
        listed = self.operations.ListKeys(operations_admin_pb2.ListKeysRequest()).keys
        return {operations_admin_pb2.KeyState.Name(key.state)[10:]: key.kid for key in listed}

    def rotate_keys(self) -> None:
        self.operations.RotateKeys(operations_admin_pb2.RotateKeysRequest(reason="a test"))

    def leaves(self) -> list[leaf_pb2.Leaf]:
        """Every entry of the log, straight from the database."""
        return [leaf.decode(data) for data in self.leaf_bytes()]

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A look into the database beside the gateway."""
        store = open_store(self.settings.database.url)
        try:
            with store.reading() as connection:
                yield connection
        finally:
            store.close()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Somebody else holds the SQLite file's write lock; calls come as far as the ledger, and wait."""
        file = self.settings.database.file
        assert file is not None
        with closing(sqlite3.connect(file, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            finally:
                connection.execute("ROLLBACK")

    def log_size(self) -> int:
        with self.reading() as connection:
            return read_head(connection).size

    def leaf_bytes(self, begin: int = 0) -> list[bytes]:
        """The entries as stored, from index ``begin`` on."""
        with self.reading() as connection:
            return read_leaves(connection, begin, read_head(connection).size)

    @contextmanager
    def entries(self) -> Iterator[list[leaf_pb2.Leaf]]:
        """The entries that the block's calls append, filled once it is over."""
        begin, seen = self.log_size(), list[leaf_pb2.Leaf]()
        yield seen
        found = [leaf.decode(data) for data in self.leaf_bytes(begin)]
        seen += [entry for entry in found if entry.kind not in OF_ITS_OWN_ACCORD]

    def require_balanced(self) -> None:
        """Return only if the log is one that a verifier accepts, and its costs are the meters' figures."""
        history, costs = History(), Counter[tuple[str, str]]()
        with self.reading() as connection:
            metered = connection.execute(sa.select(quota_usage)).all()
            size = read_head(connection).size
            leaves = [leaf.decode(data) for data in read_leaves(connection, 0, size)]
        assert len(leaves) == size
        for entry in leaves:
            history.append(entry)
            costs.update({(entry.partner_id, period): entry.cost_units for period in entry.quota_periods})
        assert {(row.partner_id, row.period): row.used for row in metered} == dict(costs)

    def turned_away(self) -> dict[tuple[str, str, str], int]:
        """Stop the gateway, which flushes; (partner, method, reason) → calls refused in steps 1 and 2."""
        self.gateway.stop(timedelta(seconds=1))
        counts: Counter[tuple[str, str, str]] = Counter()
        for entry in self.leaves():
            if entry.kind == leaf_pb2.LEAF_KIND_COUNTED_REFUSALS:
                assert (entry.decision, entry.cost_units) == (leaf_pb2.DECISION_REFUSED, 0)
                counts[entry.partner_id, entry.method, entry.reason] += entry.count
        return dict(counts)

    def officer(self, partner_id: str = "officer") -> tuple[Partner, audit_pb2_grpc.AuditServiceStub]:
        self.add(partner_id, "ROLE_COMPLIANCE")
        officer = self.enroll(partner_id)
        return officer, audit_pb2_grpc.AuditServiceStub(self.admin_channel(officer.certificate, officer.key))

    def restart(self, seams: Seams | None = None) -> None:
        self.gateway.stop(timedelta(seconds=1))
        self.gateway = Gateway.start(self.settings, seams or Seams(clock=self.clock))
        self.connect_operator()

    @contextmanager
    def replica(self, seams: Seams | None = None) -> Iterator[World]:
        """Another gateway of the same installation, over the same database."""
        gateway = Gateway.start(self.settings, replace(seams or Seams(), clock=self.clock))
        other = World(self.settings, gateway, self.clock, self.server_ca)
        try:
            yield other
        finally:
            other.close()

    def close(self) -> None:
        for channel in self.channels:
            channel.close()
        self.gateway.stop(timedelta(seconds=0.2))


def settings_for(home: Path, database_url: str, engine_folder: Path, **overrides: str) -> Settings:
    """Settings of an installation in ``home``: development, ports of the system's choosing."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    (home / "scoregate.toml").write_text(template(home))
    environ = {
        "SCOREGATE_HOME": str(home),
        "SCOREGATE_MODE": "development",
        "SCOREGATE_DATABASE__URL": database_url,
        "SCOREGATE_ENGINE__FOLDER": str(engine_folder),
        "SCOREGATE_LISTEN__PARTNER": "127.0.0.1:0",
        "SCOREGATE_LISTEN__ADMIN": "127.0.0.1:0",
        "SCOREGATE_LISTEN__HTTP": "127.0.0.1:0",
    }
    return load(environ | overrides)


def open_dispute(
    settings: Settings, subject: str, kind: str, words: str, *, clock: Callable[[], datetime]
) -> str:
    """As the consumer's pages do, by a ledger of their own over the same store; returns the reference."""
    store = open_store(settings.database.url)
    with store.reading() as connection:
        vault = Masters(settings.secrets.master_key).open(connection)
    ledger = Ledger(store, vault, clock=clock)
    try:
        what = DisputeKind.read(kind)
        return ledger.change(
            lambda tx: decisions.open_dispute(tx, subject, what, words, actor="consumer")
        ).reference
    finally:
        ledger.close()
        store.close()


@contextmanager
def open_world(
    settings: Settings, *, seams: Seams | None = None, clock: Clock | None = None
) -> Iterator[World]:
    """Found an installation and start its gateway."""
    chosen = clock or Clock()
    founding.found(settings, now=chosen())
    gateway = Gateway.start(settings, replace(seams or Seams(), clock=chosen))
    world = World(settings, gateway, chosen, (settings.home / "operator" / "server-ca.pem").read_bytes())
    try:
        yield world
    finally:
        world.close()
