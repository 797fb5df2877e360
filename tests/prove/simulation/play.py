"""One play: a seed decides everything that happens to a few gateways over one database, on one thread.

A step is a client's call, a ledger's turn, an engine's answer, a move of the clock, an operator's or a
person's decision, a gateway's death or its return. Before any statement of a gateway other steps may take
place, so the turns of several gateways lie inside one another wherever SQLite lets them. Where the real code
would wait, the play goes on until there is nothing left to wait for. In the end trouble stops, and everything
must be concluded.
"""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from gateway.ledger import Guards
from gateway.quota.contract import Contract
from scoregate.audit.v1 import leaf_pb2 as pb
from tests.prove.simulation import chance
from tests.prove.simulation.asked import Asked
from tests.prove.simulation.decisions import Decision
from tests.prove.simulation.disk import Fault, Killed, Line, Mood
from tests.prove.simulation.ending import end
from tests.prove.simulation.engine import Manner, SimulatedEngine
from tests.prove.simulation.entries import Entry
from tests.prove.simulation.ground import Ground
from tests.prove.simulation.held import Hands
from tests.prove.simulation.house import Gateway
from tests.prove.simulation.model import Model
from tests.prove.simulation.steps import DEPTH, options
from tests.prove.simulation.surroundings import come_back, engine_answers

STEPS = 50
PATIENT_STEPS = 4
PUSHES = 60
ZONE_OF_IDS = uuid.UUID(int=0)


@dataclass(frozen=True, slots=True)
class Played:
    """What came of a play."""

    seed: int
    broken: Sequence[str]
    lines: Sequence[str]  # what happened, in plain words
    outcomes: Counter[str] = field(default_factory=Counter)

    @property
    def trace(self) -> str:
        """The same for the same play."""
        return hashlib.sha256("\n".join(self.lines).encode()).hexdigest()


def play(
    ground: Ground, seed: int, folder: Path, *, guards: Guards, lost: float = 0.0, steps: int = STEPS
) -> Played:
    """Play one seed, in files of this folder that are gone afterwards."""
    played = Play(ground, seed, folder, guards=guards, lost=lost)
    try:
        played.run(steps)
    finally:
        played.close()
    return Played(seed, played.model.broken, played.lines, played.hands.outcomes)


