"""Which services stand behind which door."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from typing import Any

from consent.attest import Attester
from gateway import pki
from gateway.audit.bearer import Passes
from gateway.audit.tree.proofs import Proofs
from gateway.decisions import new_matcher
from gateway.doors import (
    admin_consents,
    admin_disputes,
    admin_operations,
    admin_partners,
    audit,
    audit_bundles,
    audit_report,
    consent,
    erasure,
    exporting,
    receipt,
    score,
    statement,
    usage,
)
from gateway.doors.door import Frame, Handler, Handlers, by_path
from gateway.doors.proving import Proving
from gateway.journey import Journey
from gateway.server.parts import Parts
from gateway.server.publishing import stated_policy
from gateway.statements import Statements
from scoregate.audit.v1 import audit_pb2
from scoregate.partner.v1 import receipt_pb2

PARTNER = (consent.SERVICE, score.SERVICE, usage.SERVICE, receipt.SERVICE)
ADMIN = (audit.SERVICE, admin_partners.SERVICE, admin_consents.SERVICE, admin_operations.SERVICE)


def new_journey(parts: Parts, closing: ExitStack) -> Journey:
    """What answers score queries."""
    settings = parts.settings
    journey = Journey(
        gate=parts.gate,
        ledger=parts.ledger,
        vault=parts.vault,
        engine=parts.engine,
        model=parts.model,
        attester=Attester(settings.issuer, timedelta(seconds=settings.attestation.life_seconds)),
        signer=parts.signer,
        engine_timeout=timedelta(milliseconds=settings.engine.timeout_ms),
    )
    closing.callback(journey.close)
    return journey


def partner_services(parts: Parts, frame: Frame, door: score.ScoreDoor) -> Handlers:
    """What lenders call, and waits in a thread."""
    settings, store, ledger = parts.settings, parts.store, parts.ledger
    consents_door = consent.ConsentDoor(
        store,
        ledger,
        matcher=new_matcher(parts.vault, settings.pages.phone_region),
        pages_url=settings.pages.url,
        clock=ledger.now,
    )
    return {
        **door.service(),
        **consents_door.service(frame),
        **by_path(usage.SERVICE, _usage(parts, frame)),
        **receipt.ReceiptDoor(
            parts.signer, _proving(parts, receipt_pb2, own_entries=True), issuer=settings.issuer
        ).service(frame),
    }


def _usage(parts: Parts, frame: Frame) -> dict[str, Handler]:
    settings, clock = parts.settings, parts.ledger.now
    statements = Statements(parts.store, parts.signer, issuer=settings.issuer, clock=clock)
    meters = usage.UsageDoor(parts.store, parts.gate, clock=clock).methods(frame)
    return meters | statement.StatementDoor(statements, soon=_soon(parts)).methods(frame)


def _soon(parts: Parts) -> timedelta:
    return timedelta(milliseconds=parts.settings.log.interval_ms)


def _proving(parts: Parts, messages: Any, *, own_entries: bool) -> Proving:
    return Proving(Proofs(parts.store), messages, own_entries=own_entries, soon=_soon(parts))


def new_passes(parts: Parts) -> Passes:
    """The tokens for entry bundles, which doors give out and pages read, each by the same secret."""
    return Passes(parts.vault.derive("entries bearer"))


def admin_services(parts: Parts, frame: Frame) -> Handlers:
    """What operators and compliance officers call."""
    settings, store, ledger, clock = parts.settings, parts.store, parts.ledger, parts.clock
    folder = settings.tls.authorities
    audit_door = audit.AuditDoor(
        store,
        ledger,
        _proving(parts, audit_pb2, own_entries=False),
        cursor_secret=parts.vault.derive("audit cursor"),
        clock=clock,
    )
    reports = audit_report.ReportDoor(
        store,
        ledger,
        parts.vault,
        cursor_secret=parts.vault.derive("audit report cursor"),
        clock=clock,
        soon=timedelta(milliseconds=settings.log.interval_ms),
    )
    erasure_door = erasure.ErasureDoor(store, ledger, parts.vault, settings.retention, clock=ledger.now)
    export_door = exporting.ExportDoor(
        store,
        ledger,
        parts.vault,
        parts.signer,
        issuer=settings.issuer,
        policy=partial(stated_policy, settings),
        cursor_secret=parts.vault.derive("export cursor"),
        soon=timedelta(milliseconds=settings.log.interval_ms),
        clock=clock,
    )
    partners_door = admin_partners.PartnerAdminDoor(
        store,
        ledger,
        authorities={
            "partner": pki.load_authority(folder, pki.AuthorityRole.PARTNER),
            "staff": pki.load_authority(folder, pki.AuthorityRole.STAFF),
        },
        server_ca_pem=settings.tls.server_ca.read_bytes(),
        trust_domain=settings.trust_domain,
        development=settings.mode == "development",
        clock=clock,
    )
    people_door = admin_consents.ConsentAdminDoor(
        store, ledger, parts.pairwise, pages_url=settings.pages.url, clock=ledger.now
    )
    meters = usage.UsageDoor(store, parts.gate, clock=ledger.now)
    operations_door = admin_operations.OperationsAdminDoor(
        store, ledger, parts.signer, parts.masters, meters, parts.engine
    )
    return {
        **audit_door.service(frame),
        **reports.service(frame),
        **audit_bundles.BundlesDoor(ledger, new_passes(parts), clock=clock).service(frame),
        **erasure_door.service(frame),
        **export_door.service(frame),
        **partners_door.service(frame),
        **people_door.service(frame),
        **admin_disputes.DisputeDoor(store, ledger, parts.vault).service(frame),
        **operations_door.service(frame),
    }
