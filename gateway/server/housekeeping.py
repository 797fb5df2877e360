"""What a gateway does by itself: record counted refusals, sweep old answers and cells."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from itertools import count

import structlog

from gateway.gate import Gate
from gateway.ledger import Ledger, LedgerBusy, LedgerUnavailable, Transaction, answers
from gateway.thresholds import cells

log = structlog.get_logger()

TICK = timedelta(seconds=1)
SWEEP_EVERY = 60  # ticks
SWEEP_LIMIT = 1_000  # rows in one transaction, so that no call waits long behind it
MAX_SWEEPS = 1_000  # a minute


def keep_house(gate: Gate, ledger: Ledger, closing: ExitStack) -> None:
    """Tick until ``closing`` closes, and write once more then."""
    ticks = count(1)
    closing.callback(housekeep, gate, ledger, with_sweep=False)
    tick("house", lambda: housekeep(gate, ledger, with_sweep=next(ticks) % SWEEP_EVERY == 0), closing)


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
