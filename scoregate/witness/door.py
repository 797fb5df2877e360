"""Where callers come in: a port, and a thread for each of them, up to a number. Not pure."""

import socket
import socketserver
import sys
import threading
import time
from contextlib import suppress
from datetime import timedelta
from functools import partial
from http.server import ThreadingHTTPServer
from typing import Any

from scoregate.witness.call import Call, Patience
from scoregate.witness.witness import Witness

MAX_CALLERS = 64

_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)


class Door(ThreadingHTTPServer):
    """The port, taken once this is made; `serve_forever` answers until `stop`."""

    daemon_threads = True
    request_queue_size = MAX_CALLERS

    def __init__(
        self,
        witness: Witness,
        host: str,
        port: int,
        *,
        patience: Patience | None = None,
        callers: int = MAX_CALLERS,
    ) -> None:
        """Take the port; 0 takes any that is free.

        Raises:
            OSError: It can't be had.
        """
        self._callers = callers
        self._places = threading.BoundedSemaphore(callers)
        self._open: set[socket.socket] = set()
        self._opening = threading.Lock()  # of _open
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), partial(Call, witness, patience or Patience()))

    @property
    def port(self) -> int:
        """Where it really listens."""
        return int(self.server_address[1])

    def server_bind(self) -> None:
        """Bind, and ask no name server what this machine is called."""
        socketserver.TCPServer.server_bind(self)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give this caller a thread, if there is a place left."""
        if not self._places.acquire(blocking=False):
            with suppress(OSError):
                request.setblocking(False)  # nobody waits for a caller who is turned away
                request.send(_FULL)
            self.shutdown_request(request)
            return
        with self._opening:
            self._open.add(request)
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread was to be had
            self._leave(request)
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer the caller, and give the place back."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._leave(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of callers who go away. Anything else is a bug, and shown."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    def stop(self, grace: timedelta) -> None:
        """Take no more calls, and let those under way end within ``grace``."""
        self.shutdown()
        self.server_close()
        with self._opening:
            for each in self._open:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RD)  # so that nobody waits for the next request
        until = time.monotonic() + grace.total_seconds()
        for _ in range(self._callers):
            if not self._places.acquire(timeout=max(0.0, until - time.monotonic())):
                break

    def _leave(self, request: socket.socket) -> None:
        with self._opening:
            self._open.discard(request)
        self._places.release()
