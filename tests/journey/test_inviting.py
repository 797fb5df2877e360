"""What an invitation says beyond its terms: its link, the way back, and whom the partner expects."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from consent import register
from consent.identity import Matcher, Trait
from consent.pairwise import Pairwise
from consent.register import Entry, InvitationClosed, NothingLeft
from gateway import decisions, founding
from gateway.audit.private import Vault
from gateway.decisions import IdentityMismatch, IdentityUnknown, new_matcher
from gateway.ledger import Ledger
from gateway.pki import AuthorityRole, spiffe_uri
from gateway.quota.contract import Contract
from gateway.server import Gateway
from gateway.settings import read_secret
from gateway.store import open_store
from scoregate.admin.v1 import consent_admin_pb2, partner_admin_pb2
from scoregate.audit.v1 import leaf_pb2
from scoregate.partner.v1 import consent_pb2
from scoregate.words import InputFamily
from tests.journey.conftest import STORES
from tests.journey.rows import answered, require_explained, turned_down
from tests.journey.test_doors import LOOPBACK, PRODUCTION, own_authority
from tests.journey.test_private_parts import opened
from tests.pki_support import SERVER_AUTH, make_certificate
from tests.wire import refused
from tests.world import RETURN_ADDRESS, Clock, Partner, World, new_uuid, settings_for, terms

STATE = "k3J_-9xQ2mP7"
XIAO_MING = {"name": "王小明", "document_number": "11010519491231002X", "phone": "+86 138 0013 8000"}
HIS_LOGIN = {Trait.NAME: "王 小明", Trait.DOCUMENT: "11010519491231002x", Trait.PHONE: "13800138000"}
RETURNING = Contract(return_addresses=(RETURN_ADDRESS,))


@pytest.fixture(scope="module", params=STORES)
def store(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@dataclass(frozen=True)
class People:
    """People who decide for themselves, in a process beside the gateway's."""

    ledger: Ledger
    pairwise: Pairwise
    matcher: Matcher

    def allow(self, handle: str, **changes: Any) -> Entry:
        fields: dict[str, Any] = {
            "handle": handle,
            "subject": "uci-00001",
            "pairwise": self.pairwise,
            "lift_freeze": False,
            "actor": "consumer",
            "traits": HIS_LOGIN,
            "matcher": self.matcher,
        }
        return decisions.require_met(self.ledger.change(partial(decisions.allow, **(fields | changes))))

    def mismatch(self, handle: str) -> None:
        self.ledger.change(partial(decisions.mismatch, handle=handle, actor="consumer"))


@contextmanager
def people_of(world: World) -> Iterator[People]:
    secrets = world.settings.secrets
    vault = Vault(read_secret(secrets.master_key))
    store = open_store(world.settings.database.url)
    ledger = Ledger(store, vault, clock=world.clock)
    matcher = new_matcher(vault, world.settings.pages.phone_region)
    try:
        yield People(ledger, Pairwise(read_secret(secrets.pairwise_key)), matcher)
    finally:
        ledger.close()
        store.close()


@pytest.fixture(scope="module")
def people(world: World) -> Iterator[People]:
    with people_of(world) as made:
        yield made


def asking(**changes: Any) -> consent_pb2.CreateConsentInvitationRequest:
    fields: dict[str, Any] = {"request_id": new_uuid(), "terms": terms()}
    if isinstance(changes.get("identity"), dict):
        changes["identity"] = consent_pb2.IdentityToMatch(**changes["identity"])
    return consent_pb2.CreateConsentInvitationRequest(**(fields | changes))


def invited(partner: Partner, **changes: Any) -> consent_pb2.ConsentInvitation:
    found: consent_pb2.ConsentInvitation = answered(partner, asking(**changes)).invitation
    return found


def shown(partner: Partner, handle: str) -> consent_pb2.ConsentInvitation:
    found: consent_pb2.ConsentInvitation = answered(
        partner, consent_pb2.GetConsentInvitationRequest(handle=handle)
    ).invitation
    return found


# --- the link and the way back


def test_the_link_leads_to_the_pages_that_the_settings_name(new_own_world: Callable[..., World]) -> None:
    own = new_own_world(SCOREGATE_PAGES__URL="https://people.example")
    acme = own.partner()
    found = invited(acme)
    assert found.url == f"https://people.example/i/{found.handle}"
    denied = own.people.DenyInvitation(consent_admin_pb2.DenyInvitationRequest(handle=found.handle))
    assert denied.invitation.url == shown(acme, found.handle).url == found.url


