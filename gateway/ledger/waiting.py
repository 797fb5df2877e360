"""Who waits for the ledger's thread, and in which order it takes them.

Some come with their attempts ready and wait in a thread of theirs: a ticket. Queries come as guests,
unprepared, and no thread waits for them; the guests of one call are a party. The ledger's thread takes
whatever waits, singles and one party, up to a group; of a caller or a party that is not alone, a few.

The same thread lets in who stands outside (``call_in``): two threads that take turns at every call spend
more on changing places than on the calls. ``at_rest`` tells the door's own thread when it may do so itself.
"""

from __future__ import annotations

import queue
import threading
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import field
from statistics import median_low
from typing import Any, Protocol

from gateway.ledger.attempt import Attempt, Failed, Outcome
from gateway.ledger.transaction import Transaction
from scoregate.values import value

MAX_GROUP = 128
"""Attempts in one transaction: bounds how long a revocation can wait for the head lock."""


FEW = 4
"""Of a party, or of one caller's single guests, beside others: those wait for these, and for no more."""


class LedgerBusy(Exception):
    """Too many calls wait for the ledger, or it is closed."""

    reason = "SERVER_BUSY"


class Guest(Protocol):
    """A query that comes unprepared, and is told what became of it."""

    @property
    def source(self) -> Hashable:
        """Whose it is: beside others' guests a few of its own are seated in one turn."""

    @property
    def attempt(self) -> Attempt | None:
        """What the preparing made of it; None: it needs no transaction, or not yet."""

    def is_wanted(self) -> bool:
        """Whether an answer can still reach somebody."""

    def conclude(self, outcome: Outcome) -> None:
        """Take what became of the attempt: once, whoever says it again. Never raises, never waits."""


@value
class Ticket:
    """Work that waits for the head lock: attempts that share a commit, or one change of its own."""

    attempts: Sequence[Attempt]
    change: Callable[[Transaction], Any] | None
    is_wanted: Callable[[], bool]
    done: Future[Any] = field(default_factory=Future)

    def resolve(self, result: Any) -> None:
        """Say what became of it."""
        self.done.set_result(result)

    def fail(self, error: BaseException) -> None:
        """Say why nothing did."""
        self.done.set_exception(error)


@value
class Seat:
    """A prepared guest's place in a transaction."""

    guest: Guest
    attempts: tuple[Attempt]
    conclude: Callable[[Guest, Outcome], None]

    def resolve(self, result: Any) -> None:
        """Say what became of it."""
        self.conclude(self.guest, result[0])

    def fail(self, error: BaseException) -> None:
        """Say why nothing did."""
        self.conclude(self.guest, Failed(error))


@value
class Party:
    """Guests of one call, which come together and take their turn behind single ones."""

    guests: Sequence[Guest]


def _nobody() -> None:
    """Stands outside."""


class Waiting:
    """Whoever waits. Anybody may come; one thread takes."""

    def __init__(self, most: int, monotonic: Callable[[], float]) -> None:
        self._most = most
        self._monotonic = monotonic
        self._queue: queue.SimpleQueue[Ticket | Guest | Party | None] = queue.SimpleQueue()
        self._parties: deque[Party] = deque()  # touched by the taking thread alone, like the next
        self._held: list[Guest] = []  # singles that stood behind enough of their caller's
        self._lock = threading.Lock()  # guards the two below
        self._guests: dict[Guest, float] = {}  # not concluded yet, and since when
        self._is_closed = False
        self._is_ending = False  # the taking thread has heard of it
        self.call_in: Callable[[], None] = _nobody
        """Run by the taking thread before each group; it adds who stands outside."""
        self.at_rest = threading.Event()
        """Set while the taking thread computes nothing: it waits for work, for a lock or for the disk."""

    @property
    def count(self) -> int:
        """How much waits: a party counts as one."""
        return self._queue.qsize() + len(self._parties) + len(self._held)

    def add(self, arrival: Ticket | Party | Guest, guests: Iterable[Guest] = ()) -> None:
        """Let it wait; ``guests`` are those who must hear of their end.

        Raises:
            LedgerBusy: Too many wait, or nobody takes any more.
        """
        with self._lock:
            if self._is_closed or self._queue.qsize() >= self._most:
                raise LedgerBusy
            now = self._monotonic()
            for guest in guests:
                self._guests[guest] = now
            self._queue.put(arrival)

    def close(self) -> bool:
        """Let nobody come any more; returns False where that was so already."""
        with self._lock:
            if self._is_closed:
                return False
            self._is_closed = True
        self._queue.put(None)
        return True

    def expect(self, guests: Iterable[Guest]) -> None:
        """From now on these must hear of their end."""
        with self._lock:
            self._guests |= dict.fromkeys(guests, self._monotonic())

    def dismiss(self, guests: Iterable[Guest]) -> None:
        """They have heard, or are somebody else's."""
        with self._lock:
            for guest in guests:
                self._guests.pop(guest, None)

    def since_before(self, moment: float) -> list[Guest]:
        """Guests who wait since then (by the same clock) or longer."""
        with self._lock:
            return [guest for guest, since in self._guests.items() if since <= moment]

    # --- the taking thread

    @property
    def is_over(self) -> bool:
        """Nobody waits, and nobody will."""
        return self._is_ending and not self._parties and not self._held

    def take(self) -> tuple[list[Ticket], list[Guest]]:
        """The next group: waits for the first of it, unless somebody was held back or the end is there."""
        tickets, guests = list[Ticket](), self._held
        self.call_in()
        while len(tickets) + len(guests) < MAX_GROUP:
            try:
                arrival = self._queue.get_nowait()
            except queue.Empty:
                if tickets or guests or self._parties or self._is_ending:
                    break
                arrival = self._rest()
            match arrival:
                case None:
                    self._is_ending = True
                case Ticket() as ticket:
                    tickets.append(ticket)
                case Party() as party:
                    self._parties.append(party)
                case guest:
                    guests.append(guest)
        guests, self._held = _few_of_each(guests)
        if self._parties:
            guests += self._some_of(self._parties.popleft(), beside_others=bool(tickets or guests))
        return tickets, guests

    def _some_of(self, party: Party, *, beside_others: bool) -> Sequence[Guest]:
        """All of a party that comes alone; beside others a few, and the rest of it in a later turn."""
        few = FEW if beside_others else len(party.guests)
        if rest := party.guests[few:]:
            self._parties.append(Party(rest))
        return party.guests[:few]

    def _rest(self) -> Ticket | Guest | Party | None:
        """The first of a group; who came along with it is let in."""
        with self.resting():
            arrival = self._queue.get()
        self.call_in()
        return arrival

    @contextmanager
    def resting(self) -> Iterator[None]:
        """While the block runs, the taking thread computes nothing."""
        self.at_rest.set()
        try:
            yield
        finally:
            self.at_rest.clear()


def _few_of_each(guests: list[Guest]) -> tuple[list[Guest], list[Guest]]:
    """Who is seated in this turn, whoever comes alone first; and who in a later one."""
    count = Counter(guest.source for guest in guests)
    if len(count) < 2:
        return guests, []
    seated, held = list[Guest](), list[Guest]()
    # Where all have many, nobody is made to wait for the sake of the others.
    places = dict.fromkeys(count, max(FEW, 2 * median_low(count.values())))
    for guest in guests:
        places[guest.source] -= 1
        (held if places[guest.source] < 0 else seated).append(guest)
    seated.sort(key=lambda guest: count[guest.source])
    return seated, held
