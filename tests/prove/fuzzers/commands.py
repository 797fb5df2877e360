"""What an operator types and writes: settings, words, numbers, addresses; and the pages' HTTP requests."""

from __future__ import annotations

import asyncio
import os
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import typer
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from consent.keys import KeyFileError
from consent.keys import load as load_key
from gateway.cli.console import named
from gateway.cli.doorstep import place as host_and_port
from gateway.cli.failures import Stopped
from gateway.cli.partner import Role
from gateway.cli.quota import NotScored, _whole
from gateway.pages import public
from gateway.pki import FileRefused
from gateway.settings import SettingsInvalid, load, read_secret, template
from scoregate.cli import Output, one_of
from scoregate.client.arguments import numbers
from scoregate.client.identity import jwks_text
from scoregate.errors import ClientMisconfigured, WordUnknown
from scoregate.reasons import REASONS
from scoregate.words import Band, CalendarUnit, ConsentMode, Disclosure, InputFamily, Purpose
from tests.attestation.made_answers import JWKS, signing_key
from tests.prove.fuzzers.target import Place, Take, Target, anywhere, each_of, refusing, require_same

ROOM = "files and commands"
SEPARATOR = b"\n#####\n"  # between the file and the environment


# --- settings


def take_settings(place: Place) -> Take:
    """A file, and an environment over it, a variable a line."""
    file = place.folder / "scoregate.toml"

    def take(data: bytes) -> None:
        toml, _, lines = data.partition(SEPARATOR)
        file.write_bytes(toml)
        load(_environment(lines), home=place.folder)

    return refusing(take, SettingsInvalid)


def take_settings_unguarded(_place: Place) -> Take:
    """The guard that is off: a file is UTF-8 before it is TOML."""
    return refusing(
        lambda data: tomllib.loads(data.partition(SEPARATOR)[0].decode()), tomllib.TOMLDecodeError
    )


def _environment(lines: bytes) -> Mapping[str, str]:
    pairs = (line.partition(b"=") for line in lines.replace(b"\0", b"").splitlines())
    return {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}


def settings_seeds() -> Iterable[bytes]:
    plain = template(Path("/somewhere")).encode()
    yield b"".join(line + b"\n" for line in plain.splitlines() if not line.startswith(b"# "))
    spoken = (line.removeprefix(b"#") for line in plain.splitlines() if not line.startswith(b"# "))
    yield b"".join(line + b"\n" for line in spoken if line)
    yield b'mode = "development"\n[limits]\nlinger_ms = 3\n' + SEPARATOR + b"SCOREGATE_LIMITS__LINGER_MS=4\n"
    yield b'[database]\nurl = "postgresql+psycopg://a:b@localhost/c?sslmode=require"\n'


# --- arguments

WORDS = (Purpose, Disclosure, ConsentMode, CalendarUnit, InputFamily, Band)
READERS: tuple[Callable[[str], object], ...] = (
    one_of(Output),
    one_of(Role),
    one_of(NotScored),
    _whole(0, 1_000_000_000),
    _whole(400, 900),
    host_and_port,
    named,
    jwks_text,
    *(kind.read for kind in WORDS),
    lambda text: numbers("disclosures", text.split(","), Disclosure),
    lambda text: Purpose.of(int.from_bytes(text.encode("utf-8", "surrogateescape")[:8])),
)
REFUSALS = (typer.BadParameter, Stopped, ClientMisconfigured, WordUnknown)


def take_argument(data: bytes) -> None:
    """One argument; the first byte says of which kind."""
    read = READERS[(data[0] if data else 0) % len(READERS)]
    read(os.fsdecode(data[1:]).replace("\0", ""))


def take_argument_unguarded(data: bytes) -> None:
    """The guard that is off: what Python takes for a digit is not a number yet."""
    text = os.fsdecode(data[1:])
    if not text.isdigit():
        raise typer.BadParameter("no number")
    int(text)


def argument_seeds() -> Iterable[bytes]:
    good = ("json", "PARTNER", "free", "1000", "600", "127.0.0.1:8444", "folder", JWKS)
    for place, text in enumerate(
        (*good, *(next(iter(kind)) for kind in WORDS), "SCORE,BAND", "\x01", "[::1]:80")
    ):
        yield bytes([place]) + text.encode()


