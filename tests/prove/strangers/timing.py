"""Whether a refusal's latency tells an id that is somebody else's from one that is nobody's.

One lender, one connection, one call at a time. A pair is a call for a foreign id and one for a missing id,
in an order that chance decides, so that whatever else the machine does falls on both. Latency is measured
where an attacker would, at the client. Two figures, each the chance of being right by the longer latency,
taken the way round that suits the attacker:

    auc        for any foreign call against any missing one (Mann and Whitney's U over n²)
    auc_pairs  for the two of a pair, which drift can't blur

Where the two are the same, either is 0.5 give or take some 0.005 over 10,000 pairs. Control arm: a gateway
that first reads a page of what an id's owner has (``careless.reads_on``); in a test run, one that does not
ask whose an id is at all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from statistics import median
from typing import Any

import grpc
import sqlalchemy as sa

from consent.register.invitations import new_id
from consent.register.tables import grants
from tests.journey.contract import BY_REQUEST
from tests.journey.samples import NAMING
from tests.prove.campaign import SQLITE, Finding, Stage
from tests.prove.stagehands import ENDLESS, ONE_TIME, allow, people
from tests.world import Partner, World

MOST_AUC, MOST_AUC_IN_A_TEST = 0.55, 0.62
"""Of 400 pairs chance alone makes 0.55 often, and 0.62 once in a million runs."""

PATIENCE = 10
"""Times as many pairs of the control arm, until it is seen: a busy machine hides a millisecond, too."""

IDS = 200  # of either kind
WARM = 50  # pairs before the first that counts
CALL_SECONDS = 10.0
CONTROL = "more is read where there is an owner"
IN_A_TEST = ("GetScore",)


@dataclass(frozen=True, slots=True)
class Latencies:
    """Microseconds, pair by pair."""

    foreign: list[float] = field(default_factory=list)
    missing: list[float] = field(default_factory=list)

    @property
    def auc(self) -> float:
        """For any two calls."""
        return _either_way(rank_sum(self.foreign, self.missing))

    @property
    def auc_pairs(self) -> float:
        """For the two of a pair; where both take the same, half."""
        wins = [(f > m) + (f == m) / 2 for f, m in zip(self.foreign, self.missing, strict=True)]
        return _either_way(sum(wins) / len(wins))

    def tells(self, most: float) -> bool:
        """Whether either figure is beyond the bound; none of nothing."""
        return bool(self.foreign) and max(self.auc, self.auc_pairs) > most


def rank_sum(first: Sequence[float], second: Sequence[float]) -> float:
    """The chance that one of the first is more than one of the second, ties counting half (Mann–Whitney)."""
    both = sorted([(value, 1) for value in first] + [(value, 0) for value in second])
    ranks, begin = 0.0, 0
    while begin < len(both):
        end = begin
        while end < len(both) and both[end][0] == both[begin][0]:
            end += 1
        of_first = sum(which for _, which in both[begin:end])
        ranks += of_first * (begin + 1 + end) / 2  # the mean of the ranks begin + 1 to end
        begin = end
    most = len(first) * len(second)
    return (ranks - len(first) * (len(first) + 1) / 2) / most


def _either_way(auc: float) -> float:
    return max(auc, 1 - auc)


@dataclass(frozen=True, slots=True)
class Prober:
    """A lender who tries ids: as many that are another lender's as are nobody's."""

    lender: Partner
    foreign: Sequence[str]
    missing: Sequence[str]
    chance: Random

    def probe(
        self, method: str, pairs: int, step: Callable[[int], None], found: Latencies | None = None
    ) -> Latencies:
        """Ask so many pairs of times; ``found`` grows by them."""
        make = NAMING[method]
        some = make(self.lender, self.missing[0])
        call: Any = self.lender.channel.unary_unary(BY_REQUEST[some.DESCRIPTOR].path)
        found = Latencies() if found is None else found
        for number in range(-WARM, pairs):
            theirs, nobodys = (
                make(self.lender, self.chance.choice(ids)).SerializeToString()
                for ids in (self.foreign, self.missing)
            )
            if self.chance.random() < 0.5:
                foreign, missing = _took_us(call, theirs), _took_us(call, nobodys)
            else:
                missing, foreign = _took_us(call, nobodys), _took_us(call, theirs)
            if number >= 0:
                found.foreign.append(foreign)
                found.missing.append(missing)
                step(number)
        return found


def _took_us(call: Any, body: bytes) -> float:
    began = time.perf_counter_ns()
    try:
        call(body, timeout=CALL_SECONDS)
    except grpc.RpcError as error:
        took = time.perf_counter_ns() - began
        if error.code() in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.PERMISSION_DENIED):
            return took / 1_000
        raise
    return (time.perf_counter_ns() - began) / 1_000  # a batch says it inside


def timing(stage: Stage, world: World, broken: World) -> Iterator[Finding]:
    """A row for each method by which a lender may try an id; ``broken`` is careless about them."""
    curious, owner = (world.partner(name, **ENDLESS) for name in ("timer", "timed"))
    subjects = people(stage.engine_folder, IDS)
    allow(world.settings, [(owner.partner_id, subject, ONE_TIME) for subject in subjects])
    foreign = _ids(world, owner)
    missing = [new_id() for _ in subjects]
    for method in NAMING if stage.full else IN_A_TEST:
        theirs = foreign[method == "GetConsentInvitation"]
        probers = [
            Prober(lender, theirs, missing, Random(f"{stage.seed} {method}"))  # noqa: S311
            for lender in (curious, curious.at(broken))
        ]
        yield _finding(stage, method, *probers)


def _ids(world: World, owner: Partner) -> tuple[list[str], list[str]]:
    query = sa.select(grants.c.consent_id, grants.c.handle).where(grants.c.partner_id == owner.partner_id)
    with world.reading() as connection:
        rows = connection.execute(query).all()
    return [row.consent_id for row in rows], [row.handle for row in rows]


def _finding(stage: Stage, method: str, prober: Prober, control: Prober) -> Finding:
    pairs, few = stage.size(full=10_000, small=400), stage.size(full=1_000, small=200)
    most = MOST_AUC if stage.full else MOST_AUC_IN_A_TEST

    def step(number: int) -> None:
        stage.step(f"{method} for a foreign and a missing id", number, pairs)

    found = prober.probe(method, pairs, step)
    missed = Latencies()
    while not missed.tells(most) and len(missed.foreign) < PATIENCE * few:
        control.probe(method, few, lambda _: None, missed)
    told = f"{method}: AUC {found.auc:.4f}, pair by pair {found.auc_pairs:.4f}, seed {stage.seed}"
    broken = found.tells(most)
    return Finding(
        law=f"By how long {method} takes, a foreign id is told from a missing one with AUC {most} at most",
        store=SQLITE,
        runs=pairs,
        violations=int(broken),
        control=CONTROL,
        control_runs=len(missed.foreign),
        control_violations=int(missed.tells(most)),
        figures={
            "auc": found.auc,
            "auc_pairs": found.auc_pairs,
            "foreign_us": median(found.foreign),
            "missing_us": median(found.missing),
            "control_auc": missed.auc,
            "control_auc_pairs": missed.auc_pairs,
            "control_foreign_us": median(missed.foreign),
            "control_missing_us": median(missed.missing),
        },
        evidence=(told,) if broken else (),
    )
