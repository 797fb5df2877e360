"""What is recorded about a person: outside the tree, under the person's own key, and no more than left."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from gateway.audit.log import private_parts
from gateway.audit.private import Sealed, Vault, data_keys, owner_partner, owner_subject
from gateway.settings import read_secret
from scoregate.admin.v1 import consent_admin_pb2
from scoregate.audit.v1 import leaf_pb2
from scoregate.partner.v1 import score_pb2, types_pb2
from scoregate.proof import leaf
from tests.wire import refused
from tests.world import Partner, World


def opened(world: World, owner: str, index: int) -> leaf_pb2.PrivatePart:
    """The private part of an entry, opened with its owner's key and held against its commitment."""
    vault = Vault(read_secret(world.settings.secrets.master_key))
    with world.reading() as connection:
        row = connection.execute(sa.select(private_parts).where(private_parts.c.leaf_index == index)).one()
        key = vault.keys(connection, [owner])[owner]
    part, blind = key.unbind(Sealed(row.key_id, row.sealed))
    leaf.open_commitment(world.leaves()[index].commitment, part, blind)
    return leaf_pb2.PrivatePart.FromString(part)


@pytest.mark.parametrize(
    ("changes", "shown", "with_score"),
    [({}, "SCORE", True), ({"disclosure": "DISCLOSURE_BAND"}, "BAND ", False)],
)
def test_a_released_entry_says_who_asked_about_whom_and_what_was_shown(
    world: World, acme: Partner, changes: dict[str, Any], shown: str, with_score: bool
) -> None:
    consent = world.consent(acme, "uci-00002")
    request = acme.query(consent, **changes)
    answer = acme.scores.GetScore(request)
    part = opened(world, owner_subject("uci-00002"), answer.receipt.leaf_index)
    assert (part.subject, part.consent_id) == ("uci-00002", consent.consent_id)
    assert (part.request_id, part.event_id) == (request.request_id, answer.event_id)
    assert part.legal_name.endswith("Ltd")
    assert part.peer.startswith("ipv4:127.0.0.1:")
    assert part.shown.startswith(shown)
    assert part.HasField("score") == with_score
    if with_score:
        assert part.score == answer.scored.score


def test_the_entry_of_a_yes_holds_the_digest_of_what_was_agreed_to(world: World, acme: Partner) -> None:
    consent = world.consent(acme, "uci-00002", mode="CONSENT_MODE_PERIODIC")
    index = world.log_size()
    part = opened(world, owner_subject("uci-00002"), index - 1)
    assert (part.consent_id, part.consent_sha256) == (consent.consent_id, consent.consent_sha256)
    world.change(consent, "PAUSE")
    assert opened(world, owner_subject("uci-00002"), index).consent_sha256 == b""


def test_a_refusal_of_a_strangers_consent_names_nobody(world: World, acme: Partner, zeta: Partner) -> None:
    theirs = world.consent(zeta, "uci-00003")
    before = world.log_size()
    refused(acme.scores.GetScore, acme.query(theirs))
    part = opened(world, owner_partner(acme.partner_id), before)
    assert (part.subject, part.consent_id) == ("", theirs.consent_id)


