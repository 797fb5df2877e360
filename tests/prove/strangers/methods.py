"""The matrix: every method × every caller at both doors × every id: own, foreign, missing, malformed.

Methods and the ids that they take are read from the descriptors: a text field that is neither among the
ids nor among the words stops the campaign, as does a method without a sample. Every call of a round is sent
in an order that chance decides, and then cells are judged:

- whoever may call the method can't tell a foreign id, however it stands with its owner, from a missing one,
  a letter off or far off;
- whoever may not can't tell anything from anything.

Told apart is what differs in status, message, details, trailers or headers, but for request ids and limits.
Control arms: gateways that ask not whose a thing is, and that say it in one detail (``careless``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from random import Random

from google.protobuf.message import Message

from gateway.partners import POLICY, Role
from tests.journey.contract import METHODS, Method
from tests.journey.samples import NAMING, samples, text_fields
from tests.prove.campaign import Finding, Stage
from tests.prove.stagehands import ENDLESS
from tests.prove.strangers.cast import (
    A_LENDERS,
    A_VICTIMS,
    MALFORMED,
    SECRET,
    TO_FREEZE,
    WORDS,
    Caller,
    Fields,
    Theirs,
    callers,
    cursor,
    foreign,
    missing,
    near,
    own_things,
)
from tests.prove.strangers.seen import Seen, seen
from tests.world import World

OWN, MISSING, BAD = "own", "missing", "malformed"
CONTROL = "whose it is: not asked, or said in a detail"
NAMED_BY = ("consent_id", "handle", "items[0].consent_id")
OF_THE_HOUR = ("GetMasterKey", "RotateMasterKey")
"""They name nothing, and answer an operator otherwise while a rotation is under way, and after it."""

ROUNDS = 2
SAMPLED = 8  # in a test run, one cell in so many of those who may not call the method
EVIDENCE = 5


@dataclass(eq=False, slots=True)
class Cell:
    """One method, one caller, one field of it; and what was seen, by what the field named."""

    method: Method
    caller: Caller
    path: str  # of the field; "" for a method that names nothing
    tries: Mapping[str, Fields]
    seen: dict[str, Seen] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """As evidence has it."""
        return f"{self.caller.name}: {self.method.name} {self.path}".rstrip()

    @property
    def may_call(self) -> bool:
        """Whether the door serves the method, and to this role."""
        return self.caller.door == self.method.door and self.caller.role in POLICY[self.method.path]

    def send(self, what: str) -> None:
        """One try."""
        request = _request(self.method, self.caller, self.path, self.tries[what])
        self.seen[what] = seen(self.caller.channel, self.method, request.SerializeToString())

    @property
    def compared(self) -> list[str]:
        """The tries that must look like the one that names nothing (or like any, where nothing is named)."""
        against = self.against
        return [n for n in self.tries if n != against and not (self.may_call and n in (OWN, BAD))]

    @property
    def against(self) -> str:
        """What all are held against."""
        return MISSING if MISSING in self.tries else OWN

    def judge(self) -> list[str]:
        """What can be told apart and must not be."""
        first = self.seen[self.against]
        return [
            f"{self.name}: {what} is told from {self.against}: {_difference(self.seen[what], first)}"
            for what in self.compared
            if self.seen[what] != first
        ]


def matrix(stage: Stage, store: str, world: World, broken: Mapping[str, World]) -> Finding:
    """All cells, at a gateway over one store; ``broken`` ones, by name, are careless of whose a thing is."""
    cast = list(callers(world))
    owner, token = world.partner("owner", **ENDLESS), _others_cursor(world)
    chance = Random(f"{stage.seed} {store}")  # noqa: S311
    cells = list[Cell]()
    for _ in range(stage.size(full=ROUNDS, small=1)):
        some = _cells(cast, foreign(world, owner, token), chance, whole=stage.full)
        cells += _play(stage, store, some, chance)
    control = _control(stage, world, broken, foreign(world, owner, token), chance)
    for each in cast:
        each.channel.close()
    for person in (A_VICTIMS, TO_FREEZE):
        world.freeze(person, frozen=False)
    told = [line for cell in cells for line in cell.judge()]
    figures = {"calls": sum(len(c.seen) for c in cells), "methods": len(METHODS), "callers": len(cast)}
    return Finding(
        law="No status, byte or header of an answer tells a foreign id from a missing one",
        store=store,
        runs=sum(len(cell.compared) for cell in cells),
        violations=len(told),
        control=CONTROL,
        control_runs=sum(len(cell.compared) for cell in control),
        control_violations=sum(len(cell.judge()) for cell in control),
        outcomes=_outcomes(cells) | _caught(control),
        figures=figures,
        evidence=tuple(told[:EVIDENCE]),
    )


def _others_cursor(world: World) -> str:
    officer, _ = world.officer("another-officer")
    return cursor(world.admin_channel(officer.certificate, officer.key))


def _play(stage: Stage, where: str, cells: Sequence[Cell], chance: Random) -> Sequence[Cell]:
    calls = [(cell, what) for cell in cells for what in cell.tries]
    chance.shuffle(calls)
    for number, (cell, what) in enumerate(calls):
        stage.step(f"the matrix on {where}", number, len(calls))
        cell.send(what)
    return cells


def _control(
    stage: Stage, world: World, broken: Mapping[str, World], theirs: Theirs, chance: Random
) -> list[Cell]:
    """The same for one lender, at each broken gateway; where it asks by consent or handle."""
    curious, found = world.partner("curious", **ENDLESS), list[Cell]()
    own = own_things(world, curious, A_LENDERS)
    for name, other in broken.items():
        caller = Caller(name, "partner", curious.at(other).channel, Role.PARTNER, own)
        cells = [
            Cell(method, caller, path, _tries(method, caller, path, theirs))
            for method in METHODS
            for path in ids_of(method)
            if method.name in NAMING and path in NAMED_BY
        ]
        found += _play(stage, f"a gateway that {name}", cells, chance)
    return found


def _outcomes(cells: Sequence[Cell]) -> dict[str, int]:
    """What must have occurred: that lenders are shown their own, and callers refused in each way there is."""
    shown = Counter({f"own shown by {name}": 0 for name in NAMING})
    refused: Counter[str] = Counter()
    for cell in cells:
        if not cell.may_call:
            refused[f"{cell.seen[OWN].status} to whoever may not call"] += 1
        elif cell.method.name in NAMING and cell.seen[OWN].status == "OK" and cell.path in NAMED_BY:
            shown[f"own shown by {cell.method.name}"] += 1
    return {**shown, **refused}


def _caught(control: Sequence[Cell]) -> dict[str, int]:
    """How often a careless gateway was found out, by kind and method."""
    caught = Counter({f"{cell.caller.name}, by {cell.method.name}": 0 for cell in control})
    for cell in control:
        caught[f"{cell.caller.name}, by {cell.method.name}"] += len(cell.judge())
    return dict(caught)


def _difference(one: Seen, other: Seen) -> str:
    """The first thing in which they differ, in both."""
    for each in fields(Seen):
        ours, theirs = getattr(one, each.name), getattr(other, each.name)
        if ours != theirs:
            return f"{each.name} {str(ours)[:200]} against {str(theirs)[:200]}"
    return "nothing"


def _cells(cast: Sequence[Caller], theirs: Theirs, chance: Random, *, whole: bool) -> list[Cell]:
    cells = [
        Cell(method, caller, name, _tries(method, caller, name, theirs))
        for method in METHODS
        for name in ids_of(method)
        for caller in cast
    ]
    return [cell for cell in cells if whole or cell.may_call or chance.randrange(SAMPLED) == 0]


def ids_of(method: Method) -> list[str]:
    """The paths of the fields by which a request names something; one that is empty where there is none.

    Raises:
        LookupError: A field that nobody has said of whether it names anything.
    """
    sample = samples()[method.path]
    names = {path: path.rpartition(".")[2].partition("[")[0] for path, _, _ in text_fields(sample)}
    if unknown := set(names.values()) - MALFORMED.keys() - WORDS:
        raise LookupError(f"{method.path}: does {', '.join(sorted(unknown))} name anything?")
    return [path for path, name in names.items() if name in MALFORMED] or [""]


def _tries(method: Method, caller: Caller, path: str, theirs: Theirs) -> dict[str, Fields]:
    """What is tried: its own, another's in every standing, none at all, rubbish."""
    name = path.rpartition(".")[2]
    if not name and method.name in OF_THE_HOUR and caller.role in POLICY[method.path]:
        return {OWN: {}}
    if not name:
        return {OWN: {}, "own again": {}}
    others = theirs.get(name, {})
    if name == "request_id":
        others = {how: tried for how, tried in others.items() if how == method.name}
    if caller.role in POLICY[method.path] and name not in SECRET.get(caller.role, ()):
        others = {}  # an operator may see it; a lender's token is a place in a list of its own
    tries: dict[str, Fields] = {MISSING: {name: missing(name)}}
    tries |= {f"foreign, {how}": tried for how, tried in others.items()}
    if name in ("consent_id", "handle"):
        tries |= {f"a letter off {how}": {name: near(tried[name])} for how, tried in list(others.items())[:2]}
    mine = "given_up" if method.name == "RelinquishConsent" and name == "consent_id" else name
    return tries | {OWN: {name: caller.own.get(mine, missing(name))}, BAD: {name: MALFORMED[name]}}


def _request(method: Method, caller: Caller, path: str, tried: Fields) -> Message:
    """A good request, naming what is the caller's own, but for what is tried in this one field."""
    request = samples()[method.path]
    for name, holder, each in list(text_fields(request)):
        last = name.rpartition(".")[2]
        if last in ("page_token", "subject_ref"):
            setattr(holder, last, "")  # may be left out; a subject_ref of one's own would hide a stranger's
        elif last in caller.own and last != "request_id":
            setattr(holder, last, caller.own[last])
        if last in tried:
            setattr(holder, each.name, tried[last])
    return request
