"""Canaries: a thousand people who can't be mistaken live through everything that can go wrong, and then all
that came out is searched for them.

Searched are the gateway's log lines (production's, at DEBUG, all libraries included), /metrics, every refusal
whole (status, message, details, trailers, headers, and those of batch items), every HTTP answer, what failing
commands print, and the entries of the log as an officer pulls them; of the consumers' pages, where every
seventh person signs in, the log lines, the refusals and all addresses. Looked for are subject id, name,
phone, pairwise references, the lender's own reference, consent ids and handles (but in what commands print,
which are told them, and in where people's pages lie), as they are and in the encodings of ``needles``.
Answers to whom they are due are no leaks, and neither is what the database and the log's private parts hold.

Control arm: a gateway and pages that write lines as in development, quote causes and forms in their errors,
label counts with what was sent, and send people on to addresses with their names in them (``chatty``).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random

from gateway import founding
from gateway.server import wall_clock
from gateway.store import open_store
from tests.journey.samples import samples
from tests.prove.campaign import SQLITE, Finding, Stage
from tests.prove.stagehands import (
    ENDLESS,
    GUARDED,
    OPERATOR,
    gateways,
    hang_up,
    meet,
    pages,
    people,
    settle,
)
from tests.prove.strangers.chatty import WHIMS, Chatty
from tests.prove.strangers.mishaps import MISHAPS, PROVOKED
from tests.prove.strangers.needles import Find, Needles
from tests.prove.strangers.probes import PROBES, Desk, Prober, browse
from tests.prove.strangers.scene import (
    ADDRESSES,
    COMMANDS,
    ERRORS,
    LINES,
    METRICS,
    PAGES_LINES,
    REFUSED_PAGES,
    SURFACES,
    TOLD_TO_OPERATORS,
    Ears,
    Person,
    Scene,
    invent,
)
from tests.prove.strangers.visiting import visit

CONTROL = "lines with words, errors that quote their cause, counts by what was sent, names in addresses"
BLABBED = (LINES, METRICS, ERRORS, PAGES_LINES, REFUSED_PAGES, ADDRESSES)
TOLD = (COMMANDS, REFUSED_PAGES, ADDRESSES)
MANY, FEW = 1_000, len(MISHAPS)
ON_POSTGRESQL = 250  # whose words alone are others
AT_THE_DESK = 5  # people whose data commands get to see
WITH_A_CERTIFICATE = 20  # one in so many
VISITING, FIRST_VISITOR = 7, 1  # one in so many, from this one on: in the end some with each mishap
EVIDENCE = 5
TIME = re.compile(rb'"timestamp": "[^"]*"')  # lines that differ in nothing else are one


def canaries(stage: Stage, store: str) -> Finding:
    """All people on one store, and a few at a gateway that blabs."""
    count = stage.size(full=MANY if store == SQLITE else ON_POSTGRESQL, small=FEW)
    heard, found = _live(stage, store, count, blabs=False)
    few = stage.size(full=2 * FEW, small=FEW)
    _, told = _live(stage, store, few, blabs=True)
    leaks = Counter(where for where, _ in told)
    return Finding(
        law="No line, metric, error, page, failed command or log entry holds a personal datum",
        store=store,
        runs=count,
        violations=len(found),
        control=CONTROL,
        control_runs=few,
        control_violations=len(told),
        outcomes={reason: heard.reasons[reason] for reason in PROVOKED}
        | {f"found in {where} where it blabs": leaks[where] for where in BLABBED},
        figures={f"{where} (kB)": len(heard.hay(where)) / 1_000 for where in SURFACES}
        | {"calls": heard.calls, "refusals": sum(heard.reasons.values())},
        evidence=tuple(f"{where}: {_told(each)}" for where, each in found[:EVIDENCE]),
    )


def _told(find: Find) -> str:
    return f"{find.label} ({find.encoding}) in {find.around!r}"


def _live(stage: Stage, store: str, count: int, *, blabs: bool) -> tuple[Ears, list[tuple[str, Find]]]:
    """What was heard of so many people's lives, and where they were found in it."""
    chance = Random(f"{stage.seed} {store} {blabs}")  # noqa: S311
    crowd = invent(chance, people(stage.engine_folder, count), count)
    what = f"{count:,} people on {store}" if not blabs else f"people whom a gateway blabs about, {store}"
    with _open_scene(stage, store, crowd, blabs=blabs) as scene:
        _let_live(stage, what, scene, crowd, at_desk=0 if blabs else stage.size(full=AT_THE_DESK, small=1))
    for name, where in (("gateway", LINES), ("pages", PAGES_LINES)):
        for file in sorted(scene.world.settings.home.glob(f"{name}-*.log")):
            scene.ears.note(where, *(TIME.sub(b"", line) for line in file.read_bytes().splitlines()))
    return scene.ears, _search(scene)


