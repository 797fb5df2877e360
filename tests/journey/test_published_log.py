"""The published log as partners, officers and anybody see it: checkpoints, proofs and tiles."""

from __future__ import annotations

import http.client
import time
from datetime import timedelta

import grpc
import pytest

from gateway.server import Gateway, Seams
from gateway.settings import SettingsInvalid
from scoregate.audit.v1 import audit_pb2
from scoregate.partner.v1 import receipt_pb2, score_pb2
from scoregate.tlog import merkle, tree_tiles
from scoregate.tlog.checkpoint import Checkpoint, open_checkpoint
from scoregate.tlog.note import VerifierKey
from scoregate.tlog.policy import Policy
from scoregate.tlog.tiles import tile_path
from tests.journey.conftest import STORES
from tests.wire import refused
from tests.world import Partner, World

PREFIX = "/log/2026h2"
PROVABLE_SECONDS = 2


@pytest.fixture(scope="module", params=STORES)
def store(request: pytest.FixtureRequest) -> str:
    """Both kinds of database."""
    kind: str = request.param
    return kind


def get(world: World, path: str) -> tuple[int, dict[str, str], bytes]:
    """A page over the real HTTP server."""
    connection = http.client.HTTPConnection("127.0.0.1", world.gateway.http_port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def vkey(world: World) -> VerifierKey:
    return VerifierKey.parse(get(world, f"{PREFIX}/vkey")[2].decode().strip())


def proof_of(partner: Partner, index: int) -> receipt_pb2.GetInclusionProofResponse:
    """As soon as there is one."""
    give_up = time.monotonic() + 2 * PROVABLE_SECONDS
    while True:
        try:
            return partner.receipts.GetInclusionProof(
                receipt_pb2.GetInclusionProofRequest(leaf_index=index), timeout=5
            )
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE or time.monotonic() > give_up:
                raise
        time.sleep(0.05)


def require_proved(
    world: World, receipt: receipt_pb2.Receipt, proof: receipt_pb2.GetInclusionProofResponse
) -> Checkpoint:
    checkpoint, _ = open_checkpoint(proof.checkpoint, vkey(world))
    leaf = merkle.leaf_hash(receipt.leaf)
    merkle.verify_inclusion(leaf, receipt.leaf_index, checkpoint.size, proof.hashes, checkpoint.root)
    assert checkpoint.origin == receipt.log_origin
    return checkpoint


def test_an_answers_proof_is_there_within_two_seconds(world: World, acme: Partner) -> None:
    answer = acme.score(world.consent(acme))
    answered = time.monotonic()
    proof = proof_of(acme, answer.receipt.leaf_index)
    assert time.monotonic() - answered < PROVABLE_SECONDS
    require_proved(world, answer.receipt, proof)


def test_a_committed_entry_that_is_not_published_says_when_to_ask_again(own_world: World) -> None:
    acme = own_world.partner()
    answer = acme.score(own_world.consent(acme))
    proof_of(acme, answer.receipt.leaf_index)
    answer = acme.score(own_world.consent(acme, "uci-00002"))
    with own_world.entries() as entered:
        failure = refused(
            acme.receipts.GetInclusionProof,
            receipt_pb2.GetInclusionProofRequest(leaf_index=answer.receipt.leaf_index),
        )
    assert not entered
    assert (failure.reason, failure.status) == ("ENTRY_NOT_PUBLISHED", grpc.StatusCode.UNAVAILABLE)
    assert failure.retry_after == own_world.settings.log.interval_ms / 1_000


def test_missing_and_foreign_entries_are_one_refusal(world: World, acme: Partner, zeta: Partner) -> None:
    own = acme.score(world.consent(acme)).receipt.leaf_index
    proof_of(acme, own)
    told = [
        refused(zeta.receipts.GetInclusionProof, receipt_pb2.GetInclusionProofRequest(leaf_index=index))
        for index in (own, 0, world.log_size() + 1_000, 2**63 - 1)
    ]
    assert {(each.reason, each.status) for each in told} == {("NOT_FOUND", grpc.StatusCode.NOT_FOUND)}


@pytest.mark.parametrize("index", [2**63, 2**64 - 1])
def test_an_index_that_no_log_has_is_a_refused_field(acme: Partner, index: int) -> None:
    failure = refused(acme.receipts.GetInclusionProof, receipt_pb2.GetInclusionProofRequest(leaf_index=index))
    assert failure.reason == "FIELD_INVALID"
    assert failure.violations == ("leaf_index",)


def test_an_earlier_checkpoint_is_the_beginning_of_a_later_one(world: World, acme: Partner) -> None:
    first = acme.score(world.consent(acme)).receipt
    before = require_proved(world, first, proof_of(acme, first.leaf_index))
    second = acme.score(world.consent(acme, "uci-00002")).receipt
    proof_of(acme, second.leaf_index)
    grown = acme.receipts.GetConsistencyProof(
        receipt_pb2.GetConsistencyProofRequest(old_size=before.size), timeout=5
    )
    now, _ = open_checkpoint(grown.checkpoint, vkey(world))
    merkle.verify_consistency(before.size, now.size, grown.hashes, before.root, now.root)
    for size in (0, now.size + 10_000):
        failure = refused(
            acme.receipts.GetConsistencyProof, receipt_pb2.GetConsistencyProofRequest(old_size=size)
        )
        assert failure.reason == "FIELD_INVALID"
        assert failure.violations == ("old_size",)


def test_officers_have_proofs_of_everybodys_entries(own_world: World) -> None:
    acme = own_world.partner()
    receipt = acme.score(own_world.consent(acme)).receipt
    proof_of(acme, receipt.leaf_index)
    _, officer = own_world.officer()
    proof = officer.GetInclusionProof(
        audit_pb2.GetInclusionProofRequest(leaf_index=receipt.leaf_index), timeout=5
    )
    require_proved(own_world, receipt, proof)
    told = officer.GetCheckpoint(audit_pb2.GetCheckpointRequest(), timeout=5)
    grown = officer.GetConsistencyProof(audit_pb2.GetConsistencyProofRequest(old_size=1), timeout=5)
    assert open_checkpoint(told.checkpoint, vkey(own_world))[0].size <= (
        open_checkpoint(grown.checkpoint, vkey(own_world))[0].size
    )


def test_every_item_of_a_batch_has_its_proof(world: World, acme: Partner) -> None:
    consents = [world.consent(acme, f"uci-0000{n}") for n in (1, 2, 3)]
    batch = score_pb2.BatchGetScoresRequest(items=[acme.query(each) for each in consents])
    receipts = [each.answer.receipt for each in acme.scores.BatchGetScores(batch, timeout=10).results]
    for receipt in receipts:
        require_proved(world, receipt, proof_of(acme, receipt.leaf_index))


# --- over HTTP


def test_anybody_can_recompute_the_root_from_the_tiles(world: World, acme: Partner) -> None:
    proof_of(acme, acme.score(world.consent(acme)).receipt.leaf_index)
    status, headers, note = get(world, f"{PREFIX}/checkpoint")
    checkpoint, _ = open_checkpoint(note, vkey(world))
    assert (status, headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert headers["cache-control"] == "public, max-age=1"

    def fetch(level: int, number: int, width: int) -> bytes:
        status, headers, hashes = get(world, f"{PREFIX}/{tile_path(level, number, width)}")
        assert (status, headers["content-type"]) == (200, "application/octet-stream")
        assert "immutable" in headers["cache-control"]
        assert len(hashes) == width * merkle.HASH_BYTES
        return hashes

    assert tree_tiles.root(checkpoint.size, fetch) == checkpoint.root
    leaves = [merkle.leaf_hash(each) for each in world.leaf_bytes()[: checkpoint.size]]
    assert fetch(0, 0, min(256, checkpoint.size)) == b"".join(leaves[:256])


def test_the_log_states_its_policy(world: World) -> None:
    policy = Policy.parse(get(world, "/.well-known/log-policy")[2])
    assert [each.vkey for each in policy.logs] == [vkey(world)]
    assert [each.url for each in policy.logs] == [f"{world.settings.public_url}{PREFIX}"]
    assert not policy.witnesses


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/000.p/256",
        "tile/0/000.p/0",
        "tile/0/000.p/257",
        "tile/0/001",
        "tile/00/000",
        "tile/8/000",
        "tile/0/x000",
        "tile/0/x000/000/",
        "tile/0/0",
        "tile/-1/000",
        "tile/0/x999/x999/x999/x999/x999/999",
        "tile/0/000.p/99999999999",
        "tile/entries",
        "tile",
        "",
        "checkpoint/",
        "../../etc/passwd",
        "%00",
    ],
)
def test_what_the_log_does_not_have_is_not_found(world: World, path: str) -> None:
    status, _, _ = get(world, f"{PREFIX}/{path}")
    assert status == 404


