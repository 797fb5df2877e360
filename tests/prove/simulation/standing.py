"""How everything stands behind each entry, and what may then be answered, by the laws alone.

Lenders with their certificates and contracts, consents with their uses, freezes, what was charged, which key
signs: all of it follows from the entries alone, and from what people agreed to.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.quota.contract import Contract
from scoregate.audit.v1 import leaf_pb2 as pb
from scoregate.words import CalendarUnit, ConsentMode
from tests.prove.quota.calendar import period
from tests.prove.simulation.asked import Question
from tests.prove.simulation.entries import Entry
from tests.prove.simulation.ground import Agreed

DAY = timedelta(hours=24)
TO_REVIEW = "ACCOUNT_REVIEW"

MOVES = {
    (pb.LEAF_KIND_CONSENT_PAUSED, "ACTIVE"): "PAUSED",
    (pb.LEAF_KIND_CONSENT_RESUMED, "PAUSED"): "ACTIVE",
    (pb.LEAF_KIND_CONSENT_REVOKED, "ACTIVE"): "REVOKED",
    (pb.LEAF_KIND_CONSENT_REVOKED, "PAUSED"): "REVOKED",
    (pb.LEAF_KIND_CONSENT_REVOKED, "CONSUMED"): "REVOKED",
}


@dataclass(slots=True)
class Lender:
    """How a lender stands."""

    contracts: list[Contract]  # the last one holds
    is_suspended: bool = False
    revoked: set[str] = field(default_factory=set)  # fingerprints
    sequence: int = 0

    @property
    def contract(self) -> Contract:
        """The one that holds."""
        return self.contracts[-1]


@dataclass(slots=True)
class Held:
    """How a consent stands."""

    agreed: Agreed
    state: str = "ACTIVE"
    used_up_by: int | None = None  # index of the answer that used up a one-time grant
    uses: list[datetime] = field(default_factory=list)  # of scored answers


class Standing:
    """Begins as people agreed; takes in entry by entry."""

    def __init__(
        self, consents: Sequence[Agreed], contracts: Mapping[str, Contract], planned: Mapping[str, Contract]
    ) -> None:
        self._planned = planned  # contracts that are being set, by the reason given
        self.lenders = {lender: Lender([contract]) for lender, contract in contracts.items()}
        self.lenders["operator"] = Lender([Contract()])
        self.consents = {each.consent_id: Held(each) for each in consents}
        self.frozen: dict[str, datetime] = {}
        self.released: dict[tuple[str, str, str], list[tuple[int, datetime]]] = defaultdict(list)
        self.charged: Counter[tuple[str, str]] = Counter()
        self.signing: dict[int, str] = {}  # by index of a release, the key that was current
        self.kid = ""
        self.models: dict[str, int] = {}  # in use behind this index
        self.events: list[tuple[int, str, str]] = []  # entry, consent id, and what lenders are told of it

    @staticmethod
    def periods(contract: Contract, at: datetime) -> list[str]:
        """The day and the month that an instant is charged to."""
        return [period(unit, at, contract.time_zone) for unit in (CalendarUnit.DAY, CalendarUnit.MONTH)]

    def first(self, said: Question, at: datetime) -> int | None:
        """The entry of the first answer to this question, while it is kept."""
        found = [index for index, answered in self.released.get(said.key, ()) if at < answered + DAY]
        return found[-1] if found else None

    def against(self, said: Question, fingerprint: str, at: datetime, first: int | None) -> list[str]:
        """Every reason not to answer this at ``at``; ``first`` is a first answer to repeat."""
        lender = self.lenders[said.lender]
        reasons = []
        if lender.is_suspended:
            reasons.append("PARTNER_SUSPENDED")
        if fingerprint in lender.revoked:
            reasons.append("CERTIFICATE_REVOKED")
        reasons += self._against_consent(said, at, first)
        if first is None:
            day, month = self.periods(lender.contract, at)
            if self.charged[said.lender, month] >= lender.contract.monthly_units:
                reasons.append("MONTHLY_QUOTA_EXHAUSTED")
            if self.charged[said.lender, day] >= lender.contract.daily_units:
                reasons.append("DAILY_QUOTA_EXHAUSTED")
        return reasons

    def _against_consent(self, said: Question, at: datetime, first: int | None) -> Iterator[str]:
        held = self.consents.get(said.consent_id)
        if held is None or held.agreed.lender != said.lender:
            yield "CONSENT_NOT_USABLE"
            return
        agreed, terms = held.agreed, held.agreed.terms
        if said.subject_ref not in ("", agreed.subject_ref):
            yield "CONSENT_NOT_USABLE"
        if held.state in ("PAUSED", "REVOKED"):
            yield f"CONSENT_{held.state}"
        if held.state == "CONSUMED" and (first is None or held.used_up_by != first):
            yield "CONSENT_CONSUMED"
        if at >= agreed.ends:
            yield "CONSENT_EXPIRED"
        if at < agreed.begins:
            yield "CONSENT_NOT_YET_VALID"
        if said.purpose != terms.purpose.number:
            yield "CONSENT_PURPOSE_MISMATCH"
        wanted = {said.disclosure} | ({"REASONS"} if said.with_reasons else set())
        if not wanted <= {str(each) for each in terms.disclosures}:
            yield "CONSENT_DISCLOSURE_NOT_ALLOWED"
        if agreed.subject in self.frozen and terms.purpose != TO_REVIEW:
            yield "SUBJECT_FROZEN"
        if first is None and terms.frequency is not None:
            name: Callable[[datetime], str] = lambda each: period(terms.frequency.unit, each, terms.time_zone)  # type: ignore[union-attr]  # noqa: E731
            if sum(name(each) == name(at) for each in held.uses) >= terms.frequency.uses:
                yield "CONSENT_FREQUENCY_EXHAUSTED"

    # --- taking in

    def apply(self, entry: Entry) -> None:
        """Take in an entry."""
        leaf, part = entry.leaf, entry.part
        lender = self.lenders[leaf.partner_id] if leaf.partner_id else None
        if lender:
            lender.sequence = leaf.partner_sequence
        match leaf.kind:
            case pb.LEAF_KIND_RELEASE:
                self._apply_release(entry)
            case pb.LEAF_KIND_CONSENT_PAUSED | pb.LEAF_KIND_CONSENT_RESUMED | pb.LEAF_KIND_CONSENT_REVOKED:
                held = self.consents[part.consent_id]
                held.state = MOVES.get((leaf.kind, held.state), held.state)
                self._tell(entry, [part.consent_id])
            case pb.LEAF_KIND_SUBJECT_FROZEN:
                self.frozen.setdefault(part.subject, entry.at)
                self._tell(entry, self._open_ones(part.subject, leaf.partner_id))
            case pb.LEAF_KIND_SUBJECT_UNFROZEN:
                self.frozen.pop(part.subject, None)
                self._tell(entry, self._open_ones(part.subject, leaf.partner_id))
            case pb.LEAF_KIND_MODEL_CHANGED:
                self.models.setdefault(leaf.reason, entry.index)
            case pb.LEAF_KIND_KEY_CHANGED if leaf.reason.startswith("current"):
                self.kid = leaf.object_id
        if lender:
            self._apply_to_lender(lender, leaf)

    def _apply_to_lender(self, lender: Lender, leaf: pb.Leaf) -> None:
        match leaf.kind:
            case pb.LEAF_KIND_PARTNER_SUSPENDED:
                lender.is_suspended = True
            case pb.LEAF_KIND_PARTNER_RESUMED:
                lender.is_suspended = False
            case pb.LEAF_KIND_CERTIFICATE_REVOKED:
                lender.revoked.add(leaf.object_id)
            case pb.LEAF_KIND_CONTRACT_CHANGED:
                lender.contracts.append(self._planned[leaf.reason])

    def _apply_release(self, entry: Entry) -> None:
        leaf, part = entry.leaf, entry.part
        self.released[leaf.partner_id, leaf.method, part.request_id].append((entry.index, entry.at))
        self.signing[entry.index] = self.kid
        if leaf.cost_units:
            self.charged.update((leaf.partner_id, name) for name in leaf.quota_periods)
        held = self.consents.get(part.consent_id)
        if held is not None and leaf.decision == pb.DECISION_SCORED:
            held.uses.append(entry.at)
            if held.agreed.terms.mode is ConsentMode.ONE_TIME and held.state == "ACTIVE":
                held.state, held.used_up_by = "CONSUMED", entry.index
                self.events.append((entry.index, part.consent_id, "CONSUMED"))

    def _open_ones(self, subject: str, partner_id: str) -> list[str]:
        """Those that an entry tells of: one partner's, for no two may learn of a freeze from one entry."""
        return [
            consent_id
            for consent_id, held in self.consents.items()
            if (held.agreed.subject, held.agreed.lender) == (subject, partner_id)
            and held.state in ("ACTIVE", "PAUSED")
        ]

    def _tell(self, entry: Entry, consent_ids: list[str]) -> None:
        what = pb.LeafKind.Name(entry.leaf.kind).rpartition("_")[2]
        self.events += [(entry.index, consent_id, what) for consent_id in consent_ids]
