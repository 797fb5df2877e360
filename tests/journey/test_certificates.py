"""Step 1: who calls. What TLS lets through is looked at again, on every call."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.pki import Authority, AuthorityRole, create_authority, load_authority, parse_peer
from gateway.pki.request import named
from gateway.query import GET_SCORE
from scoregate.admin.v1 import partner_admin_pb2 as pb
from scoregate.audit.v1 import audit_pb2, leaf_pb2
from tests.journey.engines import ScriptedEngine
from tests.journey.rows import ask, require_explained
from tests.pki_support import CLIENT_AUTH, SERVER_AUTH, MadeCertificate, make_certificate
from tests.wire import Failure, open_channel, outcome, refused, send
from tests.world import Partner, World

PERIODIC = {"mode": "CONSENT_MODE_PERIODIC"}
ACME = "spiffe://scoregate.local/partner/acme"
ZETA = "spiffe://scoregate.local/partner/zeta"
SERVICE_LIST = "/scoregate.admin.v1.OperationsAdminService/ListKeys"
RESUME = "/scoregate.admin.v1.PartnerAdminService/ResumePartner"


def authority(world: World, role: AuthorityRole = AuthorityRole.PARTNER) -> Authority:
    return load_authority(world.settings.tls.authorities, role)


def another_request(partner: Partner) -> str:
    """A new request for the key that the partner has."""
    key: Any = load_pem_private_key(partner.key, None)
    builder = x509.CertificateSigningRequestBuilder().subject_name(named(partner.partner_id))
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM).decode()


def call_with(world: World, made: MadeCertificate | None, *, admin: bool = False) -> Failure:
    """One well-formed call with this certificate; it must be refused."""
    port = world.gateway.admin_port if admin else world.gateway.partner_port
    pair = (made.certificate_pem, made.key_pem) if made else (None, None)
    with open_channel(port, world.server_ca, *pair) as channel:
        if admin:
            return refused(send, channel, SERVICE_LIST, b"")
        return refused(send, channel, GET_SCORE, b"\xff")  # would be malformed, if anybody looked


# --- no handshake: the caller gets no connection, and none of our words


def require_no_connection(failure: Failure) -> None:
    assert failure.status is grpc.StatusCode.UNAVAILABLE
    assert failure.reason == failure.help_url == ""


def test_without_a_certificate_there_is_no_connection(world: World) -> None:
    require_no_connection(call_with(world, None))
    require_no_connection(call_with(world, None, admin=True))


def test_a_certificate_of_another_ca_gets_no_connection(world: World, tmp_path: Path) -> None:
    stranger = create_authority(tmp_path / "ca", AuthorityRole.PARTNER, now=datetime.now(UTC))
    require_no_connection(call_with(world, make_certificate(stranger)))


@pytest.mark.parametrize(
    "window",
    [
        {"not_before": timedelta(hours=-2), "not_after": timedelta(hours=-1)},
        {"not_before": timedelta(hours=1), "not_after": timedelta(hours=2)},
    ],
    ids=["expired", "not yet valid"],
)
def test_a_certificate_outside_its_validity_gets_no_connection(
    world: World, acme: Partner, window: dict[str, timedelta]
) -> None:
    ends: dict[str, Any] = {end: datetime.now(UTC) + span for end, span in window.items()}
    made = make_certificate(authority(world), **ends)
    world.enter(acme.partner_id, made.certificate_pem)
    require_no_connection(call_with(world, made))


@pytest.mark.parametrize("usage", [SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])
def test_a_certificate_made_for_another_use_gets_no_connection(
    world: World, acme: Partner, usage: x509.ObjectIdentifier
) -> None:
    # BoringSSL sees to it, before our own check would; only one without any usage comes so far.
    made = make_certificate(authority(world), usages=(usage,))
    world.enter(acme.partner_id, made.certificate_pem)
    require_no_connection(call_with(world, made))


def test_a_partners_certificate_opens_no_admin_door(world: World, acme: Partner) -> None:
    own = MadeCertificate(acme.certificate, acme.key)
    require_no_connection(call_with(world, own, admin=True))


def test_a_staff_certificate_opens_no_partner_door(world: World) -> None:
    staff = MadeCertificate(world.operator_certificate, world.operator_key)
    require_no_connection(call_with(world, staff))


def test_a_gateways_own_certificate_opens_neither_door(world: World) -> None:
    engine = world.settings.engine
    own = MadeCertificate(engine.certificate.read_bytes(), engine.key.read_bytes())
    require_no_connection(call_with(world, own))
    require_no_connection(call_with(world, own, admin=True))


# --- a handshake, and then a refusal of ours: counted, never parsed, nothing spent


def require_turned_away(
    world: World, engine: ScriptedEngine, failure: Failure, reason: str, partner_id: str = ""
) -> None:
    require_explained(failure, reason)
    assert engine.calls == 0
    assert world.usage("acme") == {"day": 0, "month": 0}
    before = [entry.kind for entry in world.leaves()]
    assert world.turned_away() == {(partner_id, GET_SCORE, reason): 1}
    assert len(world.leaves()) == len(before) + 1


DNS = x509.DNSName("acme.example")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"uris": (ACME, ZETA)}, "CERTIFICATE_IDENTITY_INVALID"),
        ({"uris": (ACME, ACME)}, "CERTIFICATE_IDENTITY_INVALID"),
        ({"uris": ()}, "CERTIFICATE_IDENTITY_INVALID"),
        ({"uris": (), "other_names": (DNS,)}, "CERTIFICATE_IDENTITY_INVALID"),
        ({"other_names": (DNS,)}, "CERTIFICATE_IDENTITY_INVALID"),
        ({"uris": ("https://acme.example/",)}, "CERTIFICATE_IDENTITY_INVALID"),
        ({"uris": (ACME + "/admin",)}, "CERTIFICATE_IDENTITY_INVALID"),
        ({"uris": (ACME.replace("partner", "owner"),)}, "CERTIFICATE_IDENTITY_INVALID"),
        ({"usages": None}, "CERTIFICATE_USAGE_INVALID"),
    ],
    ids=["two", "twice", "none", "dns", "dns too", "https", "longer", "role", "no usage"],
)
def test_a_registered_certificate_that_is_not_as_we_issue_them_is_refused(
    own_world: World, engine: ScriptedEngine, fields: dict[str, Any], reason: str
) -> None:
    own_world.add("acme")
    made = make_certificate(authority(own_world), **fields)
    own_world.enter("acme", made.certificate_pem)
    require_turned_away(own_world, engine, call_with(own_world, made), reason)


def test_a_certificate_that_names_another_partner_is_refused(
    own_world: World, engine: ScriptedEngine
) -> None:
    own_world.add("acme")
    made = make_certificate(authority(own_world), uris=(ZETA,))
    own_world.enter("acme", made.certificate_pem)
    failure = call_with(own_world, made)
    require_turned_away(own_world, engine, failure, "CERTIFICATE_IDENTITY_INVALID", "acme")


def test_a_certificate_that_is_not_in_the_registry_is_refused(
    own_world: World, engine: ScriptedEngine
) -> None:
    own_world.partner("acme")
    made = make_certificate(authority(own_world), usages=(CLIENT_AUTH, SERVER_AUTH))
    require_turned_away(own_world, engine, call_with(own_world, made), "CERTIFICATE_UNKNOWN")


def test_the_same_holds_at_the_admin_door(own_world: World) -> None:
    uri = "spiffe://scoregate.local/staff/operator"
    made = make_certificate(authority(own_world, AuthorityRole.STAFF), uris=(uri,))
    require_explained(call_with(own_world, made, admin=True), "CERTIFICATE_UNKNOWN")
    assert own_world.turned_away() == {("", SERVICE_LIST, "CERTIFICATE_UNKNOWN"): 1}


# --- over a connection that stays open


@pytest.fixture
def lender(own_world: World) -> Partner:
    """A lender whose connection is open and good."""
    acme = own_world.partner("acme")
    acme.spent()
    return acme


def test_a_certificate_that_runs_out_ends_an_open_connections_calls(
    own_world: World, engine: ScriptedEngine, lender: Partner
) -> None:
    expires_at = x509.load_pem_x509_certificate(lender.certificate).not_valid_after_utc
    own_world.clock.now = expires_at
    lender.spent()
    own_world.clock.move(seconds=1)
    require_explained(refused(lender.spent), "CERTIFICATE_EXPIRED")


def test_a_clock_set_back_before_the_certificate_refuses_it(own_world: World, lender: Partner) -> None:
    begin = x509.load_pem_x509_certificate(lender.certificate).not_valid_before_utc
    own_world.clock.now = begin - timedelta(seconds=1)
    require_explained(refused(lender.spent), "CERTIFICATE_EXPIRED")
    own_world.clock.now = begin
    lender.spent()


def test_a_revoked_certificate_is_refused_on_its_very_next_call(
    own_world: World, engine: ScriptedEngine, lender: Partner
) -> None:
    request = lender.query(own_world.consent(lender, **PERIODIC))
    ask(lender, request)
    own_world.revoke(lender.fingerprint)
    for query in (request, lender.query(request.consent_id)):  # a repeat too
        require_explained(refused(ask, lender, query), "CERTIFICATE_REVOKED")
    assert engine.calls == 1
    assert own_world.usage("acme") == {"day": 1, "month": 1}
    assert own_world.turned_away() == {("acme", GET_SCORE, "CERTIFICATE_REVOKED"): 2}


def test_a_revoked_certificates_successor_goes_on(own_world: World, lender: Partner) -> None:
    renewed = own_world.enroll("acme")
    own_world.revoke(lender.fingerprint)
    assert refused(lender.spent).reason == "CERTIFICATE_REVOKED"
    renewed.score(own_world.consent(renewed))


def test_a_revocation_holds_after_a_restart(own_world: World, lender: Partner) -> None:
    own_world.revoke(lender.fingerprint)
    own_world.restart()
    assert refused(lender.at(own_world).spent).reason == "CERTIFICATE_REVOKED"


def test_a_suspended_partner_is_refused_until_it_is_resumed(
    own_world: World, engine: ScriptedEngine, lender: Partner
) -> None:
    request = lender.query(own_world.consent(lender))
    own_world.suspend("acme")
    require_explained(refused(ask, lender, request), "PARTNER_SUSPENDED")
    assert engine.calls == 0
    own_world.resume("acme")
    ask(lender, request)
    assert own_world.turned_away() == {("acme", GET_SCORE, "PARTNER_SUSPENDED"): 1}


def test_an_officer_may_read_and_do_no_more(own_world: World) -> None:
    officer, stub = own_world.officer()
    assert stub.GetHead(audit_pb2.GetHeadRequest()).tree_size
    with own_world.admin_channel(officer.certificate, officer.key) as channel:
        failure = refused(send, channel, SERVICE_LIST, b"")
    require_explained(failure, "METHOD_NOT_ALLOWED")
    assert own_world.turned_away() == {("officer", SERVICE_LIST, "METHOD_NOT_ALLOWED"): 1}


def test_operators_cannot_lock_themselves_out(world: World) -> None:
    own = parse_peer(world.operator_certificate).fingerprint
    for call, field in (
        (lambda: world.revoke(own), "fingerprint"),
        (lambda: world.suspend("operator"), "partner_id"),
    ):
        failure = refused(call)
        require_explained(failure, "FIELD_INVALID")
        assert failure.violations == (field,)


def test_an_operator_that_another_one_suspends_is_out_until_that_one_resumes_it(own_world: World) -> None:
    own_world.add("deputy", "ROLE_OPERATOR")
    deputy = own_world.enroll("deputy")
    with own_world.admin_channel(deputy.certificate, deputy.key) as channel:
        send(channel, SERVICE_LIST, b"")
        own_world.suspend("deputy")
        for path in (SERVICE_LIST, RESUME):  # nor can it let itself in again
            require_explained(refused(send, channel, path, b""), "PARTNER_SUSPENDED")
        own_world.resume("deputy")
        send(channel, SERVICE_LIST, b"")
    assert own_world.turned_away() == {
        ("deputy", SERVICE_LIST, "PARTNER_SUSPENDED"): 1,
        ("deputy", RESUME, "PARTNER_SUSPENDED"): 1,
    }


def test_of_two_operators_who_suspend_each_other_one_is_left(own_world: World) -> None:
    own_world.add("deputy", "ROLE_OPERATOR")
    deputy = own_world.enroll("deputy")
    suspend = "/scoregate.admin.v1.PartnerAdminService/SuspendPartner"
    mine = own_world.admin_channel(own_world.operator_certificate, own_world.operator_key)
    theirs = own_world.admin_channel(deputy.certificate, deputy.key)
    with mine, theirs:
        for channel in (mine, theirs):
            send(channel, SERVICE_LIST, b"")  # both are connected, and known
        with own_world.locked():
            calls: list[Any] = [
                channel.unary_unary(suspend).future(
                    pb.SuspendPartnerRequest(partner_id=other, reason="a test").SerializeToString(),
                    timeout=10,
                )
                for channel, other in ((mine, "deputy"), (theirs, "operator"))
            ]
            threading.Event().wait(0.5)  # both have passed the gate by now, and wait for the lock
        results = [outcome(call.result) for call in calls]
    failures = [result for result in results if isinstance(result, Failure)]
    assert [failure.reason for failure in failures] == ["PARTNER_SUSPENDED"]


def test_an_operators_other_certificate_can_be_revoked_and_ends_at_once(own_world: World) -> None:
    spare = own_world.enroll("operator")
    with own_world.admin_channel(spare.certificate, spare.key) as channel:
        send(channel, SERVICE_LIST, b"")
        own_world.revoke(spare.fingerprint)
        require_explained(refused(send, channel, SERVICE_LIST, b""), "CERTIFICATE_REVOKED")
    own_world.keys()  # with the first one, all goes on


@pytest.mark.parametrize("revoked", [False, True], ids=["good", "revoked"])
def test_a_key_has_one_certificate_and_no_second_once_it_is_revoked(
    world: World, acme: Partner, zeta: Partner, revoked: bool
) -> None:
    if revoked:
        world.revoke(acme.fingerprint)
    again = another_request(acme)
    for partner_id in (acme.partner_id, zeta.partner_id):
        asked = pb.EnrollPartnerRequest(partner_id=partner_id, csr_pem=again)
        failure = refused(world.partners.EnrollPartner, asked)
        require_explained(failure, "FIELD_INVALID")
        assert failure.violations == ("csr_pem",)
    assert world.fingerprints(acme.partner_id) == [acme.fingerprint]
    assert world.enroll(acme.partner_id).fingerprint in world.fingerprints(acme.partner_id)


# --- changes are entries


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda world, acme: world.revoke(acme.fingerprint), "CERTIFICATE_REVOKED"),
        (lambda world, acme: world.suspend(acme.partner_id), "PARTNER_SUSPENDED"),
        (lambda world, acme: world.resume(acme.partner_id), "PARTNER_RESUMED"),
        (lambda world, acme: world.enroll(acme.partner_id), "CERTIFICATE_ISSUED"),
        (lambda world, acme: world.set_contract(acme.partner_id), "CONTRACT_CHANGED"),
    ],
    ids=["revoke", "suspend", "resume", "enroll", "contract"],
)
def test_every_change_of_the_registry_is_one_entry(
    world: World, acme: Partner, change: Callable[[World, Partner], Any], kind: str
) -> None:
    with world.entries() as entries:
        change(world, acme)
    (entry,) = entries
    assert leaf_pb2.LeafKind.Name(entry.kind) == f"LEAF_KIND_{kind}"
    assert (entry.partner_id, entry.actor) == (acme.partner_id, "operator")


def test_a_partner_added_twice_is_refused(world: World, acme: Partner) -> None:
    require_explained(refused(world.add, acme.partner_id), "ALREADY_EXISTS")
