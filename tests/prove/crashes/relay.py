"""A line that somebody sits on between a caller and a server: passes bytes on, keeps them back, cuts it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

CHUNK_BYTES = 65_536

Passing = Callable[[object, bytes, bool], bytes | None]
"""Given (line, bytes, whether they go to the server), what is passed on; None cuts the line. It may wait."""


class Relay:
    """Takes connections until closed, and gives each one of its own to the server."""

    def __init__(
        self, listening: socket.socket, connect: Callable[[], socket.socket], passing: Passing
    ) -> None:
        self._listening = listening
        self._connect = connect
        self._passing = passing
        self._threads: list[threading.Thread] = []
        self._lines: set[tuple[socket.socket, socket.socket]] = set()
        self._begin(self._accept)

    @classmethod
    def to_port(cls, port: int, passing: Passing) -> Relay:
        """To a port of this machine."""
        listening = socket.create_server(("127.0.0.1", 0))
        return cls(listening, lambda: socket.create_connection(("127.0.0.1", port)), passing)

    @classmethod
    def to_socket(cls, real: Path, own: Path, passing: Passing) -> Relay:
        """To a Unix socket, from another one whose path must be short."""
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(own))
        listening.listen(64)

        def connect() -> socket.socket:
            far = socket.socket(socket.AF_UNIX)
            try:
                far.connect(str(real))
            except OSError:
                far.close()
                raise
            return far

        return cls(listening, connect, passing)

    @property
    def port(self) -> int:
        """Where it listens, if it does so at a port."""
        port: int = self._listening.getsockname()[1]
        return port

    def close(self) -> None:
        """Cut every line, and wait for the end of all that were carried."""
        _cut(self._listening)
        self._threads[0].join()
        for near, far in list(self._lines):
            _cut(near, far)
        for thread in self._threads:
            thread.join()
        self._listening.close()

    def _begin(self, work: Callable[..., None], *args: object) -> threading.Thread:
        thread = threading.Thread(target=work, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                try:
                    far = self._connect()
                except OSError:  # nobody is there, and whoever came is told so
                    near.close()
                    continue
                self._lines.add((near, far))
                self._begin(self._carry_both, near, far)

    def _carry_both(self, near: socket.socket, far: socket.socket) -> None:
        line = object()
        with near, far:
            back = self._begin(self._carry, line, far, near, False)
            self._carry(line, near, far, True)
            back.join()
            self._lines.discard((near, far))

    def _carry(self, line: object, origin: socket.socket, target: socket.socket, to_server: bool) -> None:
        with suppress(OSError):
            while data := origin.recv(CHUNK_BYTES):
                passed = self._passing(line, data, to_server)
                if passed is None:
                    break
                target.sendall(passed)
        _cut(origin, target)


def _cut(*sockets: socket.socket) -> None:
    for each in sockets:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
