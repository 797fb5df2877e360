"""Two and four gateways over one PostgreSQL: consecutive indexes, one integrator, one history.

Each has a file of its own for what was signed last, as gateways on several machines have, so nothing but
the database keeps their integrators apart. Callers ask all of them without pause, and their checkpoints are
looked at all the while: no gateway may take one back. A trigger writes down every step of the tree as the
database commits it: each must begin where the one before ended, and grow. Then entries, receipts and every
checkpoint that any gateway showed are held against the one log, and it is recomputed.

Control arm: integrators that swap the tree without comparing.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

import grpc
import psycopg
import sqlalchemy as sa

from gateway.audit.tree.steps import Step
from gateway.settings import Settings
from scoregate.partner.v1 import receipt_pb2
from scoregate.tlog.checkpoint import Checkpoint
from scoregate.tlog.note import Note
from scoregate.words import CalendarUnit
from tests.prove.campaign import POSTGRESQL, Finding, Stage
from tests.prove.log.house import COVERED_SECONDS, House
from tests.prove.log.lives import Life, await_
from tests.prove.log.serving import serve
from tests.prove.log.works import Acknowledged, Shown
from tests.prove.stagehands import ENDLESS, OPERATOR, allow, hang_up, meet, people, periodic
from tests.world import Partner, World

LAW = "{} replicas race on one log: consecutive indexes, one integrator, one history"
CONTROL = "integrators that swap the tree without comparing"
CALLERS = 2  # of each gateway
LOOK_SECONDS = 0.03
MOST_USES = 1_000_000
CALL_SECONDS = 20.0

GREW, LATE = "steps that grew the tree", "steps that another one had taken"

_WATCH = """
CREATE TABLE growth (number serial PRIMARY KEY, who text NOT NULL, old_size bigint NOT NULL,
    new_size bigint NOT NULL, old_root bytea NOT NULL, new_root bytea NOT NULL);
CREATE FUNCTION note_growth() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO growth (who, old_size, new_size, old_root, new_root)
    VALUES (current_setting('application_name'), OLD.size, NEW.size, OLD.root, NEW.root);
    RETURN NULL;
END $$;
CREATE TRIGGER note_growth AFTER UPDATE OF size ON log_tree FOR EACH ROW EXECUTE FUNCTION note_growth()
"""


def racing(stage: Stage) -> Iterator[Finding]:
    """A row for so many replicas; both race side by side, each over a log of their own."""
    sizes = (2, 4) if stage.full else (2,)
    with ThreadPoolExecutor(len(sizes)) as lanes:
        yield from lanes.map(partial(_raced, stage), sizes)


def _raced(stage: Stage, replicas: int) -> Finding:
    whole = _race(stage, replicas, seconds=stage.size(full=60, small=2))
    control = _race(stage, replicas, seconds=stage.size(full=8, small=3), careless=True)
    return Finding(
        law=LAW.format({2: "two", 4: "four"}[replicas]),
        store=POSTGRESQL,
        runs=whole.occurred[GREW],
        violations=len(whole.wrong),
        control=CONTROL,
        control_runs=control.occurred[GREW],
        control_violations=len(control.wrong),
        outcomes=dict(whole.occurred),
        figures={"entries": whole.entries, "checkpoints": whole.checkpoints},
        evidence=tuple(whole.wrong[:5]),
    )


@dataclass
class Outcome:
    """What came of one race."""

    wrong: list[str] = field(default_factory=list)
    occurred: Counter[str] = field(default_factory=Counter)
    entries: int = 0
    checkpoints: int = 0


def _race(stage: Stage, replicas: int, *, seconds: float, careless: bool = False) -> Outcome:
    house = House.found(stage, stage.new_database(POSTGRESQL))
    outcome = Outcome()
    with ExitStack() as closing:
        closing.callback(house.begin_witness().stop)
        _publish_once(house)  # so that there is a file to bring along to further machines
        _tell(house, _WATCH)
        lives, worlds = _gateways(house, replicas, closing, careless=careless)
        with _asking(house, _lenders(house, worlds, stage)):
            _wait(stage, replicas, seconds, careless=careless)
        outcome.wrong += house.judge()
        for life in lives:
            steps: Counter[Step] = Counter(life.tell("stop"))
            outcome.occurred[GREW] += steps[Step.INTEGRATED]
            outcome.occurred[LATE] += steps[Step.REMEMBERED] - steps[Step.INTEGRATED]
        outcome.wrong += _growth(house, replicas, outcome.occurred)
    outcome.entries, outcome.checkpoints = len(house.seen.entries), len(house.seen.roots)
    return outcome


def _publish_once(house: House) -> None:
    life = house.begin_works()
    try:
        if not await_(house.is_covered, COVERED_SECONDS):
            raise RuntimeError("Nothing was published before the race.")
    finally:
        life.stop()


def _wait(stage: Stage, replicas: int, seconds: float, *, careless: bool) -> None:
    what = f"{replicas} replicas{', control arm' if careless else ''}"
    began = time.monotonic()
    while (gone := time.monotonic() - began) < seconds:
        stage.step(what, int(gone), int(seconds))
        threading.Event().wait(0.5)


# --- the gateways


@dataclass(frozen=True, slots=True)
class _Elsewhere:
    """Stands where a test's world has its gateway."""

    partner_port: int
    admin_port: int
    http_port: int

    def stop(self, _: timedelta = timedelta()) -> None:
        """It is told elsewhere."""


