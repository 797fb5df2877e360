"""Group commit: concurrent calls share one transaction, and one fsync.

One thread owns the writing connection. It takes what waits, decides it in one
transaction, commits, and only then wakes the callers. While calls are under way that
have not arrived here yet it lingers for a moment to let them share the commit; an idle
server adds no delay. A group that fails before COMMIT is run again call by call, so a
poisoned one fails alone. When COMMIT itself fails its outcome is unknown: every caller
is told so, and nothing is run again under a new event id.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import exc
from sqlalchemy.engine import Connection

from gateway.audit.log import read_head
from gateway.audit.private import Vault
from gateway.ledger.attempt import Attempt, Dropped, Failed, Outcome
from gateway.ledger.release import Guards, run
from gateway.ledger.transaction import Transaction
from gateway.metrics import UNWRITABLE
from gateway.store import GRACE_SECONDS, Store, StoreUnavailable

T = TypeVar("T")

MAX_GROUP = 256
"""Attempts in one transaction: bounds how long a revocation can wait for the head lock."""


class LedgerUnavailable(Exception):
    """The log can't be written, or nobody knows whether it was; no score leaves."""

    reason = "AUDIT_UNAVAILABLE"


class LedgerBusy(Exception):
    """Too many calls wait for the ledger, or it is closed."""

    reason = "SERVER_BUSY"


@dataclass(frozen=True, slots=True)
class _Ticket:
    """Work that waits for the head lock: attempts that share a commit, or one change of its own."""

    attempts: Sequence[Attempt]
    change: Callable[[Transaction], Any] | None
    is_wanted: Callable[[], bool]
    done: Future[Any] = field(default_factory=Future)


