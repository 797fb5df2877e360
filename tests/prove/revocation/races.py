"""Endings against calls, from three processes over one store.

One gateway is asked, another takes the ending: a grant revoked or paused, a person frozen, a partner
suspended, a certificate revoked. What a person can end they also end themselves, by a form of the consumers'
pages, which are a third process; it is acknowledged when the page sends them on. **One race** is one ending
and the calls around it, by GetScore, CheckThreshold or BatchGetScores: one that is answered before; two that
are sent within milliseconds of the ending, before or after it, one of them a replay; and two whose first byte
is sent once the ending was acknowledged, one of them a replay. A race breaks the law

- where a call begun after the acknowledgement brings a score, or
- where the log has an answer, or the replay of one, behind the entry of the ending. That is the sharper half:
  the calls that raced were let in before, and only the look under the ledger's lock can stop them.

The control arm is the same with that look switched off (``Guards(recheck=False)``), until each kind of ending
was missed at least once.
"""

from __future__ import annotations

import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

from google.protobuf.message import Message

from gateway.settings import Settings
from scoregate.admin.v1 import consent_admin_pb2, partner_admin_pb2
from scoregate.audit.v1 import leaf_pb2
from scoregate.partner.v1 import consent_pb2
from scoregate.proof import leaf
from scoregate.words import CalendarUnit
from tests.prove.callers import Asked, Outcome, answers, ask, batch, reasons
from tests.prove.campaign import Finding, Stage
from tests.prove.revocation.visitors import Acknowledged, Begin, Visitor
from tests.prove.stagehands import ENDLESS, allow, periodic
from tests.world import Partner, World

LANES = 3
"""Races at once: one operator may have so many calls under way."""

CALLS = 4  # that race: two meanwhile, two afterwards
ROUND = 15  # races of each lane between two looks for trouble
ITEMS = 2  # in a batch
MOST_GAP_SECONDS = 0.004  # between two sends of a race: about as long as a call is under way
OFTEN = periodic(1_000_000, CalendarUnit.DAY)
EVIDENCE = 5  # lines
PATIENCE = 10  # times as many races, until what must occur has occurred


class Ending(StrEnum):
    """What was ended, and where: at the admin door unless it says otherwise."""

    REVOKED = "grant revoked"
    PAUSED = "grant paused"
    FROZEN = "person frozen"
    SUSPENDED = "partner suspended"
    CERTIFICATE = "certificate revoked"
    REVOKED_ON_PAGE = "grant revoked on the page"
    PAUSED_ON_PAGE = "grant paused on the page"
    FROZEN_ON_PAGE = "person frozen on the page"


R, P, F, S, C, R_PAGE, P_PAGE, F_PAGE = Ending
ENTRY = {
    **dict.fromkeys((R, R_PAGE), leaf_pb2.LEAF_KIND_CONSENT_REVOKED),
    **dict.fromkeys((P, P_PAGE), leaf_pb2.LEAF_KIND_CONSENT_PAUSED),
    **dict.fromkeys((F, F_PAGE), leaf_pb2.LEAF_KIND_SUBJECT_FROZEN),
    S: leaf_pb2.LEAF_KIND_PARTNER_SUSPENDED,
    C: leaf_pb2.LEAF_KIND_CERTIFICATE_REVOKED,
}
REASON = {
    **dict.fromkeys((R, R_PAGE), "CONSENT_REVOKED"),
    **dict.fromkeys((P, P_PAGE), "CONSENT_PAUSED"),
    **dict.fromkeys((F, F_PAGE), "SUBJECT_FROZEN"),
    S: "PARTNER_SUSPENDED",
    C: "CERTIFICATE_REVOKED",
}
FORM = {
    R_PAGE: "/consents/{consent_id}/revoke",
    P_PAGE: "/consents/{consent_id}/pause",
    F_PAGE: "/freeze/on",
}
TURNS = {
    0: (R, F_PAGE, C, P_PAGE, F, R_PAGE, F_PAGE, P, S, F, R_PAGE, F_PAGE),
    1: (C, R, P_PAGE, R_PAGE, R, P, S, R_PAGE, P_PAGE, R, R_PAGE, P),
    2: (S, P_PAGE, R, R_PAGE, P, R_PAGE, C, R, P, R_PAGE, P_PAGE, R),
}
"""By lane; of twelve, ten are what a person can end. A freeze is no partner's entry: only one lane has them,
so that the log tells whose each is."""


