"""Who asks, and what is whose: callers of every kind at both doors, and an owner whose things they try."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import grpc

from consent.register.invitations import new_id
from gateway.partners import LENDERS, Role
from scoregate.audit.v1 import audit_pb2, audit_pb2_grpc
from scoregate.partner.v1 import consent_pb2, score_pb2
from tests.journey.samples import token as made_up_token
from tests.prove.stagehands import ENDLESS
from tests.roles import CAS, ROLES, certify, connect, enter_role
from tests.world import Partner, World, new_uuid, terms

Fields = Mapping[str, str]
"""Field → value."""

Theirs = Mapping[str, Mapping[str, Fields]]
"""Field → how it stands with its owner → what is tried."""

_OF_LENDERS = frozenset({"consent_id", "handle", "subject_ref", "request_id"})
SECRET = {
    Role.PARTNER: _OF_LENDERS,
    Role.PILOT: _OF_LENDERS,
    Role.COMPLIANCE: frozenset({"page_token"}),
    Role.OPERATOR: frozenset[str](),
}
"""What a caller of this role can name that may be somebody else's, and must then look like nothing at all."""

PEOPLE = "uci-00001", "uci-00005", "uci-00009"
A_LENDERS, A_VICTIMS, TO_FREEZE = PEOPLE


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody at one door."""

    name: str
    door: str
    channel: grpc.Channel
    role: Role | None  # None: whoever shows this certificate is not let in
    own: Fields  # what is theirs; where nothing can be, a victim's


def callers(world: World) -> Iterator[Caller]:
    """Every role at every door, vouched for by the door's own CA, and three of each door who stay outside."""
    victims = own_things(world, world.partner("victim", **ENDLESS), A_VICTIMS)
    for door in CAS:
        for name in ROLES:
            made = enter_role(world, door, name, **ENDLESS)
            channel, role = connect(world, door, made), Role(name)
            own = victims
            if door == "partner" and role in LENDERS:
                lender = Partner(f"{door}-{name.lower()}", made.certificate_pem, made.key_pem, "", world)
                own = own_things(world, lender, A_LENDERS)
            elif door == "admin" and role is Role.COMPLIANCE:
                own = {**victims, "page_token": cursor(channel)}
            yield Caller(f"{door} {name}", door, channel, role, own)
        for why in ("suspended", "revoked", "unregistered"):
            yield Caller(f"{door} {why}", door, _outsider(world, door, why), None, victims)


def _outsider(world: World, door: str, why: str) -> grpc.Channel:
    name, role = f"{door}-{why}", "PARTNER" if door == "partner" else "OPERATOR"
    if why == "unregistered":
        return connect(world, door, certify(world, door, name))
    made = enter_role(world, door, role, name)
    if why == "suspended":
        world.suspend(name)
    else:
        world.revoke(*world.fingerprints(name))
    return connect(world, door, made)


def own_things(world: World, lender: Partner, person: str) -> Fields:
    """A consent that may be asked often, and was asked once; and whatever else a request can name."""
    standing = world.consent(lender, person, mode="CONSENT_MODE_PERIODIC")
    asked = lender.query(standing)
    lender.scores.GetScore(asked)
    return {
        "consent_id": standing.consent_id,
        "given_up": world.consent(lender, person).consent_id,  # what a call may end
        "handle": standing.handle,
        "subject_ref": standing.subject_ref,
        "request_id": asked.request_id,
        "partner_id": lender.partner_id,
        "fingerprint": lender.fingerprint or "1" * 64,
        "subject": person,
    }


def cursor(channel: grpc.Channel) -> str:
    """A page token that an officer was given."""
    stub = audit_pb2_grpc.AuditServiceStub(channel)  # type: ignore[no-untyped-call]  # generated
    return str(stub.ListEntries(audit_pb2.ListEntriesRequest(page_size=1)).next_page_token)


def foreign(world: World, owner: Partner, token: str) -> Theirs:
    """What lenders have, in every standing; among it, to the letter, what the owner asked.

    ``token`` is another officer's cursor. Request ids are by the method that the owner used them for.
    """
    world.freeze(TO_FREEZE, frozen=False)
    consents = {name: world.consent(owner) for name in ("active", "paused", "revoked", "used up")}
    consents["often"] = often = world.consent(owner, mode="CONSENT_MODE_PERIODIC")
    consents["of a frozen person"] = world.consent(owner, TO_FREEZE)
    consents["for a band"] = world.consent(owner, disclosures=["DISCLOSURE_BAND"])
    consents["for another purpose"] = world.consent(owner, purpose="PURPOSE_ACCOUNT_REVIEW")
    world.change(consents["paused"], "PAUSE")
    world.change(consents["revoked"], "REVOKE")
    world.freeze(TO_FREEZE)
    invite = consent_pb2.CreateConsentInvitationRequest(request_id=new_uuid(), terms=terms())
    pending, rejected = owner.consents.CreateConsentInvitation(invite).invitation, owner.invite()
    world.deny(rejected)
    very, asked, item = owner.query(consents["used up"]), owner.query(often), owner.query(often)
    yes_or_no = owner.threshold_query(often)
    owner.scores.GetScore(very)
    owner.scores.GetScore(asked)
    owner.scores.CheckThreshold(yes_or_no)
    owner.scores.BatchGetScores(score_pb2.BatchGetScoresRequest(items=[item]))
    used = {
        "CreateConsentInvitation": invite.request_id,
        "GetScore": asked.request_id,
        "CheckThreshold": yes_or_no.request_id,
        "BatchGetScores": item.request_id,
    }
    handles = {name: each.handle for name, each in consents.items()}
    handles |= {"pending": pending.handle, "rejected": rejected.handle}
    return {
        "consent_id": {name: {"consent_id": each.consent_id} for name, each in consents.items()}
        | {"with the owner's request id": {"consent_id": very.consent_id, "request_id": very.request_id}},
        "handle": {name: {"handle": handle} for name, handle in handles.items()},
        "subject_ref": {"of the same person": {"subject_ref": often.subject_ref}},
        "request_id": {method: {"request_id": request_id} for method, request_id in used.items()},
        "page_token": {"of another officer": {"page_token": token}},
    }


def missing(field: str) -> str:
    """A well-formed value that names nothing."""
    named = {
        "request_id": new_uuid(),
        "partner_id": "nobody-at-all",
        "fingerprint": "0" * 64,
        "subject": "nobody-00001",
        "reference": "K7QM2XW9RT",
        "page_token": made_up_token(f"0:1:{2**52}:{'0' * 32}"),
    }
    return named.get(field) or new_id()


def near(value: str) -> str:
    """One letter off: as close to an id as what names nothing can be."""
    return f"{value[:-1]}{'a' if value[-1] != 'a' else 'b'}"


MALFORMED = {
    "consent_id": "A" * 26,
    "handle": "a" * 25,
    "subject_ref": "a b",
    "request_id": "123",
    "partner_id": "UPPER",
    "fingerprint": "0" * 63,
    "subject": "a b",
    "page_token": "no token",
    "reference": "0OI1L",
}

WORDS = frozenset(
    {
        *(
            "nonce",
            "partner_reference",
            "time_zone",
            "legal_name",
            "legal_entity",
            "csr_pem",
            "reason",
            "outcome",
            "month",
        ),
        *("return_address", "return_addresses", "return_state", "name", "document_number", "phone"),
    }
)
"""Text that names nothing."""
