"""What commands find: the installation with its settings, and the admin door as one certificate opens it.

Only light packages load with this module, so that `--help` stays quick.
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, Literal, ParamSpec

import typer
from rich.console import RenderableType

from gateway.cli.doorstep import place, silence
from gateway.cli.ending import ending_calmly, show
from gateway.cli.failures import misconfigured, stopped
from scoregate.cli import Output, Shown

if TYPE_CHECKING:
    import grpc

    from gateway.settings import Address, Settings

CALL_SECONDS = 30.0
MAX_RECEIVE_BYTES = 8 << 20  # the gateway sends no more


def _door_option(metavar: str, meaning: str) -> Any:
    return typer.Option(metavar=metavar, help=meaning, rich_help_panel="The admin door")


OPTIONS: tuple[tuple[str, Any], ...] = (
    ("gateway", Annotated[str | None, _door_option("HOST:PORT", r"Where it is. \[default: listen.admin]")]),
    (
        "cert",
        Annotated[
            Path | None,
            _door_option("FILE", r"Who you are. \[default: operator/operator.pem in SCOREGATE_HOME]"),
        ],
    ),
    (
        "key",
        Annotated[
            Path | None, _door_option("FILE", r"Its key. \[default: beside it, of its name or key.pem]")
        ],
    ),
    (
        "ca",
        Annotated[
            Path | None,
            _door_option("FILE", r"Who vouches for the gateway. \[default: server-ca.pem beside it]"),
        ],
    ),
)
"""The options by which a command finds the admin door and shows who asks."""

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Identity:
    """The files of one client certificate."""

    certificate: Path
    key: Path
    server_ca: Path


class _Timed:
    """A service's stub whose every call has a deadline."""

    def __init__(self, stub: Callable[[grpc.Channel], object], channel: grpc.Channel) -> None:
        self._stub = stub(channel)

    def __getattr__(self, method: str) -> Callable[..., Any]:
        return functools.partial(getattr(self._stub, method), timeout=CALL_SECONDS)


class Admin:
    """The admin door, as one certificate opens it. A refused call raises `grpc.RpcError`."""

    def __init__(self, address: str, identity: Identity, output: Output = Output.TABLE) -> None:
        """Open a channel; nothing is sent yet.

        Raises:
            Stopped: A file is missing, or the address is none.
            FileRefused: Others can read the key.
            ClientMisconfigured: A file is unreadable, or they don't belong together.
        """
        import grpc

        from gateway.pki import read_private
        from scoregate.admin.v1 import (
            consent_admin_pb2_grpc,
            operations_admin_pb2_grpc,
            partner_admin_pb2_grpc,
        )
        from scoregate.audit.v1 import audit_pb2_grpc
        from scoregate.client.identity import credentials

        files = ("--cert", identity.certificate), ("--key", identity.key), ("--ca", identity.server_ca)
        for option, file in files:
            if not file.is_file():
                raise misconfigured(option, f"there is no file {file}.", "Name the one that you were given.")
        place(address)
        key = read_private(identity.key)
        self.address, self.identity, self.output = address, identity, output
        self.channel = grpc.secure_channel(
            address,
            credentials(identity.certificate, key, identity.server_ca),
            options=[("grpc.enable_retries", 0), ("grpc.max_receive_message_length", MAX_RECEIVE_BYTES)],
        )
        self.partners = _Timed(partner_admin_pb2_grpc.PartnerAdminServiceStub, self.channel)
        self.people = _Timed(consent_admin_pb2_grpc.ConsentAdminServiceStub, self.channel)
        self.operations = _Timed(operations_admin_pb2_grpc.OperationsAdminServiceStub, self.channel)
        self.audit = _Timed(audit_pb2_grpc.AuditServiceStub, self.channel)

    def show(self, plain: Mapping[str, object], *shown: RenderableType | str) -> None:
        """Print a result: `plain` as JSON, or `shown` for people."""
        show(self.output, plain, *shown)