def test_an_invitation_has_a_link_and_its_way_back(world: World, acme: Partner) -> None:
    made = answered(acme, asking(return_address=RETURN_ADDRESS, return_state=STATE))
    found = made.invitation
    assert found.url == f"{world.settings.pages.url}/i/{found.handle}"
    assert (found.return_address, found.return_state) == (RETURN_ADDRESS, STATE)
    assert made.qr_svg.startswith("<svg ")
    assert shown(acme, found.handle) == found
    with world.reading() as connection:
        kept = register.invitation(connection, found.handle)
    assert decisions.return_link(kept, Contract()) == ""  # it was withdrawn
    assert decisions.return_link(kept, RETURNING) == f"{RETURN_ADDRESS}?handle={found.handle}&state={STATE}"


def test_nobody_goes_back_where_no_address_was_named(world: World, acme: Partner) -> None:
    found = invited(acme)
    assert (found.return_address, found.return_state) == ("", "")
    with world.reading() as connection:
        assert decisions.return_link(register.invitation(connection, found.handle), RETURNING) == ""


@pytest.mark.parametrize(
    ("changes", "violations"),
    [
        ({"return_address": RETURN_ADDRESS + "/", "return_state": STATE}, ("return_address",)),
        ({"return_address": RETURN_ADDRESS[:-1], "return_state": STATE}, ("return_address",)),
        ({"return_address": RETURN_ADDRESS.upper(), "return_state": STATE}, ("return_address",)),
        ({"return_address": f"{RETURN_ADDRESS}?to=evil", "return_state": STATE}, ("return_address",)),
        ({"return_address": "https://evil.example/back", "return_state": STATE}, ("return_address",)),
        ({"return_address": RETURN_ADDRESS}, ("return_state",)),
        ({"return_address": RETURN_ADDRESS, "return_state": "x" * 7}, ("return_state",)),
        ({"return_address": RETURN_ADDRESS, "return_state": "x" * 129}, ("return_state",)),
        ({"return_address": RETURN_ADDRESS, "return_state": "x" * 8 + "&a=b"}, ("return_state",)),
        ({"return_address": RETURN_ADDRESS, "return_state": STATE + "\n"}, ("return_state",)),
        ({"return_state": STATE}, ("return_state",)),
        ({"return_address": "http://", "return_state": ""}, ("return_address", "return_state")),
        ({"identity": {}}, ("identity",)),
        ({"identity": {"name": "x" * 121}}, ("identity.name",)),
        ({"identity": {"name": "·—!"}}, ("identity.name",)),
        ({"identity": {"name": "王\n小明"}}, ("identity.name",)),
        ({"identity": {"document_number": "--"}}, ("identity.document_number",)),
        ({"identity": {"phone": "call me"}}, ("identity.phone",)),
        ({"identity": {"phone": "12"}}, ("identity.phone",)),
        (
            {"identity": {"name": " ", "document_number": "\x00", "phone": "+"}, "return_state": STATE},
            ("return_state", "identity.name", "identity.document_number", "identity.phone"),
        ),
    ],
)
def test_what_is_wrong_is_named_at_once(
    acme: Partner, changes: dict[str, Any], violations: tuple[str, ...]
) -> None:
    assert turned_down(acme, asking(**changes), "FIELD_INVALID").violations == violations


@pytest.mark.parametrize("length", [8, 128])
def test_a_state_may_be_as_short_and_as_long_as_the_contract_says(acme: Partner, length: int) -> None:
    assert invited(acme, return_address=RETURN_ADDRESS, return_state="x" * length).return_state


def test_an_address_is_the_contracts_of_the_partner_who_asks_and_of_now(world: World, acme: Partner) -> None:
    other = "https://other.example/back"
    request = partial(asking, return_address=other, return_state=STATE)
    assert turned_down(acme, request(), "FIELD_INVALID").violations == ("return_address",)
    world.set_contract(acme.partner_id, return_addresses=[other, RETURN_ADDRESS])
    answered(acme, request())
    world.set_contract(acme.partner_id, return_addresses=[])
    assert turned_down(acme, request(), "FIELD_INVALID").violations == ("return_address",)


def test_ideographic_spaces_belong_to_a_name(acme: Partner, people: People) -> None:
    found = invited(acme, identity={"name": "王\u3000小明"})
    assert people.allow(found.handle).handle == found.handle


