"""`kill -9`, ENOSPC and EIO at every step of append, integrate, publish and witness.

A ledger with what keeps its log published, and a witness, each in a process of its own (``works``,
``guarding``), are struck again and again over one installation on each store. What was killed is started
anew, and where a disk refused, the same process goes on; nobody else lays a hand on anything. Then a
checkpoint that the witness signed must come over everything that was acknowledged, and all is held to it: the
entries at their indexes, every checkpoint that was ever shown, or left for the witness, as the beginning of
this log, and the whole log recomputed from the gateway's own tiles (now and then by `scoregate log verify`).
After each blow a witness is told lies in the log's own name, a fork, a rollback and growth without a proof,
and must not sign one.

Control arms: a driver that says COMMIT is done, and does it with the next statement; a witness whose store
forgets.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from itertools import count

from scoregate.tlog.checkpoint import Checkpoint
from scoregate.witness.logs import origin_hash
from tests.prove.campaign import SQLITE, Finding, Stage
from tests.prove.log.house import COVERED_SECONDS, House
from tests.prove.log.lives import KILLED, Life, await_
from tests.prove.log.points import DISK, KILL, OF_A_WITNESS, OF_THE_LOG, Blow, Room, Spot, Strike
from tests.prove.log.works import Broken
from tests.prove.storage_faults.disk import small_disk

LAW = (
    "kill -9, ENOSPC and EIO at any step of append, integrate and publish lose no acknowledged entry, fork "
    "nothing, and are got over without hands"
)
OF_WITNESSES = (
    "kill -9, ENOSPC and EIO at any step of a witness let it sign one history alone, and are got over "
    "without hands"
)
HASTY = "a driver that says COMMIT is done, and does it with the next statement"
FORGETFUL = "a witness whose store forgets what it signed"

LIVES_OF_A_HOUSE = 60
"""Then a fresh one: a log that is read whole again and again need not be long."""

BY_COMMAND = 20  # one in so many runs is verified by the command, too
DISK_MB = 24


def crashing(stage: Stage) -> Iterator[Finding]:
    """A row for each store, and one for witnesses; all of them are struck side by side."""
    lanes = [*(_Lane(stage, store) for store in stage.stores), _WitnessLane(stage, SQLITE)]
    with ThreadPoolExecutor(len(lanes)) as pool:
        running: list[Future[Finding]] = [pool.submit(lane.run) for lane in lanes]
        for each in running:
            yield each.result()


@dataclass
class Outcome:
    """What came of strikes."""

    struck: Counter[str] = field(default_factory=Counter)
    violations: int = 0
    evidence: list[str] = field(default_factory=list)
    acknowledged: int = 0
    seen: int = 0  # checkpoints
    slowest_ms: float = 0.0  # from the blow, over a new start, until everything is covered
    refused: int = 0  # lies

    def note(self, what: str, when: str, wrong: Sequence[str]) -> None:
        """One more."""
        self.struck[what] += 1
        if wrong:
            self.violations += 1
            self.evidence.append(f"{what} ({when}): {'; '.join(wrong[:3])}")


@dataclass
class _Lane:
    """One store's strikes, one after the other."""

    stage: Stage
    store: str
    outcome: Outcome = field(default_factory=Outcome)

    def __post_init__(self) -> None:
        self.chance = random.Random(f"{self.stage.seed} log {self.store}")  # noqa: S311
        turn = self.stage.stores.index(self.store)
        pairs = self._pairs(OF_THE_LOG)
        # Small, each of them is on one of the stores.
        self.spots = pairs if self.stage.full else pairs[turn :: len(self.stage.stores)]
        self.name = self.store

    def _pairs(self, spots: Sequence[Spot]) -> list[tuple[Spot, Blow]]:
        """Every point with everything that can happen there; small, a disk refuses in one way alone."""
        pairs = list[tuple[Spot, Blow]]()
        for number, spot in enumerate(spots):
            spared = DISK[number % 2] if not self.stage.full else None
            pairs += [(spot, blow) for blow in spot.blows if blow is not spared]
        return pairs

    def _strikes(self, spots: Sequence[tuple[Spot, Blow]], times: int) -> list[Strike]:
        strikes = [
            Strike(spot, blow, self.chance.randint(1, spot.most), self.chance.randint(1, 3))
            for spot, blow in spots
            for _ in range(times)
        ]
        self.chance.shuffle(strikes)
        return strikes

    def run(self) -> Finding:
        strikes = self._strikes(self.spots, self.stage.size(full=5, small=1))
        # A full disk is a small one of its own, on which all of those runs take place.
        full = [each for each in strikes if each.blow is Blow.FULL and self.store == SQLITE]
        others = [each for each in strikes if each not in full]
        done = count(1)
        with small_disk(self.stage.folder / f"disk-{self.store}", DISK_MB) as disk:
            for some in _parts(full):
                url = f"sqlite:///{disk}/{len(list(disk.iterdir()))}.db" if disk else ""
                self._strike_all(some, done, len(strikes), url=url, small=disk is not None)
            for some in _parts(others):
                self._strike_all(some, done, len(strikes))
        controls = Outcome()
        with self._chain(controls, Broken(hasty=True)) as chain:
            for _ in range(self.stage.size(full=10, small=2)):
                chain.strike_idle()
        return _finding(LAW, self.store, self.outcome, HASTY, controls)

    def _strike_all(
        self,
        strikes: Sequence[Strike],
        done: Iterator[int],
        total: int,
        *,
        url: str = "",
        small: bool = False,
    ) -> None:
        with self._chain(self.outcome, url=url, small=small) as chain:
            for strike in strikes:
                chain.strike(strike)
                self.stage.step(self.name, next(done), total)

    @contextmanager
    def _chain(
        self, outcome: Outcome, broken: Broken | None = None, *, url: str = "", small: bool = False
    ) -> Iterator[Chain]:
        house = House.found(self.stage, url or self.stage.new_database(self.store), small_disk=small)
        with closing(Chain(house, outcome, broken or Broken())) as chain:
            yield chain
        outcome.acknowledged += len(house.seen.entries)
        outcome.seen += len(house.seen.roots)


