"""What a gateway does by itself: record counted refusals, sweep old answers and cells."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

import structlog

from consent import register
from gateway import decisions, erasing, masters, retention
from gateway.audit.private import Vault
from gateway.gate import Gate
from gateway.ledger import Ledger, LedgerBusy, LedgerUnavailable, Transaction, answers
from gateway.store import Store, StoreUnavailable
from gateway.thresholds import cells

if TYPE_CHECKING:
    from gateway.server.parts import Parts

log = structlog.get_logger()

TICK = timedelta(seconds=1)
SWEEP_EVERY = 60  # ticks
SWEEP_LIMIT = 1_000  # rows in one transaction, so that no call waits long behind it
MAX_SWEEPS = 1_000  # a minute
CLOSE_LIMIT = 100
FINISH_SECONDS = 60.0
RETAIN_SECONDS = 3_600.0
SKEW = timedelta(hours=1)  # of clocks: what another gateway grants may end before what was seen here


def keep_house(parts: Parts, closing: ExitStack) -> None:
    """Tick until ``closing`` closes, and write once more then."""
    gate, ledger, store = parts.gate, parts.ledger, parts.store
    ticks, windows = count(1), Windows(store)
    tick("unfinished", partial(finish, store, ledger), closing, every=FINISH_SECONDS)
    kept = retention.schedule(parts.settings.retention)
    tick("retention", partial(retain, store, ledger, parts.vault, kept), closing, every=RETAIN_SECONDS)
    closing.callback(housekeep, gate, ledger, with_sweep=False)
    tick("house", lambda: housekeep(gate, ledger, with_sweep=next(ticks) % SWEEP_EVERY == 0), closing)
    tick("windows", partial(windows.close_overdue, ledger), closing)


class Windows:
    """Marks consents whose time is up. They were dead before; their partners hear of it so."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._since = datetime(1970, 1, 1, tzinfo=UTC)

    def close_overdue(self, ledger: Ledger) -> int:
        """Record every window that has closed; returns how many."""
        closed = 0
        try:
            now, behind = ledger.now(), (self._since, "")
            while found := self._overdue(behind, now):
                consent_ids = [consent_id for _, consent_id in found]
                closed += ledger.change(partial(decisions.expire, consent_ids=consent_ids))
                behind = found[-1]
            self._since = now - SKEW
        except (LedgerUnavailable, LedgerBusy, StoreUnavailable):
            log.warning("windows put off: the ledger can't be read or written")
        return closed

    def _overdue(self, behind: tuple[datetime, str], now: datetime) -> list[tuple[datetime, str]]:
        with self._store.reading() as connection:
            return register.overdue(connection, behind=behind, now=now, limit=CLOSE_LIMIT)


def tick(
    name: str, work: Callable[[], object], closing: ExitStack, *, every: float = TICK.total_seconds()
) -> None:
    """Do some work every so many seconds, in a thread of its own, until ``closing`` closes."""
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(every):
            try:
                work()
            except Exception:  # the thread must outlive whatever this was
                log.exception("housekeeping failed")

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()

    def stop() -> None:
        ended.set()
        thread.join()

    closing.callback(stop)


def finish(store: Store, ledger: Ledger) -> None:
    """Go on with what was broken off: rows of an erasure, keys that an old master key wraps."""
    try:
        erasing.finish(store, ledger)
        masters.wrap_anew(store, ledger)
    except (LedgerUnavailable, LedgerBusy, StoreUnavailable):
        log.warning("erasures put off: the ledger can't be read or written")


def retain(store: Store, ledger: Ledger, vault: Vault, kept: retention.Schedule) -> None:
    """Erase what has been kept for as long as it may be."""
    try:
        retention.unname(store, ledger, now=ledger.now())
        retention.run(store, ledger, vault, kept, now=ledger.now())
    except (LedgerUnavailable, LedgerBusy, StoreUnavailable):
        log.warning("retention put off: the ledger can't be read or written")


def housekeep(gate: Gate, ledger: Ledger, *, with_sweep: bool) -> None:
    """Record what was turned away; now and then delete what has expired."""
    try:
        gate.flush()
        if with_sweep:
            for _ in range(MAX_SWEEPS):
                if ledger.change(_sweep) < SWEEP_LIMIT:
                    break
    except (LedgerUnavailable, LedgerBusy):
        log.warning("housekeeping put off: the ledger can't be written")


def _sweep(tx: Transaction) -> int:
    """The most rows that were deleted of one kind: as many as the limit mean that there may be more."""
    kinds = (answers.sweep, cells.sweep)
    return max(sweep(tx.connection, now=tx.now, limit=SWEEP_LIMIT) for sweep in kinds)