def _replica(house: House, number: int) -> Settings:
    """As on a machine of its own: with a file of its own."""
    there = house.home / f"machine-{number}"
    there.mkdir()
    said = house.settings.log.checkpoint
    if said.exists():
        (there / "checkpoint").write_bytes(said.read_bytes())
    log = house.settings.log.model_copy(update={"checkpoint": there / "checkpoint"})
    url = sa.make_url(house.settings.database.url).update_query_dict({"application_name": f"r{number}"})
    database = house.settings.database.model_copy(update={"url": url.render_as_string(hide_password=False)})
    return house.settings.model_copy(update={"log": log, "database": database})


def _gateways(
    house: House, count: int, closing: ExitStack, *, careless: bool
) -> tuple[list[Life], list[World]]:
    lives = []
    for number in range(count):
        settings = _replica(house, number)
        lives.append(Life(house.home / "gateways.log", house.seen.hear, serve, settings, careless))
        closing.callback(lives[-1].stop)
    ports = [_Elsewhere(*life.begun()) for life in lives]
    worlds = [meet(house.settings, each) for each in ports]  # type: ignore[arg-type]  # like any other
    for world in worlds:
        closing.callback(hang_up, world)
    return lives, worlds


# --- their callers


def _lenders(house: House, worlds: Sequence[World], stage: Stage) -> list[tuple[Partner, str]]:
    """For each gateway the lender, connected to it, and a consent."""
    worlds[0].set_contract(OPERATOR, **ENDLESS)
    lender = worlds[0].partner(**ENDLESS)
    terms = periodic(MOST_USES, CalendarUnit.DAY)
    persons = people(stage.engine_folder, len(worlds))
    consents = allow(house.settings, [(lender.partner_id, person, terms) for person in persons])
    return [(lender.at(world), consent) for world, consent in zip(worlds, consents, strict=True)]


@contextmanager
def _asking(house: House, lenders: Sequence[tuple[Partner, str]]) -> Iterator[None]:
    """Every gateway is asked while the block runs, and for its checkpoint until all is covered."""
    enough, covered, troubles = threading.Event(), threading.Event(), list[Exception]()

    def ask(lender: Partner, consent: str) -> None:
        while not enough.is_set():
            receipt = lender.score(consent).receipt
            house.seen.hear(Acknowledged([(receipt.leaf_index, receipt.leaf)]))

    def look(lender: Partner, _: str) -> None:
        latest = 0
        while not covered.wait(LOOK_SECONDS):
            said = lender.receipts.GetCheckpoint(receipt_pb2.GetCheckpointRequest(), timeout=CALL_SECONDS)
            house.seen.hear(Shown(said.checkpoint))
            size = Checkpoint.decode(Note.decode(said.checkpoint).text).size
            if size < latest:
                house.seen.contradictions.append(f"a gateway showed {size} entries after {latest}")
            latest = size

    def begin(work: Any, *about: Any) -> threading.Thread:
        def run() -> None:
            try:
                work(*about)
            except grpc.RpcError as error:
                troubles.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    callers = [begin(ask, *each) for each in lenders for _ in range(CALLERS)]
    lookers = [begin(look, *each) for each in lenders]
    try:
        yield
    finally:
        enough.set()
        for caller in callers:
            caller.join()
        if not await_(house.is_covered, COVERED_SECONDS):
            house.seen.contradictions.append("not all that was answered is published")
        covered.set()
        for looker in lookers:
            looker.join()
    if troubles:
        raise troubles[0]


# --- the database's own word


def _tell(house: House, statement: str) -> list[Any]:
    url = sa.make_url(house.settings.database.url).set(drivername="postgresql")
    with psycopg.connect(url.render_as_string(hide_password=False)) as connection:
        result = connection.execute(statement)
        return result.fetchall() if result.description else []


def _growth(house: House, replicas: int, occurred: Counter[str]) -> Iterator[str]:
    """Whether each growth began where the one before ended, in the order of their commits."""
    rows = _tell(house, "SELECT who, old_size, new_size, old_root, new_root FROM growth ORDER BY number")
    before = None
    for who, old_size, new_size, old_root, new_root in rows:
        if before not in (None, (old_size, old_root)):
            yield f"{who} grew the tree from {old_size}, where it had ended at {before[0] if before else 0}"
        if new_size <= old_size:
            yield f"{who} took a step to {new_size} entries, and the tree had {old_size}"
        if house.roots[new_size : new_size + 1] != [new_root]:
            yield f"{who} grew the tree to {new_size} entries, and not to the log's root"
        before = new_size, new_root
    grown = Counter(row[0] for row in rows)
    occurred.update({f"replica {number + 1} grew it": grown[f"r{number}"] for number in range(replicas)})
