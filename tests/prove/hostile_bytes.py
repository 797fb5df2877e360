"""Hostile bytes: every parser that meets bytes from outside, under a coverage-guided fuzzer (atheris).

The targets stand in ``tests.prove.fuzzers``, each beside a control arm: the same parser with one guard off,
a real one (such as the library's own exception let through), in which the fuzzer must find the hole.
10,000,000 inputs in all, more for cheap parsers; mutation starts from golden vectors and valid messages.
A fault is an exception that the parser does not document, an input that takes ten seconds, a process of
more than a gibibyte, or a canonical form that is not spelled again as it came. Faults are kept under
build/hostile_bytes/, and `python -m tests.prove.fuzzers TARGET FILE` shows one again.

What is written in HTTP/2 itself stands in ``tests.prove.hostile_http2``.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.prove.campaign import Finding, Stage
from tests.prove.fuzzers.nursery import FAULTY, RAN, REFUSED, ROOT, TAKEN, Order, open_tally, written
from tests.prove.fuzzers.target import Target
from tests.prove.fuzzers.targets import BY_NAME, TARGETS
from tests.prove.hostile_http2 import hostile_http2

KEPT = ROOT / "build" / "hostile_bytes"
LAWS = {
    "doors": "Any body is a query or a refusal of ours, at every method of every door",
    "log": "Any file is a log that holds, or a fault that is named",
    "client": "Any answer is verified or refused by its own name",
    "certificates": "Any certificate or request names one caller, or nobody",
    "engine": "Any answer of the engine, and any file of it, is sound or refused",
    "files and commands": "Any setting, argument, key file or page is taken or refused in words",
}
CONTROL = "each parser with one guard off"


def hostile_bytes(stage: Stage) -> Iterator[Finding]:
    """Parsers first, then HTTP/2."""
    yield from parsers(stage)
    yield from hostile_http2(stage)


def parsers(stage: Stage) -> Iterator[Finding]:
    """A row for each room of parsers."""
    KEPT.mkdir(parents=True, exist_ok=True)
    orders = [*_orders(stage, guarded=False), *_orders(stage, guarded=True)]
    started = time.monotonic()
    _run(stage, orders)
    seconds = time.monotonic() - started
    for room in LAWS:
        yield _finding(room, [order for order in orders if BY_NAME[order.target].room == room], seconds)


def _orders(stage: Stage, *, guarded: bool) -> Iterator[Order]:
    """Heavy ones first, so that both cores are busy to the end."""
    shares = sum(target.share for target in TARGETS)
    for target in sorted(TARGETS, key=_heaviness, reverse=True):
        folder = stage.folder / ("law" if guarded else "control") / target.name
        folder.mkdir(parents=True)
        most = stage.size(full=10_000_000, small=15_000) * target.share // shares + 50
        runs = most if guarded else stage.size(full=1_000_000, small=50_000)
        order = Order(
            target.name, guarded, runs, stage.seed, str(folder), str(KEPT), str(stage.engine_folder)
        )
        open_tally(order.tally, fresh=True)
        yield order


def _heaviness(target: Target) -> tuple[bool, int]:
    return target.share < 10, target.share  # small shares are for slow parsers


def _run(stage: Stage, orders: Sequence[Order]) -> None:
    """Let the nursery run them all.

    Raises:
        RuntimeError: It broke off; its last words are told.
    """
    environ = os.environ | {
        "PYTHONHASHSEED": "0",
        "OPENBLAS_NUM_THREADS": "1",
        "GRPC_ENABLE_FORK_SUPPORT": "0",
    }
    said = stage.folder / "nursery"
    total, tallies = (
        sum(order.runs for order in orders if order.guarded),
        [open_tally(o.tally) for o in orders],
    )
    with (
        said.open("wb") as log,
        subprocess.Popen(
            [sys.executable, "-m", "tests.prove.fuzzers.nursery"],
            cwd=ROOT,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
        ) as nursery,
    ):
        assert nursery.stdin is not None
        try:
            nursery.stdin.write(written(orders).encode())
            nursery.stdin.close()
            while nursery.poll() is None:
                done = sum(tally[RAN] for tally, order in zip(tallies, orders, strict=True) if order.guarded)
                stage.step("inputs", min(done, total), total)
                time.sleep(0.2)
        finally:
            nursery.terminate()
    if nursery.returncode:
        raise RuntimeError(f"the fuzzers broke off: {said.read_text(errors='replace')[-2_000:]}")


def _finding(room: str, orders: Sequence[Order], seconds: float) -> Finding:
    law, control = [o for o in orders if o.guarded], [o for o in orders if not o.guarded]
    faults = [fault for order in law for fault in _faults(order)]
    missed = [order.target for order in control if not open_tally(order.tally)[FAULTY]]
    return Finding(
        law=LAWS[room],
        store="",
        runs=_sum(law, RAN),
        violations=len(faults),
        control=CONTROL,
        control_runs=_sum(control, RAN),
        control_violations=len(control) - len(missed),
        outcomes={"taken": _sum(law, TAKEN), "refused": _sum(law, REFUSED), "every hole found": not missed},
        figures={
            "parsers": len(law),
            "slowest_input_s": max(_stat(order, "slowest_unit_time_sec") for order in law),
            "peak_rss_mb": max(_stat(order, "peak_rss_mb") for order in law),
            "new_paths": sum(_stat(order, "new_units_added") for order in law),
            "all_seconds": round(seconds, 1),
        },
        evidence=(*faults, *(f"no hole found in {target} with its guard off" for target in missed)),
    )


def _sum(orders: Sequence[Order], which: int) -> int:
    return sum(open_tally(order.tally)[which] for order in orders)


def _faults(order: Order) -> Iterator[str]:
    """A line for each kind of fault; one more where the fuzzer itself ended the run."""
    if order.faults.exists():
        for line in order.faults.read_text().splitlines():
            fault = json.loads(line)
            shown = f"python -m tests.prove.fuzzers {order.target} {_near(fault['input'])}"
            yield f"{order.target}: {fault['kind']}: {fault['error']}; again by {shown}"
    ending = order.ending.read_text() if order.ending.exists() else "none"
    if ending != "0":
        last = order.log.read_text(errors="replace").strip().splitlines()[-1:] if order.log.exists() else ()
        ran = open_tally(order.tally)[RAN]
        yield f"{order.target}: ended with {ending} after {ran:,} inputs: {' '.join(last)}"


def _near(path: str) -> Path:
    return Path(path).relative_to(ROOT)


def _stat(order: Order, name: str) -> int:
    found = re.search(rf"stat::{name}:\s+(\d+)", order.log.read_text(errors="replace"))
    return int(found[1]) if found else 0
