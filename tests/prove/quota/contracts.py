"""A contract of 1,000 units, used up by 200 clients over four gateway processes.

Each client has a connection of its own and asks without pause, by GetScore, CheckThreshold or
BatchGetScores, until it is refused, since the quota is exhausted; then it asks once more for what it was
given before, which must cost nothing. Contracts bind by the day or by the month, and are used up undisturbed
or with the ledger's lock held by a stranger again and again. What breaks the law: every answer, entry, kept
answer or metered unit too many or too few, every refusal for another reason or without its entry, and every
look into the ledger, while calls are under way, that finds more than the contract.

The control arm's gateways debit from what was read before the lock (``Guards.debit_under_lock`` is off).
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime

from google.protobuf.message import Message

from scoregate.partner.v1 import consent_pb2
from scoregate.words import CalendarUnit
from tests.prove.callers import answers, ask, batch, reasons
from tests.prove.campaign import Finding, Stage
from tests.prove.latch import Latch
from tests.prove.quota.books import Books, Watch, open_books
from tests.prove.stagehands import ENDLESS, allow, people, periodic
from tests.world import Partner, World

EXHAUSTED = {"day": "DAILY_QUOTA_EXHAUSTED", "month": "MONTHLY_QUOTA_EXHAUSTED"}
LIMIT = {"day": "daily_units", "month": "monthly_units"}
ROUNDS = (("day", False), ("month", True), ("month", False), ("day", True))  # what binds; is the lock held
ITEMS = 3  # in a batch
STEP_SECONDS = 0.5
FAR_TOO_MANY = 3  # times as many answers as there are units
OFTEN = periodic(1_000_000, CalendarUnit.YEAR)


@dataclass(frozen=True, slots=True)
class Size:
    """Of a round."""

    processes: int
    clients: int
    units: int
    rounds: int


@dataclass(frozen=True, slots=True)
class Round:
    """What came of one contract."""

    lender: str
    queries: int  # that were to be paid for
    seen: Counter[str]  # "answered", "replayed", or why not
    wrong: dict[str, int]  # what differs from what is due, and by how many
    looks: int  # into the ledger, while it ran

    @property
    def off(self) -> int:
        """By how many, where it differs most."""
        return max(self.wrong.values(), default=0)


def size_of(stage: Stage) -> Size:
    """The law's, or what a test run can afford."""
    return Size(4, 200, 1_000, len(ROUNDS)) if stage.full else Size(2, 24, 60, 2)


def use_up_contracts(
    stage: Stage, store: str, worlds: Sequence[World], latch: Latch, *, control: bool
) -> list[Round]:
    """One contract after the other; the control arm has one."""
    size, found = size_of(stage), []
    rounds = ROUNDS[:1] if control else ROUNDS[: size.rounds]
    for n, (binding, is_held) in enumerate(rounds):
        what = f"{'unguarded contract' if control else 'contract'} {n + 1} of {len(rounds)}, {store}"
        with latch.stuttering() if is_held else nullcontext():
            found.append(_use_up(stage, what, worlds, size, f"contract-{n}", binding))
    return found


def of_contracts(stage: Stage, store: str, rounds: Sequence[Round], control: Sequence[Round]) -> Finding:
    """What came of them."""
    size = size_of(stage)
    seen: Counter[str] = Counter()
    for each in rounds:
        seen.update(each.seen)
    return Finding(
        law=f"{size.processes} processes, {size.clients} clients, a contract of {size.units:,}: "
        f"exactly {size.units:,} answers",
        store=store,
        runs=sum(each.queries for each in rounds),
        violations=sum(each.off for each in rounds),
        control="the debit from what was read before the lock",
        control_runs=sum(each.queries for each in control),
        control_violations=sum(each.off for each in control),
        outcomes={name: seen[name] for name in ("answered", "replayed", *EXHAUSTED.values())},
        figures={
            "contracts": len(rounds),
            "looks_into_the_ledger": sum(each.looks for each in rounds),
            "control_answers_beyond": sum(each.wrong.get("answers", 0) for each in control),
        },
        evidence=tuple(f"{each.lender}: {each.wrong} of {dict(each.seen)}" for each in rounds if each.off),
    )