def _search(scene: Scene) -> list[tuple[str, Find]]:
    """Where each datum was found first."""
    first: dict[tuple[str, str], Find] = {}
    for where in SURFACES:
        for find in scene.secret.found_in(scene.ears.hay(where)):
            if where not in TOLD or not find.label.startswith(TOLD_TO_OPERATORS):
                first.setdefault((where, find.label), find)
    return [(where, find) for (where, _), find in first.items()]


@contextmanager
def _open_scene(stage: Stage, store: str, crowd: Sequence[Person], *, blabs: bool) -> Iterator[Scene]:
    settings = settle(stage, store)
    founding.found(settings, now=wall_clock())
    known_as = {person.subject: person.real for person in crowd}
    whims = {
        person.subject: WHIMS[n % len(MISHAPS) - len(MISHAPS)]
        for n, person in enumerate(crowd)
        if n % len(MISHAPS) >= len(MISHAPS) - len(WHIMS)
    }
    chatty, beside = Chatty(stage.engine_folder, known_as, whims, blabs), open_store(settings.database.url)
    secret = Needles()
    for person in crowd:
        for name in ("tag", "phone", "name", "subject", "reference"):
            secret.add(f"{name} of {person.tag}", getattr(person, name))
    try:
        residents = [person.resident for person in crowd]
        with (
            gateways(settings, [GUARDED], set_up=chatty) as [started],
            pages(settings, residents, set_up=chatty) as url,
        ):
            world = meet(settings, started)
            world.set_contract(OPERATOR, **ENDLESS)
            lender, other = (world.partner(name, **ENDLESS) for name in ("lender", "another"))
            yield Scene(beside, world, lender, other, Ears(), secret, url)
            hang_up(world)
    finally:
        beside.close()


def _let_live(stage: Stage, what: str, scene: Scene, crowd: Sequence[Person], *, at_desk: int) -> None:
    officer, _ = scene.world.officer()
    scene.world.set_contract(officer.partner_id, **ENDLESS)
    prober, desk = Prober(scene, officer), Desk.at(scene, officer)
    again = samples()["/scoregate.admin.v1.PartnerAdminService/AddPartner"]
    for _ in range(2):  # by the second time it is there
        scene.ears.call(scene.world.partners.AddPartner, again)
    foreign = scene.consent(scene.lender, crowd[0])
    fields = -(-len(PROBES) // len(crowd))  # each at least once
    for number, person in enumerate(crowd):
        stage.step(what, number, len(crowd))
        mine, theirs = scene.consent(scene.lender, person), scene.consent(scene.other, person)
        prober.probe(person, fields)
        browse(scene, person)
        if number < at_desk:
            desk.fail(scene, person, mine.handle)
        if number % WITH_A_CERTIFICATE == 0:
            prober.show_certificate(person)
        MISHAPS[number % len(MISHAPS)](scene, person, mine, theirs)
        if number % VISITING == FIRST_VISITOR:
            visit(scene, person, mine.consent_id, (foreign.consent_id, foreign.handle))
    scene.ears.note(METRICS, scene.browse("/metrics"))
    desk.pull(scene)