@dataclass(eq=False, slots=True)
class Race:
    """One ending, and what became of the calls around it."""

    name: str
    ending: Ending
    placed: set[int] = field(default_factory=set)  # leaf indexes of the race's answers
    seen: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    def note(self, when: str, outcome: Outcome) -> None:
        """Count the answers and the refusals in a call's outcome."""
        found = answers(outcome)
        self.placed |= {answer.receipt.leaf_index for answer in found}
        self.seen[f"answered {when}"] += len(found)
        for reason in reasons(outcome):
            self.seen[f"refused {when}" if reason == REASON[self.ending] else f"refused for {reason}"] += 1


class Lane:
    """One lender's races, one after the other."""

    def __init__(
        self,
        number: int,
        name: str,
        asked: World,
        other: World,
        visitors: Mapping[str, Visitor],
        seed: int,
    ) -> None:
        self.races: list[Race] = []
        self.lender = asked.partner(name, **ENDLESS)
        self._number = number
        self._asked, self._other = asked, other
        self._visitors = visitors
        self._subject, *others = visitors
        [self._standing] = allow(asked.settings, [(self.lender.partner_id, self._subject, OFTEN)])
        self._fresh = _fresh(asked.settings, self.lender.partner_id, others)
        self._chance = random.Random(f"{seed} {number}")  # noqa: S311
        self._admin = other.admin_channel(other.operator_certificate, other.operator_key)

    def run(self, races: int) -> None:
        """So many more."""
        for _ in range(races):
            ending = TURNS[self._number][len(self.races) % len(TURNS[self._number])]
            race = Race(f"lane {self._number}, race {len(self.races)} ({ending})", ending)
            is_fresh = ending in (Ending.REVOKED, Ending.REVOKED_ON_PAGE)
            consent_id, subject = next(self._fresh) if is_fresh else (self._standing, self._subject)
            with self._caller(ending) as caller:
                self._run(race, caller, consent_id, self._end(ending, caller, consent_id, subject))
            self.races.append(race)
            self._undo(ending)

    @contextmanager
    def _caller(self, ending: Ending) -> Iterator[Partner]:
        """The lender; where its certificate is to be revoked, with a new one."""
        if ending is not Ending.CERTIFICATE:
            yield self.lender
            return
        enrolled = self._other.enroll(self.lender.partner_id)
        caller = enrolled.at(self._asked)
        try:
            yield caller
        finally:
            for each in (enrolled, caller):
                each.channel.close()

    def _run(self, race: Race, caller: Partner, consent_id: str, end: Begin) -> None:
        first, fresh, late = (self._question(caller, consent_id) for _ in range(3))
        before = ask(caller.channel, first).answer()
        if not answers(before):
            raise RuntimeError(f"{race.name}: nothing was answered before: {reasons(before)}")
        race.note("before", before)
        under_way: list[Asked] = []
        sends: list[Message | None] = [None, fresh, first]  # None: the ending
        self._chance.shuffle(sends)
        for request in sends:
            if request is None:
                acknowledged = end()
            else:
                under_way.append(ask(caller.channel, request))
            time.sleep(self._chance.uniform(0, MOST_GAP_SECONDS))
        refusals = acknowledged()
        behind = [ask(caller.channel, first), ask(caller.channel, late)]  # their first bytes leave now
        if refusals:
            raise RuntimeError(f"{race.name}: the ending was refused: {refusals}")
        for each in under_way:
            race.note("meanwhile", each.answer())
        for each, what in zip(behind, ("the replay of a", "a new"), strict=True):
            outcome = each.answer()
            race.note("afterwards", outcome)
            if answers(outcome):
                kind = each.request.DESCRIPTOR.name.removesuffix("Request")
                race.broken.append(
                    f"{race.name}: {what} {kind}, begun after the acknowledgement, was answered"
                )

    def _question(self, caller: Partner, consent_id: str) -> Message:
        turn = self._chance.randrange(4)
        if turn == 0:
            return caller.threshold_query(consent_pb2.Consent(consent_id=consent_id))
        if turn == 1:
            return batch(*(caller.query(consent_id) for _ in range(ITEMS)))
        return caller.query(consent_id)

    def _end(self, ending: Ending, caller: Partner, consent_id: str, subject: str) -> Begin:
        if ending in FORM:
            return self._visitors[subject].form(FORM[ending].format(consent_id=consent_id))
        request = self._request(ending, caller, consent_id)

        def begin() -> Acknowledged:
            asked = ask(self._admin, request)
            return lambda: reasons(asked.answer())

        return begin

    def _request(self, ending: Ending, caller: Partner, consent_id: str) -> Message:
        if ending is Ending.SUSPENDED:
            return partner_admin_pb2.SuspendPartnerRequest(partner_id=caller.partner_id, reason="a race")
        if ending is Ending.CERTIFICATE:
            return partner_admin_pb2.RevokeCertificateRequest(fingerprint=caller.fingerprint, reason="a race")
        if ending is Ending.FROZEN:
            return consent_admin_pb2.SetFreezeRequest(subject=self._subject, frozen=True)
        change = "CONSENT_CHANGE_REVOKE" if ending is Ending.REVOKED else "CONSENT_CHANGE_PAUSE"
        return consent_admin_pb2.ChangeConsentRequest(consent_id=consent_id, change=change)

    def _undo(self, ending: Ending) -> None:
        if ending is Ending.SUSPENDED:
            self._other.resume(self.lender.partner_id)
        elif ending in (Ending.FROZEN, Ending.FROZEN_ON_PAGE):
            self._other.freeze(self._subject, frozen=False)
        elif ending in (Ending.PAUSED, Ending.PAUSED_ON_PAGE):
            request = consent_admin_pb2.ChangeConsentRequest(
                consent_id=self._standing, change="CONSENT_CHANGE_RESUME"
            )
            self._other.people.ChangeConsent(request)