@dataclass
class _WitnessLane(_Lane):
    """The strikes at witnesses."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.spots = self._pairs(OF_A_WITNESS)
        self.name = "witness"

    def run(self) -> Finding:
        strikes = self._strikes(self.spots, self.stage.size(full=7, small=1))
        done = count(1)
        for some in _parts(strikes):
            self._strike_all(some, done, len(strikes))
        controls = Outcome()
        with self._chain(controls) as chain:
            for _ in range(self.stage.size(full=10, small=2)):
                chain.forget()
        return _finding(OF_WITNESSES, "", self.outcome, FORGETFUL, controls)


@dataclass
class Chain:
    """Strikes over one installation."""

    house: House
    outcome: Outcome
    broken: Broken

    def __post_init__(self) -> None:
        self._struck = self._acknowledged = 0
        with ExitStack() as undo:
            self._witness = self.house.begin_witness()
            undo.callback(self._witness.stop)
            self._works = self.house.begin_works(self.broken)
            undo.callback(self._works.stop)
            if self._settle():
                raise RuntimeError("Nothing was published before the first blow.")
            undo.pop_all()

    def strike(self, strike: Strike) -> None:
        """One blow, and what is left."""
        target = self._witness if strike.spot.room is Room.WITNESS else self._works
        target.tell("strike", strike)
        # Who goes may be dead before he says that he does.
        self._works.order("go")
        words = target.last_words()
        if words not in {str(strike.spot), getattr(strike.spot.at, "name", "")}:
            raise RuntimeError(f"It does not come any more ({words!r}): {strike}. Adapt the table of points.")
        wrong, began = list[str](), time.monotonic()
        if strike.blow is KILL:
            self._bury(target, str(strike))
        if strike.spot.room is Room.WITNESS:
            wrong += self._lie()  # before the log itself comes, or just behind it
        self._works.tell("rest")
        wrong += self._settle()
        self.outcome.slowest_ms = max(self.outcome.slowest_ms, (time.monotonic() - began) * 1e3)
        wrong += self._look(strike.spot.room is Room.WITNESS)
        self.outcome.note(f"{strike}", f"occurrence {strike.nth}", wrong)

    def strike_idle(self) -> None:
        """Kill it when whatever was acknowledged lasts, if it was true."""
        self._works.tell("on")
        self._works.tell("go")
        await_(lambda: len(self.house.seen.entries) > self._acknowledged)
        self._works.tell("rest")
        self._works.stop()
        self._works = self.house.begin_works(self.broken)
        self._acknowledged = len(self.house.seen.entries)
        self.outcome.note("kill -9 at rest", "", list(self.house.judge()))

    def forget(self) -> None:
        """Kill the witness when nobody asks anything of it; it knows nothing any more of what it signed."""
        self._begin_blank()
        self._works.tell("go")
        self._works.tell("rest")
        self._settle()
        self._begin_blank()
        self.outcome.note("kill -9 at rest", "", list(self._lie()))

    def _begin_blank(self) -> None:
        self._witness.stop()
        for name in self.house.names():
            for file in ("checkpoint", "before"):
                kept = self.house.witness_folder / "logs" / origin_hash(name.name) / file
                kept.unlink(missing_ok=True)
        self._witness = self.house.begin_witness()

    def _bury(self, target: Life, strike: str) -> None:
        code = target.end()
        if code != KILLED:
            raise RuntimeError(f"It ended with {code}, and not so: {strike}")
        target.stop()
        if target is self._works:
            self._works = self.house.begin_works(self.broken)
        else:
            self._witness = self.house.begin_witness()

    def _settle(self) -> list[str]:
        if await_(self.house.is_covered, COVERED_SECONDS):
            return []
        return [f"in {COVERED_SECONDS:.0f} s no checkpoint came over everything that was acknowledged"]

    def _look(self, is_witness: bool) -> list[str]:
        self._struck += 1
        wrong = list(self.house.judge())
        if is_witness:
            wrong += self._lie()
        if self._struck % BY_COMMAND == 0:
            wrong += self.house.verify_by_command()
        return wrong

    def _lie(self) -> Iterator[str]:
        latest = max(
            (Checkpoint(name, size, root) for (name, size), root in list(self.house.seen.roots.items())),
            key=lambda each: each.size,
        )
        for what, answer in self.house.lie(latest):
            if answer.status == 200:
                yield f"the witness signed {what}"
            self.outcome.refused += answer.status in {409, 422}

    def close(self) -> None:
        """End whoever is alive."""
        self._works.stop()
        self._witness.stop()


def _parts(strikes: Sequence[Strike]) -> Iterator[Sequence[Strike]]:
    for first in range(0, len(strikes), LIVES_OF_A_HOUSE):
        yield strikes[first : first + LIVES_OF_A_HOUSE]


def _finding(law: str, store: str, found: Outcome, control: str, controls: Outcome) -> Finding:
    return Finding(
        law=law,
        store=store,
        runs=found.struck.total(),
        violations=found.violations,
        control=control,
        control_runs=controls.struck.total(),
        control_violations=controls.violations,
        outcomes=dict(sorted(found.struck.items())),
        figures={
            "entries": found.acknowledged,
            "checkpoints": found.seen,
            "slowest_recovery_ms": found.slowest_ms,
            **({"lies_refused": found.refused} if found.refused else {}),
        },
        evidence=tuple(found.evidence[:10]),
    )
