"""One mTLS channel to a gateway, and the calls that go over it.

The retry policy is published here and is all there is: grpc-core's own retries are off, and no service
config is taken from DNS.

    what                                        again?
    UNAVAILABLE                                 yes, with the same bytes: request id and nonce included
    BURST_EXCEEDED, CONCURRENCY_EXCEEDED        yes, likewise; or grpcio's own word for a full server
    a negative pushback, TLS that is refused    no
    anything else                               no

It is tried until the caller's deadline, so a gateway that restarts is waited for. Pauses double from
FIRST_PAUSE up to LONGEST_PAUSE, each drawn between zero and that (full jitter); where the gateway names a
wait, they come on top of it, or all who were told the same would return at once. A pause that would reach
the deadline is not begun: what was refused last is raised instead.
"""

import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc

from scoregate.client import refusals
from scoregate.client.arguments import require_span
from scoregate.errors import ClientMisconfigured, RateLimited, Refused

FIRST_PAUSE = timedelta(milliseconds=100)
LONGEST_PAUSE = timedelta(seconds=1)
MAX_RECEIVE_BYTES = 8 * 1024 * 1024  # a batch of 1,000 answers is about 3 MiB
MAX_SEND_BYTES = 1024 * 1024  # the gateway takes no more
REPLAYED = "scoregate-replayed"

CHANNEL_OPTIONS = (
    ("grpc.enable_retries", 0),  # the loop below knows what is safe; the core doesn't
    ("grpc.service_config_disable_resolution", 1),  # nor does whoever answers for DNS
    ("grpc.max_receive_message_length", MAX_RECEIVE_BYTES),
    ("grpc.max_send_message_length", MAX_SEND_BYTES),
    # An idle connection that a firewall dropped is noticed before the next query, not by it.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # Reconnecting waits no longer than the pauses above, or a retry would only find the last failure.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # What a connection may take, despite its name: silence is a cause with a name before most deadlines.
    ("grpc.min_reconnect_backoff_ms", 5_000),
)

_HOST_AND_PORT = re.compile(r"(?:\[[0-9A-Fa-f:.%]+\]|[^\s:/\[\]]+):[0-9]{1,5}")


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Clock:
    """Where a client's time and chance come from; tests bring their own."""

    now: Callable[[], datetime] = _utc_now  # with its zone; judges freshness
    monotonic: Callable[[], float] = time.monotonic  # seconds; judges deadlines
    sleep: Callable[[float], None] = time.sleep  # seconds
    chance: Callable[[], float] = random.random  # from 0 up to, but not including, 1


@dataclass(frozen=True, slots=True)
class Reply:
    """A response, and whether the gateway said that it had given it before."""

    message: Any
    replayed: bool


@dataclass(frozen=True, slots=True)
class Deadline:
    """When something has to be done."""

    clock: Clock
    at: float  # of the monotonic clock, in seconds

    def left(self) -> timedelta:
        """Return how long there is until then; never less than nothing."""
        return timedelta(seconds=max(self.at - self.clock.monotonic(), 0))

    def pause(self, seconds: float) -> bool:
        """Sleep, and return True; False at once where that would reach the deadline."""
        if self.clock.monotonic() + seconds >= self.at:
            return False
        self.clock.sleep(seconds)
        return True


class Connection:
    """Calls a gateway within deadlines, and again where that is safe. Safe to share between threads.

    Raises:
        ClientMisconfigured: The target is not host and port, or the timeout no timedelta.
    """

    def __init__(
        self, target: str, credentials: grpc.ChannelCredentials, *, timeout: timedelta, clock: Clock
    ) -> None:
        if not _HOST_AND_PORT.fullmatch(target):
            raise ClientMisconfigured(
                'target: give host and port, such as "gateway.example:8443", without a scheme'
            )
        require_span("timeout", timeout)
        self.channel = grpc.secure_channel(target, credentials, options=CHANNEL_OPTIONS)
        self._timeout = timeout
        self._clock = clock

    def deadline(self, timeout: timedelta | None) -> "Deadline":
        """Return the end of something that takes several calls: ``timeout`` from now on, or the client's.

        Raises:
            ClientMisconfigured: The timeout is no timedelta.
        """
        allowed = self._timeout if timeout is None else timeout
        require_span("timeout", allowed)
        return Deadline(self._clock, self._clock.monotonic() + allowed.total_seconds())

    def close(self) -> None:
        """Close the channel; calls under way end as CANCELLED."""
        self.channel.close()

    def call(
        self,
        method: Any,
        request: Any,
        *,
        timeout: timedelta | None = None,
        request_id: str = "",
        nonce: str = "",
    ) -> Reply:
        """Return the response, tried again while that is safe and the timeout leaves room.

        Raises:
            Refused: The last refusal.
            ClientMisconfigured: The client was closed, or the timeout is no timedelta.
        """
        allowed = self._timeout if timeout is None else timeout
        require_span("timeout", allowed)
        deadline = self._clock.monotonic() + allowed.total_seconds()
        ceiling = FIRST_PAUSE
        while True:
            try:
                return self._send(method, request, deadline - self._clock.monotonic())
            except grpc.RpcError as error:
                refused = refusals.from_call(error, request_id=request_id, nonce=nonce)
                pause = self._pause(refused, ceiling)
                if pause is None or self._clock.monotonic() + pause >= deadline:
                    # What the gateway says of itself is whole; the transport's own account may say more.
                    raise refused from None if refused.code else error
            self._clock.sleep(pause)
            ceiling = min(2 * ceiling, LONGEST_PAUSE)

    def _send(self, method: Any, request: Any, seconds: float) -> Reply:
        try:
            response, call = method.with_call(request, timeout=seconds)
        except ValueError:  # grpcio's word for a closed channel
            raise ClientMisconfigured("the client is closed; open another one") from None
        return Reply(response, (REPLAYED, "true") in (call.initial_metadata() or ()))

    def _pause(self, refused: Refused, ceiling: timedelta) -> float | None:
        """Return how many seconds to wait before the next attempt; None to give up."""
        passes = refused.status == "UNAVAILABLE" or isinstance(refused, RateLimited)
        if refused.stop or not passes:
            return None
        told = refused.retry_after or timedelta()
        return told.total_seconds() + self._clock.chance() * ceiling.total_seconds()
