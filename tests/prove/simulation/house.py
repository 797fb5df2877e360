"""One simulated gateway: the service layer as the server wires it, without sockets, threads or time.

Journey, gate, ledger, register, quota, log, keys and doors are the real ones. The play gives it a clock, an
engine and lines to its database, and takes its turns.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from consent.attest import Attester
from consent.pairwise import Pairwise
from gateway.audit.private import Vault
from gateway.doors.admin_consents import ConsentAdminDoor
from gateway.doors.admin_operations import OperationsAdminDoor
from gateway.doors.admin_partners import PartnerAdminDoor
from gateway.doors.door import Asked as Handler
from gateway.doors.door import Frame, Handlers
from gateway.doors.score import ScoreDoor
from gateway.doors.usage import UsageDoor
from gateway.gate import Gate
from gateway.journey import Journey, record_model
from gateway.keys import Signer
from gateway.ledger import Guards, Ledger
from gateway.masters import Masters
from gateway.quota.burst import Admission, Limit, Verdict
from gateway.server import housekeep
from scoregate.proof.jwk import Algorithm
from tests.prove.simulation.disk import OVER, Fault, Killed, Line, Mood, leave_stall, take_stall
from tests.prove.simulation.engine import SimulatedEngine
from tests.prove.simulation.ground import Ground

MAX_IN_FLIGHT = 6
LIFE = timedelta(hours=24)


class Fates(Protocol):
    """The play, as a gateway's lines see it."""

    def at_statement(self, gateway: Gateway, line: Line, text: str) -> Fault:
        """What happens before a statement."""

    def at_commit(self, gateway: Gateway) -> Fault:
        """What happens at COMMIT."""

    def committed(self, gateway: Gateway, *, lost: bool) -> None:
        """A COMMIT was done, or so it seemed."""

    def wait(self, gateway: Gateway, told: Future[Any], seconds: float | None) -> Any:
        """What the future holds in the end. Raises TimeoutError, Killed."""

    def now(self) -> datetime:
        """The true time."""

    def monotonic(self) -> float:
        """Seconds since the play began."""


class Counted(Admission):
    """Knows how many places are taken, so that none is lost."""

    taken = 0

    def enter(self, partner_id: str, limit: Limit, *, max_in_flight: int | None = None) -> Verdict:
        """As ever."""
        verdict = super().enter(partner_id, limit, max_in_flight=max_in_flight)
        self.taken += 1
        return verdict

    def leave(self, partner_id: str) -> None:
        """As ever."""
        self.taken -= 1
        super().leave(partner_id)


class Later(Executor):
    """Keeps what is to be done for the play, which does it."""

    def __init__(self) -> None:
        self.work: deque[Callable[[], object]] = deque()

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:  # an executor's
        self.work.append(partial(fn, *args, **kwargs))
        return Future()


class Gateway:
    """A gateway over the play's database. The only fate it has is the play's."""

    def __init__(
        self,
        number: int,
        ground: Ground,
        file: Path,
        fates: Fates,
        engine: SimulatedEngine,
        *,
        skew: timedelta,
        max_waiting: int,
        guards: Guards,
    ) -> None:
        self.number = number
        self.is_dead = False
        self.is_in_turn = False
        self.mood = Mood.WELL
        self.engine = engine
        self.skew = skew
        self._fates = fates
        self._lines: list[Line] = []
        self._stall = take_stall(f"sqlite:///{file}")
        self.store = self._stall.open(file, self, self._lines)
        signer = Signer(self.store, ground.keys, algorithm=Algorithm.ES256)
        vault = Vault(ground.master)
        self.ledger = Ledger(
            self.store,
            vault,
            clock=self.clock,
            max_waiting=max_waiting,
            guards=guards,
            monotonic=fates.monotonic,
            wait=lambda told, seconds: fates.wait(self, told, seconds),
        )
        self.admission = Counted(
            max_in_flight=MAX_IN_FLIGHT, monotonic_us=lambda: int(fates.monotonic() * 1_000_000)
        )
        self.gate = Gate(self.store, self.ledger, self.admission, clock=self.clock)
        self.returning = Later()
        self.model = engine.model()
        self._journey = Journey(
            gate=self.gate,
            ledger=self.ledger,
            vault=vault,
            engine=engine,
            model=self.model,
            attester=Attester(ground.issuer, LIFE),
            signer=signer,
            engine_timeout=timedelta(seconds=1),
            returning=self.returning,
        )
        scores = ScoreDoor(self._journey)
        self.asked: Mapping[str, Handler] = scores.asked()
        self.handlers: Handlers = {**scores.service(), **self._staff(ground, signer)}

    def _staff(self, ground: Ground, signer: Signer) -> Handlers:
        frame = Frame(self.gate, help_url="", default_deadline=timedelta(seconds=10))
        now = self.ledger.now
        pairwise = Pairwise(ground.pairwise)
        people = ConsentAdminDoor(self.store, self.ledger, pairwise, pages_url="", clock=now)
        lenders = PartnerAdminDoor(
            self.store,
            self.ledger,
            authorities={},
            server_ca_pem=b"",
            trust_domain="",
            development=False,
            clock=self.clock,
        )
        usage = UsageDoor(self.store, self.gate, clock=now)
        operations = OperationsAdminDoor(
            self.store,
            self.ledger,
            signer,
            Masters(ground.keys / "master.key"),
            usage,
            self.engine,
        )
        return {**people.service(frame), **lenders.service(frame), **operations.service(frame)}

    def clock(self) -> datetime:
        """The time as this machine has it."""
        return self._fates.now() + self.skew

    @property
    def has_work(self) -> bool:
        """Whether a turn would find something."""
        return self.ledger.waiting > 0

    def begin(self) -> None:
        """Enter the model in use, as a start does."""
        self.ledger.change(lambda tx: record_model(tx, self.model))

    def turn(self) -> None:
        """One turn of its ledger."""
        self.is_in_turn = True
        try:
            self.ledger.turn()
        finally:
            self.is_in_turn = False

    def keep_house(self, *, with_sweep: bool) -> None:
        """As it does about once a second."""
        housekeep(self.gate, self.ledger, with_sweep=with_sweep)

    def kill(self) -> None:
        """End it in the middle of what it does: the system closes its files."""
        self.is_dead = True
        for line in self._lines:
            line.close()

    def close(self) -> None:
        """Let go of everything, at the end of the play."""
        if not self.is_dead:
            with suppress(Killed):
                self.ledger.close()
        self.kill()
        with suppress(Killed):
            self.store.close()
        for line in self._lines:  # the pools' own records would keep the whole play in memory
            line.fate = OVER
        leave_stall(self._stall)

    # --- its lines' fate

    def at_statement(self, line: Line, text: str) -> Fault:
        """The play decides."""
        return self._fates.at_statement(self, line, text)

    def at_commit(self) -> Fault:
        """The play decides."""
        return self._fates.at_commit(self)

    def committed(self, *, lost: bool) -> None:
        """The play hears of it."""
        self._fates.committed(self, lost=lost)

    @property
    def is_writing(self) -> bool:
        """Whether it holds the lock."""
        return not self.is_dead and any(line.is_writing for line in self._lines)
