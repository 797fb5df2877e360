"""One caller's connection, request after request, after C2SP tlog-witness. Not pure: a socket.

    POST /add-checkpoint                        200 and a cosignature line, or why not
    GET  /<SHA-256 of the origin>/checkpoint    200 and the latest note, cosigned; 404
    GET  /                                      who this is

Whoever calls may be anybody. So a request has an end to its bytes and to its time, however slowly they come;
a body has one length or is not read; and what can't be trusted to be one request after another ends the
connection. An answer says why in our own words, and quotes little, escaped.
"""

import io
import re
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any

from scoregate.witness.faults import (
    FolderSpoilt,
    LogUnknown,
    NotConsistent,
    NotCosigned,
    RequestMalformed,
    SignatureRefused,
    SizeReversed,
    SizeStale,
)
from scoregate.witness.request import MAX_REQUEST_BYTES
from scoregate.witness.witness import Witness

MAX_HEAD_BYTES = 16 * 1024
SIZE_TYPE = "text/x.tlog.size"
TEXT_TYPE = "text/plain; charset=utf-8"

STATUSES: dict[type[NotCosigned], HTTPStatus] = {
    RequestMalformed: HTTPStatus.BAD_REQUEST,
    LogUnknown: HTTPStatus.NOT_FOUND,
    SignatureRefused: HTTPStatus.FORBIDDEN,
    SizeReversed: HTTPStatus.BAD_REQUEST,
    SizeStale: HTTPStatus.CONFLICT,
    NotConsistent: HTTPStatus.UNPROCESSABLE_ENTITY,
}
"""What the protocol answers, by what is wrong."""

ADD_CHECKPOINT = "/add-checkpoint"

_METHODS = {"/": "GET, HEAD", ADD_CHECKPOINT: "POST"}
_CHECKPOINT = re.compile(r"/([0-9a-f]{64})/checkpoint")
_LENGTH = re.compile(r"[0-9]{1,18}")
_FAREWELL_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a caller may take."""

    idle: timedelta = timedelta(seconds=30)  # to the first byte of a request
    request: timedelta = timedelta(seconds=10)  # from there to its last
    answer: timedelta = timedelta(seconds=10)  # to take the answer
    farewell: timedelta = timedelta(seconds=1)  # to read why the connection ends


class HeadTooLong(Exception):
    """A request's lines before its body have too many bytes."""


