"""Somebody of every role at every door, whether the role belongs there or not."""

from __future__ import annotations

import grpc

from gateway.partners import Role
from gateway.pki import AuthorityRole, load_authority
from tests.pki_support import MadeCertificate, make_certificate
from tests.wire import open_channel
from tests.world import World

CAS = {"partner": AuthorityRole.PARTNER, "admin": AuthorityRole.STAFF}
ROLES = [role.value for role in Role]


def port(world: World, door: str) -> int:
    """Where the door is."""
    return {"partner": world.gateway.partner_port, "admin": world.gateway.admin_port}[door]


def certify(world: World, door: str, partner_id: str) -> MadeCertificate:
    """A certificate of the door's own CA, which no registry knows yet."""
    authority = load_authority(world.settings.tls.authorities, CAS[door])
    return make_certificate(authority, uris=(f"spiffe://scoregate.local/partner/{partner_id}",))


def connect(world: World, door: str, made: MadeCertificate) -> grpc.Channel:
    """A channel that shows this certificate."""
    return open_channel(port(world, door), world.server_ca, made.certificate_pem, made.key_pem)


def enter_role(world: World, door: str, role: str, name: str = "", **contract: int) -> MadeCertificate:
    """Somebody of this role, vouched for by the door's own CA, so that only the method map can say no."""
    partner_id = name or f"{door}-{role.lower()}"
    world.add(partner_id, f"ROLE_{role}", **contract)
    made = certify(world, door, partner_id)
    world.enter(partner_id, made.certificate_pem)
    return made
