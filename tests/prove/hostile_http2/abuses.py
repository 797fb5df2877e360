"""One caller abuses HTTP/2 in every way there is; another asks at a steady pace meanwhile.

Each attack is made twice: by an enrolled lender, and by a stranger whose certificate the partner CA signed
but which was revoked, so that nothing of it is ever admitted. Windows alone and beside take turns. The
steady lender's p99 beside each attack stays within twice its own and all its calls are answered; the
gateway's process neither dies nor grows.

Control arms, both real. Of the p99: the same under the lender's own name, where no limit parts the two. Of
memory: a server of grpcio as it comes, without limits of ours, whose callers hoard bodies.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial

from google.protobuf.message import Message

from scoregate.partner.v1 import score_pb2
from scoregate.words import CalendarUnit
from tests.prove.campaign import SQLITE, Finding, Stage
from tests.prove.hostile_http2.attacking import Abuse, attacking
from tests.prove.hostile_http2.unlimited import unlimited
from tests.prove.hostile_http2.watched import MOST_GROWTH_MB, Watched
from tests.prove.isolation.pace import Compared, Pace, Samples
from tests.prove.stagehands import ENDLESS, GUARDED, allow, open_house, people, periodic
from tests.world import Partner, World

ATTACKS = (
    "rapid_resets",
    "slow_bodies",
    "idle",
    "continuation_flood",
    "resets_behind_bodies",
    "window_stalls",
    "unread_answers",
    "ping_flood",
    "settings_flood",
    "odd_frames",
    "slow_headers",
    "hoarded_bodies",
)
IN_A_TEST = 3  # of them
UNDER_ITS_OWN_NAME = ("slow_bodies", "resets_behind_bodies")
PEOPLE, BATCH = 100, 1_000
GROWING = "hoarded_bodies"


@dataclass
class Scene:
    """The steady lender, who abuses its gateway, and what came of it."""

    pace: Pace
    lender: Partner
    callers: tuple[Partner, ...]
    requests: dict[str, tuple[Message, Message]]  # by lender: one query, and a batch
    watched: Watched
    seconds: tuple[float, float]  # alone, and beside
    idle_connections: int
    alone: Samples = field(default_factory=Samples)
    beside: dict[str, Samples] = field(default_factory=dict)
    own: Samples = field(default_factory=Samples)
    abuses: list[Abuse] = field(default_factory=list)

    def attack(self, caller: Partner, attack: str) -> AbstractContextManager[None]:
        """Lasts as long as its block."""
        query, batch = self.requests[self.lender.partner_id if caller is self.lender else "mallory"]
        request = batch if attack == "unread_answers" else query
        return self._watching(caller, attack, request)

    @contextmanager
    def _watching(self, caller: Partner, attack: str, request: Message) -> Iterator[None]:
        before_mb = self.watched.rss_mb()
        idle = self.idle_connections if attack == "idle" else 0
        with attacking(caller, attack, request, idle_connections=idle) as abuse:
            yield
            self.watched.look(attack, before_mb)
        self.abuses.append(abuse)

    def try_one(self, caller: Partner, attack: str) -> None:
        """A window alone, and one beside."""
        alone, beside = self.seconds
        self.alone.add(self.pace.keep(alone))
        trouble = partial(self.attack, caller, attack)
        self.beside.setdefault(attack, Samples()).add(self.pace.beside(trouble, beside))


def abuses(stage: Stage) -> Iterator[Finding]:
    """Yields the lender's p99, and the process's memory and life."""
    with _many_descriptors(), open_house(stage, SQLITE, [GUARDED]) as (world,):
        scene = _set(stage, world)
        attacks = ATTACKS if stage.full else ATTACKS[:IN_A_TEST]
        rounds = len(attacks) * len(scene.callers)
        for caller in scene.callers:
            for attack in attacks:
                stage.step(f"{attack} by {caller.partner_id}", len(scene.abuses), rounds)
                scene.try_one(caller, attack)
            time.sleep(1.0 if stage.full else 0.1)
            scene.watched.end_round()
        scene.alone.add(scene.pace.keep(scene.seconds[0]))
        for attack in UNDER_ITS_OWN_NAME if stage.full else UNDER_ITS_OWN_NAME[:1]:
            scene.own.add(scene.pace.beside(partial(scene.attack, scene.lender, attack), scene.seconds[1]))
        yield _of_the_lender(scene)
        yield _of_the_process(stage, world, scene)


def _set(stage: Stage, world: World) -> Scene:
    subjects, terms = people(stage.engine_folder, PEOPLE), periodic(1_000, CalendarUnit.DAY)
    steady, stranger = (world.partner(name, **ENDLESS) for name in ("steady", "stranger"))
    mallory = world.partner("mallory", **(ENDLESS | {"calls_per_second": 100, "burst_calls": 200}))
    requests: dict[str, tuple[Message, Message]] = {}
    for lender in (mallory, steady):
        consents = allow(world.settings, [(lender.partner_id, subject, terms) for subject in subjects])
        items = [lender.query(each) for _ in range(BATCH // PEOPLE) for each in consents]
        requests[lender.partner_id] = lender.query(consents[0]), score_pb2.BatchGetScoresRequest(items=items)
    world.revoke(stranger.fingerprint)
    pace = Pace(steady, consents, stage)
    pace.keep(0.5)  # caches
    watched = Watched(world.gateway.process.pid)  # type: ignore[attr-defined]  # it is elsewhere
    watched.calm_mb = watched.rss_mb()
    callers = (mallory, stranger) if stage.full else (mallory,)
    seconds = (2.5, 4.0) if stage.full else (0.5, 0.5)
    return Scene(pace, steady, callers, requests, watched, seconds, stage.size(full=1_000, small=80))


def _of_the_lender(scene: Scene) -> Finding:
    least = scene.pace.least_ms
    compared = {attack: Compared(scene.alone, samples, least) for attack, samples in scene.beside.items()}
    own = Compared(scene.alone, scene.own, least)
    broken = {attack: each for attack, each in compared.items() if each.violations}
    return Finding(
        law="Whatever one caller makes of HTTP/2, another's p99 stays within twice its own",
        store=SQLITE,
        runs=sum(len(each.beside.took_ms) for each in compared.values()),
        violations=sum(each.violations for each in compared.values()),
        control="the same under the lender's own name",
        control_runs=len(own.beside.took_ms),
        control_violations=own.violations,
        outcomes={"frames": sum(each.sent for each in scene.abuses)},
        figures={
            "p99_alone_ms": round(scene.alone.p99_ms, 2),
            **{f"p99_beside_{attack}_ms": round(each.beside.p99_ms, 2) for attack, each in compared.items()},
        },
        evidence=tuple(f"{attack}: {each.told}" for attack, each in broken.items()),
    )


def _of_the_process(stage: Stage, world: World, scene: Scene) -> Finding:
    """The gateway's memory and life; the control arm hoards bodies at a server without limits."""
    watched, size = scene.watched, len(scene.abuses)
    with unlimited(world.settings) as bare:
        control = Watched(bare.pid)
        control.calm_mb = control.rss_mb()
        victim = scene.callers[0]
        with attacking(victim, GROWING, scene.requests["mallory"][0], port=bare.partner_port):
            until = time.monotonic() + 20.0
            while control.rss_mb() - control.calm_mb <= MOST_GROWTH_MB and time.monotonic() < until:
                stage.step("a server without limits", control.rss_mb() - control.calm_mb, MOST_GROWTH_MB)
                time.sleep(0.1)
            control.look(GROWING, control.calm_mb)
    idle = f"{scene.idle_connections:,} idle connections"
    return Finding(
        law=f"Beside all of that, and {idle}, the process neither grows nor dies",
        store=SQLITE,
        runs=size,
        violations=len(watched.faults),
        control="grpcio as it comes, without limits of ours",
        control_runs=1,
        control_violations=len(control.faults),
        outcomes={"connections": sum(each.connections for each in scene.abuses)},
        figures=watched.figures()
        | {"control_rss_calm_mb": control.calm_mb, "control_rss_peak_mb": control.peak_mb},
        evidence=tuple(watched.faults),
    )


@contextmanager
def _many_descriptors() -> Iterator[None]:
    """A thousand connections need more than the thousand that a process may often have open."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
