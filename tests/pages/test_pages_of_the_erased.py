"""A person is erased in one process: in every other they are nobody, and every older proof still holds."""

from __future__ import annotations

import time

import grpc
import pytest
import sqlalchemy as sa

from gateway.audit.private import data_keys, owner_subject
from gateway.thresholds.cells import first_cells
from scoregate.admin.v1 import consent_admin_pb2
from scoregate.audit.v1 import audit_pb2, audit_pb2_grpc, leaf_pb2
from scoregate.partner.v1 import consent_pb2
from scoregate.tlog import merkle
from scoregate.tlog.checkpoint import Checkpoint, open_checkpoint
from scoregate.words import ConsentEventKind
from tests.journey.test_published_log import proof_of, require_proved, vkey
from tests.pages.browser import text_of
from tests.pages.place import Place
from tests.wire import refused
from tests.world import World

ADA, BOB = "uci-00001", "uci-00002"
WITHDRAWN = audit_pb2.LEGAL_BASIS_GDPR_ART_17_1_B


def desk_of(world: World) -> audit_pb2_grpc.AuditServiceStub:
    """The audit service as an operator reaches it."""
    channel = world.admin_channel(world.operator_certificate, world.operator_key)
    return audit_pb2_grpc.AuditServiceStub(channel)


def require_all_proved(
    world: World, officer: audit_pb2_grpc.AuditServiceStub, leaves: list[bytes]
) -> Checkpoint:
    """Each entry, by the newest published checkpoint."""
    give_up = time.monotonic() + 5
    while True:
        try:
            proof = officer.GetInclusionProof(audit_pb2.GetInclusionProofRequest(leaf_index=len(leaves) - 1))
            break
        except grpc.RpcError:
            assert time.monotonic() < give_up
            time.sleep(0.05)
    for index, leaf in enumerate(leaves):
        proof = officer.GetInclusionProof(audit_pb2.GetInclusionProofRequest(leaf_index=index))
        checkpoint, _ = open_checkpoint(proof.checkpoint, vkey(world))
        hashed = merkle.leaf_hash(leaf)
        merkle.verify_inclusion(hashed, index, checkpoint.size, proof.hashes, checkpoint.root)
    return checkpoint