# --- secrets and signing keys


def take_key_files(place: Place) -> Take:
    """One content as a secret and as a signing key of a given name."""
    key = signing_key()
    folder = place.folder / "keys"
    folder.mkdir(mode=0o700)
    path, secret = folder / f"{key.kid}.pem", folder / "master.key"
    for each in (path, secret):
        each.touch(mode=0o600)
    return each_of(
        refusing(lambda data: (secret.write_bytes(data), read_secret(secret)), FileRefused),
        refusing(lambda data: (path.write_bytes(data), load_key(folder, key.kid)), KeyFileError),
    )


def take_key_files_unguarded(place: Place) -> Take:
    """The guard that is off: a secret is 64 hexadecimal digits before it is read as such."""

    def take(data: bytes) -> None:
        if len(data) == 64:
            bytes.fromhex(data.decode("latin-1"))

    return refusing(take)


def key_file_seeds() -> Iterable[bytes]:
    yield b"0f" * 32
    yield signing_key().private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


# --- the public pages


def take_page(_place: Place) -> Take:
    """A request for a page: it is answered, and never with an error of ours."""
    pages = public.application(lambda: JWKS, (), is_serving=lambda: True, metrics=False)
    loop = asyncio.new_event_loop()

    def take(data: bytes) -> bool:
        statuses: list[int] = []
        loop.run_until_complete(pages(_scope(data), _receive, _keeping(statuses)))
        require_same([status < 500 for status in statuses], [True])
        return statuses[0] < 400

    return take


def take_page_unguarded(_place: Place) -> Take:
    """The guard that is off: a reason is one of the catalogue's before it is looked up there."""

    def take(data: bytes) -> None:
        path = data.partition(b" ")[2].decode("latin-1")
        if path.startswith("/errors/"):
            REASONS[path.removeprefix("/errors/")]

    return refusing(take)


def _scope(data: bytes) -> dict[str, Any]:
    """As uvicorn makes it: of a target in printable ASCII alone (RFC 9112, 3.2), the path decoded."""
    method, _, rest = data.partition(b" ")
    target, _, host = rest.partition(b" ")
    path, _, query = bytes(byte for byte in target if 0x20 < byte < 0x7F).partition(b"?")
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method.decode("latin-1"),
        "path": unquote(path.decode()),
        "raw_path": path,
        "root_path": "",
        "scheme": "http",
        "query_string": query,
        "headers": [(b"host", host)],
    }


async def _receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


def _keeping(statuses: list[int]) -> Callable[[Any], Any]:
    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    return send


def page_seeds() -> Iterable[bytes]:
    for path in (
        b"/",
        b"/errors",
        b"/errors/FIELD_INVALID",
        b"/errors/internal",
        b"/healthz",
        b"/.well-known/jwks.json",
    ):
        yield b"GET " + path + b"?a=b 127.0.0.1:8080"


TARGETS = (
    Target(
        "settings",
        ROOM,
        take_settings,
        take_settings_unguarded,
        settings_seeds,
        share=2,
        words=(
            "[limits]",
            "[listen]",
            "[database]",
            "url = ",
            "127.0.0.1:0",
            "SCOREGATE_",
            "__",
            "9" * 5_000,
        ),
    ),
    Target(
        "arguments",
        ROOM,
        anywhere(refusing(take_argument, *REFUSALS)),
        anywhere(refusing(take_argument_unguarded, typer.BadParameter)),
        argument_seeds,
        share=90,
        most_bytes=512,
        words=("²", "٣", "-", *(word for kind in WORDS for word in kind)),
    ),
    Target("key-files", ROOM, take_key_files, take_key_files_unguarded, key_file_seeds, share=4),
    Target(
        "pages",
        ROOM,
        take_page,
        take_page_unguarded,
        page_seeds,
        share=3,
        words=("/errors/", "/metrics", "/healthz", "GET ", "HEAD ", "%2e%2e", "//"),
    ),
)
