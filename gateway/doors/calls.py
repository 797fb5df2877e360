"""Serves gRPC calls from one completion queue, with one thread that never waits for a caller.

``grpc.server`` gives every call a thread, which waits for the body, and ``grpc.aio`` gives it a
task; an empty call costs either of them two to three times what it costs gRPC's core. Here one
thread takes what the core reports (a call has begun, its body is here, its answer has gone, its
caller has left) and hands a call on once its body is here. Answers may be sent from any thread.

It stands on the layer that both of grpcio's servers stand on, ``grpc._cython.cygrpc``. That is not
public: grpcio is pinned by its hash, this is the only file that knows it, and the tests of the
doors pin what callers see of it.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import grpc
import structlog
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # its stubs don't know it

log = structlog.get_logger()

AWAITED = 16
"""Calls that the core may take in before the thread has looked at the first of them."""

FOR_EVER = 1e9
"""In seconds. Of a call without a deadline the core says that some 9e18 are left."""

NO_FLAGS = 0
OK: int = cygrpc.StatusCode.ok

Metadata = tuple[tuple[str, str | bytes], ...]


class MessageUnreadable(Exception):
    """A dialogue's message is not one of its method."""


class Incoming:
    """One call, from its beginning until its answer has gone or its caller has left."""

    __slots__ = (
        "_answered",
        "_call",
        "_due",
        "_is_greeted",
        "_server",
        "awaits_body",
        "began",
        "body",
        "certificate_pem",
        "is_alive",
        "method",
        "peer",
        "seconds",
    )

    def __init__(self, server: CallServer, event: Any) -> None:
        call, details = event.call, event.call_details
        self._server = server
        self._call = call
        self._answered = False
        self._due = 0  # reports that the core still owes; counted under the server's lock
        self._is_greeted = False  # initial metadata have gone out
        self.awaits_body = False
        self.began = time.monotonic()
        self.method: str = details.method.decode()
        self.certificate_pem: bytes = cygrpc.auth_context(call).get(b"x509_pem_cert", (b"",))[0]
        self.peer: str = call.peer().decode()
        left = details.deadline - time.time()
        self.seconds: float | None = None if left > FOR_EVER else left
        """How long its caller gave it, from ``began`` on; None: no deadline."""
        self.body: bytes | None = None
        """The serialised request; None: none came, or grpcio refused it (too large, compressed)."""
        self.is_alive = True
        """False once its caller has cancelled, hung up, or run out of time."""

    def answer(self, body: bytes, headers: Metadata = ()) -> None:
        """Send the response. A call is answered or refused once; whose caller has left hears nothing."""
        self._send(
            *self._greeting(headers),
            cygrpc.SendMessageOperation(body, NO_FLAGS),
            cygrpc.SendStatusFromServerOperation(None, OK, b"", NO_FLAGS),
        )

    def refuse(
        self, status: grpc.StatusCode, details: str, *, headers: Metadata = (), trailers: Metadata = ()
    ) -> None:
        """Send a status in place of a response."""
        code: int = status.value[0]
        self._send(
            *self._greeting(headers),
            cygrpc.SendStatusFromServerOperation(trailers, code, details.encode(), NO_FLAGS),
        )

    def hang_up(self) -> None:
        """End the call without a word."""
        self._call.cancel()

    # --- asked of the core, which owes one report for each asking

    def _send(self, *operations: Any) -> None:
        with self._server.lock:
            # Once the core has reported the end, the queue may be gone before another report could come.
            if self.is_alive and not self._answered:
                self._answered = True
                self._ask(operations, self._sent)

    def begin(self, *, with_body: bool) -> None:
        """Await the end, and the body. Called by the serving thread, before anybody else has the call."""
        with self._server.lock:
            self._ask((cygrpc.ReceiveCloseOnServerOperation(NO_FLAGS),), self._ended)
            if with_body:
                self.awaits_body = True
                self._ask((cygrpc.ReceiveMessageOperation(NO_FLAGS),), self._received)

    def say(self, message: bytes) -> None:
        """Send one message of a dialogue, and await the next one."""
        operations = (*self._greeting(), cygrpc.SendMessageOperation(message, NO_FLAGS))
        with self._server.lock:
            if self.is_alive:
                self._ask(operations, self._sent)
                self._ask((cygrpc.ReceiveMessageOperation(NO_FLAGS),), self._received)

    def finish(self) -> None:
        """End a dialogue."""
        self._send(*self._greeting(), cygrpc.SendStatusFromServerOperation(None, OK, b"", NO_FLAGS))

    def _greeting(self, headers: Metadata = ()) -> tuple[Any, ...]:
        """What goes out first, once."""
        if self._is_greeted:
            return ()
        self._is_greeted = True
        return (cygrpc.SendInitialMetadataOperation(headers, NO_FLAGS),)

    def _ask(self, operations: Sequence[Any], report: Callable[[Any], None]) -> None:
        self._call.start_server_batch(operations, report)
        self._due += 1  # under the lock that its report waits for

    # --- reported by the core, on the serving thread

    def _received(self, event: Any) -> None:
        self.awaits_body = False
        self.body = event.batch_operations[0].message()
        self._server.hand_on(self)  # first: a call that owes nothing and is owed nothing loses its place
        self._reported()

    def _sent(self, _: Any) -> None:
        self._reported()

    def _ended(self, _: Any) -> None:
        with self._server.lock:
            self.is_alive = False
        self._reported()

    def _reported(self) -> None:
        with self._server.lock:
            self._due -= 1
            is_over = self._due == 0 and not self.is_alive
        if is_over:
            self._server.forget(self)


