"""One poisoned item in a batch of fifty, made to fail in four ways; the other forty-nine must not notice.

    engine   the engine returns rubbish for one person          (seam: an engine behind gRPC)
    key      one person's data key does not unwrap              (seam: a row of data_keys)
    row      the database refuses one row of the group's        (seam: a trigger on answers)
    both     the engine's rubbish and a broken key, of two      (both seams)

Control arm: an engine that fails the whole question over one person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random

import sqlalchemy as sa

from gateway.audit.private import data_keys, owner_subject
from gateway.ledger.answers import answer_key
from gateway.query import GET_SCORE
from gateway.store import Store, open_store
from scoregate.partner.v1 import score_pb2
from tests.prove.campaign import POSTGRESQL, Finding, Stage
from tests.prove.isolation.engine import BREAK, RUBBISH
from tests.prove.isolation.house import House
from tests.prove.stagehands import people

BATCH = 50
OTHERS = 300  # people whom the rest of isolation asks about; their keys stay whole
WAYS = ("engine", "key", "row", "both")
CONTROL = "an engine that fails the whole question over one person"
REFUSING = {
    False: (
        "CREATE TRIGGER poisoned BEFORE INSERT ON answers "
        "WHEN NEW.answer_key IN (SELECT answer_key FROM poison) "
        "BEGIN SELECT RAISE(ABORT, 'poisoned'); END",
    ),
    True: (
        "CREATE FUNCTION refuse_poisoned() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF NEW.answer_key IN (SELECT answer_key FROM poison) THEN RAISE EXCEPTION 'poisoned'; END IF; "
        "RETURN NEW; END $$",
        "CREATE TRIGGER poisoned BEFORE INSERT ON answers FOR EACH ROW EXECUTE FUNCTION refuse_poisoned()",
    ),
}


def poison(stage: Stage, store: str, house: House) -> Finding:
    """Batches of fifty with one poisoned item each (two, where both ways are tried)."""
    size, control_size = stage.size(full=200, small=6), stage.size(full=20, small=1)
    done: Counter[str] = Counter()
    evidence: list[str] = []
    with _ways_to_poison(house, store) as ways:
        batches = Batches(house, stage, ways, size + control_size)
        for number in range(size):
            stage.step(f"poisoned batches on {store}", number, size)
            way = WAYS[number % len(WAYS)]
            done[way] += 1
            if said := batches.run(way):
                evidence.append(f"batch {number}, {way}: {said}")
        broken = sum(bool(batches.run(BREAK)) for _ in range(control_size))
    house.engine.become({})
    house.worlds[0].require_balanced()
    return Finding(
        law=f"One poisoned call in a batch of {BATCH} fails alone",
        store=store,
        runs=size,
        violations=len(evidence),
        control=CONTROL,
        control_runs=control_size,
        control_violations=broken,
        outcomes=dict(done),
        evidence=tuple(evidence[:8]),
    )


class Batches:
    """Forty-eight who are asked about each time, and two new ones who may be poisoned."""

    def __init__(self, house: House, stage: Stage, ways: Ways, size: int) -> None:
        subjects = people(stage.engine_folder, OTHERS + BATCH - 2 + 2 * size)[OTHERS:]
        self._lender, consents = house.lender("batcher", subjects)
        self._ways, self._engine, self._chance = ways, house.engine, Random(stage.seed)  # noqa: S311
        both = list(zip(subjects, consents, strict=True))
        self._well, self._new = both[: BATCH - 2], iter(both[BATCH - 2 :])

    def run(self, way: str) -> str:
        """Poison, ask, and say what was wrong with the outcome; nothing if nothing was."""
        one, other = next(self._new), next(self._new)
        poisoned = {one[1], other[1]} if way == "both" else {one[1]}
        whim = {"engine": RUBBISH, "both": RUBBISH, BREAK: BREAK}.get(way)
        self._engine.become({one[0]: whim} if whim else {})
        if way in ("key", "both"):
            self._ways.break_key((other if way == "both" else one)[0])
        items = [*self._well, one, other]
        self._chance.shuffle(items)
        queries = [self._lender.query(consent) for _, consent in items]
        if way == "row":
            (asked,) = (each.request_id for each in queries if each.consent_id == one[1])
            self._ways.refuse_row(answer_key(self._lender.partner_id, GET_SCORE, asked))
        before = self._lender.spent()["day"]
        request = score_pb2.BatchGetScoresRequest(items=queries)
        results = self._lender.scores.BatchGetScores(request, timeout=30).results
        spent = self._lender.spent()["day"] - before
        return _wrong([consent for _, consent in items], results, poisoned, spent)


def _wrong(
    consents: Sequence[str], results: Sequence[score_pb2.BatchGetScoresResult], poisoned: set[str], spent: int
) -> str:
    answered = {c for c, each in zip(consents, results, strict=True) if each.HasField("answer")}
    if spare := answered & poisoned:
        return f"{len(spare)} poisoned items were answered"
    if lost := set(consents) - poisoned - answered:
        why = Counter(each.error.reason for each in results if each.HasField("error"))
        return f"{len(lost)} others failed with it: {dict(why)}"
    if spent != len(answered):
        return f"{spent} units for {len(answered)} answers"
    return ""


class Ways:
    """How rows are poisoned, beside the gateways."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def break_key(self, subject: str) -> None:
        """The person's wrapped key is no longer one."""
        broken = (
            sa.update(data_keys).where(data_keys.c.owner == owner_subject(subject)).values(wrapped=bytes(40))
        )
        with self._store.writer.begin() as connection:
            assert connection.execute(broken).rowcount == 1

    def refuse_row(self, key: str) -> None:
        """No answer can be kept under this key."""
        with self._store.writer.begin() as connection:
            connection.execute(sa.text("INSERT INTO poison VALUES (:answer_key)"), {"answer_key": key})


@contextmanager
def _ways_to_poison(house: House, store: str) -> Iterator[Ways]:
    beside = open_store(house.settings.database.url)
    try:
        with beside.writer.begin() as connection:
            connection.execute(sa.text("CREATE TABLE poison (answer_key VARCHAR(140) PRIMARY KEY)"))
            for statement in REFUSING[store == POSTGRESQL]:
                connection.execute(sa.text(statement))
        yield Ways(beside)
        with beside.writer.begin() as connection:
            connection.execute(
                sa.text(f"DROP TRIGGER poisoned{' ON answers' if store == POSTGRESQL else ''}")
            )
    finally:
        beside.close()
