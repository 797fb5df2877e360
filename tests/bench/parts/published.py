"""What the published log costs at a million entries: integrating them, proving one, verifying all.

The entries are releases as the ledger writes them, committed in pieces; no gateway is asked for them (the
part `million` does that). One integrator takes them all, on the server's core, over SQLite as durable as it
comes. Proofs are asked of ``Proofs``, as the doors do, for entries drawn at random. The log is then exported
as `scoregate audit pull` writes it, and verified by the command itself on the same core.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from consent.sql import write
from gateway import migrations
from gateway.audit import log
from gateway.audit.log import Appender
from gateway.audit.tree import signing
from gateway.audit.tree.integrate import Integrator
from gateway.audit.tree.outside import Outside
from gateway.audit.tree.proofs import Proofs
from gateway.audit.tree.publish import Publisher
from gateway.audit.tree.tables import begin_tree
from gateway.audit.tree.witnesses import Witnesses
from gateway.store import Store, open_store
from scoregate.audit.v1 import leaf_pb2
from scoregate.auditing.pulled import PulledLog
from scoregate.partner.v1 import types_pb2
from scoregate.tlog.note import VerifierKey
from tests.bench.contest import Ground
from tests.bench.failed import BenchFailed
from tests.bench.figures import Findings, Spread, percentile

ORIGIN = "scoregate.bench/log/2026h2"
A_COMMIT = 10_000
PROOFS = 2_000
SEED = 3
TIMEOUT_SECONDS = 600


def published(ground: Ground) -> Findings:
    """All of it, on the server's core."""
    count, folder = ground.plan.log_entries, ground.folder / "published"
    folder.mkdir()
    store = open_store(f"sqlite:///{folder}/ledger.db")
    try:
        with _on_core(ground.server_core):
            key = _begin(store, folder)
            _fill(ground, store, count)
            rate = _integrate(ground, store, folder, count)
            proofs_ms = _prove(ground, store, count)
            _export(ground, store, folder / "log", count)
        seconds, megabytes = _verify(ground, folder / "log", key, count)
    finally:
        store.close()
    figures = {
        "integrate_leaves_per_second": Spread.of([rate]),
        "inclusion_p99_ms": Spread.of([percentile(proofs_ms, 0.99)]),
        "verify_1m_s": Spread.of([seconds * 1_000_000 / count]),
        "verify_1m_mb": Spread.of([megabytes]),
    }
    notes = {
        "published log": (
            f"{count:,} entries; integrated in steps of 8,192 with a checkpoint each; {PROOFS:,} proofs at "
            f"random, median {percentile(proofs_ms, 0.5):.2f} ms; verified by `scoregate log verify` in "
            f"{seconds:.1f} s" + ("" if count == 1_000_000 else ", scaled to a million")
        )
    }
    return Findings({}, figures, notes)


@contextmanager
def _on_core(core: int) -> Iterator[None]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _begin(store: Store, folder: Path) -> VerifierKey:
    migrations.upgrade(store)
    key = signing.create(folder / "keys", ORIGIN).verifier
    with store.writer.begin() as connection:
        log.create_head(connection, origin=ORIGIN, signing_kid="k" * 43, pairwise_check=b"c" * 32)
        begin_tree(connection, key)
    return key


def _fill(ground: Ground, store: Store, count: int) -> None:
    sequences = Counter[str]()

    def following(partner_id: str) -> int:
        sequences[partner_id] += 1
        return sequences[partner_id]

    with ground.bar(count // A_COMMIT + 1) as step:
        for begin in range(0, count, A_COMMIT):
            step(f"committing entries: {begin:,} of {count:,}")
            with store.writer.begin() as connection:
                appender = Appender(log.lock_head(connection), datetime.now(UTC), following)
                for number in range(begin, min(begin + A_COMMIT, count)):
                    appender.append(_release(number))
                write(connection, *appender.appended())


def _release(number: int) -> leaf_pb2.Leaf:
    return leaf_pb2.Leaf(
        kind=leaf_pb2.LEAF_KIND_RELEASE,
        partner_id=f"lender-{number % 4:02}",
        method="/scoregate.partner.v1.ScoreService/GetScore",
        purpose=types_pb2.PURPOSE_CREDIT_APPLICATION,
        decision=leaf_pb2.DECISION_SCORED,
        cost_units=1,
        quota_periods=["2026-11-23", "2026-11"],
        attestation_sha256=os.urandom(32),
        commitment=os.urandom(32),
    )


def _integrate(ground: Ground, store: Store, folder: Path, count: int) -> float:
    """Entries a second, of the integrator's steps alone."""
    integrator = Integrator(store, key_folder=folder / "keys", outside=Outside(folder / "checkpoint"))
    with ground.bar(1) as step:
        step(f"integrating {count:,} entries")
        began = time.perf_counter()
        while (done := integrator.step()) is not None:
            size = done.checkpoint.size
        took = time.perf_counter() - began
    if size != count:
        raise BenchFailed(f"The tree has {size:,} entries of {count:,}.")
    Publisher(store, integrator, Witnesses((), timeout=1)).catch_up()
    return count / took


def _prove(ground: Ground, store: Store, count: int) -> list[float]:
    proofs, chance, taken = Proofs(store), Random(SEED), []  # noqa: S311  # chance, not a secret
    with ground.bar(1) as step:
        step(f"proving {PROOFS:,} entries")
        for _ in range(PROOFS):
            index = chance.randrange(count)
            began = time.perf_counter()
            proofs.inclusion(index, partner_id=f"lender-{index % 4:02}")
            taken.append((time.perf_counter() - began) * 1e3)
    return taken


def _export(ground: Ground, store: Store, folder: Path, count: int) -> None:
    pulled = PulledLog(folder)
    with ground.bar(count // A_COMMIT + 2) as step:
        for begin in range(0, count, A_COMMIT):
            step(f"exporting the log: {begin:,} of {count:,}")
            with store.reading() as connection:
                pulled.append(log.read_leaves(connection, begin, min(begin + A_COMMIT, count)))
        step("making its tiles")
        pulled.write_tiles()
        pulled.write_checkpoint(Proofs(store).published().note)


def _verify(ground: Ground, folder: Path, key: VerifierKey, count: int) -> tuple[float, float]:
    """(seconds, MB at most) of `scoregate log verify`, on the server's core."""
    command = [
        sys.executable,
        "-m",
        "scoregate",
        "log",
        "verify",
        str(folder),
        "--vkey",
        str(key),
        "-o",
        "json",
    ]
    with ground.bar(1) as step:
        step(f"verifying {count:,} entries")
        began = time.perf_counter()
        done = subprocess.run(
            ["taskset", "-c", str(ground.server_core), *command, "-o", "json"],
            capture_output=True,
            check=False,
            timeout=TIMEOUT_SECONDS,
        )
        took = time.perf_counter() - began
    if done.returncode or json.loads(done.stdout)["tree_size"] != count:
        raise BenchFailed(f"The log does not verify: {done.stdout.decode()}{done.stderr.decode()}")
    return took, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6