Serve = Callable[[Incoming], None]
"""Sees to it that a call is answered or refused, now or later. Runs on the serving thread: never waits."""

Dialogue = Callable[[bytes], bytes]
"""One message of a stream, answered by one. Raises MessageUnreadable."""


class CallServer:
    """One door: calls come in, ``serve`` sees to them.

    ``turn_away`` refuses a call before its body is read, because its certificate has ``max_each`` calls
    open already, or the door ``max_open``: a caller that sends no body, or reads no answer, holds a place
    of its own and no thread. ``methods`` are the paths that there are, ``dialogues`` those of streams.
    """

    def __init__(
        self,
        *,
        methods: Mapping[str, Serve],
        dialogues: Mapping[str, Dialogue],
        turn_away: Callable[[Incoming, bool], None],
        max_each: int,
        max_open: int,
        options: Sequence[tuple[str, int]],
    ) -> None:
        self._methods = methods
        self._dialogues = dialogues
        self._turn_away = turn_away
        self._max_each = max_each
        self._max_open = max_open
        self.lock = threading.Lock()  # guards what the core owes each call, and the next
        self._open: set[Incoming] = set()  # touched by the serving thread alone, like the two below
        self._by_certificate: Counter[bytes] = Counter()
        self._awaited = 0
        self._queue = cygrpc.CompletionQueue()
        self._server = cygrpc.Server(tuple((name.encode(), value) for name, value in options), False)
        self._server.register_completion_queue(self._queue)
        self._thread = threading.Thread(target=self._run, name="calls", daemon=True)
        self._is_stopping = False
        self._down = False  # the core has reported that it takes no more calls and has none

    def add_secure_port(self, address: str, credentials: grpc.ServerCredentials) -> int:
        """Listen; returns the port.

        Raises:
            RuntimeError: The address is taken.
        """
        port: int = self._server.add_http2_port(address.encode(), credentials._credentials)  # type: ignore[attr-defined]
        if port == 0:
            raise RuntimeError(f"can't listen on {address}")
        return port

    def start(self) -> None:
        """Take calls."""
        self._server.start()
        for _ in range(AWAITED):
            self._await_call()
        self._thread.start()

    def stop(self, grace: float) -> None:
        """Take no more calls, let those under way end for so many seconds, and cancel the rest."""
        if self._thread.ident is None:  # gRPC lets go of a port only where the server had started
            self.start()
        with self.lock:
            if self._is_stopping:
                return
            self._is_stopping = True
            self._server.shutdown(self._queue, self._stopped)
        self._thread.join(grace)
        self._server.cancel_all_calls()
        self._thread.join()
        self._server.destroy()

    def hang_up_overdue(self, seconds: float) -> int:
        """End calls that have sent no body for so long; returns how many."""
        latest = time.monotonic() - seconds
        overdue = [call for call in list(self._open) if call.awaits_body and call.began <= latest]
        for call in overdue:
            call.hang_up()
        return len(overdue)

    # --- the serving thread

    def _run(self) -> None:
        while self._open or self._awaited or not self._down:
            event = self._queue.poll()
            try:
                event.tag(event)
            except Exception:  # without this thread nobody is answered any more
                log.exception("a call could not be served")
            event = None  # it holds its call

    def _await_call(self) -> None:
        self._server.request_call(self._queue, self._queue, self._arrived)
        self._awaited += 1

    def _arrived(self, event: Any) -> None:
        self._awaited -= 1
        if not event.success:
            return  # the door is closing
        with self.lock:
            if not self._is_stopping:
                self._await_call()
        call = Incoming(self, event)
        self._open.add(call)
        self._by_certificate[call.certificate_pem] += 1
        is_crowd = self._by_certificate[call.certificate_pem] > self._max_each
        is_known = call.method in self._methods or call.method in self._dialogues
        is_refused = not is_known or is_crowd or len(self._open) > self._max_open
        call.begin(with_body=not is_refused)
        if not is_known:
            call.refuse(grpc.StatusCode.UNIMPLEMENTED, "there is no such method here")
        elif is_refused:
            self._turn_away(call, is_crowd)

    def hand_on(self, call: Incoming) -> None:
        """Serve a call whose body is here, or will never be. Never raises: its place must come back."""
        try:
            if call.method in self._methods:
                self._methods[call.method](call)
            elif call.body is None:
                call.finish()
            else:
                call.say(self._dialogues[call.method](call.body))
        except MessageUnreadable:
            call.refuse(grpc.StatusCode.INVALID_ARGUMENT, "send messages of this method")
        except Exception:
            log.exception("a call could not be served", method=call.method)
            call.refuse(grpc.StatusCode.INTERNAL, "an unexpected failure; repeat the call")

    def forget(self, call: Incoming) -> None:
        """Give a call's place away."""
        self._open.discard(call)
        self._by_certificate[call.certificate_pem] -= 1
        if not self._by_certificate[call.certificate_pem]:
            del self._by_certificate[call.certificate_pem]

    def _stopped(self, _: Any) -> None:
        self._down = True
