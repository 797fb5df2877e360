"""`scoregate serve`: the gateway, or the engine as a process of its own, in the foreground."""

from __future__ import annotations

import ctypes
import signal
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from gateway.cli.console import settings
from gateway.cli.ending import ending_calmly, show
from gateway.cli.failures import misconfigured
from gateway.cli.tables import facts
from scoregate.cli import Output, Shown

if TYPE_CHECKING:
    import grpc

    from gateway.server import Gateway
    from gateway.settings import Settings

GRACE = timedelta(seconds=5)
M_ARENA_MAX = -8  # mallopt(3)
DEVELOPMENT_ONLY = Panel(
    Text(
        "Authorities of its own making, and doors that describe themselves to strangers.\n"
        "Not for the records of real people.",
        justify="left",
    ),
    title="development only",
    title_align="left",
    border_style="yellow",
    expand=False,
)


def serve(
    engine: Annotated[
        bool, typer.Option("--engine", help="Run the scoring engine for a gateway with engine.kind = remote.")
    ] = False,
    pages: Annotated[
        bool,
        typer.Option("--pages", help="Run the consumers' pages, beside a gateway of the same installation."),
    ] = False,
    output: Shown = Output.TABLE,
) -> None:
    """Run the gateway in the foreground, or one of the processes beside it.

    SIGTERM or Ctrl-C drains it: health says NOT_SERVING, calls under way
    finish, then it ends with exit code 0, and its last log line is "stopped".
    A second one ends it at once. Log lines go to stderr, as JSON in production.

    Example:
      scoregate serve
      scoregate serve --pages
      SCOREGATE_LISTEN__PARTNER=0.0.0.0:8443 scoregate serve
    """
    with ending_calmly(output):
        if engine and pages:
            raise misconfigured("--pages", "can't go with --engine.", "Run each as a process of its own.")
        there = settings()
        log_lines(there)
        (_serve_engine if engine else _serve_pages if pages else _serve_gateway)(there, output)


def log_lines(there: Settings) -> None:
    """Write the log as this installation's mode has it."""
    from gateway.cli.logs import configure

    configure(development=there.mode == "development")


def _serve_gateway(there: Settings, output: Output) -> None:
    _share_arenas()
    gateway = start(there)
    run(lambda: announce(gateway, there, output), stop=lambda: gateway.stop(GRACE))


def _share_arenas() -> None:
    """Let all threads share two of glibc's arenas: with some for each, freed memory lies about everywhere."""
    tune = getattr(ctypes.CDLL(None), "mallopt", None)  # other libraries have none
    if tune is not None:
        tune(M_ARENA_MAX, 2)


def start(there: Settings) -> Gateway:
    """Open the gateway's doors.

    Raises:
        SettingsInvalid: Every mistake, named.
    """
    from gateway.server import Gateway

    return Gateway.start(there)


def doors(gateway: Gateway, there: Settings) -> dict[str, str]:
    """Where each door really listens: HOST:PORT, port 0 resolved."""
    from gateway.settings import Address

    listen = there.listen
    return {
        "partner": str(Address(listen.partner.host, gateway.partner_port)),
        "admin": str(Address(listen.admin.host, gateway.admin_port)),
        "http": str(Address(listen.http.host, gateway.http_port)),
    }


def announce(gateway: Gateway, there: Settings, output: Output) -> None:
    """Say where the doors are: as a log line, and in development or as JSON on stdout too."""
    import structlog

    addresses = doors(gateway, there)
    structlog.get_logger().info("serving", mode=there.mode, **addresses)
    if output is Output.JSON or there.mode == "development":
        show(output, {"mode": there.mode, **addresses}, DEVELOPMENT_ONLY, addresses_table(addresses))


def addresses_table(addresses: dict[str, str]) -> Table:
    """The doors for people."""
    rows = [
        ("partners", f"{addresses['partner']}  gRPC over mTLS"),
        ("operators, compliance", f"{addresses['admin']}  gRPC over mTLS"),
        ("public keys, health, help", f"http://{addresses['http']}"),
    ]
    if "pages" in addresses:
        rows.insert(0, ("people, their own pages", f"http://{addresses['pages']}"))
    return facts("Serving", rows)


def run(ready: Callable[[], None], *, stop: Callable[[], None]) -> None:
    """Call `ready`, wait for SIGTERM or SIGINT, then call `stop`; a second signal ends the process."""
    import structlog

    try:
        # SIGINT by name too: whoever starts us in the background may have it ignored.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.default_int_handler)
        ready()
        threading.Event().wait()
    except KeyboardInterrupt:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        structlog.get_logger().info("draining")
    finally:
        stop()
    structlog.get_logger().info("stopped")


def _serve_pages(there: Settings, output: Output) -> None:
    import structlog

    from gateway.server.pages import ConsumerPages
    from gateway.settings import Address

    _share_arenas()
    pages = ConsumerPages.start(there)
    address = str(Address(there.listen.pages.host, pages.port))

    def ready() -> None:
        structlog.get_logger().info("serving", mode=there.mode, pages=address)
        if output is Output.JSON or there.mode == "development":
            found = {"mode": there.mode, "pages": address, "url": there.pages.url}
            people = (
                "" if there.pages.url == f"http://{address}" else f"; people reach them at {there.pages.url}"
            )
            show(output, found, DEVELOPMENT_ONLY, f"Pages at http://{address}{people}")

    run(ready, stop=pages.stop)


def _serve_engine(there: Settings, output: Output) -> None:
    import structlog

    from gateway.pki import spiffe_uri
    from gateway.settings import Address, SettingsInvalid, check_engine_files
    from scoring import remote
    from scoring.service import Engine

    problems = check_engine_files(there, now=datetime.now(UTC))
    if problems:
        raise SettingsInvalid(problems)
    told = there.engine
    tls = remote.ServerTls(
        told.server_certificate,
        told.server_key,
        told.ca,
        spiffe_uri(there.trust_domain, "gateway", "gateway"),
    )
    serving = remote.serve(Engine.open(told.folder), str(told.address), tls=tls)
    address = str(Address(told.address.host, serving.port))

    def ready() -> None:
        structlog.get_logger().info("serving", mode=there.mode, engine=address)
        if output is Output.JSON or there.mode == "development":
            show(output, {"mode": there.mode, "engine": address}, DEVELOPMENT_ONLY, f"Engine at {address}")

    run(ready, stop=lambda: _drain(serving.server))


def _drain(server: grpc.Server) -> None:
    server.stop(GRACE.total_seconds()).wait()