class Incoming(io.RawIOBase):
    """What a caller sends, with an end to the time and the bytes of each request."""

    def __init__(self, connection: socket.socket, patience: Patience) -> None:
        self._connection = connection
        self._patience = patience
        self.begin()

    def begin(self) -> None:
        """A request may come now."""
        self._waiting = True
        self._until = time.monotonic() + self._patience.idle.total_seconds()
        self._left = MAX_HEAD_BYTES

    def begun(self) -> None:
        """Some of it is here, maybe since the one before."""
        if self._waiting:
            self._waiting = False
            self._until = time.monotonic() + self._patience.request.total_seconds()

    def admit(self, body_bytes: int) -> None:
        """Its body may come too."""
        self._left += body_bytes

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what has come, or wait for it.

        Raises:
            TimeoutError: The caller's time is over.
            HeadTooLong: And so are its bytes.
            OSError: The caller is gone.
        """
        if self._left <= 0:
            raise HeadTooLong
        remaining = self._until - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        self._connection.settimeout(remaining)
        count = self._connection.recv_into(buffer)
        self._left -= count
        self.begun()
        return count


class Call(BaseHTTPRequestHandler):
    """The connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, witness: Witness, patience: Patience, *about: Any) -> None:
        self._witness = witness
        self._patience = patience
        self._unread = False  # whether bytes may come that nobody will read
        self.command = ""  # until a request has one
        super().__init__(*about)

    def setup(self) -> None:
        """Read through `Incoming`."""
        super().setup()
        self.rfile.close()
        self._incoming = Incoming(self.connection, self._patience)
        self.rfile = io.BufferedReader(self._incoming)

    def handle_one_request(self) -> None:
        """Answer one request, and decide whether there may be another."""
        self.close_connection = True  # where nothing says otherwise
        self._incoming.begin()
        try:
            super().handle_one_request()
        except HeadTooLong:
            self.send_error(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def finish(self) -> None:
        """Let the caller read the answer: closing on bytes that nobody read would take it away."""
        if self._unread:
            with suppress(OSError):
                self._wait_for_the_end()
        super().finish()

    def parse_request(self) -> bool:
        """Read the request's lines; what is not one header after another is no request."""
        self._incoming.begun()
        if not super().parse_request():
            return False
        hosts = len(self.headers.get_all("Host") or [])
        fewest = {"HTTP/1.0": 0, "HTTP/1.1": 1}.get(self.request_version, 2)  # more than one is wrong anyhow
        if self.headers.defects or not fewest <= hosts <= 1:
            self.send_error(HTTPStatus.BAD_REQUEST)
            return False
        return True

    def handle_expect_100(self) -> bool:
        """Promise nothing yet: the length is not known."""
        return True

    def do_POST(self) -> None:
        """Take a checkpoint."""
        if self.path != ADD_CHECKPOINT:
            self._refuse_place()
            return
        length = self._length()
        if length is None:
            return
        if self.headers.get("Expect", "").lower() == "100-continue":
            self._send(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._incoming.admit(length)
        data = self.rfile.read(length)
        if len(data) < length:
            self.close_connection = True  # the caller is gone
            return
        self._answer(*self._asked(lambda: self._witness.add_checkpoint(data)))

    def do_GET(self) -> None:
        """Show a checkpoint, or who this is."""
        if self.headers.get_all("Transfer-Encoding") or self.headers.get("Content-Length", "0") != "0":
            self.send_error(HTTPStatus.BAD_REQUEST)  # a body belongs to no GET
        elif self.path == "/":
            self._answer(HTTPStatus.OK, _who(self._witness))
        elif found := _CHECKPOINT.fullmatch(self.path):
            self._answer(*self._asked(lambda: self._witness.checkpoint(found[1])))
        else:
            self._refuse_place()

    do_HEAD = do_GET

    def do_PUT(self) -> None:
        """Refuse it, like all that is neither to be had nor to be posted."""
        self._refuse_place()

    do_DELETE = do_PATCH = do_OPTIONS = do_PUT

    def send_error(self, code: int, *_: str | None) -> None:
        """Answer this status and end the connection. The words are ours: others' repeat the request."""
        self._unread = self.close_connection = True
        status = HTTPStatus(code)
        self._answer(status, f"{status.phrase}.\n".encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing: what is worth a line, the witness tells."""

    def _length(self) -> int | None:
        """How long the body is; None where the request was refused for it."""
        lengths = self.headers.get_all("Content-Length") or []
        if self.headers.get_all("Transfer-Encoding") or not lengths:
            self.send_error(HTTPStatus.LENGTH_REQUIRED)
        elif len(lengths) > 1 or not _LENGTH.fullmatch(lengths[0]):
            self.send_error(HTTPStatus.BAD_REQUEST)
        elif int(lengths[0]) > MAX_REQUEST_BYTES:
            self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        else:
            return int(lengths[0])
        return None

    def _asked(self, ask: Callable[[], bytes | None]) -> tuple[HTTPStatus, bytes, str]:
        """What the witness says, as an answer."""
        try:
            said = ask()
        except SizeStale as error:
            return STATUSES[SizeStale], f"{error.size}\n".encode(), SIZE_TYPE
        except NotCosigned as error:
            return STATUSES[type(error)], f"{error}.\n".encode(), TEXT_TYPE
        except TimeoutError:
            return HTTPStatus.SERVICE_UNAVAILABLE, b"Others are waiting too. Repeat it.\n", TEXT_TYPE
        except (FolderSpoilt, OSError) as error:
            self._witness.tell(f"Nothing is cosigned or shown: {error}")  # paths are not for strangers
            return HTTPStatus.INTERNAL_SERVER_ERROR, b"The witness can't use its files.\n", TEXT_TYPE
        if said is None:
            return HTTPStatus.NOT_FOUND, b"Nothing was cosigned for this log.\n", TEXT_TYPE
        return HTTPStatus.OK, said, TEXT_TYPE

    def _refuse_place(self) -> None:
        allowed = _METHODS.get(self.path) or (_CHECKPOINT.fullmatch(self.path) and _METHODS["/"])
        if self.command not in ("GET", "HEAD"):
            self._unread = self.close_connection = True  # its body, if it has one
        if allowed:
            self._answer(HTTPStatus.METHOD_NOT_ALLOWED, f"Here goes {allowed}.\n".encode(), allow=allowed)
        else:
            self._answer(HTTPStatus.NOT_FOUND, b"There is nothing here.\n")

    def _answer(self, status: HTTPStatus, body: bytes, kind: str = TEXT_TYPE, *, allow: str = "") -> None:
        lines = [
            f"HTTP/1.1 {status.value} {status.phrase}",
            f"Content-Type: {kind}",
            f"Content-Length: {len(body)}",
            "X-Content-Type-Options: nosniff",
            "Cache-Control: no-store",
            *([f"Allow: {allow}"] if allow else []),
            *(["Connection: close"] if self.close_connection else []),
        ]
        head = "".join(f"{line}\r\n" for line in (*lines, "")).encode()
        self._send(head if self.command == "HEAD" else head + body)

    def _send(self, data: bytes) -> None:
        self.connection.settimeout(self._patience.answer.total_seconds())  # for all of it
        self.wfile.write(data)

    def _wait_for_the_end(self) -> None:
        self.connection.shutdown(socket.SHUT_WR)
        until = time.monotonic() + self._patience.farewell.total_seconds()
        left = _FAREWELL_BYTES
        while left > 0 and (remaining := until - time.monotonic()) > 0:
            self.connection.settimeout(remaining)
            count = len(self.connection.recv(65536))
            left -= count or left


def _who(witness: Witness) -> bytes:
    return (
        f"{witness.folder.vkey.name}, a witness of transparency logs (https://c2sp.org/tlog-witness).\n"
        f"{witness.folder.vkey}\n"
    ).encode()
