"""The model judges each entry by the laws, at its own place. It calls nothing of the gateway's.

It looks behind every COMMIT, so it sees each transaction by itself, in order, and knows how everything stood
before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from gateway.quota.contract import Contract
from scoregate.audit.v1 import leaf_pb2 as pb
from scoregate.errors import ScoregateError
from tests.prove.simulation.asked import Asked, Question, question
from tests.prove.simulation.entries import Entry, Log
from tests.prove.simulation.ground import Ground
from tests.prove.simulation.standing import MOVES, Standing


class Model:
    """The laws, over one database."""

    def __init__(
        self,
        ground: Ground,
        database: Path,
        contracts: Mapping[str, Contract],
        calls: Mapping[str, Asked],
        planned: Mapping[str, Contract],
    ) -> None:
        self._calls = calls  # by address
        self._log = Log(database, ground.master)
        self.stands = Standing(ground.consents, contracts, planned)
        self.broken: list[str] = []
        self.leaves: list[bytes] = []
        self.entries: list[Entry] = []
        self.answers: dict[int, Asked] = {}  # by index of its release
        self._take_in(is_founding=True)

    def close(self) -> None:
        """Let go of the database."""
        self._log.close()

    @property
    def now(self) -> datetime:
        """The latest entry's time."""
        return self.entries[-1].at

    def jwks(self) -> list[str]:
        """Every public key."""
        return self._log.jwks()

    def look(self) -> list[Entry]:
        """Read what was committed since the last look, judge it, and take it in; returns it."""
        return self._take_in(is_founding=False)

    def _take_in(self, *, is_founding: bool) -> list[Entry]:
        if not self._log.has_changed():
            return []
        rows = self._log.leaves()
        before = len(self.leaves)
        if [row[0] for row in rows] != list(range(len(rows))) or len(rows) < before:
            self._break("the log has a hole, or lost its end")
            return []
        if [row[1] for row in rows[:before]] != self.leaves:
            self._break("an entry was changed")
        new = []
        for index, data in rows[before:]:
            try:
                entry = self._log.entry(index, data)
            except (ScoregateError, LookupError, ValueError) as error:
                self._break(f"entry {index} can't be read: {error}")
                continue
            if not is_founding:
                self._judge(entry)
            self.stands.apply(entry)
            if entry.leaf.kind == pb.LEAF_KIND_RELEASE and entry.part.peer in self._calls:
                self.answers[entry.index] = self._calls[entry.part.peer]
            self.leaves.append(data)
            self.entries.append(entry)
            new.append(entry)
        if not is_founding:
            self._balance(len(rows))
        return new

    def _break(self, text: str) -> None:
        self.broken.append(text)

    def _balance(self, size: int) -> None:
        """Units are entries: the meters say what the log says."""
        used = self._log.meters()
        if {(lender, name): count for lender, name, count in used if count} != +self.stands.charged:
            self._break(f"at {size} entries the meters are not what the entries cost: {sorted(used)}")
        head = self._log.size()
        if head != size:
            self._break(f"the head says {head} entries, and there are {size}")

    def otherwise(self) -> Iterator[str]:
        """Where the register, or what lenders are told, says of a consent what the log does not."""
        for consent_id, state, used_up_by in self._log.grants():
            held = self.stands.consents[consent_id]
            if (state, used_up_by) != (held.state, held.used_up_by):
                yield f"{held.agreed.name} is {state} by {used_up_by}, and the log says {held.state}"
        told, due = set(self._log.events()), set(self.stands.events)
        for event in sorted(told ^ due):
            heard = "are" if event in told else "are not"
            yield f"lenders {heard} told of {event}, against what the log says"

    # --- judging

    def _judge(self, entry: Entry) -> None:
        leaf = entry.leaf
        for problem in self._problems(entry):
            self._break(f"entry {entry.index} ({pb.LeafKind.Name(leaf.kind)[10:].lower()}): {problem}")

    def _problems(self, entry: Entry) -> Iterator[str]:
        leaf, kind = entry.leaf, entry.leaf.kind
        if entry.at < self.entries[-1].at:
            yield "time goes back"
        if leaf.partner_id and leaf.partner_sequence != self.stands.lenders[leaf.partner_id].sequence + 1:
            yield f"its lender's number is {leaf.partner_sequence}"
        if kind != pb.LEAF_KIND_RELEASE and leaf.cost_units:
            yield "costs units, and releases nothing"
        if kind in (pb.LEAF_KIND_RELEASE, pb.LEAF_KIND_REPLAY):
            asked = self._calls.get(entry.part.peer)
            request = asked.request(entry.part.request_id) if asked else None
            if asked is None or request is None:
                yield "nobody asked for it"
                return
            said = question(asked.lender, request)
            if (said.lender, said.method) != (leaf.partner_id, leaf.method):
                yield f"was asked by {said.lender} with {said.method}"
            yield from self._released(entry, asked, said)
        if kind in (pb.LEAF_KIND_CONSENT_PAUSED, pb.LEAF_KIND_CONSENT_RESUMED, pb.LEAF_KIND_CONSENT_REVOKED):
            held = self.stands.consents[entry.part.consent_id]
            if (kind, held.state) not in MOVES:
                yield f"the consent was {held.state}"

    def _released(self, entry: Entry, asked: Asked, said: Question) -> Iterator[str]:
        leaf = entry.leaf
        first = self.stands.first(said, entry.at)
        if leaf.kind == pb.LEAF_KIND_REPLAY:
            if first is None or leaf.refers_to != first:
                yield f"repeats {leaf.refers_to}, and the first answer is {first}"
                return
            if self.entries[first].part.consent_id != said.consent_id:
                yield "repeats the answer to another question"
        elif first is not None:
            yield f"was answered before, in entry {first}"
        for reason in self.stands.against(said, asked.fingerprint, entry.at, first):
            yield f"{reason}: {self._standing(said.consent_id)}"
        if leaf.kind == pb.LEAF_KIND_RELEASE:
            yield from self._fits(entry, asked, said)

    def _standing(self, consent_id: str) -> str:
        held = self.stands.consents.get(consent_id)
        return f"{held.agreed.name}, which is {held.state}" if held else "which nobody gave"

    def _fits(self, entry: Entry, asked: Asked, said: Question) -> Iterator[str]:
        """What the release itself says."""
        leaf, part = entry.leaf, entry.part
        contract = self.stands.lenders[said.lender].contract
        held = self.stands.consents.get(said.consent_id)
        if (held and part.subject != held.agreed.subject) or leaf.purpose != said.purpose:
            yield "is about another person, or for another purpose"
        costs = 1 if leaf.decision == pb.DECISION_SCORED or contract.charge_not_scored else 0
        if leaf.cost_units != costs:
            yield f"costs {leaf.cost_units}, where the contract says {costs}"
        if list(leaf.quota_periods) != (self.stands.periods(contract, entry.at) if costs else []):
            yield f"is charged to {list(leaf.quota_periods)}"
        offered = {
            t
            for each in self.stands.lenders[said.lender].contracts[asked.contract_from :]
            for t in each.thresholds
        }
        if said.threshold is not None and said.threshold not in offered:
            yield f"the threshold {said.threshold} was not registered"
