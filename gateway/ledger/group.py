"""Group commit: concurrent calls share one transaction, and one fsync.

One thread owns the writing connection. It takes what waits, decides it in one
transaction, commits, and only then tells the callers. Some come with their attempts
ready, and wait in a thread of theirs; queries come as guests, unprepared: the same thread
prepares all that wait at once, and no thread waits for them. A group that fails before
COMMIT is run again in halves, so a poisoned call fails alone. When COMMIT itself fails
its outcome is unknown: every caller is told so, and nothing is run again under a new
event id.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import exc
from sqlalchemy.engine import Connection

from gateway.audit.log import read_head
from gateway.audit.private import Vault
from gateway.ledger.attempt import Attempt, Dropped, Failed, Outcome
from gateway.ledger.release import Guards, run
from gateway.ledger.transaction import Transaction
from gateway.ledger.waiting import Guest, Party, Seat, Ticket, Waiting
from gateway.metrics import UNWRITABLE
from gateway.store import GRACE_SECONDS, Store, StoreUnavailable

T = TypeVar("T")


class LedgerUnavailable(Exception):
    """The log can't be written, or nobody knows whether it was; no score leaves."""

    reason = "AUDIT_UNAVAILABLE"


Prepare = Callable[[Sequence[Any]], None]
"""Gives every guest its attempt. Never raises; runs on the ledger's thread, where it may use ``reading``."""


Wait = Callable[[Future[Any], float | None], Any]
"""The future's result; TimeoutError behind so many seconds."""


_Work = Sequence[Ticket] | Sequence[Seat] | Sequence[Ticket | Seat]


def _nobody(_: Sequence[Any]) -> None:
    raise RuntimeError("guests need a host")