class Ledger:
    """The one writer of this process.

    Raises:
        StoreUnavailable: The database does not answer, or the log has no head.
    """

    def __init__(
        self,
        store: Store,
        vault: Vault,
        *,
        clock: Callable[[], datetime],
        linger: timedelta = timedelta(milliseconds=2),
        max_waiting: int = 1_024,
        guards: Guards | None = None,
    ) -> None:
        self._store = store
        self._vault = vault
        self._clock = clock
        self._linger = linger.total_seconds()
        self._patience = 2 * (store.patience + GRACE_SECONDS)  # for the transaction before, and one's own
        self._max_waiting = max_waiting
        self._guards = guards or Guards()
        self._queue: queue.SimpleQueue[_Ticket | None] = queue.SimpleQueue()
        self._lock = threading.Lock()  # guards the two below
        self._under_way = 0
        self._closed = False
        with store.reading() as connection:
            self._latest = read_head(connection).time  # of the last transaction; written by one thread
        self._connection: Connection | None = None
        self._thread = threading.Thread(target=self._serve, name="ledger", daemon=True)
        self._thread.start()

    def now(self) -> datetime:
        """The log's time: the clock's, or the latest entry's where the clock was set back."""
        return max(self._clock(), self._latest)

    @contextmanager
    def expecting(self) -> Iterator[None]:
        """Say that a call is under way which will need the ledger soon."""
        with self._lock:
            self._under_way += 1
        try:
            yield
        finally:
            with self._lock:
                self._under_way -= 1

    def submit(
        self, attempts: Sequence[Attempt], *, is_wanted: Callable[[], bool] = lambda: True
    ) -> list[Outcome]:
        """Decide and record attempts, in order; returns once they are durable.

        Raises:
            LedgerUnavailable: Nothing is known to be recorded.
            LedgerBusy: Nothing is recorded.
        """
        outcomes: list[Outcome] = self._wait(_Ticket(attempts, None, is_wanted))
        return outcomes

    def change(self, work: Callable[[Transaction], T]) -> T:
        """Run ``work`` in a transaction of its own; returns once it is durable.

        Whatever ``work`` raises is raised here, and nothing of it is recorded.

        Raises:
            LedgerUnavailable: Nothing is known to be recorded.
            LedgerBusy: Nothing is recorded.
        """
        result: T = self._wait(_Ticket((), work, lambda: True))
        return result

    @property
    def waiting(self) -> int:
        """How many calls wait for the ledger's thread."""
        return self._queue.qsize()

    def close(self) -> None:
        """Finish what waits, refuse what comes, and close the connection."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._queue.put(None)
        self._thread.join(self._patience)

    def _wait(self, ticket: _Ticket) -> Any:
        with self._lock:
            if self._closed or self._queue.qsize() >= self._max_waiting:
                raise LedgerBusy
            self._queue.put(ticket)
        try:
            return ticket.done.result(self._patience)
        except TimeoutError as error:
            raise LedgerUnavailable("the ledger does not answer") from error

    # --- the ledger's thread

    def _serve(self) -> None:
        while (first := self._queue.get()) is not None:
            tickets, closing = self._gather(first)
            wanted = [ticket for ticket in tickets if self._begin(ticket)]
            # Changes first: a revocation never waits behind the scores it ends.
            for ticket in wanted:
                if ticket.change is not None:
                    self._run([ticket])
            if group := [ticket for ticket in wanted if ticket.change is None]:
                self._run(group)
            if closing:
                break
        self._disconnect()

    def _gather(self, first: _Ticket) -> tuple[list[_Ticket], bool]:
        tickets, size = [first], len(first.attempts)
        give_up = time.monotonic() + self._linger
        while size < MAX_GROUP:
            wait = give_up - time.monotonic() if self._under_way > len(tickets) else 0.0
            try:
                ticket = self._queue.get(timeout=wait) if wait > 0 else self._queue.get_nowait()
            except queue.Empty:
                break
            if ticket is None:
                return tickets, True
            tickets.append(ticket)
            size += len(ticket.attempts)
        return tickets, False

    def _begin(self, ticket: _Ticket) -> bool:
        """Whether the ticket's transaction begins; from then on a call counts, whoever hangs up."""
        if ticket.is_wanted():
            return True
        ticket.done.set_result([Dropped()] * len(ticket.attempts))
        return False

    def _run(self, tickets: list[_Ticket]) -> None:
        try:
            results = self._transact(tickets)
        except LedgerUnavailable as error:
            UNWRITABLE.inc()
            self._disconnect()
            for ticket in tickets:
                ticket.done.set_exception(error)
        except BaseException as error:  # whatever it was: without this thread nobody is answered any more
            self._fail(tickets, error)
        else:
            for ticket, result in zip(tickets, results, strict=True):
                ticket.done.set_result(result)

    def _fail(self, tickets: list[_Ticket], error: BaseException) -> None:
        """Rolled back, for certain: run the calls one by one, or name the one that failed."""
        if len(tickets) > 1:
            for ticket in tickets:
                self._run([ticket])
        elif len(tickets[0].attempts) > 1:
            tickets[0].done.set_result([self._run_alone(tickets[0], a) for a in tickets[0].attempts])
        elif isinstance(error, exc.SQLAlchemyError):
            UNWRITABLE.inc()
            self._disconnect()
            unavailable = LedgerUnavailable("the ledger can't be written")
            unavailable.__cause__ = error
            tickets[0].done.set_exception(unavailable)
        else:
            tickets[0].done.set_exception(error)

    def _run_alone(self, ticket: _Ticket, attempt: Attempt) -> Outcome:
        alone = _Ticket((attempt,), None, ticket.is_wanted)
        self._run([alone])
        error = alone.done.exception()
        if error is not None:
            return Failed(error)
        outcome: Outcome = alone.done.result()[0]
        return outcome

    def _transact(self, tickets: list[_Ticket]) -> list[Any]:
        try:
            self._store.require_same_files()  # connecting to another file would spoil the first one's WAL
            connection = self._connect()
        except (exc.SQLAlchemyError, StoreUnavailable) as error:
            raise LedgerUnavailable("the ledger can't be reached") from error
        with self._store.timed(connection):
            return self._transact_over(connection, tickets)

    def _transact_over(self, connection: Connection, tickets: list[_Ticket]) -> list[Any]:
        try:
            transaction = connection.begin()
            self._store.require_same_files()  # while it waited for the lock, too
            tx = Transaction(connection, self._clock, self._vault)
        except (exc.SQLAlchemyError, StoreUnavailable) as error:
            raise LedgerUnavailable("the ledger can't be locked") from error
        try:
            results = self._decide(tx, tickets)
            tx.flush()
        except BaseException:
            with suppress(exc.SQLAlchemyError):
                transaction.rollback()
            raise
        try:
            transaction.commit()
        except exc.SQLAlchemyError as error:
            raise LedgerUnavailable("the outcome of COMMIT is unknown") from error
        # From here the entries are durable; a crash costs the callers a retry.
        self._latest = tx.now
        return results

    def _decide(self, tx: Transaction, tickets: list[_Ticket]) -> list[Any]:
        if tickets[0].change is not None:
            return [tickets[0].change(tx)]
        outcomes = iter(run(tx, [a for ticket in tickets for a in ticket.attempts], self._guards))
        return [[next(outcomes) for _ in ticket.attempts] for ticket in tickets]

    def _connect(self) -> Connection:
        if self._connection is None or self._connection.closed or self._connection.invalidated:
            self._disconnect()
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