def asks_gateway(command: Callable[Concatenate[Admin, P], None]) -> Callable[..., None]:
    """Give a command the admin door, the options that find it, and a calm end when it is refused."""
    plain = inspect.signature(command, eval_str=True)

    @functools.wraps(command)
    def run(**given: Any) -> None:
        output, options = given.pop("output"), [given.pop(name) for name, _ in OPTIONS]
        with ending_calmly(output), admin_door(*options, output=output, about=given) as admin:
            command(admin, **given)  # type: ignore[call-arg]

    keyword = inspect.Parameter.KEYWORD_ONLY
    added = [inspect.Parameter(name, keyword, default=None, annotation=kind) for name, kind in OPTIONS]
    added.append(inspect.Parameter("output", keyword, default=Output.TABLE, annotation=Shown))
    run.__signature__ = plain.replace(parameters=[*list(plain.parameters.values())[1:], *added])  # type: ignore[attr-defined]
    return run


@contextmanager
def admin_door(
    gateway: str | None,
    cert: Path | None,
    key: Path | None,
    ca: Path | None,
    *,
    output: Output,
    about: Iterable[str] = (),
) -> Iterator[Admin]:
    """Open the admin door that the options name, for a command with the arguments ``about``."""
    import grpc

    from scoregate.client import refusals

    address = gateway or listening_at("admin", "--gateway", beside="--cert, --key and --ca")
    admin = Admin(address, _identity(cert, key, ca), output)
    try:
        yield admin
    except grpc.RpcError as error:
        refusal = refusals.from_call(error, request_id="", nonce="")
        if not refusal.code and refusal.status in ("UNAVAILABLE", "DEADLINE_EXCEEDED"):
            raise silence(admin.address, admin.identity, status=refusal.status) from error
        raise stopped(refusal, about=about) or refusal from error
    finally:
        admin.channel.close()


def _identity(cert: Path | None, key: Path | None, ca: Path | None) -> Identity:
    certificate = cert or home() / "operator" / "operator.pem"
    own = certificate.with_suffix(".key")
    beside = own if own.exists() else certificate.with_name("key.pem")
    return Identity(certificate, key or beside, ca or certificate.with_name("server-ca.pem"))


def pages(ask: Callable[..., Any], request: Any) -> Iterator[Any]:
    """Every page of a list (AIP-158), from the one that `request` asks for."""
    while True:
        page = ask(request)
        yield page
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


def listening_at(door: Literal["admin", "http"], option: str, *, beside: str = "") -> str:
    """Where the settings say that a door is, for a command without the option that names it.

    Raises:
        Stopped: Only the running gateway knows, or where only the client is installed, nobody does.
        SettingsInvalid: Every mistake, named.
    """
    try:
        listen = settings().listen
    except ModuleNotFoundError as error:
        remedy = f"Add {option} HOST:PORT{f', and with it {beside}' if beside else ''}."
        raise misconfigured(option, "must be named where only the client is installed.", remedy) from error
    return dialled(f"listen.{door}", getattr(listen, door), option=option)


def dialled(field: str, address: Address, *, option: str) -> str:
    """Where to call a door that listens at this setting.

    Raises:
        Stopped: At a port that only the running gateway knows.
    """
    if address.port == 0:
        remedy = f"Name the one that `scoregate serve` printed: {option} HOST:PORT."
        raise misconfigured(field, "takes any free port.", remedy)
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
    return str(type(address)(everywhere.get(address.host, address.host), address.port))


def named(text: str) -> Path:
    """Reads the name of a folder to write; an empty one, as of an unset variable, would be this one."""
    if not text:
        raise typer.BadParameter("it must name a folder.")
    return Path(text)


def home() -> Path:
    """The folder of the installation that commands are about."""
    return Path(os.environ.get("SCOREGATE_HOME") or ".scoregate").absolute()


def settings() -> Settings:
    """The installation's settings.

    Raises:
        SettingsInvalid: Every mistake, named.
    """
    from gateway.settings import load

    return load(os.environ)