# --- repeats


def test_a_repeat_with_the_same_person_is_the_first_invitation(world: World, acme: Partner) -> None:
    request = asking(identity=XIAO_MING, return_address=RETURN_ADDRESS, return_state=STATE)
    first = answered(acme, request)
    again = asking(identity=XIAO_MING | {"phone": "138-0013-8000", "name": "王小明 "})
    again.request_id, again.return_address, again.return_state = request.request_id, RETURN_ADDRESS, STATE
    with world.entries() as entries:
        assert answered(acme, request) == answered(acme, again) == first
    assert entries == []


@pytest.mark.parametrize(
    "changes",
    [
        {"identity": XIAO_MING | {"name": "王大明"}},
        {"identity": XIAO_MING | {"phone": "+86 138 0013 8001"}},
        {"identity": {"name": XIAO_MING["name"]}},
        {"identity": None},
        {"return_state": "another-state"},
        {"return_address": "", "return_state": ""},
    ],
)
def test_a_request_id_belongs_to_one_person_and_one_way_back(acme: Partner, changes: dict[str, Any]) -> None:
    fields = {"request_id": new_uuid(), "identity": XIAO_MING}
    fields |= {"return_address": RETURN_ADDRESS, "return_state": STATE}
    answered(acme, asking(**fields))
    turned_down(acme, asking(**(fields | changes)), "REQUEST_ID_REUSED")


def test_a_request_id_that_named_nobody_is_not_reused_for_somebody(acme: Partner) -> None:
    request = asking()
    answered(acme, request)
    request.identity.name = XIAO_MING["name"]
    turned_down(acme, request, "REQUEST_ID_REUSED")


# --- whom the partner expects


def everything_stored(world: World) -> bytes:
    """Every value of every table, and on SQLite every byte of its files too."""
    metadata, found = sa.MetaData(), list[bytes]()
    with world.reading() as connection:
        metadata.reflect(connection)
        for table in metadata.sorted_tables:
            for row in connection.execute(sa.select(table)):
                found += [v if isinstance(v, bytes) else str(v).encode() for v in row]
    file = world.settings.database.file
    if file is not None:
        found += [path.read_bytes() for path in file.parent.glob(f"{file.name}*")]
    return b"\n".join(found)


def test_nothing_that_could_be_read_or_tried_out_is_kept_of_a_person(
    world: World, acme: Partner, people: People, capfd: pytest.CaptureFixture[str]
) -> None:
    canary = {"name": "歐陽嘯天", "document_number": "G73019284Q", "phone": "+86 139 1122 7734"}
    request = asking(identity=canary, partner_reference="loan-of-somebody")
    ended = asking(identity=canary)
    answered(acme, request)
    with pytest.raises(IdentityMismatch):
        people.allow(answered(acme, ended).invitation.handle)
    refused_for_another_field = asking(identity=canary, return_state="x")
    turned_down(acme, refused_for_another_field, "FIELD_INVALID")
    stored = everything_stored(world)
    assert b"loan-of-somebody" in stored  # or nothing was looked at
    readable = ["歐陽嘯天", "欧阳啸天", "G73019284Q", "g73019284q", "13911227734", "1391122", "1122 7734"]
    out, err = capfd.readouterr()
    for text in readable:
        assert text.encode() not in stored
        assert text not in out + err
    # Nor what anybody could make of a guess: digests without a secret, of the texts or the whole request.
    guessed = [text.encode() for text in [*readable, *canary.values(), "+8613911227734"]]
    guessed += [f"{trait}\0{text}".encode() for trait in Trait for text in readable]
    guessed += [each.SerializeToString(deterministic=True) for each in (request, ended)]
    for guess in guessed:
        digest = hashlib.sha256(guess).digest()
        assert digest not in stored
        assert digest.hex().encode() not in stored


def test_another_installation_digests_the_same_person_otherwise(
    new_own_world: Callable[..., World],
) -> None:
    kept = []
    for _ in range(2):
        other = new_own_world()
        handle = invited(other.partner(), identity=XIAO_MING).handle
        with other.reading() as connection:
            kept.append(register.invitation(connection, handle).identity)
    assert kept[0].keys() == kept[1].keys() == set(Trait)
    assert all(kept[0][trait] != kept[1][trait] for trait in Trait)


