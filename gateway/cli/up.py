"""`scoregate up`: a development gateway with people's pages and a demo lender, ready for a first call."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import sys
import uuid
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, cast

import typer
from rich.console import RenderableType

from gateway.cli.certificates import CERTIFICATE, KEY, REQUEST, SERVER_CA, make_request, sign
from gateway.cli.console import Admin, Identity, admin_door, dialled, home, settings
from gateway.cli.ending import ending_calmly, show
from gateway.cli.failures import misconfigured, stopped
from gateway.cli.init import found_in
from gateway.cli.serve import DEVELOPMENT_ONLY, GRACE, addresses_table, doors, log_lines, run, start
from scoregate.cli import Output, Shown

if TYPE_CHECKING:
    from gateway.server import Gateway
    from gateway.server.pages import ConsumerPages
    from gateway.settings import Settings
    from scoregate.client import Client

LENDER, LENDER_NAME, PERSON = "demo-lender", "Demo Lender Ltd", "uci-00001"
REFERENCE = "scoregate up"  # marks the consent that this command asked for
ON_PAGES = "scoregate up: your own yes"  # marks what whoever opens the link decides
METHOD = "scoregate.partner.v1.ScoreService/GetScore"
MONTH, YEAR = timedelta(days=30), timedelta(days=365)


def up(output: Shown = Output.TABLE) -> None:
    """Keep a development gateway and the consumers' pages running, with a lender that may ask at once.

    In SCOREGATE_HOME (default .scoregate) it makes an installation and trains
    the engine, where these are missing. Then it starts the gateway and the
    pages in one process, registers a demo lender with the consent of one
    person of the development population, and prints a call to paste, and a
    link in which that person is asked for a yes of their own. Ctrl-C drains
    it; the next start goes on from there.

    Example:
      scoregate up
    """
    with ending_calmly(output):
        there = _installation()
        log_lines(there)
        _require_free(there)
        with ExitStack() as closing:
            gateway = start(there)
            closing.callback(gateway.stop, GRACE)
            pages = _pages(there)
            closing.callback(pages.stop)
            run(lambda: _welcome(gateway, pages, there, output), stop=closing.close)


def _pages(there: Settings) -> ConsumerPages:
    from gateway.server.pages import ConsumerPages

    return ConsumerPages.start(there)


def _require_free(there: Settings) -> None:
    """Return only if nobody listens where any of the doors and the pages will be.

    Raises:
        SettingsInvalid: Every taken address, named.
    """
    from gateway.server.listening import require_free

    require_free({f"listen.{door}": address for door, address in there.listen})


def _installation() -> Settings:
    """The settings of an installation that can start; what is missing is made."""
    from gateway.settings.load import FILE_NAME, FILE_VARIABLE
    from scoring.store import CURRENT

    if not Path(os.environ.get(FILE_VARIABLE) or home() / FILE_NAME).exists():
        typer.echo(f"Making an installation in {home()} …", err=True)
        found_in(home(), os.environ)
    there = settings()
    if there.mode != "development":
        raise misconfigured("mode", f"is {there.mode}; this is for development.", "Run `scoregate serve`.")
    if there.engine.kind == "embedded" and not (there.engine.folder / CURRENT).exists():
        typer.echo("Training the engine on real card records …", err=True)
        _train(there.engine.folder)
    return there


def _train(folder: Path) -> None:
    from scoring import store
    from scoring.train import train

    made = train()
    store.write(folder, made.artefact, made.population)


def _welcome(gateway: Gateway, pages: ConsumerPages, there: Settings, output: Output) -> None:
    from gateway.settings import Address

    addresses = doors(gateway, there) | {"pages": str(Address(there.listen.pages.host, pages.port))}
    plain: dict[str, object] = {"mode": there.mode, **addresses}
    shown: list[RenderableType] = [DEVELOPMENT_ONLY, addresses_table(addresses)]
    try:
        call, link = _demo(gateway, there)
    except Exception as error:
        end = stopped(error)
        if end is None:
            raise
        # The gateway itself is well, and needed to put this right.
        show(
            output,
            plain | {"call": None, "invitation": None, "problem": end.sentence()},
            *shown,
            f"No call to paste: {end.sentence()}",
        )
        return
    show(
        output,
        plain | {"call": call, "invitation": {"url": link, "sign_in_as": _who(there)}},
        *shown,
        f"A person's side, in a browser. {LENDER_NAME} asks for a yes; sign in as {_who(there)}:\n\n{link}\n",
        f"A call to paste, as {LENDER_NAME} asking for {PERSON}'s score:\n\n{_pasted(call)}\n",
        "Pasted again it is a replay: the same answer, at no cost. Each start prints both anew.",
        "In it, receipt.leaf is in base64, and attestation a JWS: the README reads both.",
        "Ctrl-C drains the gateway and ends it.",
    )


def _who(there: Settings) -> str:
    """Whom to sign in as: the person of the call, where development's own provider asks."""
    from gateway.server.pages import RESIDENTS

    if there.pages.provider:
        return "somebody whom your provider knows"
    return next(f"{name} ({subject})" for subject, name, *_ in RESIDENTS if subject == PERSON)


