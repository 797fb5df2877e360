"""One abusive connection: TLS with a client certificate, HTTP/2's preface, and then whatever is written.

h2 opens the connection; from then on frames are written as they are, lawful or not.
"""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from dataclasses import dataclass, field
from uuid import uuid4

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.exceptions import ProtocolError
from hpack import Encoder
from hyperframe.frame import Frame, HeadersFrame, WindowUpdateFrame

PATIENCE_SECONDS = 1.0  # with a server that takes no more bytes
ENOUGH_TAKEN = 30_000  # bytes of answers, before their window is given back
DATA, HEADERS, RST_STREAM, END_STREAM = 0, 1, 3, 1  # RFC 9113, 6


class HungUp(Exception):
    """The server ended the connection, or takes no more."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who abuses: a client certificate and where it goes."""

    port: int
    server_ca: str
    certificate: str
    key: str
    path: str
    body: bytes  # a good request to that path
    idle_lines: int  # of each thread


@dataclass(slots=True)
class Line:
    """One connection, its preface sent."""

    caller: Caller
    wire: ssl.SSLSocket = field(init=False)
    sent: int = 0
    _next: int = 1
    _unread: bytearray = field(default_factory=bytearray)
    _taken: int = 0  # bytes of answers, to be given back to the connection's window

    def __post_init__(self) -> None:
        context = ssl.create_default_context(cafile=self.caller.server_ca)
        context.load_cert_chain(self.caller.certificate, self.caller.key)
        context.set_alpn_protocols(["h2"])
        try:
            plain = socket.create_connection(("127.0.0.1", self.caller.port), PATIENCE_SECONDS)
            self.wire = context.wrap_socket(plain, server_hostname="127.0.0.1")
        except OSError as error:
            raise HungUp from error
        opening = H2Connection(H2Configuration(client_side=True))
        opening.initiate_connection()
        self.write(opening.data_to_send())
        try:
            opening.receive_data(self._settings())
        except (OSError, ProtocolError) as error:
            raise HungUp from error
        self.write(opening.data_to_send())  # its settings are taken: wider windows, mostly

    def _settings(self) -> bytes:
        """The server's first words."""
        data = self.wire.recv(65_536)
        if not data:
            raise HungUp
        return data

    def write(self, data: bytes, count: int = 0) -> None:
        """Send bytes that make so many frames."""
        try:
            self.wire.sendall(data)
        except OSError as error:
            raise HungUp from error
        self.sent += count

    def frames(self, *frames: Frame) -> None:
        """Send frames."""
        self.write(b"".join(frame.serialize() for frame in frames), len(frames))

    def streams(self, count: int) -> range:
        """So many new streams."""
        first, self._next = self._next, self._next + 2 * count
        if self._next > 2**31 - 1:
            raise HungUp
        return range(first, self._next, 2)

    def headers(self, stream: int, *, more: bool = False) -> HeadersFrame:
        """The beginning of a call; ``more`` of its header block is to come."""
        frame = HeadersFrame(stream, Encoder().encode(_request_headers(self.caller.path)))
        if not more:
            frame.flags.add("END_HEADERS")
        return frame

    def sip(self) -> None:
        """Read what is there, so that the server's acknowledgements do not fill the pipe."""
        self.wire.setblocking(False)
        try:
            while True:
                if not self.wire.recv(65_536):
                    raise HungUp
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except OSError as error:
            raise HungUp from error
        finally:
            self.wire.settimeout(PATIENCE_SECONDS)

    def fresh_body(self) -> bytes:
        """The body under a new request id, which is its first field."""
        return self.caller.body[:2] + str(uuid4()).encode() + self.caller.body[38:]

    def await_ends(self, count: int, watch: Watch) -> None:
        """Read until so many streams have ended."""
        ended = 0
        while ended < count and not watch.over:
            try:
                data = self.wire.recv(65_536)
            except TimeoutError:
                continue
            except OSError as error:
                raise HungUp from error
            if not data:
                raise HungUp
            self._unread += data
            ended += self._count_ends()

    def _count_ends(self) -> int:
        ended, at = 0, 0
        while len(self._unread) - at >= 9:
            size = int.from_bytes(self._unread[at : at + 3])
            if len(self._unread) - at < 9 + size:
                break
            kind, flags = self._unread[at + 3], self._unread[at + 4]
            ended += kind == RST_STREAM or (kind in (DATA, HEADERS) and flags & END_STREAM)
            self._taken += size if kind == DATA else 0
            at += 9 + size
        del self._unread[:at]
        if self._taken > ENOUGH_TAKEN:
            self.write(WindowUpdateFrame(0, window_increment=self._taken).serialize())
            self._taken = 0
        return ended

    def close(self) -> None:
        """Hang up."""
        self.wire.close()


def _request_headers(path: str) -> list[tuple[str, str]]:
    return [
        (":method", "POST"),
        (":scheme", "https"),
        (":path", path),
        (":authority", "127.0.0.1"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    ]


def message(body: bytes) -> bytes:
    """A gRPC message: not compressed, and its length."""
    return b"\0" + struct.pack(">I", len(body)) + body


class Watch:
    """When it has begun, and when it is over: at a given time, or when somebody says so."""

    def __init__(self, until: float) -> None:
        self._until = until
        self.begun = threading.Semaphore(0)  # released once by each thread that has its connections

    def end(self) -> None:
        """That is enough."""
        self._until = 0.0

    @property
    def over(self) -> bool:
        """Whether to stop."""
        return time.monotonic() >= self._until
