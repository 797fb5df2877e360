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
from functools import partial
from typing import Any

import grpc
import structlog
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # its stubs don't know it

from gateway.doors.unhurried import Unhurried

log = structlog.get_logger()

AWAITED = 16
"""Calls that the core may take in before the thread has looked at the first of them."""

POLL_SECONDS = 0.25
GIVE_WAY_SECONDS = 0.005
"""How long the door's own thread leaves it to another one to take calls in."""

MOST_TAKEN_IN = 256
"""Reports that another thread takes in at a time: a flood must not keep it from its own work."""

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
        "has_place",
        "is_alive",
        "is_served",
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
        self.has_place = False  # among those of its certificate and of the door
        self.is_served = False  # somebody is to answer or refuse it
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
        """End the call without a word, whoever works for it."""
        with self._server.lock:
            if self._call is not None:
                self._call.cancel()
        self.let_go()

    def let_go(self) -> None:
        """Whatever is said of it from now on, nobody waits for that."""
        with self._server.lock:
            self.is_served = False
            is_over = self._is_over()
        if is_over:
            self._server.forget(self)

    def unhurriedly(self, refuse: Callable[[], None]) -> None:
        """Have the call refused when its turn has come; with too many before it, it is hung up on."""
        if not self._server.unhurried.do(refuse):
            self.hang_up()

    # --- asked of the core, which owes one report for each asking

    def _send(self, *operations: Any) -> None:
        with self._server.lock:
            # Once the core has reported the end, the queue may be gone before another report could come.
            if self.is_alive and not self._answered:
                self._ask(operations, self._sent)
            self._answered = True
            self.is_served = False
            is_over = self._is_over()
        if is_over:
            self._server.forget(self)

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
            is_over = self._is_over()
        if is_over:
            self._server.forget(self)

    def release(self) -> None:
        """Give the core its call back, whoever still holds this: until then it counts among its streams."""
        self._call = None

    def _is_over(self) -> bool:
        """Whether the core owes nothing, and nobody works for it: a place is not free before."""
        return self._due == 0 and not self.is_alive and not self.is_served


Serve = Callable[[Incoming], None]
"""Sees to it that a call is answered or refused, now or later. Runs on the serving thread: never waits."""

Dialogue = Callable[[bytes], bytes]
"""One message of a stream, answered by one. Raises MessageUnreadable."""


class CallServer:
    """One door: calls come in, ``serve`` sees to them.

    ``turn_away`` refuses a call before its body is read, because its certificate has ``max_each`` calls
    open already, or the door ``max_open``: a caller that sends no body, or reads no answer, holds a place
    of its own and no thread. Refusing has time: a crowd must not stand in front of everybody else.

    ``methods`` are the paths that there are, ``dialogues`` those of streams. With ``may_poll`` there is
    another thread that takes reports in when it is ready for more; the door's own leaves it to that one
    while the event is not set.
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
        may_poll: threading.Event | None = None,
    ) -> None:
        self._methods = methods
        self._dialogues = dialogues
        self._turn_away = turn_away
        self._max_each = max_each
        self._max_open = max_open
        self.lock = threading.Lock()  # guards what the core owes each call, and the next three
        self._open: set[Incoming] = set()
        self._by_certificate: Counter[bytes] = Counter()
        self._places_taken = 0
        self._awaited = 0  # touched by the serving thread alone
        self.unhurried = Unhurried()
        self._queue = cygrpc.CompletionQueue()
        self._server = cygrpc.Server(tuple((name.encode(), value) for name, value in options), False)
        self._server.register_completion_queue(self._queue)
        self._polling = threading.Lock()  # held by the one thread that takes reports in
        self._may_poll = may_poll
        self._thread = threading.Thread(target=self._run, name="calls", daemon=True)
        self._is_stopping = False
        self._is_out_of_patience = False  # with calls that are still served
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
        self.unhurried.close()
        self._thread.join(grace)
        self._server.cancel_all_calls()
        self._is_out_of_patience = True
        with self.lock:
            left = list(self._open)
        for call in left:
            call.let_go()
        self._thread.join()
        self._server.destroy()

    def hang_up_overdue(self, seconds: float) -> int:
        """End calls that have sent no body for so long; returns how many."""
        latest = time.monotonic() - seconds
        with self.lock:
            overdue = [call for call in self._open if call.awaits_body and call.began <= latest]
        for call in overdue:
            call.hang_up()
        return len(overdue)

    def take_in(self) -> None:
        """Take in what the core has reported by now, on the thread that will need it next.

        Two threads that take turns at every report spend more on changing places than on the calls.
        """
        if self._polling.acquire(blocking=False):
            try:
                self._take_in_waiting()
            finally:
                self._polling.release()

    # --- the serving thread

    def _run(self) -> None:
        may_poll = self._may_poll
        while self._open or self._awaited or not self._down:
            if may_poll is None or may_poll.wait(GIVE_WAY_SECONDS):
                with self._polling:
                    # Never for good: other threads may have seen to the last call that there was.
                    self._take_one(time.time() + POLL_SECONDS)
            else:
                self.take_in()  # the other one is kept waiting by something

    def _take_in_waiting(self) -> None:
        for _ in range(MOST_TAKEN_IN):
            if not self._take_one(0):
                break

    def _take_one(self, deadline: float) -> bool:
        """Take in one report; False: none came until the deadline."""
        event = self._queue.poll(deadline)
        if event.tag is None:
            return False
        try:
            event.tag(event)
        except Exception:  # without this thread nobody is answered any more
            log.exception("a call could not be served")
        return True

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
        is_crowd = self._find_place(call)
        if is_crowd is not None:
            # Whom even this finds no room for is let go of, and gRPC resets the stream.
            self.unhurried.do(partial(self._refuse, call, is_crowd))
            return
        is_known = call.method in self._methods or call.method in self._dialogues
        call.begin(with_body=is_known)
        if not is_known:
            call.refuse(grpc.StatusCode.UNIMPLEMENTED, "there is no such method here")

    def _find_place(self, call: Incoming) -> bool | None:
        """Give it a place; or return whether its own certificate has too many open, or the whole door."""
        pem = call.certificate_pem
        with self.lock:
            is_crowd = self._by_certificate[pem] >= self._max_each
            if is_crowd or self._places_taken >= self._max_open:
                return is_crowd
            call.has_place = True
            self._places_taken += 1
            self._by_certificate[pem] += 1
            self._open.add(call)
        return None

    def _refuse(self, call: Incoming, is_crowd: bool) -> None:
        with self.lock:
            self._open.add(call)
        call.begin(with_body=False)
        self._turn_away(call, is_crowd)

    def hand_on(self, call: Incoming) -> None:
        """Serve a call whose body is here, or will never be. Never raises: its place must come back."""
        try:
            if call.method in self._methods:
                call.is_served = not self._is_out_of_patience
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
        pem = call.certificate_pem
        with self.lock:
            self._open.discard(call)
            if call.has_place:
                call.has_place = False
                self._places_taken -= 1
                self._by_certificate[pem] -= 1
                if not self._by_certificate[pem]:
                    del self._by_certificate[pem]
        call.release()

    def _stopped(self, _: Any) -> None:
        self._down = True
