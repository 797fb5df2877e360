"""Storage faults: a store in trouble lets no score leave that is not in the log, and all goes on by itself.

A gateway in a process of its own serves callers who ask without pause; a fault comes, lasts and goes, and the
same process serves on. Then the books are held against what callers hold (``crashes.judge``): every answer
is the entry that its receipt names, whenever it came; units are those of the answers; each call in flight,
asked again twice, has one answer and one unit; a one-time grant has one answer; the offline verifier accepts
the log with every receipt. Where the fault is total, no call that begins under it is answered before it goes.

Each fault's seam stands in its row; where no small disk can be mounted (it takes root), SQLite is told PRAGMA
max_page_count instead, and PostgreSQL's full disk is left out. Control arms: a driver that takes errors for
success, or COMMITs late; a store that doesn't look at its file's inode (``crashes.doom``).
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory

from tests.prove.campaign import POSTGRESQL, SQLITE, Finding, Stage
from tests.prove.crashes.house import House
from tests.prove.crashes.nursery import open_nursery
from tests.prove.stagehands import people
from tests.prove.storage_faults import files, server
from tests.prove.storage_faults.disk import small_disk
from tests.prove.storage_faults.trial import (
    AFTERWARDS,
    ANEW,
    BEFORE,
    FOUND,
    MEANWHILE,
    VARIANTS,
    Fault,
    Outcome,
    Place,
    try_out,
)

LAW = "no score leaves that is not in the log, nothing is spent twice, the same process goes on"
BUILD = Path(__file__).parents[3] / "build"
PEOPLE = 20
DISK_MB = 24
PATIENCE_SECONDS = "1"

Placing = Callable[[Fault], AbstractContextManager[Place]]


def storage_faults(stage: Stage) -> Iterator[Finding]:
    """A row for each fault of each store; the stores' are tried side by side."""
    ground = _Ground(stage, people(stage.engine_folder, PEOPLE))
    work = {SQLITE: ground.try_files, POSTGRESQL: ground.try_server}
    with ThreadPoolExecutor(len(work)) as lanes:
        lines = [lanes.submit(work[store]) for store in stage.stores]
        for line in lines:
            line.add_done_callback(lambda _: ground.found.put(None))
        for _ in lines:
            yield from iter(ground.found.get, None)
        for line in lines:
            line.result()


@dataclass
class _Ground:
    """What the trials of both stores share."""

    stage: Stage
    people: Sequence[str]
    found: SimpleQueue[Finding | None] = field(default_factory=SimpleQueue)

    def try_files(self) -> None:
        """SQLite."""
        with small_disk(self.stage.folder / "disk", DISK_MB) as disk:

            @contextmanager
            def place(fault: Fault) -> Iterator[Place]:
                folder = disk if disk and fault.name == files.FULL else self.stage.folder
                file = folder / f"{uuid.uuid4().hex}.db"
                yield Place(self._house(f"sqlite:///{file}"))
                for each in folder.glob(f"{file.name}*"):
                    each.unlink()  # a small disk is soon full

            self._try(files.faults(has_own_disk=disk is not None), place)

    def try_server(self) -> None:
        """PostgreSQL: one of this campaign's own, which it may stop."""
        with ExitStack() as closing:
            # Where the server's own user gets to, which a test's folder may not be.
            BUILD.mkdir(exist_ok=True)
            folder = Path(closing.enter_context(TemporaryDirectory(dir=BUILD, prefix="storage-faults-")))
            disk = closing.enter_context(small_disk(folder / "disk", DISK_MB))
            running = server.Server(folder / "postgresql", closing)
            if disk is not None:
                running.give_disk(disk)

            @contextmanager
            def place(fault: Fault) -> Iterator[Place]:
                line = server.Line(running, running.new_database())
                with line.open() as url:
                    house = self._house(url)
                    if fault.name == server.FULL:
                        running.move_to_disk(line.name)
                    yield Place(house, line)
                running.drop(line.name)

            self._try(server.faults(running), place)

    def _house(self, url: str) -> House:
        return House.found(self.stage, url, SCOREGATE_DATABASE__PATIENCE_SECONDS=PATIENCE_SECONDS)

    def _try(self, faults: Sequence[Fault], place: Placing) -> None:
        chosen = [fault for fault in faults if self.stage.full or not fault.is_spared]
        rows = [list(group) for _, group in groupby(chosen, lambda fault: fault.name)]
        with open_nursery() as nursery:

            def tried(fault: Fault, number: int, variant: str = "") -> Outcome:
                chance = random.Random(f"{self.stage.seed} {fault.store} {fault.seam} {number}")  # noqa: S311
                with place(fault) as at:
                    return try_out(fault, at, nursery, self.people, chance, variant)

            for done, row in enumerate(rows):
                whole, control = Outcome(), Outcome()
                for fault in row:
                    for number in range(
                        self.stage.size(full=3 if fault.seconds >= server.SILENT_SECONDS else 8, small=1)
                    ):
                        self.stage.step(f"{fault.store}, {fault.name}", done, len(rows))
                        whole += tried(fault, number)
                for number in range(self.stage.size(full=2, small=1)):
                    for fault in row:
                        if fault.variant:
                            control += tried(fault, number, fault.variant)
                self.found.put(_finding(row, whole, control))


def _finding(row: Sequence[Fault], whole: Outcome, control: Outcome) -> Finding:
    must_occur = [BEFORE, MEANWHILE, AFTERWARDS, *((FOUND, ANEW) if row[0].name == server.CUT else ())]
    seams = "; ".join(fault.seam for fault in row)
    return Finding(
        law=f"{row[0].name} ({seams}): {LAW}",
        store=row[0].store,
        runs=whole.trials,
        violations=whole.violations,
        control=VARIANTS[row[0].variant],
        control_runs=control.trials,
        control_violations=control.violations,
        outcomes={name: whole.occurred[name] for name in must_occur},
        figures={
            "found_in_the_log": whole.occurred[FOUND],
            "asked_anew": whole.occurred[ANEW],
            "slowest_recovery_ms": whole.recovery_ms,
        },
        evidence=tuple(whole.evidence[:10]),
    )
