"""What a life left behind, judged before the next one is put to the test."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from scoregate.audit.v1 import leaf_pb2
from tests.prove.crashes.errands import Trial
from tests.prove.crashes.house import Books
from tests.prove.crashes.points import Errand
from tests.prove.crashes.traffic import Question, Single, one
from tests.world import Partner, World

Held = list[tuple[Single, bytes]]

PATIENT_ROUNDS = 4
SAMPLE, AT_ONCE = 5, 8
"""Answered questions that are asked once more; callers who ask."""


@dataclass
class Verdict:
    """What was wrong, a sentence each, and what became of the calls that were in flight."""

    wrong: list[str] = field(default_factory=list)
    held: Held = field(default_factory=list)
    found: int = 0  # in the log: the first answer was only never heard
    anew: int = 0  # not in the log: answered now for the first time


def judge(trial: Trial, books: Books, world: World, lender: Partner, chance: random.Random) -> Verdict:
    """Hold the books against what callers hold; settle what was in flight, and hold them again."""
    begin, before = len(books.leaves), books.metered
    verdict = Verdict(books.read_on())
    fresh = books.entries[begin:]
    if trial.traffic is None:
        return verdict
    asked = trial.traffic.asked
    held, used = _held(asked), books.metered - before
    verdict.wrong += _absent(books, held)
    opened = {question.items[0].request_id: (question, question.open) for question in asked if question.open}
    in_flight = [item for _, items in opened.values() for item in items]
    if not len(held) <= used <= len(held) + len(in_flight):
        verdict.wrong.append(f"{used} units spent, {len(held)} answers held, {len(in_flight)} in flight")

    if trial.errand is Errand.REVOCATION:
        verdict.wrong += _revocation(trial, asked, fresh, lender)
    if trial.errand is Errand.TURN:
        verdict.wrong += _turn(trial, fresh, world)
    answered = [question for question in asked if question.bodies]
    again = chance.sample(answered, min(SAMPLE, len(answered)))
    verdict.wrong += _settle([question for question, _ in opened.values()], again, lender)
    verdict.wrong += books.read_on()
    verdict.held, spent = _held(asked), books.metered - before
    verdict.wrong += _absent(books, verdict.held)
    denied = [item for q, items in opened.values() for item in items if item.request_id in q.denied]
    unheard = books.kept(denied) if denied else 0  # given, never heard, and denied since: revoked, say
    if spent != len(verdict.held) + unheard:
        verdict.wrong.append(f"{spent} units spent, {len(verdict.held)} answers, {unheard} kept for nobody")
    if any(question.differing for question in asked):
        verdict.wrong.append("a question was given two answers")
    verdict.wrong += _rivalry(trial.rivals, asked)
    verdict.anew = spent - used
    verdict.found = len(verdict.held) - len(held) + unheard - verdict.anew
    return verdict


def _held(asked: Sequence[Question]) -> Held:
    return [
        (item, question.bodies[item.request_id])
        for question in asked
        for item in question.items
        if item.request_id in question.bodies
    ]


def _absent(books: Books, held: Held) -> Iterator[str]:
    return filter(None, (books.missing(item, body) for item, body in held))


def _settle(opened: Sequence[Question], answered: Sequence[Question], lender: Partner) -> Iterator[str]:
    """Ask again, what was in flight twice: whatever differs from the first answer is counted there."""
    with ThreadPoolExecutor(AT_ONCE) as callers:
        waiting = list(opened)
        for _ in range(PATIENT_ROUNDS):  # connections that broke meanwhile are noticed one by one
            list(callers.map(lambda question: question.ask(lender), waiting))
            waiting = [question for question in waiting if question.open]
        list(callers.map(lambda question: question.ask(lender), (*opened, *answered)))
    for question in opened:
        if question.open:
            yield f"a question stays open: {question.failures[-1].reason or question.failures[-1].status}"


def _rivalry(rivals: Sequence[Sequence[Question]], asked: Sequence[Question]) -> Iterator[str]:
    was_asked = {id(question) for question in asked}
    for pair in rivals:
        answers = [len(question.bodies) for question in pair if id(question) in was_asked]
        if answers and sum(answers) != 1:
            yield f"a one-time grant was answered {sum(answers)} times"


def _turn(trial: Trial, fresh: Sequence[leaf_pb2.Leaf], world: World) -> Iterator[str]:
    """A change is there with its entries, or is not; an acknowledged one is."""
    turned = sum(entry.kind == leaf_pb2.LEAF_KIND_KEY_CHANGED for entry in fresh) == 2
    if (world.keys()["CURRENT"] != trial.key) != turned or (trial.acknowledged and not turned):
        yield "the key that signs is not the one that the log names"


def _revocation(
    trial: Trial, asked: list[Question], fresh: Sequence[leaf_pb2.Leaf], lender: Partner
) -> Iterator[str]:
    kinds = [entry.kind for entry in fresh]
    revoked = leaf_pb2.LEAF_KIND_CONSENT_REVOKED in kinds
    if trial.acknowledged and not revoked:
        yield "an acknowledged revocation is not in the log"
    after = kinds[kinds.index(leaf_pb2.LEAF_KIND_CONSENT_REVOKED) :] if revoked else []
    if {leaf_pb2.LEAF_KIND_RELEASE, leaf_pb2.LEAF_KIND_REPLAY} & set(after):
        yield "an answer was released after the revocation"
    probe = one(lender.query(trial.consent))
    asked.append(probe)
    probe.ask(lender)
    if bool(probe.bodies) == revoked:
        yield f"the consent {'still' if revoked else 'no longer'} gives answers"
