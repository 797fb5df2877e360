"""A PostgreSQL that neither answers nor hangs up: given up in time, and found again."""

from __future__ import annotations

import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.server import Seams
from tests.journey.engines import ScriptedEngine
from tests.journey.rows import ask, require_explained
from tests.journey.test_audit_unavailable import until_answered
from tests.wire import refused
from tests.world import World

PERIODIC = {"mode": "CONSENT_MODE_PERIODIC"}


class Line:
    """A way to PostgreSQL's socket that can fall silent without being cut."""

    def __init__(self, real: Path, folder: Path) -> None:
        self.silent = threading.Event()
        self._real = real
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(folder / real.name))
        self._listening.listen(64)
        self._open = [self._listening]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.silent.clear()
        for each in self._open:
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(str(self._real))
                self._open += [near, far]
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=pair, daemon=True).start()

    def _carry(self, origin: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := origin.recv(65_536):
                while self.silent.is_set():
                    time.sleep(0.02)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


@pytest.fixture
def line(new_postgres: Callable[[], str]) -> Iterator[tuple[Line, str]]:
    """The line, and the URL of a fresh database behind it."""
    url = sa.make_url(new_postgres())
    [real] = [each for each in Path(str(url.query["host"])).iterdir() if each.name.endswith("5432")]
    with tempfile.TemporaryDirectory(prefix="line-") as folder:  # a socket's path must be short
        made = Line(real, Path(folder))
        yield made, url.update_query_dict({"host": folder}).render_as_string(hide_password=False)
        made.close()


def test_a_postgresql_that_falls_silent_is_given_up_and_found_again(
    new_world: Callable[..., World], engine: ScriptedEngine, line: tuple[Line, str]
) -> None:
    silence, url = line
    world = new_world(seams=Seams(engine=engine), url=url, SCOREGATE_DATABASE__PATIENCE_SECONDS="1")
    acme = world.partner()
    consent = world.consent(acme, **PERIODIC)
    request = acme.query(consent)
    silence.silent.set()
    failure = refused(ask, acme, request, timeout=20)
    require_explained(failure, "AUDIT_UNAVAILABLE", failure.request_id)
    silence.silent.clear()
    assert until_answered(acme, request).HasField("scored")
    assert acme.spent() == {"day": 1, "month": 1}
    world.require_balanced()


def test_a_gateway_stops_while_postgresql_is_silent(
    new_world: Callable[..., World], engine: ScriptedEngine, line: tuple[Line, str]
) -> None:
    silence, url = line
    world = new_world(seams=Seams(engine=engine), url=url, SCOREGATE_DATABASE__PATIENCE_SECONDS="1")
    acme = world.partner()
    consent = world.consent(acme, **PERIODIC)
    silence.silent.set()
    call: Any = acme.scores.GetScore.future(acme.query(consent), timeout=20)
    stopped = threading.Thread(target=world.gateway.stop, args=(timedelta(seconds=0.5),), daemon=True)
    stopped.start()
    stopped.join(12)
    assert not stopped.is_alive()
    call.cancel()