@pytest.mark.parametrize("named", [XIAO_MING, *({name: text} for name, text in XIAO_MING.items())])
def test_whom_the_partner_named_may_allow(
    world: World, acme: Partner, people: People, named: dict[str, str]
) -> None:
    entry = people.allow(invited(acme, identity=named).handle)
    found = shown(acme, entry.handle)
    assert found.state == consent_pb2.INVITATION_STATE_APPROVED
    assert (found.consent_id, found.subject_ref) == (entry.grant.consent_id, entry.grant.subject_ref)
    assert answered(acme, acme.query(found.consent_id)).HasField("scored")


@pytest.mark.parametrize(
    "login",
    [
        HIS_LOGIN | {Trait.NAME: "王小朋"},
        HIS_LOGIN | {Trait.DOCUMENT: "110105194912310021"},
        HIS_LOGIN | {Trait.PHONE: "13800138001"},
        HIS_LOGIN | {Trait.PHONE: "no number"},
        {trait: text for trait, text in HIS_LOGIN.items() if trait is not Trait.DOCUMENT},
        {},
    ],
)
def test_anybody_else_ends_the_invitation_and_the_partner_is_told_nothing_more(
    world: World, acme: Partner, people: People, login: dict[Trait, str]
) -> None:
    before = invited(acme, identity=XIAO_MING)
    with world.entries() as entries, pytest.raises(IdentityMismatch):
        people.allow(before.handle, traits=login)
    after = shown(acme, before.handle)
    assert after.state == consent_pb2.INVITATION_STATE_IDENTITY_MISMATCH
    after.state = before.state
    assert after == before
    (entry,) = entries
    assert (entry.kind, entry.partner_id) == (leaf_pb2.LEAF_KIND_INVITATION_MISMATCHED, acme.partner_id)
    assert (entry.purpose, entry.actor, entry.cost_units) == (1, "consumer", 0)
    part = opened(world, f"partner:{acme.partner_id}", world.log_size() - 1)
    named = f"{acme.partner_id.title()} Lending Ltd"
    assert part == leaf_pb2.PrivatePart(handle=before.handle, legal_name=named)
    assert list(answered(acme, consent_pb2.ListConsentsRequest()).consents) == []
    assert list(answered(acme, consent_pb2.ListConsentEventsRequest()).events) == []


def test_a_mismatch_is_the_last_word(world: World, acme: Partner, people: People) -> None:
    invitation = invited(acme, identity=XIAO_MING)
    people.mismatch(invitation.handle)  # as the page does on seeing who has opened it
    for decide in (people.allow, people.mismatch):
        with pytest.raises(InvitationClosed, match="MISMATCH"):
            decide(invitation.handle)
    for decide_here in (world.deny, lambda it: world.allow(it, "uci-00001")):
        require_explained(refused(decide_here, invitation), "STATE_CONFLICT")
    state = shown(acme, invitation.handle).state
    assert state == consent_pb2.INVITATION_STATE_IDENTITY_MISMATCH


def test_what_was_decided_does_not_end_as_a_mismatch(acme: Partner, people: People) -> None:
    allowed = people.allow(invited(acme, identity=XIAO_MING).handle)
    with pytest.raises(InvitationClosed, match="APPROVED"):
        people.mismatch(allowed.handle)
    with pytest.raises(InvitationClosed, match="APPROVED"):
        people.allow(allowed.handle, traits={})
    assert shown(acme, allowed.handle).state == consent_pb2.INVITATION_STATE_APPROVED


def test_an_operator_vouches_for_nobody_and_ends_nothing(world: World, acme: Partner, people: People) -> None:
    invitation = invited(acme, identity={"phone": XIAO_MING["phone"]})
    with world.entries() as entries:
        failure = refused(world.allow, invitation, "uci-00001")
    require_explained(failure, "STATE_CONFLICT")
    assert failure.violations == ("handle",)
    assert [entry.reason for entry in entries] == ["STATE_CONFLICT"]
    with pytest.raises(IdentityUnknown):
        people.allow(invitation.handle, traits=None)
    assert shown(acme, invitation.handle).state == consent_pb2.INVITATION_STATE_PENDING
    world.deny(invitation)


def test_an_invitation_that_names_nobody_is_anybodys(acme: Partner, people: People) -> None:
    for traits in ({}, {Trait.NAME: "somebody"}):
        people.allow(invited(acme).handle, traits=traits)


# --- what people exclude themselves