def test_an_erased_person_is_nobody_in_every_process_and_every_proof_still_holds(own_place: Place) -> None:
    world = own_place.world
    acme, zeta = world.partner("acme"), world.partner("zeta")
    _, officer = world.officer()
    consent = world.consent(acme, ADA, mode="CONSENT_MODE_PERIODIC")
    others = world.consent(zeta, BOB, mode="CONSENT_MODE_PERIODIC")
    query = acme.query(consent)
    answer = acme.scores.GetScore(query)
    acme.scores.CheckThreshold(acme.threshold_query(consent))
    world.dispute(ADA)
    ada = own_place.browser(ADA)
    assert "Answered: your number" in text_of(ada.get("/asked"))  # the pages' process knows her key
    before = world.leaf_bytes()
    proof = proof_of(acme, answer.receipt.leaf_index)
    shown = require_proved(world, answer.receipt, proof)
    require_all_proved(world, officer, before)

    with world.replica() as replica:
        there = acme.at(replica)
        there.connect()
        assert there.scores.GetScore(query).scored == answer.scored  # and so does the other gateway's

        desk = desk_of(world)
        preview = desk.PreviewErasure(audit_pb2.PreviewErasureRequest(subject=ADA))
        assert (preview.open_consents, preview.ended_consents, preview.open_disputes) == (1, 0, 1)
        assert preview.cells == 1
        assert "A member of our staff looked into your file" in text_of(ada.get("/asked"))
        erased = desk.EraseSubject(
            audit_pb2.EraseSubjectRequest(subject=ADA, basis=WITHDRAWN, reason="by letter")
        )
        assert (erased.entries, erased.revoked_consents, erased.rows_left) == (preview.entries, 1, 0)

        # No score leaves, by neither gateway, and nobody learns more than of a consent that never was.
        missing = refused(acme.scores.GetScore, acme.query("a" * 26))
        for caller in (acme, there):
            for each in (query, acme.query(consent)):
                failure = refused(caller.scores.GetScore, each)
                assert (failure.reason, failure.status) == (missing.reason, missing.status)
                assert failure.reason == "CONSENT_NOT_USABLE"
        assert zeta.score(others).WhichOneof("result") is not None
    # The lender is told, and what it was allowed is there without the person.
    events = acme.consents.ListConsentEvents(consent_pb2.ListConsentEventsRequest()).events
    assert ConsentEventKind.of(events[-1].kind) is ConsentEventKind.REVOKED
    left = acme.consents.GetConsent(consent_pb2.GetConsentRequest(consent_id=consent.consent_id)).consent
    assert (left.state, left.subject_ref) == (consent_pb2.CONSENT_STATE_REVOKED, "")
    assert left.consent_sha256 == consent.consent_sha256
    # The person finds nothing, in the session that they had and in a new one.
    for browser in (ada, own_place.browser(ADA)):
        for page in ("/asked", "/consents", "/wrong"):
            assert "Acme" not in text_of(browser.get(page))
    with world.reading() as connection:
        assert connection.execute(sa.select(first_cells.c.subject)).scalars().all() == []
    # Every entry is where it was, to the byte, and every proof from before holds.
    after = world.leaf_bytes()
    assert after[: len(before)] == before
    now = require_all_proved(world, officer, after)
    require_proved(world, answer.receipt, proof)
    grown = officer.GetConsistencyProof(audit_pb2.GetConsistencyProofRequest(old_size=shown.size))
    newest, _ = open_checkpoint(grown.checkpoint, vkey(world))
    merkle.verify_consistency(shown.size, newest.size, grown.hashes, shown.root, newest.root)
    assert newest.size >= now.size
    redacted = leaf_pb2.Leaf.FromString(after[erased.first_leaf_index])
    assert (redacted.kind, redacted.count) == (leaf_pb2.LEAF_KIND_REDACTED, erased.entries)
    assert redacted.reason == "GDPR_ART_17_1_B: by letter"
    assert not any(ADA.encode() in leaf for leaf in after)
    world.require_balanced()
    # A look for them begins no file.
    world.people.ListSubjectConsents(consent_admin_pb2.ListSubjectConsentsRequest(subject=ADA))
    with world.reading() as connection:
        assert owner_subject(ADA) not in connection.execute(sa.select(data_keys.c.owner)).scalars().all()
    # Restarted, nothing comes back, and whoever was erased may begin anew.
    world.restart()
    again = acme.at(world)
    again.connect()
    assert refused(again.scores.GetScore, query).reason == "CONSENT_NOT_USABLE"
    assert again.score(world.consent(again, ADA)).WhichOneof("result") is not None


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_is_wrong_with_an_erasure_is_said_and_nothing_is_erased(own_place: Place) -> None:
    world = own_place.world
    acme = world.partner("acme")
    world.consent(acme, ADA)
    desk = desk_of(world)

    def failed(**fields: object) -> tuple[str, tuple[str, ...]]:
        asked: dict[str, object] = {"subject": ADA, "basis": WITHDRAWN}
        failure = refused(desk.EraseSubject, audit_pb2.EraseSubjectRequest(**asked | fields))
        return failure.reason, failure.violations

    assert failed(basis=0) == ("FIELD_INVALID", ("basis",))
    assert failed(basis=99) == ("FIELD_INVALID", ("basis",))
    assert failed(basis=audit_pb2.LEGAL_BASIS_RETENTION_ENDED) == ("FIELD_INVALID", ("basis",))
    assert failed(reason="x" * 201) == ("FIELD_INVALID", ("reason",))
    assert failed(reason=f"{ADA} wrote to us") == ("FIELD_INVALID", ("reason",))
    assert failed(subject="a b", basis=0) == ("FIELD_INVALID", ("subject", "basis"))
    assert failed(subject="nobody") == ("NOT_FOUND", ())
    with world.entries() as entries:
        failure = refused(desk.PreviewErasure, audit_pb2.PreviewErasureRequest(subject="nobody"))
    assert failure.reason == "NOT_FOUND"
    # The look is an entry, as is the refusal; of somebody whom nobody knows it begins no file.
    assert [entry.kind for entry in entries] == [leaf_pb2.LEAF_KIND_OFFICER_READ, leaf_pb2.LEAF_KIND_REFUSAL]
    assert entries[0].commitment == b""
    failure = refused(desk.PreviewErasure, audit_pb2.PreviewErasureRequest(subject=""))
    assert failure.violations == ("subject",)
    assert leaf_pb2.LEAF_KIND_REDACTED not in {entry.kind for entry in world.leaves()}
    _, officer = world.officer()
    kept = officer.GetRetention(audit_pb2.GetRetentionRequest())
    assert {each.purpose: (each.days, each.due) for each in kept.retentions}["CREDIT_APPLICATION"] == (
        1_826,
        0,
    )
    assert kept.backup_days == 35
    assert officer.EraseSubject(audit_pb2.EraseSubjectRequest(subject=ADA, basis=WITHDRAWN)).entries >= 1