class Ledger:
    """The one writer of this process.

    A thread of its own takes the turns. With ``wait`` there is none: whoever made the ledger calls ``turn``,
    and callers wait that way meanwhile.

    Raises:
        StoreUnavailable: The database does not answer, or the log has no head.
    """

    def __init__(
        self,
        store: Store,
        vault: Vault,
        *,
        clock: Callable[[], datetime],
        max_waiting: int = 1_024,
        guards: Guards | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        wait: Wait | None = None,
    ) -> None:
        self._store = store
        self._vault = vault
        self._clock = clock
        self._patience = 2 * (store.patience + GRACE_SECONDS)  # for the transaction before, and one's own
        self._guards = guards or Guards()
        self._monotonic = monotonic
        self._waiting = Waiting(max_waiting, monotonic)
        self._prepare: Prepare = _nobody
        with store.reading() as connection:
            self._latest = read_head(connection).time  # of the last entry; written by one thread
        self._connection: Connection | None = None
        self._wait_for: Wait = wait or Future.result
        self._thread: threading.Thread | None = None
        if wait is None:
            self._thread = threading.Thread(target=self._serve, name="ledger", daemon=True)
            self._thread.start()

    def now(self) -> datetime:
        """The log's time: the clock's, or the latest entry's where the clock was set back."""
        return max(self._clock(), self._latest)

    def submit(
        self, attempts: Sequence[Attempt], *, is_wanted: Callable[[], bool] = lambda: True
    ) -> list[Outcome]:
        """Decide and record attempts, in order; returns once they are durable.

        Raises:
            LedgerUnavailable: Nothing is known to be recorded.
            LedgerBusy: Nothing is recorded.
        """
        outcomes: list[Outcome] = self._wait(Ticket(attempts, None, is_wanted))
        return outcomes

    def host(self, prepare: Prepare) -> None:
        """Have guests prepared by ``prepare``."""
        self._prepare = prepare

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """While guests are prepared: a connection whose every statement sees the newest commit.

        Over SQLite it is the one that writes. Any other would find its pages out of date after every commit,
        and read them anew.

        Raises:
            StoreUnavailable: The database does not answer.
        """
        if not self._store.is_file:
            with self._store.reading() as connection:
                yield connection
            return
        self._store.require_same_files()  # before anybody is asked about people whose store is gone
        try:
            connection = self._connect()
            yield connection
            if connection.in_transaction():  # a statement of SQLAlchemy's own has begun one
                connection.rollback()
        except exc.SQLAlchemyError as error:
            self._disconnect()
            raise StoreUnavailable("the database does not answer") from error

    def call_in(self, take_in: Callable[[], None]) -> None:
        """Have ``take_in`` run on the ledger's thread before each group: it hands in who stands outside."""
        self._waiting.call_in = take_in

    @property
    def at_rest(self) -> threading.Event:
        """Set while the ledger's thread computes nothing: it waits for work, for a lock or for the disk."""
        return self._waiting.at_rest

    def hand_in(self, guest: Guest) -> None:
        """Let one guest take part; returns at once, and concludes the guest later.

        Raises:
            LedgerBusy: It takes no part.
        """
        self._waiting.add(guest, (guest,))

    def hand_in_party(self, guests: Sequence[Guest]) -> None:
        """Let the guests of one call take part together; returns at once, and concludes each later.

        Raises:
            LedgerBusy: None takes part.
        """
        self._waiting.add(Party(guests), guests)

    def conclude_overdue(self) -> int:
        """Conclude guests that have waited for too long; returns how many. Called about once a second."""
        overdue = self._waiting.since_before(self._monotonic() - self._patience)
        for guest in overdue:
            self._conclude(guest, Failed(LedgerUnavailable("the ledger does not answer")))
        return len(overdue)

    def change(self, work: Callable[[Transaction], T]) -> T:
        """Run ``work`` in a transaction of its own; returns once it is durable.

        Whatever ``work`` raises is raised here, and nothing of it is recorded.

        Raises:
            LedgerUnavailable: Nothing is known to be recorded.
            LedgerBusy: Nothing is recorded.
        """
        result: T = self._wait(Ticket((), work, lambda: True))
        return result

    @property
    def waiting(self) -> int:
        """How much waits for the ledger's thread."""
        return self._waiting.count

    def close(self) -> None:
        """Finish what waits, refuse what comes, and close the connection."""
        if not self._waiting.close():
            return
        if self._thread is None:
            self._serve()
        else:
            self._thread.join(self._patience)

    def wait(self, told: Future[T]) -> T:
        """Return what a guest will be told: every one of them is, in the end."""
        result: T = self._wait_for(told, None)
        return result

    def _wait(self, ticket: Ticket) -> Any:
        self._waiting.add(ticket)
        try:
            return self._wait_for(ticket.done, self._patience)
        except TimeoutError as error:
            raise LedgerUnavailable("the ledger does not answer") from error

    def _conclude(self, guest: Guest, outcome: Outcome) -> None:
        self._waiting.dismiss((guest,))
        guest.conclude(outcome)

    # --- the ledger's thread

    def _serve(self) -> None:
        while not self._waiting.is_over:
            self.turn()
        self._disconnect()

    def turn(self) -> None:
        """Take what waits, decide it, commit it, and tell; waits for the first of it."""
        tickets, guests = self._waiting.take()
        # Changes first: a revocation never waits behind the scores it ends.
        for ticket in tickets:
            if ticket.change is not None:
                self._run([ticket])
        group: list[Ticket | Seat] = [t for t in tickets if t.change is None and self._begin(t)]
        group += self._seat(guests)
        if group:
            self._run(group)

    def _begin(self, ticket: Ticket) -> bool:
        """Whether the ticket's transaction begins; from then on a call counts, whoever hangs up."""
        if ticket.is_wanted():
            return True
        ticket.resolve([Dropped()] * len(ticket.attempts))
        return False

    def _seat(self, guests: Sequence[Guest]) -> list[Seat]:
        """Prepare who is still wanted; who gets no attempt has left, and may come back by another thread."""
        wanted = list[Guest]()
        for guest in guests:
            if guest.is_wanted():
                wanted.append(guest)
            else:
                self._conclude(guest, Dropped())
        if not wanted:
            return []
        self._waiting.dismiss(wanted)
        self._prepare(wanted)
        seats = [
            Seat(guest, (guest.attempt,), self._conclude) for guest in wanted if guest.attempt is not None
        ]
        self._waiting.expect(seat.guest for seat in seats)
        return seats

    def _run(self, tickets: _Work) -> None:
        try:
            results = self._transact(tickets)
        except LedgerUnavailable as error:
            UNWRITABLE.inc()
            self._disconnect()
            for ticket in tickets:
                ticket.fail(error)
        except BaseException as error:  # whatever it was: without this thread nobody is answered any more
            self._fail(tickets, error)
        else:
            for ticket, result in zip(tickets, results, strict=True):
                ticket.resolve(result)

    def _fail(self, tickets: _Work, error: BaseException) -> None:
        """Rolled back, for certain: run the halves, or name the one that failed."""
        half = len(tickets) // 2
        if half:
            self._run(tickets[:half])
            self._run(tickets[half:])
        elif isinstance(tickets[0], Ticket) and len(tickets[0].attempts) > 1:
            tickets[0].resolve([self._run_alone(tickets[0], a) for a in tickets[0].attempts])
        elif isinstance(error, exc.SQLAlchemyError):
            UNWRITABLE.inc()
            self._disconnect()
            unavailable = LedgerUnavailable("the ledger can't be written")
            unavailable.__cause__ = error
            tickets[0].fail(unavailable)
        else:
            tickets[0].fail(error)

    def _run_alone(self, ticket: Ticket, attempt: Attempt) -> Outcome:
        alone = Ticket((attempt,), None, ticket.is_wanted)
        self._run([alone])
        error = alone.done.exception()
        if error is not None:
            return Failed(error)
        outcome: Outcome = alone.done.result()[0]
        return outcome

    def _transact(self, tickets: _Work) -> list[Any]:
        try:
            connection = self._connect()
        except (exc.SQLAlchemyError, StoreUnavailable) as error:
            raise LedgerUnavailable("the ledger can't be reached") from error
        with self._store.timed(connection):
            return self._transact_over(connection, tickets)

    def _transact_over(self, connection: Connection, tickets: _Work) -> list[Any]:
        try:
            with self._waiting.resting():
                transaction = connection.begin()
            self._store.require_same_files()  # gone before, or while it waited for the lock
            tx = Transaction(connection, self._clock, self._vault)
        except (exc.SQLAlchemyError, StoreUnavailable) as error:
            raise LedgerUnavailable("the ledger can't be locked") from error
        try:
            results = self._decide(tx, tickets)
            tx.flush()  # every row is taken when this returns: what may fail from here on is COMMIT alone
        except BaseException:
            with suppress(exc.SQLAlchemyError):
                transaction.rollback()
            raise
        try:
            with self._waiting.resting():
                transaction.commit()
        except exc.SQLAlchemyError as error:
            raise LedgerUnavailable("the outcome of COMMIT is unknown") from error
        # From here the entries are durable; a crash costs the callers a retry.
        self._latest = tx.latest
        return results

    def _decide(self, tx: Transaction, tickets: _Work) -> list[Any]:
        if isinstance(tickets[0], Ticket) and tickets[0].change is not None:
            return [tickets[0].change(tx)]
        outcomes = iter(run(tx, [a for ticket in tickets for a in ticket.attempts], self._guards))
        return [[next(outcomes) for _ in ticket.attempts] for ticket in tickets]

    def _connect(self) -> Connection:
        if self._connection is None or self._connection.closed or self._connection.invalidated:
            self._disconnect()
            self._store.require_same_files()  # connecting to another file would spoil the first one's WAL
            self._connection = self._store.writer.connect()
        return self._connection

    def _disconnect(self) -> None:
        """Drop the connection with all its state; the next transaction reopens and reads back."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        with suppress(exc.SQLAlchemyError):  # gone already is what was wanted
            connection.invalidate()
        with suppress(exc.SQLAlchemyError):
            connection.close()