def test_what_a_person_excludes_is_excluded_beyond_what_was_asked(
    world: World, acme: Partner, people: People
) -> None:
    found = invited(acme, terms=terms(excluded_families=["INPUT_FAMILY_SOCIAL"]))
    entry = people.allow(found.handle, excluded=frozenset({InputFamily.BEHAVIOUR, InputFamily.SOCIAL}))
    assert entry.grant.terms.excluded_families == {InputFamily.SOCIAL, InputFamily.BEHAVIOUR}
    consent = answered(acme, consent_pb2.GetConsentRequest(consent_id=entry.grant.consent_id)).consent
    assert list(consent.terms.excluded_families) == [2, 5]
    assert consent.consent_sha256 == entry.grant.sha256
    used = set(answered(acme, acme.query(consent)).scored.families)
    assert used
    assert not used & {2, 5}
    assert list(shown(acme, found.handle).terms.excluded_families) == [5]  # what was asked stays what it was


def test_somebody_who_excludes_everything_is_asked_again(acme: Partner, people: People) -> None:
    found = invited(acme, terms=terms(excluded_families=["INPUT_FAMILY_SOCIAL"]))
    every = frozenset(InputFamily)
    with pytest.raises(NothingLeft):
        people.allow(found.handle, excluded=every - {InputFamily.SOCIAL})
    assert shown(acme, found.handle).state == consent_pb2.INVITATION_STATE_PENDING
    people.allow(found.handle, excluded=every - {InputFamily.HISTORY})


# --- what a contract registers


@pytest.mark.parametrize(
    ("addresses", "violations"),
    [
        (["https://a.example/back", "http://a.example/back"], ("[1]",)),
        (["https://a.example/?x", "https://u@a.example/", "https://a.example/#x"], ("[0]", "[1]", "[2]")),
        ([RETURN_ADDRESS, RETURN_ADDRESS], ("",)),
        ([f"https://a.example/{n}" for n in range(11)], ("",)),
        ([""], ("[0]",)),
    ],
)
def test_a_contract_registers_good_addresses_alone(
    world: World, acme: Partner, addresses: list[str], violations: tuple[str, ...]
) -> None:
    failure = refused(world.set_contract, acme.partner_id, return_addresses=addresses)
    require_explained(failure, "FIELD_INVALID")
    assert failure.violations == tuple(f"contract.return_addresses{each}" for each in violations)
    failure = refused(world.add, f"{acme.partner_id}-2", return_addresses=addresses)
    assert failure.violations == tuple(f"partner.contract.return_addresses{each}" for each in violations)


def test_ten_addresses_come_back_as_they_were_registered(world: World, acme: Partner) -> None:
    ten = [f"https://a.example/{n}" for n in range(9)] + ["http://127.0.0.1:9000/back"]
    world.set_contract(acme.partner_id, return_addresses=ten)
    asked = partner_admin_pb2.GetPartnerRequest(partner_id=acme.partner_id)
    assert list(world.partners.GetPartner(asked).partner.contract.return_addresses) == ten


def test_production_sends_nobody_over_plain_http(tmp_path: Path, engine_folder: Path) -> None:
    home, url = tmp_path / "home", f"sqlite:///{tmp_path}/home/ledger.db"
    origin = {"SCOREGATE_LOG_ORIGIN": PRODUCTION["SCOREGATE_LOG_ORIGIN"]}
    founding.found(settings_for(home, url, engine_folder, **origin), now=Clock()())
    server, _, staff = (own_authority(home / "pki", role) for role in AuthorityRole)
    door = make_certificate(server, uris=(), other_names=(LOOPBACK,), usages=(SERVER_AUTH,))
    operator = make_certificate(staff, uris=(spiffe_uri("credit.example", "staff", "operator"),))
    for name, made in (("pki/server", door), ("operator/operator", operator)):
        (home / f"{name}.pem").write_bytes(made.certificate_pem)
        (home / f"{name}.key").write_bytes(made.key_pem)
    settings = settings_for(home, url, engine_folder, **PRODUCTION)
    world = World(settings, Gateway.start(settings), Clock(), server.certificate_pem)
    try:
        world.enter("operator", operator.certificate_pem)
        failure = refused(world.add, "acme", return_addresses=["http://127.0.0.1:9000/back"])
        assert failure.violations == ("partner.contract.return_addresses[0]",)
        world.add("acme", return_addresses=["https://127.0.0.1:9000/back"])
    finally:
        world.close()
