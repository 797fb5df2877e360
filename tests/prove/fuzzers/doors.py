"""Request bodies, through every door as the gateway wires it: what a partner or an operator may send.

A door is taken as far as its reading goes: it ends where the ledger would be asked. The first byte of an
input chooses the method among the service's, the rest is the body.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, NoReturn

from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from gateway import founding
from gateway.doors import score
from gateway.doors.calls import MessageUnreadable
from gateway.errors import refused
from gateway.partners import Partner, Role
from gateway.query import Call, Caller
from gateway.quota.contract import Contract
from gateway.server import Seams, listening, services
from gateway.server.parts import open_parts
from tests.journey.contract import METHODS, Method
from tests.journey.samples import samples
from tests.prove.fuzzers.mutation import message_of
from tests.prove.fuzzers.target import Place, Take, Target, refusing
from tests.world import settings_for

ROOM = "doors"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
OPERATOR = Partner("operator", "The operator", Role.OPERATOR, False, Contract(), "operator")
CALLER = Caller("operator", "0" * 64, "The operator", "ipv4:127.0.0.1:1")
SCORE_READERS = {
    "GetScore": score._read_get_score,
    "CheckThreshold": score._read_check_threshold,
    "BatchGetScores": score._read_batch,
}
"""The journey does all eight steps of these by itself, so they are read by the functions that it is given."""


class Read(Exception):
    """The body was read: what follows is the ledger's."""


class BlankLedger:
    """Where reading ends."""

    def now(self) -> datetime:
        return NOW

    def change(self, _work: object) -> NoReturn:
        raise Read

    def submit(self, *_attempts: object, **_options: object) -> NoReturn:
        raise Read


class Doorstep:
    """A frame without a gate: a plain handler stays what it is."""

    def admitted(self, handle: Callable[..., object]) -> Callable[..., object]:
        return handle


def of_service(name: str) -> tuple[Method, ...]:
    """Its methods, in the order that an input's first byte counts in."""
    return tuple(method for method in METHODS if f".{name}/" in method.path)


def wired(methods: tuple[Method, ...], place: Place) -> Take:
    """The doors of a freshly founded installation."""
    settings = settings_for(place.folder, f"sqlite:///{place.folder}/ledger.db", place.engine_folder)
    founding.found(settings, now=NOW)
    parts = open_parts(settings, Seams(clock=lambda: NOW), ExitStack())  # the process ends without closing
    frame: Any = Doorstep()
    blank: Any = replace(parts, ledger=BlankLedger())  # type: ignore[arg-type]
    journey: Any = None  # reads no body here
    handlers: dict[str, Any] = {
        **services.partner_services(blank, frame, score.ScoreDoor(journey)),
        **services.admin_services(blank, frame),
    }

    def serve(method: Method, body: bytes) -> object:
        call = Call(
            method=method.path,
            certificate_pem=b"",
            sent=body,
            peer=CALLER.peer,
            deadline=time.monotonic() + 60,
            alive=lambda: True,
        )
        return handlers[method.path](call, OPERATOR, CALLER)

    return partial(_through, methods, serve)


def score_readers(methods: tuple[Method, ...], _place: Place) -> Take:
    """What reads score queries."""
    return partial(_through, methods, lambda method, body: SCORE_READERS[method.name](body, OPERATOR))


def _through(methods: tuple[Method, ...], serve: Callable[[Method, bytes], object], data: bytes) -> bool:
    method = methods[data[0] % len(methods)] if data else methods[0]
    try:
        serve(method, data[1:])
    except Read:
        return True
    except Exception as error:
        if refused(error).code == "INTERNAL":
            raise
        return False
    return True


def unguarded(methods: tuple[Method, ...], _place: Place) -> Take:
    """A door that lets protobuf's own word out, as grpcio would have it."""
    return partial(_through, methods, lambda method, body: method.request.FromString(body))


def seeds(methods: tuple[Method, ...]) -> Iterable[bytes]:
    """Good requests."""
    good = samples()
    for place, method in enumerate(methods):
        yield bytes([place]) + good[method.path].SerializeToString()


# --- health and reflection, which read bodies of their own


class Probe:
    """A call of health's."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    def answer(self, _body: bytes) -> None:
        """It is answered."""

    def refuse(self, _status: object, _details: str) -> NoReturn:
        raise Read


def take_probe(_place: Place) -> Take:
    """One Check, or one message of a reflection stream."""
    names = ("scoregate.partner.v1.ScoreService",)
    health, reflect = listening.Health(names), listening._reflection(names)
    (described,) = reflect.values()

    def take(data: bytes) -> None:
        probe: Any = Probe(data[1:])
        if data[:1] == b"r":
            described(data[1:])
        else:
            health.check(probe)

    return refusing(take, Read, MessageUnreadable)


def take_probe_unguarded(_place: Place) -> Take:
    """The guard that is off: a body that is no message is refused."""
    return refusing(lambda data: health_pb2.HealthCheckRequest.FromString(data[1:]))


def probe_seeds() -> Iterable[bytes]:
    name = "scoregate.partner.v1.ScoreService"
    yield b"h" + health_pb2.HealthCheckRequest(service=name).SerializeToString()
    for asked in ({"list_services": "*"}, {"file_containing_symbol": name}, {"file_by_filename": "a.proto"}):
        yield b"r" + reflection_pb2.ServerReflectionRequest(**asked).SerializeToString()


def _target(service: str, share: int, *, most_bytes: int = 2_048) -> Target:
    methods = of_service(service)
    opening = score_readers if service == "ScoreService" else wired
    return Target(
        name=service,
        room=ROOM,
        open=partial(opening, methods),
        unguarded=partial(unguarded, methods),
        seeds=partial(seeds, methods),
        share=share,
        most_bytes=most_bytes,
        change=message_of(lambda first: methods[first[0] % len(methods)].request, prefix=1),
        words=("Asia/Shanghai", "uci-00001", "123e4567-e89b-42d3-a456-426614174000", "a" * 26),
    )


TARGETS = (
    _target("ScoreService", 80),
    _target("ConsentService", 60),
    _target("UsageService", 15),
    _target("ReceiptService", 4),
    _target("AuditService", 15),
    _target("PartnerAdminService", 40),
    _target("ConsentAdminService", 30),
    _target("OperationsAdminService", 10),
    Target(
        "health-and-reflection", ROOM, take_probe, take_probe_unguarded, probe_seeds, share=30, most_bytes=256
    ),
)
