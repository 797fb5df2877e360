"""Personal data where none belongs: in every text field of every method, in paths, headers, certificates,
pages and commands. Nothing of it may be said back, or written down elsewhere than where it is kept.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.parse import quote

import grpc
from grpc_health.v1 import health_pb2

from tests.cli.conftest import Terminal, whole_app
from tests.journey.contract import METHODS, Method
from tests.journey.samples import put, samples, text_fields
from tests.prove.strangers.scene import COMMANDS, ENTRIES, PAGES, Person, Scene
from tests.roles import certify, connect
from tests.world import Partner

KEPT_AS_SENT = frozenset({"reason", "legal_name", "partner_reference", "partner_id", "return_state"})
"""Words of an operator's or a lender's own, kept where they belong: here only sent so as to be refused."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One text field of one method."""

    method: Method
    path: str

    def bodies(self, person: Person) -> Iterator[bytes]:
        """A good request but for this field: with a line break that nothing takes, too long, and bare."""
        subject = self.path.rpartition(".")[2] == "subject"
        told = [f"{person.reference}\n", person.subject * 100]
        if not subject and self.path.rpartition(".")[2] not in KEPT_AS_SENT:
            told += [person.subject, person.phone, person.tag]
        for text in told:
            request = samples()[self.method.path]
            for name, holder, field in list(text_fields(request)):
                if name == self.path:
                    put(holder, field, text)
            yield request.SerializeToString()
        yield b"\xff" + person.reference.encode()  # no message at all


PROBES = tuple(
    Probe(method, path) for method in METHODS for path, _, _ in text_fields(samples()[method.path])
)


class Prober:
    """Goes round all fields, and asks with somebody's data in each."""

    def __init__(self, scene: Scene, officer: Partner) -> None:
        self._scene = scene
        self._next = cycle(PROBES)
        world = scene.world
        self._channels = {
            "partner": scene.lender.channel,
            "admin": world.admin_channel(world.operator_certificate, world.operator_key),
            "audit": world.admin_channel(officer.certificate, officer.key),
        }

    def probe(self, person: Person, fields: int) -> None:
        """So many fields with this person's data in them."""
        for _ in range(fields):
            each = next(self._next)
            door = "audit" if ".audit." in each.method.path else each.method.door
            for body in each.bodies(person):
                self._call(self._channels[door], each.method.path, body, person)
        self._call(self._channels["audit"], "/scoregate.admin.v1.PartnerAdminService/GetPartner", b"", person)
        self._call(self._channels["partner"], f"/scoregate.v1/{quote(person.reference)}", b"", person)
        health = health_pb2.HealthCheckRequest(service=person.reference).SerializeToString()
        self._call(self._channels["partner"], "/grpc.health.v1.Health/Check", health, person)

    def _call(self, channel: grpc.Channel, path: str, body: bytes, person: Person) -> None:
        call: Any = channel.unary_unary(path)
        said = [("x-about", quote(person.reference)), ("x-about-bin", person.reference.encode())]
        self._scene.ears.call(partial(call, metadata=said), body)

    def show_certificate(self, person: Person) -> None:
        """A certificate with the person's name in it, which nobody has enrolled."""
        world = self._scene.world
        for door in ("partner", "admin"):
            with connect(world, door, certify(world, door, person.tag)) as channel:
                method = next(each for each in METHODS if each.door == door)
                self._call(channel, method.path, b"", person)


def browse(scene: Scene, person: Person) -> None:
    """Every page, and pages that there are not, with the person in their address."""
    name, subject = quote(person.reference), quote(person.subject)
    for path in (
        "/",
        "/errors",
        "/healthz",
        "/.well-known/jwks.json",
        f"/errors/{name}",
        f"/errors/{subject}",
    ):
        scene.browse(f"{path}?of={name}", referer=f"http://localhost/{subject}", cookie=f"id={subject}")
    scene.browse(f"/{name}")
    with socket.create_connection(("127.0.0.1", scene.world.gateway.http_port), timeout=20) as line:
        line.sendall(f"{person.reference} {person.subject} HTTP/9\r\n\r\n".encode())
        scene.ears.note(PAGES, line.recv(65_536))


@dataclass(frozen=True, slots=True)
class Desk:
    """An operator's terminal, and an officer's."""

    terminal: Terminal
    folder: Path
    officer: tuple[str, ...]  # the options that show who it is

    @classmethod
    def at(cls, scene: Scene, officer: Partner) -> Desk:
        """In front of this gateway."""
        world, settings = scene.world, scene.world.settings
        folder = settings.home / "desk"
        folder.mkdir()
        files = {
            "certificate.pem": officer.certificate,
            "key.pem": officer.key,
            "server-ca.pem": world.server_ca,
        }
        for name, content in files.items():
            (folder / name).write_bytes(content)
            (folder / name).chmod(0o600)
        environ: Mapping[str, str] = {
            "SCOREGATE_HOME": str(settings.home),
            "SCOREGATE_LISTEN__ADMIN": f"127.0.0.1:{world.gateway.admin_port}",
            "SCOREGATE_DATABASE__URL": settings.database.url,
            "SCOREGATE_ENGINE__FOLDER": str(settings.engine.folder),
        }
        terminal = Terminal(whole_app(), dict(environ))
        return cls(
            terminal, folder, ("--cert", str(folder / "certificate.pem"), "--key", str(folder / "key.pem"))
        )

    def fail(self, scene: Scene, person: Person, handle: str) -> None:
        """Commands that end badly, with the person in their arguments; every other one for programs."""
        missing = "a" * 26
        commands = (
            ("consent", "allow", handle, "--subject", person.subject),
            ("consent", "allow", missing, "--subject", person.subject),
            ("consent", "allow", missing, "--subject", person.reference),
            ("consent", "deny", handle),
            ("consent", "revoke", person.subject),
            ("consent", "freeze", "--subject", person.reference),
            ("consent", "list", "--subject", person.subject, *self.officer),
            ("partner", "show", person.tag),
            ("partner", "suspend", person.subject, "--reason", person.reference),
            ("quota", "show", person.tag),
            ("consent", "list", "--subject", person.subject, "--gateway", "127.0.0.1:1"),
            ("audit", "pull", str(self.folder / "refused")),
        )
        for number, words in enumerate(commands, start=int(person.phone[-1])):
            ended = self.terminal.run(*words, *(("-o", "json") if number % 2 else ()))
            if ended.code == 0:
                raise RuntimeError(f"{' '.join(words[:2])} was to fail")
            scene.ears.note(COMMANDS, ended.out, ended.err)

    def pull(self, scene: Scene) -> None:
        """Bring the log home; what it holds is what everybody may see of it."""
        folder = self.folder / "log"
        ended = self.terminal.run("audit", "pull", str(folder), *self.officer)
        if ended.code != 0:
            raise RuntimeError(f"the log could not be pulled: {ended}")
        scene.ears.note(COMMANDS, ended.out, ended.err)
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                scene.ears.note(ENTRIES, file.read_bytes())
