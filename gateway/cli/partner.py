"""`scoregate partner`: who may call the gateway, with which certificates, under which contract."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from gateway.cli.certificates import CERTIFICATE, REQUEST, SERVER_CA, make_request, sign
from gateway.cli.console import Admin, asks_gateway, named, pages
from gateway.cli.ending import ending_calmly, show
from gateway.cli.quota import (
    Burst,
    Daily,
    Monthly,
    NotScoredCost,
    Rate,
    ReturnAddresses,
    Thresholds,
    Zone,
    changed,
    contract_facts,
    note_on,
    plain_contract,
    terms,
)
from gateway.cli.tables import facts, instant, listing
from scoregate.cli import Output, Shown, one_of

if TYPE_CHECKING:
    from scoregate.admin.v1 import partner_admin_pb2 as pb

app = typer.Typer(
    name="partner",
    help="Register partners and staff, sign their certificates, suspend and revoke.",
    no_args_is_help=True,
)

PartnerId = Annotated[str, typer.Argument(metavar="ID", help="2 to 40 of a-z, 0-9 and '-', such as acme.")]
Reason = Annotated[str, typer.Option(metavar="WHY", help="Why, for the audit log; no personal data.")]


class Role(StrEnum):
    """What a caller may do."""

    PARTNER = "PARTNER"
    PILOT = "PILOT"
    COMPLIANCE = "COMPLIANCE"
    OPERATOR = "OPERATOR"


@app.command()
@asks_gateway
def add(
    admin: Admin,
    partner_id: PartnerId,
    name: Annotated[
        str, typer.Option(metavar="NAME", help="The verified legal name, which consumers are shown.")
    ],
    role: Annotated[
        Role,
        typer.Option(
            metavar="ROLE", parser=one_of(Role), help="PARTNER, PILOT (a bank), COMPLIANCE or OPERATOR."
        ),
    ] = Role.PARTNER,
    entity: Annotated[
        str,
        typer.Option(
            metavar="CODE",
            show_default="the ID",
            help="The legal entity, such as its LEI: partners of one share thresholds.",
        ),
    ] = "",
    daily: Daily = None,
    monthly: Monthly = None,
    zone: Zone = None,
    rate: Rate = None,
    burst: Burst = None,
    threshold: Thresholds = None,
    not_scored: NotScoredCost = None,
    return_address: ReturnAddresses = None,
) -> None:
    """Register a partner, or one of your own staff.

    It can call nothing until `scoregate partner enroll` has signed a
    certificate for it, and gets no score without units: --daily and --monthly
    are 0 unless named.

    Example:
      scoregate partner add acme --name "Acme Ltd" --daily 1000 --monthly 20000
      scoregate partner add officer --name "Compliance" --role COMPLIANCE
    """
    from scoregate.admin.v1 import partner_admin_pb2 as pb

    named = terms(daily, monthly, zone, rate, burst, threshold, not_scored, return_address)
    contract = changed(pb.Contract(), **named)
    new = pb.Partner(
        partner_id=partner_id,
        legal_name=name,
        role=f"ROLE_{role}",
        contract=contract,
        legal_entity=entity,
    )
    added: pb.Partner = admin.partners.AddPartner(pb.AddPartnerRequest(partner=new)).partner
    note = note_on(added.contract)
    admin.show(
        {"partner": plain(added), **note},
        _partner_facts(added),
        *note.values(),
        f"Next, on its own machine: scoregate partner request {added.partner_id} --out {added.partner_id}",
        f"Then here: scoregate partner enroll {added.partner_id} --csr {REQUEST} --out DIR",
    )


@app.command()
def request(
    partner_id: PartnerId,
    out: Annotated[
        Path, typer.Option(metavar="DIR", parser=named, help="Where to keep the key; made if need be.")
    ],
    output: Shown = Output.TABLE,
) -> None:
    """Make a key and a certificate request. The lender runs this on its own machine.

    DIR gets key.pem (mode 0600), which never leaves it, and request.csr,
    which goes to the operator. Neither is ever overwritten.

    Example:
      scoregate partner request acme --out acme
    """
    with ending_calmly(output):
        key, csr = make_request(partner_id, out)
    show(
        output,
        {"key": str(key), "request": str(csr)},
        facts("A new key", (("key", f"{key}\nmode 0600; keep it here"), ("request", str(csr)))),
        f"Next: send {csr} to the operator.",
        f"The certificate that comes back goes into {out}.",
    )


@app.command()
@asks_gateway
def enroll(
    admin: Admin,
    partner_id: PartnerId,
    csr: Annotated[Path, typer.Option(metavar="FILE", help="What `scoregate partner request` made.")],
    out: Annotated[Path, typer.Option(metavar="DIR", parser=named, help="Where to write the certificate.")],
    days: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=397, help=r"How long it holds. \[default: 90]"),
    ] = None,
) -> None:
    """Sign a partner's certificate request.

    DIR gets certificate.pem and server-ca.pem for the partner to keep beside
    its key. Neither is ever overwritten: a renewal goes into a folder of its
    own.

    Example:
      scoregate partner enroll acme --csr request.csr --out acme
    """
    fingerprint = sign(admin, partner_id, csr, out, days=days or 0)
    certificate, server_ca = out / CERTIFICATE, out / SERVER_CA
    admin.show(
        {
            "fingerprint": fingerprint,
            "certificate": str(certificate),
            "server_ca": str(server_ca),
        },
        facts(
            f"{partner_id} is enrolled",
            (
                ("certificate", certificate),
                ("server CA", f"{server_ca}\nthe partner trusts the gateway by it"),
            ),
        ),
        f"Fingerprint: {fingerprint}",
        f"Next: give both files to {partner_id}.",
    )


@app.command("list")
@asks_gateway
def list_(admin: Admin) -> None:
    """List every partner and member of staff.

    Example:
      scoregate partner list
    """
    from scoregate.admin.v1 import partner_admin_pb2 as pb

    listed = pages(admin.partners.ListPartners, pb.ListPartnersRequest())
    found: list[pb.Partner] = [each for page in listed for each in page.partners]
    rows = (
        (
            *(each.partner_id, each.legal_name, role_of(each), _state(each)),
            *(f"{each.contract.daily_units:,}", f"{each.contract.monthly_units:,}", each.contract.time_zone),
        )
        for each in found
    )
    columns = ("id", "legal name", "role", "state", "units/day", "units/month", "zone")
    admin.show({"partners": [plain(each) for each in found]}, listing("Partners", columns, rows))


@app.command("show")
@asks_gateway
def show_(admin: Admin, partner_id: PartnerId) -> None:
    """Show one partner with its contract and its certificates.

    Example:
      scoregate partner show acme
    """
    from scoregate.admin.v1 import partner_admin_pb2 as pb

    found: pb.Partner = admin.partners.GetPartner(pb.GetPartnerRequest(partner_id=partner_id)).partner
    certificates = [_plain_certificate(each) for each in found.certificates]
    lines = (f"  {each.fingerprint}\n    {_standing(each)}" for each in found.certificates)
    admin.show(
        {"partner": plain(found) | {"certificates": certificates}},
        _partner_facts(found),
        "\n".join(("Certificates, newest first", *lines)) if certificates else "No certificates yet.",
    )


@app.command()
@asks_gateway
def suspend(admin: Admin, partner_id: PartnerId, reason: Reason) -> None:
    """Stop every call of a partner, from the next one on.

    Example:
      scoregate partner suspend acme --reason "unpaid since June"
    """
    from scoregate.admin.v1 import partner_admin_pb2 as pb

    asked = pb.SuspendPartnerRequest(partner_id=partner_id, reason=reason)
    changed_: pb.Partner = admin.partners.SuspendPartner(asked).partner
    admin.show({"partner": plain(changed_)}, f"{partner_id} is suspended, from its next call on.")


@app.command()
@asks_gateway
def resume(admin: Admin, partner_id: PartnerId, reason: Reason) -> None:
    """Let a suspended partner in again.

    Example:
      scoregate partner resume acme --reason "paid"
    """
    from scoregate.admin.v1 import partner_admin_pb2 as pb

    asked = pb.ResumePartnerRequest(partner_id=partner_id, reason=reason)
    changed_: pb.Partner = admin.partners.ResumePartner(asked).partner
    admin.show({"partner": plain(changed_)}, f"{partner_id} may call again.")


@app.command()
@asks_gateway
def revoke(
    admin: Admin,
    fingerprint: Annotated[
        str, typer.Argument(metavar="FINGERPRINT", help="As `scoregate partner show` lists it.")
    ],
    reason: Reason,
) -> None:
    """Refuse a certificate for good, from its next call on, over open connections too.

    Example:
      scoregate partner revoke 3f1c… --reason "key left on a stolen laptop"
    """
    from scoregate.admin.v1 import partner_admin_pb2 as pb

    asked = pb.RevokeCertificateRequest(fingerprint=fingerprint, reason=reason)
    revoked: pb.Certificate = admin.partners.RevokeCertificate(asked).certificate
    admin.show(
        {"certificate": _plain_certificate(revoked)},
        f"{revoked.fingerprint} was revoked at {instant(revoked.revoked_at)}.",
    )


def role_of(partner: pb.Partner) -> str:
    """The role's word."""
    from scoregate.admin.v1 import partner_admin_pb2 as pb

    return pb.Role.Name(partner.role).removeprefix("ROLE_")