def _use_up(stage: Stage, what: str, worlds: Sequence[World], size: Size, name: str, binding: str) -> Round:
    limited = ENDLESS | {LIMIT[binding]: size.units, "time_zone": zone_at_noon(datetime.now(UTC))}
    lender = worlds[0].partner(name, **limited)
    subjects = people(stage.engine_folder, size.clients)
    consent_ids = allow(worlds[0].settings, [(name, subject, OFTEN) for subject in subjects])
    crowd: list[Client] = []
    for n, consent_id in enumerate(consent_ids):
        caller = lender.at(worlds[n % len(worlds)])
        crowd.append(Client(n, caller, consent_id, crowd, FAR_TOO_MANY * size.units))
    watch = Watch(name, size.units)
    with watch.over(worlds[0]):
        _run(stage, what, crowd, size.units)
    return judge(name, EXHAUSTED[binding], crowd, open_books(worlds[0], [name])[name], watch)


def _run(stage: Stage, what: str, crowd: Sequence[Client], units: int) -> None:
    start = threading.Barrier(len(crowd))
    with ThreadPoolExecutor(len(crowd)) as pool:
        left = {pool.submit(client.run, start) for client in crowd}
        while left:
            ended, left = wait(left, timeout=STEP_SECONDS)
            for each in ended:
                each.result()
            stage.step(what, min(units, answered(crowd)), units)


def judge(name: str, refusal: str, crowd: Sequence[Client], books: Books, watch: Watch) -> Round:
    """Hold what clients have against the contract, the log, the meters and the kept answers."""
    seen: Counter[str] = Counter()
    for client in crowd:
        seen.update(client.seen)
    held = [index for client in crowd for index in client.held]
    refused = {each: count for each, count in seen.items() if each not in ("answered", "replayed")}
    units = watch.units
    differs = {
        "answers": len(held) - units,
        "answers given twice": len(held) - len(set(held)),
        "answers without entry, entries without answer": len(set(held) ^ set(books.released)),
        "entered units": books.units - units,
        "metered units": sum(abs(used - units) for used in books.metered.values()),
        "meters": len(books.metered) - 2,
        "kept answers": books.kept - units,
        "replays without entry": seen["replayed"] - len(books.replayed),
        "refused for another reason": sum(count for each, count in refused.items() if each != refusal),
        "refusals without entry": len(books.refused) - sum(refused.values()),
        "looks that found something else": len(watch.broken),
    }
    wrong = {what: abs(count) for what, count in differs.items() if count}
    return Round(name, len(held) + sum(refused.values()), seen, wrong, watch.looks)


@dataclass(frozen=True, slots=True, eq=False)
class Client:
    """One of the crowd."""

    number: int
    caller: Partner
    consent_id: str
    crowd: Sequence[Client]
    most: int  # answers of the whole crowd; only a broken gateway gives so many
    held: list[int] = field(default_factory=list)  # where its answers are entered
    seen: Counter[str] = field(default_factory=Counter)  # what came, how often

    def run(self, start: threading.Barrier) -> None:
        """Ask until something is refused, then ask again for the last answer."""
        last: Message | None = None
        start.wait(60)
        while not self.seen.keys() - {"answered"} and answered(self.crowd) < self.most:
            request = self._question()
            outcome = ask(self.caller.channel, request).answer()
            self.held.extend(answer.receipt.leaf_index for answer in answers(outcome))
            self.seen["answered"] += len(answers(outcome))
            self.seen.update(reasons(outcome))
            if answers(outcome) and not reasons(outcome):
                last = request
        if last is not None:
            again = ask(self.caller.channel, last).answer()
            given = {answer.receipt.leaf_index for answer in answers(again)}
            self.seen["replayed" if given <= set(self.held) else "answered anew"] += len(given)
            self.seen.update(f"no replay: {reason}" for reason in reasons(again))
        self.caller.channel.close()

    def _question(self) -> Message:
        kind = self.number % 4
        if kind == 2:
            return self.caller.threshold_query(consent_pb2.Consent(consent_id=self.consent_id))
        if kind == 3:
            return batch(*(self.caller.query(self.consent_id) for _ in range(ITEMS)))
        return self.caller.query(self.consent_id)


def answered(crowd: Sequence[Client]) -> int:
    """How often all of them were answered so far."""
    return sum(each.seen["answered"] for each in crowd)


def zone_at_noon(now: datetime) -> str:
    """A time zone in which no day and no month ends while the campaign runs."""
    ahead = 12 - now.astimezone(UTC).hour
    return f"Etc/GMT{-ahead:+d}"  # POSIX counts westwards
