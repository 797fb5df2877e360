"""A ledger that is put back from an older backup is refused until an operator opens another name.

Entries are appended, published and witnessed; then the database is copied, goes on, and is put back. Every
other time it grows again past what was signed, as by the consumers' pages alone, before a gateway comes. No
gateway may start over it; `log open` without --after-restore refuses it too; whoever submits its old
checkpoint to the witness is refused. After `log open NAME --after-restore` the log goes on under another
name, what was signed last is set aside, and all of it is recomputed. Nothing more may be seen under the old
name.

Control arm: nobody reads the file that remembers outside the database.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from gateway.audit.private import Vault
from gateway.audit.tree.integrate import TreeRefused
from gateway.founding import LEDGER_ENDS
from gateway.ledger import Ledger
from gateway.reopening import Opened, open_name
from gateway.server import wall_clock
from gateway.settings import read_secret
from gateway.store import open_store
from scoregate.tlog.checkpoint import Checkpoint
from scoregate.tlog.note import Note, VerifierKey
from tests.prove.campaign import SQLITE, Finding, Stage
from tests.prove.log.house import COVERED_SECONDS, House
from tests.prove.log.lives import await_
from tests.prove.log.works import Broken, append
from tests.witness.made_log import Caller, request

LAW = "a ledger put back from an older backup is refused until an operator opens another name"
CONTROL = "nobody reads what was remembered outside the database"
Roots = Mapping[tuple[str, int], bytes]
"""Of checkpoints, by name and size."""

SOME = 30  # entries at least, before a rest

AT_START, AT_OPENING, BY_WITNESS = "refused at the start", "refused by log open", "refused by the witness"
GROWN, AFTERWARDS = "grown again before", "went on under another name"


@dataclass
class Outcome:
    """What came of all trials on one store."""

    trials: int = 0
    broken: int = 0
    evidence: list[str] = field(default_factory=list)
    occurred: Counter[str] = field(default_factory=Counter)


def restoring(stage: Stage) -> Iterator[Finding]:
    """A row for each store, tried side by side."""
    with ThreadPoolExecutor(len(stage.stores)) as lanes:
        yield from lanes.map(lambda store: _try(stage, store), stage.stores)


def _try(stage: Stage, store: str) -> Finding:
    whole, control = Outcome(), Outcome()
    count, turn = stage.size(full=10, small=1), stage.stores.index(store)  # small, each store has one kind
    for number in range(count):
        stage.step(f"older backups, {store}", number, count)
        _trial(stage, store, whole, has_grown=(number + turn) % 2 == 1)
    for _ in range(stage.size(full=3, small=1)):
        _trial(stage, store, control, has_grown=False, blind=True)
    return Finding(
        law=LAW,
        store=store,
        runs=whole.trials,
        violations=whole.broken,
        control=CONTROL,
        control_runs=control.trials,
        control_violations=control.broken,
        outcomes=dict(whole.occurred),
        evidence=tuple(whole.evidence[:5]),
    )


def _trial(stage: Stage, store: str, outcome: Outcome, *, has_grown: bool, blind: bool = False) -> None:
    house = House.found(stage, stage.new_database(store))
    witness, wrong = house.begin_witness(), list[str]()
    try:
        _go_on(house)
        kept = _Backup(house.settings.database.url)
        old = house.seen.shown
        _go_on(house)
        kept.put_back()
        before = dict(house.seen.roots)  # the witness, who lives on, goes on telling
        heir = House(house.settings, port=house.port)
        if blind:
            _go_on(heir, Broken(blind=True), until=lambda: bool(_since(before, house, heir)))
        else:
            assert old is not None
            wrong += _refused(heir, outcome.occurred, old, has_grown=has_grown)
            wrong += _opened(before, heir, outcome.occurred)
        wrong += _since(before, house, heir)
    finally:
        witness.stop()
    outcome.trials += 1
    outcome.broken += bool(wrong)
    outcome.evidence += [f"{store}, grown again: {has_grown}: {'; '.join(wrong[:3])}"] if wrong else []


def _go_on(house: House, broken: Broken | None = None, *, until: Callable[[], bool] | None = None) -> None:
    """Append some entries, and see them published, or whatever else is waited for."""
    before = len(house.seen.entries)
    works = house.begin_works(broken)
    try:
        works.tell("go")
        enough = await_(lambda: len(house.seen.entries) > before + SOME)
        works.tell("rest")
        came = await_(until or house.is_covered, COVERED_SECONDS)
        if not enough or not (came or until):
            raise RuntimeError("what was appended is not published")
    finally:
        works.stop()


# --- what may not be


def _refused(heir: House, occurred: Counter[str], old: Note, *, has_grown: bool) -> Iterator[str]:
    if has_grown:
        _grow(heir)
        occurred[GROWN] += 1
    try:
        heir.begin_works().stop()
    except RuntimeError as error:
        if "restored from an older backup" not in str(error):
            yield f"it is refused at the start by {error}"
        occurred[AT_START] += 1
    else:
        yield "it is not refused at the start"
    try:
        _open(heir, "too-early", after_restore=False)
    except TreeRefused:
        occurred[AT_OPENING] += 1
    else:
        yield "log open does not refuse it"
    size = Checkpoint.decode(old.text).size
    answer = Caller(heir.port).submit(request(size, [], Note(old.text, old.signatures[:1]).encode()))
    if answer.status == 200:
        yield "the witness signs a rollback"
    occurred[BY_WITNESS] += answer.status == 409


def _grow(heir: House) -> None:
    """Past everything that was signed, by a process that publishes nothing."""
    settings = heir.settings
    goal = int(settings.log.checkpoint.read_text().splitlines()[1]) + SOME
    store = open_store(settings.database.url)
    ledger = Ledger(store, Vault(read_secret(settings.secrets.master_key)), clock=wall_clock)
    try:
        while ledger.change(lambda tx: append(tx, SOME))[-1][0] < goal:
            pass
    finally:
        ledger.close()
        store.close()


def _open(heir: House, name: str, *, after_restore: bool) -> Opened:
    return open_name(
        heir.settings,
        f"scoregate.local/log/{name}",
        reason="a campaign",
        after_restore=after_restore,
        clock=wall_clock,
    )


# --- what must be


def _opened(before: Roots, heir: House, occurred: Counter[str]) -> Iterator[str]:
    opened = _open(heir, "after-the-fire", after_restore=True)
    said = "" if opened.set_aside is None else opened.set_aside.read_text()
    if said.splitlines()[1:2] != [str(max(size for _, size in before))]:
        yield "what was signed last is not set aside"
    heir.trust(VerifierKey.parse(opened.vkey))
    _go_on(heir)
    works = heir.begin_works()
    try:
        yield from heir.judge()
    finally:
        works.stop()
    occurred[AFTERWARDS] += any(origin == opened.name for origin, _ in heir.seen.roots)


def _since(before: Roots, *houses: House) -> list[str]:
    """What was seen of a name after its database was put back, and was not seen before."""
    names = {origin for origin, _ in before}
    return [
        f"{origin} has shown another tree of {size} entries since"
        for house in houses
        for (origin, size), root in list(house.seen.roots.items())
        if origin in names and before.get((origin, size)) != root
    ]


@dataclass(frozen=True)
class _Backup:
    """A copy of a database that nobody is connected to."""

    url: str

    def __post_init__(self) -> None:
        if self._is_file:
            self._copy(self._file, self._file.with_suffix(".copy"))
        else:
            self._tell(f"CREATE DATABASE {self._name}_copy TEMPLATE {self._name}")

    def put_back(self) -> None:
        """In place of what came since."""
        if self._is_file:
            self._copy(self._file.with_suffix(".copy"), self._file)
        else:
            self._tell(f"DROP DATABASE {self._name} WITH (FORCE)")
            self._tell(f"ALTER DATABASE {self._name}_copy RENAME TO {self._name}")

    @property
    def _is_file(self) -> bool:
        return sa.make_url(self.url).get_backend_name() == SQLITE

    @property
    def _name(self) -> str:
        return str(sa.make_url(self.url).database)

    @property
    def _file(self) -> Path:
        return Path(self._name)

    def _copy(self, source: Path, target: Path) -> None:
        for end in LEDGER_ENDS:
            target.with_name(f"{target.name}{end}").unlink(missing_ok=True)
            one = source.with_name(f"{source.name}{end}")
            if one.exists():
                shutil.copy(one, target.with_name(f"{target.name}{end}"))

    def _tell(self, statement: str) -> None:
        url = sa.make_url(self.url).set(database="postgres")
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)