# --- at the start


def test_what_was_answered_last_is_published_before_a_gateway_has_stopped(own_world: World) -> None:
    acme = own_world.partner()
    index = acme.score(own_world.consent(acme)).receipt.leaf_index
    own_world.gateway.stop(timedelta(seconds=1))
    said = own_world.settings.log.checkpoint.read_bytes()
    assert Checkpoint.decode(said.decode().partition("\n\n")[0] + "\n").size > index


def test_a_gateway_does_not_start_over_a_restored_older_database(own_world: World) -> None:
    own_world.gateway.stop(timedelta(seconds=1))
    checkpoint = own_world.settings.log.checkpoint
    note = checkpoint.read_bytes()
    checkpoint.unlink()
    with pytest.raises(SettingsInvalid, match=r"log\.checkpoint: .* is missing"):
        Gateway.start(own_world.settings, Seams())
    origin, size, rest = note.split(b"\n", 2)
    checkpoint.write_bytes(b"\n".join([origin, size + b"0", rest]))
    with pytest.raises(SettingsInvalid, match=r"log\.checkpoint: .* holds no checkpoint"):
        Gateway.start(own_world.settings, Seams())
    checkpoint.write_bytes(note)
    own_world.restart()


def test_a_gateway_does_not_start_without_its_logs_key(own_world: World) -> None:
    own_world.gateway.stop(timedelta(seconds=1))
    (key,) = own_world.settings.log.key_folder.glob("*.pem")
    aside = key.with_suffix(".aside")
    key.rename(aside)
    with pytest.raises(SettingsInvalid, match=r"log\.key_folder"):
        Gateway.start(own_world.settings, Seams())
    aside.rename(key)
    own_world.restart()


def test_a_policy_that_can_not_be_read_stops_the_start(own_world: World) -> None:
    own_world.gateway.stop(timedelta(seconds=1))
    policy = own_world.settings.log.policy
    before = policy.read_bytes()
    policy.write_bytes(b"quorum nobody\n")
    with pytest.raises(SettingsInvalid, match=r"log\.policy: .* can't be used"):
        Gateway.start(own_world.settings, Seams())
    policy.write_bytes(before)
    own_world.restart()
