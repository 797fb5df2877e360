"""GetScore among a million consents and log entries, against an empty database, and what the million cost.

The ledger is filled in three steps. A million people's consents are written (``crowd``). A gateway is then
asked for every one of them, in no order, through its own door: the first ones one by one, until every
person was met, then some in batches, until it is warm, and after them a million. So each entry of the log is
a real release, with its attestation, private part and kept answer; the auditor follows them, and the whole
log is verified as `scoregate log verify` does. That gateway is the command `scoregate serve` itself, and its
memory is read while it is being asked.

Then two fresh gateways take turns, once each has met its people. The empty one's load takes 100 consents of
each lender in turn; the other one's draws consents at random from the whole million, and in an arm of its own
takes 100 of each lender in turn as well. Whichever way, no two calls under way are for the same consent.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from random import Random

from gateway.audit.log import read_leaves
from gateway.audit.tree.roots import committed_head
from gateway.store import Store, open_store
from scoregate.auditing import recompute
from scoregate.auditing.pulled import PulledLog
from scoregate.tlog.checkpoint import Checkpoint
from scoregate.tlog.faults import LogError
from scoregate.tlog.sources import Folder
from tests.bench import crowd, installation, servers
from tests.bench.command import Memory, serving
from tests.bench.contest import BATCHES_IN_FLIGHT, IN_FLIGHT, ITEMS, Contender, Ground, Plan, one_by_one
from tests.bench.failed import BenchFailed
from tests.bench.figures import EMPTY, FEW, MILLION, Findings, Spread, quotients
from tests.bench.honesty import Auditor
from tests.bench.installation import CONSENTS, LENDERS, Installation
from tests.bench.load import Connections
from tests.bench.servers import running
from tests.bench.turn import Turn
from tests.signing import signed

SEED = 2
BATCHES_A_TURN = 5  # of each lender, while it is filled
ENDLESS = 600.0
READINGS = 10  # of the memory, in build/bench.json


def million(ground: Ground) -> Findings:
    """Fill one, verify it, and let both compete."""
    empty = installation.found(ground.folder / "home-empty", ground.engine_folder)
    filled = installation.found(ground.folder / "home-million", ground.engine_folder)
    chance = Random(SEED)  # noqa: S311  # chance, not a secret
    began = time.monotonic()
    people = installation.scorable(ground.engine_folder)
    filled = _with_a_crowd(ground, filled, people)
    consented = time.monotonic() - began
    with ExitStack() as stack:
        store = open_store(filled.settings.database.url)
        stack.callback(store.close)
        memory = _ask_for_all(ground, filled, store, chance)
        asked = time.monotonic() - began - consented
        report = _verify(ground, store)
        verified = time.monotonic() - began - consented - asked
        contenders = []
        for name, made in ((EMPTY, empty), (MILLION, filled)):
            opened = open_store(made.settings.database.url)
            stack.callback(opened.close)
            server = stack.enter_context(running(name, servers.gateway, ground.server_core, made.settings))
            auditor = Auditor(opened, made)
            calls = stack.enter_context(Connections([server], made, "GetScore"))
            if made is filled:
                ground.say("meeting everybody")
                auditor.require_singles(_meet_everybody(ground, made, calls))
            shuffled = _shuffled(made, chance) if made is filled else made
            contenders.append(Contender(name, one_by_one(calls, shuffled), auditor.require_singles))
        few = Contender(FEW, one_by_one(calls, _few(filled)), auditor.require_singles)
        contenders.append(few)  # of the filled one too
        arms = ground.compete(contenders)
    consents = sum(len(lender.consent_ids) for lender in filled.lenders)
    figures = {
        "growth_ratio": quotients(arms[MILLION].per_second(), arms[EMPTY].per_second()),
        "growth_ratio_few": quotients(arms[FEW].per_second(), arms[EMPTY].per_second()),
        "growth_ratio_cpu": quotients(arms[EMPTY].cpu_us(), arms[MILLION].cpu_us()),
    }
    details = {
        "consents": consents,
        "log_entries_verified": report.checkpoint.size,
        "seconds": {"consents": round(consented), "queries": round(asked), "verifying": round(verified)},
    }
    notes = {
        "growth, filled": (
            f"{consents:,} consents of {len(people):,} people; "
            f"{report.checkpoint.size:,} log entries, all verified ({report.releases:,} releases); "
            f"{consented:.0f} s for the consents, {asked:.0f} s for the queries, {verified:.0f} s to verify"
        ),
        "growth, load": (
            f"consents at random from all of them against {CONSENTS} of each lender in turn; "
            f"{IN_FLIGHT * len(filled.lenders)} under way, each for another consent; fresh processes, which "
            "have met everybody once"
        ),
    }
    return Findings(arms, figures, notes, {"growth": details}) | memory


def _with_a_crowd(ground: Ground, made: Installation, people: Sequence[str]) -> Installation:
    partner_ids = [lender.partner_id for lender in made.lenders]
    count = ground.plan.consents + ground.plan.met + ground.plan.warm
    with ground.bar(count // crowd.AT_ONCE + 1) as step:
        consent_ids = crowd.allow(made.settings, partner_ids, people, count, crowd.TERMS, CONSENTS + 1, step)
    lenders = tuple(
        replace(lender, consent_ids=tuple(ids), subjects=())
        for lender, ids in zip(made.lenders, consent_ids, strict=True)
    )
    return replace(made, lenders=lenders)


def _ask_for_all(ground: Ground, made: Installation, store: Store, chance: Random) -> Findings:
    """Every consent once: the first ones one by one, the others in batches, in no order."""
    alone = ground.plan.met // len(made.lenders)
    others = [list(lender.consent_ids[alone:]) for lender in made.lenders]
    for each in others:
        chance.shuffle(each)
    with ExitStack() as stack:
        server = stack.enter_context(serving(made.settings, ground.server_core))
        auditor = Auditor(store, made)
        singles = stack.enter_context(Connections([server], made, "GetScore"))
        batches = stack.enter_context(Connections([server], made, "BatchGetScores"))
        idle = server.memory_mb()
        auditor.require_singles(_meet_everybody(ground, made, singles))
        memory = [idle, server.memory_mb()]
        with ground.bar(len(others[0]) // (ITEMS * BATCHES_A_TURN) + 1) as step:
            for begin, turn in _turns(others):
                step(f"asking for every consent: {begin * len(others):,} of {ground.plan.consents:,}")
                auditor.require_batches(batches.drive(turn, in_flight=BATCHES_IN_FLIGHT, seconds=ENDLESS))
                memory.append(server.memory_mb())
        return _memory(ground.plan, memory)


def _meet_everybody(ground: Ground, made: Installation, calls: Connections) -> Turn:
    """Each lender's first consents, of which each is for the next person: together, for everybody."""
    alone = ground.plan.met // len(made.lenders)
    first = [lender.consent_ids[:alone] for lender in made.lenders]
    bodies = [installation.singles(iter(ids), len(ids)) for ids in first]
    return calls.drive(bodies, in_flight=IN_FLIGHT, seconds=ENDLESS)