def test_a_refused_field_is_in_the_file_of_whose_consent_was_named(
    world: World, acme: Partner, zeta: Partner
) -> None:
    own, theirs = world.consent(acme, "uci-00002"), world.consent(zeta, "uci-00003")
    asks = (
        (acme.scores.GetScore, acme.query, {"nonce": "short"}),
        (acme.scores.GetScore, acme.query, {"disclosure": "DISCLOSURE_REASONS"}),
        (acme.scores.CheckThreshold, acme.threshold_query, {"threshold": 601}),
    )
    nobody = owner_partner(acme.partner_id)
    for ask, query, wrong in asks:
        seen = []
        for consent, owner, subject in (
            (own.consent_id, owner_subject("uci-00002"), "uci-00002"),
            (theirs.consent_id, nobody, ""),
            ("a" * 26, nobody, ""),
        ):
            before = world.log_size()
            failure = refused(ask, query(consent, **wrong))
            part = opened(world, owner, before)
            assert (part.subject, part.consent_id) == (subject, consent)
            entry = world.leaves()[before]
            assert (entry.reason, entry.purpose) == ("FIELD_INVALID", types_pb2.PURPOSE_CREDIT_APPLICATION)
            seen.append((failure.status, failure.message, failure.faceless, failure.violations))
        assert seen[0] == seen[1] == seen[2]  # whosever consent it is, if it is any
    before = world.log_size()
    refused(acme.scores.GetScore, acme.query("no consent's id", purpose="PURPOSE_CONSUMER_SELF"))
    assert opened(world, nobody, before).consent_id == ""
    assert world.leaves()[before].purpose == types_pb2.PURPOSE_UNSPECIFIED


def test_one_person_whose_key_is_gone_is_refused_alone_and_recorded(own_world: World) -> None:
    acme = own_world.partner()
    consents = [own_world.consent(acme, subject) for subject in ("uci-00001", "uci-00002", "uci-00003")]
    own_world.restart()  # nothing is remembered of their keys
    acme = acme.at(own_world)
    engine = sa.create_engine(own_world.settings.database.url)
    with engine.begin() as connection:
        connection.execute(sa.delete(data_keys).where(data_keys.c.owner == owner_subject("uci-00002")))
    engine.dispose()
    batch = score_pb2.BatchGetScoresRequest(items=[acme.query(consent) for consent in consents])
    with own_world.entries() as entries:
        results = acme.scores.BatchGetScores(batch).results
    assert [result.WhichOneof("outcome") for result in results] == ["answer", "error", "answer"]
    assert results[1].error.reason == "CONSENT_NOT_USABLE"
    assert sorted(entry.kind for entry in entries) == [
        leaf_pb2.LEAF_KIND_RELEASE,
        leaf_pb2.LEAF_KIND_RELEASE,
        leaf_pb2.LEAF_KIND_REFUSAL,
    ]


def test_a_look_into_a_persons_consents_is_in_that_persons_file(own_world: World) -> None:
    own_world.consent(own_world.partner(), "uci-00007")
    index = own_world.log_size()
    request = consent_admin_pb2.ListSubjectConsentsRequest(subject="uci-00007")
    with own_world.entries() as entries:
        assert len(own_world.people.ListSubjectConsents(request).consents) == 1
    [entry] = entries
    assert (entry.kind, entry.actor) == (leaf_pb2.LEAF_KIND_OFFICER_READ, "operator")
    assert opened(own_world, owner_subject("uci-00007"), index).subject == "uci-00007"


def test_a_key_that_can_not_be_read_leaves_nobody_with_an_old_look_at_the_database(own_world: World) -> None:
    acme, zeta = own_world.partner("acme"), own_world.partner("zeta")
    consents = [own_world.consent(acme, f"uci-0000{n}") for n in range(1, 4)]
    engine = sa.create_engine(own_world.settings.database.url)
    spoilt = data_keys.c.owner == owner_subject("uci-00002")
    with engine.begin() as connection:
        connection.execute(sa.update(data_keys).where(spoilt).values(wrapped=bytes(40)))
    engine.dispose()
    own_world.restart()  # nothing is remembered of their keys
    acme, zeta = acme.at(own_world), zeta.at(own_world)
    batch = score_pb2.BatchGetScoresRequest(items=[acme.query(consent) for consent in consents])
    assert any(result.HasField("error") for result in acme.scores.BatchGetScores(batch).results)
    own_world.revoke(zeta.fingerprint)
    for _ in range(6):
        assert refused(zeta.spent).reason == "CERTIFICATE_REVOKED"
    assert acme.score(own_world.consent(acme, "uci-00004")).HasField("scored")
    assert acme.spent()["day"] >= 1