class Play:
    """The play while it runs. It is every gateway's fate."""

    def __init__(self, ground: Ground, seed: int, folder: Path, *, guards: Guards, lost: float) -> None:
        self.random = random = Random(f"play {seed}")  # noqa: S311  # chance, no secret
        self.ground = ground
        self.drawn = drawn = chance.draw(random, ground, lost=lost)
        self._guards = guards
        self._file = folder / f"play-{seed}.db"
        ground.copy(self._file, drawn.contracts)
        self._now = drawn.begins
        self._monotonic = 1_000.0
        self.lines: list[str] = []
        self.calls: dict[str, Asked] = {}
        self.planned: dict[str, Contract] = {}
        self.unwritten: list[tuple[Gateway, Decision]] = []  # decisions that could not be recorded
        self._ids = 0
        self.depth = 0
        self.is_calm = True
        self.model = Model(ground, self._file, drawn.contracts, self.calls, self.planned)
        self.hands = Hands(ground, self.model)
        self.gateways: list[Gateway] = []
        for number in range(drawn.gateways):
            self.open(number)

    def run(self, steps: int) -> None:
        """All of it; ends early where a law is broken."""
        self.is_calm = False
        for _ in range(steps):
            self.step()
            if self.model.broken:
                return
        self.is_calm = True
        end(self)

    def close(self) -> None:
        """Let go of all files, and remove them."""
        self.is_calm = True
        for gateway in self.gateways:
            gateway.close()
        self.model.close()
        for ending in ("", "-wal", "-shm"):
            self._file.with_name(self._file.name + ending).unlink(missing_ok=True)

    def say(self, text: str) -> None:
        """Add a line to what happened."""
        self.lines.append("  " * self.depth + text)

    def count(self, what: str) -> None:
        """Count an outcome."""
        self.hands.outcomes[what] += 1

    def fail(self, text: str) -> None:
        """A law is broken."""
        self.say(f"BROKEN: {text}")
        self.model.broken.append(text)

    def new_id(self) -> str:
        """A UUID, the same in every play of the seed."""
        self._ids += 1
        return str(uuid.uuid5(ZONE_OF_IDS, str(self._ids)))

    # --- gateways

    def open(self, number: int) -> None:
        """A gateway starts, here or again."""
        drawn, random = self.drawn, self.random
        slot = number % len(drawn.skews)
        engine = SimulatedEngine(
            is_near=drawn.is_near[slot], manner=self.manner, nonsense=lambda: random.randrange(1_000)
        )
        before, self.is_calm = self.is_calm, True
        try:
            gateway = Gateway(
                number,
                self.ground,
                self._file,
                self,
                engine,
                skew=drawn.skews[slot],
                max_waiting=drawn.max_waiting,
                guards=self._guards,
            )
            self.gateways.append(gateway)
            gateway.begin()
        finally:
            self.is_calm = before
        self.say(f"gateway {number} starts, with its engine {'near' if engine.is_near else 'far'}")

    @property
    def alive(self) -> list[Gateway]:
        """Those that run."""
        return [each for each in self.gateways if not each.is_dead]

    @property
    def at_rest(self) -> list[Gateway]:
        """Those whose ledger could take a turn now, while nobody holds the lock."""
        if any(each.is_writing for each in self.gateways):
            return []
        return [each for each in self.alive if not each.is_in_turn]

    def kill(self, gateway: Gateway, where: str) -> None:
        """End a gateway in the middle of what it does."""
        self.say(f"gateway {gateway.number} is killed {where}")
        self.count("gateway killed")
        gateway.kill()
        for asked in self.calls.values():
            if asked.gateway == gateway.number and not asked.told:
                asked.is_lost = True

    def turn(self, gateway: Gateway) -> None:
        """A ledger's turn."""
        self.say(f"gateway {gateway.number} takes a turn")
        with self.deeper(), suppress(Killed):
            gateway.turn()

    def push(self, gateway: Gateway) -> bool:
        """Let a gateway do the next thing that it can; False: there is none."""
        if gateway.is_dead:
            return False
        if gateway.returning.work:
            come_back(self, gateway)
        elif gateway.engine.away:
            engine_answers(self, gateway)
        elif gateway.has_work and not gateway.is_in_turn:
            self.turn(gateway)
        else:
            return False
        return True

    @contextmanager
    def deeper(self) -> Iterator[None]:
        """Whatever happens meanwhile happens inside this step."""
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1

    # --- a gateway's fate

    def now(self) -> datetime:
        """The true time."""
        return self._now

    def monotonic(self) -> float:
        """Seconds."""
        return self._monotonic

    def at_statement(self, gateway: Gateway, line: Line, text: str) -> Fault:
        """Other steps first, then perhaps trouble."""
        if self.is_calm:
            return Fault.NONE
        self._meanwhile(gateway)
        trouble, chosen = self.drawn.trouble, self.random.random()
        if chosen < trouble.kill:
            self.kill(gateway, f"at {text.split(' ', 1)[0]}")
            raise Killed
        if chosen < trouble.kill + trouble.statement:
            fault = Fault.IO if self.random.random() < 0.6 else Fault.CUT
            self.say(f"at gateway {gateway.number}'s {text.split(' ', 1)[0]}: {fault}")
            self.count(f"fault: {fault}")
            return fault
        if text.startswith("BEGIN"):
            self._count_begin(gateway)
        return Fault.NONE

    def _count_begin(self, gateway: Gateway) -> None:
        if gateway.mood is not Mood.WELL:
            self.count(f"fault: the disk is {gateway.mood}")
        if any(each.is_writing for each in self.gateways if each is not gateway):
            self.count("fault: another gateway holds the lock")

    def _meanwhile(self, gateway: Gateway) -> None:
        if self.depth < DEPTH and self.random.random() < self.drawn.trouble.interleave:
            with self.deeper():
                for _ in range(self.random.randint(1, 3)):
                    self.step()
        if gateway.is_dead:
            raise Killed

    def at_commit(self, gateway: Gateway) -> Fault:
        """The same for COMMIT."""
        if self.is_calm:
            return Fault.NONE
        self._meanwhile(gateway)
        trouble, chosen = self.drawn.trouble, self.random.random()
        if chosen < 3 * trouble.kill:
            self.kill(gateway, "before COMMIT")
            raise Killed
        if self.random.random() < trouble.lost:
            fault = Fault.LOST
        elif self.random.random() < trouble.commit:
            fault = self.random.choice((Fault.BEFORE, Fault.AFTER))
        else:
            return Fault.NONE
        self.say(f"at gateway {gateway.number}'s COMMIT: {fault}")
        self.count(f"fault: {fault}")
        return fault

    def committed(self, gateway: Gateway, *, lost: bool) -> None:
        """The model looks; then perhaps death, before anybody is told."""
        del lost
        self.look(f"gateway {gateway.number} commits")
        if not self.is_calm and self.random.random() < 3 * self.drawn.trouble.kill:
            self.kill(gateway, "behind COMMIT")
            raise Killed

    def look(self, what: str) -> list[Entry]:
        """Hold what was committed against the laws."""
        known = len(self.model.broken)
        new = self.model.look()
        if new:
            self.say(f"{what}: {', '.join(f'{each.index} {_words(each)}' for each in new)}")
        for problem in self.model.broken[known:]:
            self.say(f"BROKEN: {problem}")
        return new

    def wait(self, gateway: Gateway, told: Future[Any], seconds: float | None) -> Any:
        """Let other things happen until the future is done."""
        for patience in range(PATIENT_STEPS + PUSHES):
            if gateway.is_dead:
                raise Killed
            if told.done():
                return told.result()
            if patience < PATIENT_STEPS:
                if not self.is_calm and self.depth < DEPTH:
                    with self.deeper():
                        self.step()
            elif not self.push(gateway):
                break
            if seconds is not None and not self.is_calm and self.random.random() < 0.01:
                self.say("nobody waits any longer")
                break
        if seconds is None and not told.done():
            self.fail("a batch waits for ever")
        raise TimeoutError

    # --- steps

    def step(self) -> None:
        """One of those that can be taken now."""
        weights, steps = zip(*options(self), strict=True)
        (chosen,) = self.random.choices(steps, weights)
        chosen()
        if self.depth == 0:
            self.look("nobody commits")

    def manner(self) -> Manner:
        """How an engine answers."""
        if self.is_calm or self.random.random() >= self.drawn.trouble.engine:
            return Manner.WELL
        manner = self.random.choice(list(Manner)[1:])
        self.say(f"the engine {manner}")
        self.count(f"engine: {manner}")
        return manner

    def pass_time(self, span: timedelta) -> None:
        """So much."""
        self._now += span
        self._monotonic += max(0.0, span.total_seconds())
        self.say(f"the clock moves by {span.total_seconds():.3f} s to {self._now:%m-%d %H:%M:%S}")


def _words(entry: Entry) -> str:
    kind = pb.LeafKind.Name(entry.leaf.kind)[10:].lower()
    reason = entry.leaf.reason if entry.leaf.kind in (pb.LEAF_KIND_REFUSAL, pb.LEAF_KIND_RELEASE) else ""
    return f"{kind} {reason}".strip()