def _fresh(settings: Settings, partner_id: str, subjects: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Grants that nobody has used, made when they are needed, each with whose it is."""
    folks = [*subjects] * 5
    while True:
        yield from zip(
            allow(settings, [(partner_id, subject, OFTEN) for subject in folks]), folks, strict=True
        )


class Track:
    """Two gateways and the pages, the lanes over them, and the log from the first race on."""

    def __init__(
        self, stage: Stage, what: str, name: str, asked: World, other: World, crowd: Sequence[Visitor]
    ) -> None:
        self._stage, self._what, self._world = stage, what, asked
        self._begin = asked.log_size()
        self._lanes = [
            Lane(n, f"{name}-{n}", asked, other, {v.subject: v for v in crowd[n::LANES]}, stage.seed)
            for n in range(LANES)
        ]

    @property
    def races(self) -> list[Race]:
        """All that were run."""
        return [race for lane in self._lanes for race in lane.races]

    def run(self, races: int, total: int) -> None:
        """So many more, shared out to the lanes."""
        with ThreadPoolExecutor(LANES) as pool:
            while races > 0:
                each = min(ROUND, -(-races // LANES))
                for done in [pool.submit(lane.run, each) for lane in self._lanes]:
                    done.result()
                races -= each * LANES
                self._stage.step(self._what, len(self.races), total)

    def look_into_log(self) -> None:
        """Find answers and replays that the log has behind the entry of their race's ending."""
        leaves = dict(enumerate(map(leaf.decode, self._world.leaf_bytes(self._begin)), self._begin))
        whose = self._endings(leaves)
        for index, entry in leaves.items():
            if entry.kind not in (leaf_pb2.LEAF_KIND_RELEASE, leaf_pb2.LEAF_KIND_REPLAY):
                continue
            is_answer = entry.kind == leaf_pb2.LEAF_KIND_RELEASE
            race, ended = whose[index if is_answer else entry.refers_to]
            if index > ended:
                race.broken.append(f"{race.name}: entry {index} is behind that of the ending, {ended}")

    def _endings(self, leaves: Mapping[int, leaf_pb2.Leaf]) -> dict[int, tuple[Race, int]]:
        """By the index of an answer: its race, and the index of the race's ending."""
        entered: dict[tuple[str, int], list[int]] = defaultdict(list)
        for index, entry in leaves.items():
            entered[entry.partner_id, entry.kind].append(index)
        whose: dict[int, tuple[Race, int]] = {}
        for lane in self._lanes:
            endings = {kind: iter(entered[lane.lender.partner_id, kind]) for kind in ENTRY.values()}
            for race in lane.races:
                whose |= dict.fromkeys(race.placed, (race, next(endings[ENTRY[race.ending]])))
        return whose


def race(
    stage: Stage, store: str, asked: World, other: World, bare: World, crowd: Sequence[Visitor]
) -> Finding:
    """As many races as the law asks for, on until each outcome has occurred; and the control arm.

    ``other``, or the pages by which ``crowd`` are signed in, takes the endings; ``bare`` is what ``asked``
    is, without the look under the lock.
    """
    total = stage.size(full=12_000, small=36)
    track = Track(stage, f"races, {store}", "lender", asked, other, crowd)
    track.run(total, total)
    while not all(_outcomes(track.races).values()) and len(track.races) < PATIENCE * total:
        track.run(total, PATIENCE * total)
    track.look_into_log()
    races, control = track.races, _control(stage, store, bare, other, crowd)
    return Finding(
        law="what was ended gives no score any more, replays included",
        store=store,
        runs=len(races),
        violations=sum(bool(each.broken) for each in races),
        control="no second look under the lock",
        control_runs=len(control),
        control_violations=sum(bool(each.broken) for each in control),
        outcomes=_outcomes(races) | _missed(control),
        figures={"calls_raced": CALLS * len(races)} | _otherwise(races),
        evidence=tuple(line for each in races for line in each.broken)[:EVIDENCE],
    )


def _control(stage: Stage, store: str, asked: World, other: World, crowd: Sequence[Visitor]) -> list[Race]:
    few = stage.size(full=300, small=36)
    track = Track(stage, f"control races, {store}", "unguarded", asked, other, crowd)
    while len(track.races) < PATIENCE * few:
        track.run(few, PATIENCE * few)
        for each in track.races:
            each.broken.clear()  # the log is read from its beginning
        track.look_into_log()
        if all(_missed(track.races).values()):
            break
    return track.races


def _outcomes(races: list[Race]) -> dict[str, int]:
    """How often each outcome occurred, by kind of ending."""
    return {
        f"{ending}: {what}": sum(each.seen[what] for each in races if each.ending is ending)
        for ending in Ending
        for what in ("answered meanwhile", "refused meanwhile", "refused afterwards")
    }


def _missed(control: list[Race]) -> dict[str, int]:
    """How many races of each kind the control arm lost."""
    lost = Counter(each.ending for each in control if each.broken)
    return {f"{ending}: missed by the control arm": lost[ending] for ending in Ending}


def _otherwise(races: list[Race]) -> dict[str, float]:
    """Calls that were refused for another reason than the ending: neither outcome."""
    seen: Counter[str] = Counter()
    for each in races:
        seen.update(each.seen)
    return {name: number for name, number in seen.items() if name.startswith("refused for")}