def plain(partner: pb.Partner) -> dict[str, object]:
    """A partner for programs; without its certificates."""
    return {
        "partner_id": partner.partner_id,
        "legal_name": partner.legal_name,
        "legal_entity": partner.legal_entity,
        "role": role_of(partner),
        "suspended": partner.suspended,
        "contract": plain_contract(partner.contract),
    }


def _plain_certificate(certificate: pb.Certificate) -> dict[str, object]:
    revoked = instant(certificate.revoked_at) if certificate.HasField("revoked_at") else None
    return {
        "fingerprint": certificate.fingerprint,
        "expires_at": instant(certificate.expires_at),
        "revoked_at": revoked,
    }


def _standing(certificate: pb.Certificate) -> str:
    if certificate.HasField("revoked_at"):
        return f"revoked {instant(certificate.revoked_at)}"
    return f"good until {instant(certificate.expires_at)}"


def _state(partner: pb.Partner) -> str:
    return "suspended" if partner.suspended else "good"


def _partner_facts(partner: pb.Partner) -> Table:
    lead = (
        ("legal name", partner.legal_name),
        ("legal entity", partner.legal_entity),
        ("role", role_of(partner)),
        ("state", _state(partner)),
    )
    return facts(partner.partner_id, (*lead, *contract_facts(partner.contract)))