def _turns(consent_ids: Sequence[Sequence[str]]) -> Iterator[tuple[int, list[list[bytes]]]]:
    many = ITEMS * BATCHES_A_TURN
    for begin in range(0, len(consent_ids[0]), many):
        part = [ids[begin : begin + many] for ids in consent_ids]
        yield begin, [installation.batches(iter(ids), len(ids) // ITEMS, ITEMS) for ids in part]


def _memory(plan: Plan, memory: Sequence[Memory]) -> Findings:
    """Of what was read when it had started, when every person was met, and after each turn of batches."""
    a_turn = ITEMS * BATCHES_A_TURN * len(LENDERS)
    idle, met, *turns = memory
    warm, last = turns[plan.warm // a_turn - 1], turns[-1]
    every = max(1, len(turns) // READINGS)
    details = {
        "idle": round(idle.now, 1),
        "once_every_person_was_met": round(met.now, 1),
        "warm": round(warm.now, 1),
        "at_the_end": round(last.now, 1),
        "most": round(last.most, 1),
        "meanwhile": [round(each.now, 1) for each in turns[every - 1 :: every]],
    }
    notes = {
        "memory": (
            f"MB of `scoregate serve`: {idle.now:.0f} once it had started, {met.now:.0f} after {plan.met:,} "
            f"single queries, in which every person was met, {warm.now:.0f} after {plan.warm:,} more "
            f"in batches, {last.now:.0f} after another {plan.consents:,}; {len(LENDERS)} of {ITEMS:,} at once"
        )
    }
    figures = {"rss_mb": Spread.of([last.most]), "rss_growth_mb": Spread.of([last.now - warm.now])}
    return Findings({}, figures, notes, {"memory_mb": details})


READ_CHUNK = 4_096


def _verify(ground: Ground, store: Store) -> recompute.Report:
    """Export the whole log, and check it as whoever pulled it would.

    Raises:
        BenchFailed: It does not verify.
    """
    origin, size, root = committed_head(store)
    log = PulledLog(ground.folder / "log")
    log.write_checkpoint(signed(Checkpoint(origin, size, root)))
    with ground.bar(size // READ_CHUNK + 1) as step:
        for begin in range(0, size, READ_CHUNK):
            step(f"exporting the log: {begin:,} of {size:,}")
            with store.reading() as connection:
                log.append(read_leaves(connection, begin, min(begin + READ_CHUNK, size)))
    log.write_tiles()
    with ground.bar(size // 256 + 1) as step:
        try:
            return recompute.verify(
                Folder(ground.folder / "log"),
                progress=lambda done, _: step(f"verifying the log: {done:,} of {size:,}"),
            )
        except LogError as error:
            raise BenchFailed(f"The log does not verify: {error}") from error


def _few(made: Installation) -> Installation:
    """As many consents as the empty one has."""
    lenders = (replace(lender, consent_ids=lender.consent_ids[:CONSENTS]) for lender in made.lenders)
    return replace(made, lenders=tuple(lenders))


def _shuffled(made: Installation, chance: Random) -> Installation:
    """The same consents, each lender's in no order: taken in turn, they are drawn at random."""
    lenders = []
    for lender in made.lenders:
        ids = list(lender.consent_ids)
        chance.shuffle(ids)
        lenders.append(replace(lender, consent_ids=tuple(ids)))
    return replace(made, lenders=tuple(lenders))
