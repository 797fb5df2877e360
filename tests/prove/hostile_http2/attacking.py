"""Abuse for as long as a block runs, from a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from google.protobuf.message import Message

from tests.journey.contract import BY_REQUEST
from tests.prove.hostile_http2.attacks import CONNECTIONS, IDLE_THREADS
from tests.world import Partner

ROOT = Path(__file__).parents[3]
MOST_SECONDS = 120.0


@dataclass
class Abuse:
    """What was sent, once it is over."""

    connections: int = 0
    sent: int = 0


@contextmanager
def attacking(
    caller: Partner, attack: str, request: Message, *, port: int = 0, idle_connections: int = 0
) -> Iterator[Abuse]:
    """Runs the block while the caller abuses its gateway, or whoever listens at ``port``.

    ``request`` is a good one, to abuse it with; so many connections are for the attack ``idle``.

    Raises:
        RuntimeError: The attack could not begin.
    """
    files = caller.world.settings.home / f"attacker-{uuid4().hex[:8]}"
    files.mkdir()
    for name, content in (
        ("ca", caller.world.server_ca),
        ("certificate", caller.certificate),
        ("key", caller.key),
    ):
        (files / name).write_bytes(content)
    orders = {
        "attack": attack,
        "seconds": MOST_SECONDS,
        "connections": IDLE_THREADS if idle_connections else CONNECTIONS,
        "caller": {
            "port": port or caller.world.gateway.partner_port,
            "server_ca": str(files / "ca"),
            "certificate": str(files / "certificate"),
            "key": str(files / "key"),
            "path": BY_REQUEST[request.DESCRIPTOR].path,
            "body": request.SerializeToString().hex(),
            "idle_lines": idle_connections // IDLE_THREADS,
        },
    }
    abuse = Abuse()
    command = [sys.executable, "-m", "tests.prove.hostile_http2.attacker"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(f"{json.dumps(orders)}\n")
            process.stdin.flush()
            if not process.stdout.readline():
                raise RuntimeError(f"{attack} could not begin")
            yield abuse
            process.stdin.close()  # that is enough
            abuse.connections, abuse.sent = json.loads(process.stdout.readline() or "[0, 0]")
        finally:
            process.kill()  # by its id