def _demo(gateway: Gateway, there: Settings) -> tuple[list[str], str]:
    """The arguments of a GetScore call that is answered, and the link of an unused invitation."""
    from gateway.settings import Address
    from scoregate.client import Client

    listen = there.listen
    admin_at = dialled("listen.admin", Address(listen.admin.host, gateway.admin_port), option="--gateway")
    partner_at = dialled("listen.partner", Address(listen.partner.host, gateway.partner_port), option="")
    with admin_door(admin_at, None, None, None, output=Output.TABLE) as admin:
        lender = _enrolled(admin)
        with Client.trusting_first_use(
            partner_at, certificate=lender.certificate, key=lender.key, server_ca=lender.server_ca
        ) as client:
            return _call(partner_at, lender, _consent(admin, client)), _link(client)


def _call(partner_at: str, lender: Identity, consent_id: str) -> list[str]:
    query = {
        "request_id": str(uuid.uuid4()),
        "consent_id": consent_id,
        "purpose": "PURPOSE_CREDIT_APPLICATION",
        "disclosure": "DISCLOSURE_SCORE",
        "with_reasons": True,
        "nonce": secrets.token_urlsafe(16),
    }
    # Where the protos don't lie at hand, buf asks the gateway's reflection, which development has.
    schema = ["--schema", "protos"] if Path("protos/scoregate").is_dir() else []
    files = ("--cacert", lender.server_ca), ("--cert", lender.certificate), ("--key", lender.key)
    return [
        *(_near(Path(sys.executable).with_name("buf")), "curl", *schema, "--protocol", "grpc"),
        *(word for option, file in files for word in (option, _near(file))),
        *("-d", json.dumps(query), f"https://{partner_at}/{METHOD}"),
    ]


def _enrolled(admin: Admin) -> Identity:
    """The demo lender's certificate; registered and enrolled on the first start."""
    import grpc

    from scoregate.admin.v1 import partner_admin_pb2 as pb

    folder = home() / LENDER
    lender = Identity(folder / CERTIFICATE, folder / KEY, folder / SERVER_CA)
    if lender.server_ca.exists():  # it is written last
        return lender
    contract = pb.Contract(daily_units=1_000, monthly_units=20_000, thresholds=[600])
    new = pb.Partner(partner_id=LENDER, legal_name=LENDER_NAME, role=pb.ROLE_PARTNER, contract=contract)
    try:
        admin.partners.AddPartner(pb.AddPartnerRequest(partner=new))
    except grpc.RpcError as error:
        if cast(grpc.Call, error).code() is not grpc.StatusCode.ALREADY_EXISTS:
            raise
    if not lender.key.exists():
        make_request(LENDER, folder)
    sign(admin, LENDER, folder / REQUEST, folder, days=YEAR.days)
    return lender


def _consent(admin: Admin, client: Client) -> str:
    """The consent that an earlier start asked for, or a new one."""
    from scoregate.admin.v1 import consent_admin_pb2 as pb
    from scoregate.client import ConsentState, Frequency, Terms
    from scoregate.words import CalendarUnit, ConsentMode, Disclosure, Purpose

    for each in client.consents():
        if each.state is ConsentState.ACTIVE and each.partner_reference == REFERENCE:
            return each.consent_id
    terms = Terms(
        purpose=Purpose.CREDIT_APPLICATION,
        disclosures=tuple(Disclosure),
        valid_for=YEAR,
        data_life=YEAR,
        mode=ConsentMode.PERIODIC,
        frequency=Frequency(1_000, CalendarUnit.DAY),
    )
    handle = client.invite(terms, partner_reference=REFERENCE).handle
    allowed: pb.AllowInvitationResponse = admin.people.AllowInvitation(
        pb.AllowInvitationRequest(handle=handle, subject=PERSON)
    )
    return allowed.consent.consent_id


def _link(client: Client) -> str:
    """Where a person decides about one answer."""
    from scoregate.client import Terms
    from scoregate.words import Disclosure, Purpose

    shown = (Disclosure.SCORE, Disclosure.REASONS)
    terms = Terms(Purpose.PREQUALIFICATION, shown, valid_for=MONTH, data_life=YEAR)
    return client.invite(terms, partner_reference=ON_PAGES).url


def _near(file: Path) -> str:
    """A path from here, where it lies below."""
    here = Path.cwd()
    return str(file.relative_to(here) if file.is_relative_to(here) else file)


def _pasted(call: list[str]) -> str:
    """The call for a shell, one option a line."""
    words = [shlex.quote(word) for word in call]
    starts = {"--cacert", "--cert", "--key", "-d", words[-1]}
    return "".join(f" \\\n  {word}" if word in starts else f" {word}" for word in words).strip()
