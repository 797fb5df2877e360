"""A chain of lives: each gateway settles what the one before left open, goes to work, and is killed."""

from __future__ import annotations

import random
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from tests.prove.crashes.errands import WARM, Supply, Trial, begin, change
from tests.prove.crashes.house import House, verify_signatures
from tests.prove.crashes.judge import Held, judge
from tests.prove.crashes.nursery import KILLED, Life, Nursery, Order
from tests.prove.crashes.points import CALLER, WIRE, Errand, Point
from tests.prove.crashes.relay import Relay
from tests.world import Partner, World

CALLERS = 8
ANSWER_BYTES = 600
"""What comes from a gateway in one piece of at least so much, once connections stand, is an answer."""

LOAD_SECONDS, START_SECONDS = 0.4, 0.12
"""A blow at random falls within these: under load, while starting."""

POINT_SECONDS, SWEEP_SECONDS = 30.0, 130.0
"""A point that has not come by then does not come at all."""


@dataclass(frozen=True, slots=True)
class Blow:
    """How one life ends: at a point, or at random under load or while starting."""

    number: int
    point: Point | None
    errand: Errand

    def __str__(self) -> str:
        return self.point.name if self.point else f"a random moment {_WHILE[self.errand]}"


_WHILE = {Errand.QUERIES: "under load", Errand.START: "while starting"}


@dataclass
class Chain:
    """Lives over one installation. ``struck`` and so on count over all of them."""

    store: str
    house: House
    nursery: Nursery
    supply: Supply
    chance: random.Random
    variant: str = ""
    ahead: timedelta = timedelta()
    struck: Counter[str] = field(default_factory=Counter)  # blows that fell, by name
    violations: int = 0  # lives after which something was wrong
    evidence: list[str] = field(default_factory=list)
    found: int = 0
    anew: int = 0
    answers: int = 0
    start_ms: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._trial: Trial | None = None  # the life that awaits its verdict
        self._held: Held = []

    def strike(self, blow: Blow) -> None:
        """One more life, and its end."""
        occurrence = self.chance.randint(*blow.point.occurrence) if blow.point else 1
        inside = blow.point if blow.point and not blow.point.is_outside else None
        armed = blow.errand in {Errand.START, Errand.SWEEP}
        order = Order(self.house.settings, inside, occurrence, armed, self.variant, self.ahead)
        with self._alive(order, serving=blow.errand is not Errand.START) as life:
            label = f"{self.store}, life {blow.number}, killed at: {blow} (occurrence {occurrence})"
            if blow.errand is Errand.START:
                trial = Trial(label, blow.errand)
                if inside is None:
                    threading.Event().wait(self.chance.uniform(0, START_SECONDS))
                    life.kill()
                self._await(life, blow, POINT_SECONDS)
            else:
                trial = self._live(life, blow, occurrence, label)
        if self._trial is None or trial.traffic is not None:
            self._trial = trial

    def rest(self) -> None:
        """One more life, which only settles."""
        order = Order(self.house.settings, ahead=self.ahead)
        with self._alive(order) as life, self.house.meet(life) as (world, lender):
            self._settle(world, lender)

    def close(self) -> None:
        """Settle; then the offline verifiers have their say."""
        self.rest()
        if self.variant:
            return  # nobody says that its log holds
        settings, books = self.house.settings, self.house.books
        with self._alive(Order(settings, ahead=self.ahead)) as life:
            page = f"http://127.0.0.1:{life.http_port}/.well-known/jwks.json"
            with urllib.request.urlopen(page, timeout=10) as jwks:
                wrong = verify_signatures(settings, self._held, jwks.read().decode())
            wrong += books.verify_offline(settings.home / "pulled", self._held)
        self._note(wrong, f"{self.store}, in the end")

    @contextmanager
    def _alive(self, order: Order, *, serving: bool = True) -> Iterator[Life]:
        started = time.perf_counter()
        life = self.nursery.bear(order)
        try:
            if serving:
                life.await_serving()
                self.start_ms.append((time.perf_counter() - started) * 1e3)
            yield life
        finally:
            life.stop()

    def _live(self, life: Life, blow: Blow, occurrence: int, label: str) -> Trial:
        trial = Trial(label, blow.errand)
        with _watched(life, blow, occurrence) as armed, self.house.meet(life) as (world, lender):
            self._settle(world, lender)
            if self.variant:
                life.tell("on")
            traffic = begin(trial, lender, self.supply, self.chance)
            warm = threading.Event()
            struck_by_caller = blow.point is not None and blow.point.act == CALLER

            def on_answer(count: int) -> None:
                if count >= WARM:
                    warm.set()
                if struck_by_caller and count >= occurrence:
                    life.kill()

            traffic.on_answer = on_answer
            if blow.errand in {Errand.QUERIES, Errand.ALONE, Errand.BATCH}:
                armed.set()
                life.tell("arm")
            with traffic.flowing(_callers(blow.errand)):
                self._bring_about(life, blow, trial, world, warm)
                self._await(life, blow, SWEEP_SECONDS if blow.errand is Errand.SWEEP else POINT_SECONDS)
        return trial

    def _bring_about(self, life: Life, blow: Blow, trial: Trial, world: World, warm: threading.Event) -> None:
        if blow.point is None:
            threading.Event().wait(self.chance.uniform(0, LOAD_SECONDS))
            life.kill()
        elif blow.errand in {Errand.REVOCATION, Errand.TURN}:
            warm.wait(POINT_SECONDS)
            if blow.errand is Errand.TURN:
                trial.key = world.keys()["CURRENT"]
            life.tell("arm")
            change(trial, world)

    def _await(self, life: Life, blow: Blow, seconds: float) -> None:
        try:
            code = life.end(seconds)
        except TimeoutError as error:
            raise RuntimeError(f"It does not come any more: {blow}. Adapt the table of points.") from error
        inside = blow.point is not None and not blow.point.is_outside
        if code != KILLED or (inside and life.last_words != str(blow)):
            raise RuntimeError(f"It ended with {code} and said {life.last_words!r}, and not so: {blow}")
        self.struck[str(blow)] += 1

    def _settle(self, world: World, lender: Partner) -> None:
        trial, self._trial = self._trial, None
        if trial is None:
            return
        verdict = judge(trial, self.house.books, world, lender, self.chance)
        self._note(verdict.wrong, trial.label)
        self._held += verdict.held
        self.found += verdict.found
        self.anew += verdict.anew
        self.answers += len(verdict.held)

    def _note(self, wrong: list[str], label: str) -> None:
        if wrong:
            self.violations += 1
            self.evidence.append(f"{label}: {'; '.join(wrong[:3])}")


def _callers(errand: Errand) -> int:
    return 1 if errand in {Errand.ALONE, Errand.BATCH, Errand.SWEEP} else CALLERS


@contextmanager
def _watched(life: Life, blow: Blow, occurrence: int) -> Iterator[threading.Event]:
    """Sit on the lender's line where the point is on it; set what is yielded, and the blow may fall."""
    armed = threading.Event()
    if blow.point is None or blow.point.act != WIRE:
        yield armed
        return
    seen = 0

    def passing(_: object, data: bytes, to_server: bool) -> bytes | None:
        nonlocal seen
        if to_server or not armed.is_set() or len(data) < ANSWER_BYTES:
            return data
        seen += 1
        if seen < occurrence:
            return data
        life.kill()
        return None

    relay = Relay.to_port(life.partner_port, passing)
    life.partner_port = relay.port
    try:
        yield armed
    finally:
        life.kill()
        relay.close()
