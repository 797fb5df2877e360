"""The decision under the head lock: may this attempt be released, and what is recorded of it?

Everything slow (engine, signature, encryption) happened before. Here every law is
checked again on rows that nobody else can change until COMMIT, the outcome is decided
in memory, and the whole group is written with one statement per table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from consent import register
from consent.grant import ConsentDenied, Grant, Standing, State
from consent.register import Event
from consent.sql import ask
from gateway import partners
from gateway.audit.private import Bound
from gateway.ledger import answers as kept
from gateway.ledger.attempt import (
    Attempt,
    Denied,
    Gone,
    Outcome,
    Overtaken,
    Refusal,
    Release,
    Released,
    Repeat,
    Replayed,
    Stale,
)
from gateway.ledger.transaction import Transaction
from gateway.partners import Enrolled, PartnerRefused
from gateway.query import Caller
from gateway.quota import contract
from gateway.quota.contract import QuotaExhausted, Usage
from gateway.thresholds import cells, policy
from gateway.thresholds.cells import Cell, Months
from gateway.thresholds.policy import ThresholdNotRegistered
from scoregate.audit.v1 import leaf_pb2
from scoregate.partner.v1 import types_pb2
from scoregate.words import ConsentEventKind, Purpose

DENIALS = (PartnerRefused, kept.RequestIdReused, ConsentDenied, ThresholdNotRegistered, QuotaExhausted)


@dataclass(frozen=True, slots=True)
class Guards:
    """What protects the races. Tests switch one off to show that they would notice."""

    recheck: bool = True  # partner, certificate, freeze, marks and consent again under the lock
    debit_under_lock: bool = True  # quota from the locked row, not from the optimistic read
    first_cell: bool = True  # an answer in cells rests on the month's first, as it is under the lock
    erased: bool = True  # whoever was erased since an answer was sealed is nobody any more


@dataclass(slots=True)
class Loaded:
    """What a group of attempts needs to know, read once under the lock, kept current in memory."""

    tx: Transaction
    guards: Guards
    callers: dict[str, Enrolled]
    standings: dict[str, Standing]  # of the consents of releases, whose terms came along
    grants: dict[str, Grant]  # of all other attempts
    answers: dict[str, kept.Answer]
    usage: dict[str, Usage]
    cells: Months
    new_cells: list[Cell] = field(default_factory=list)
    new_answers: list[kept.Answer] = field(default_factory=list)
    new_usage: dict[str, Usage] = field(default_factory=dict)
    used: dict[str, Standing] = field(default_factory=dict)  # by consent id
    events: list[Event] = field(default_factory=list)

    def grant(self, attempt: Refusal | Repeat | Release) -> Grant | None:
        """The attempt's consent as it stands now, whosever it is."""
        if isinstance(attempt, Refusal):
            return self.grants.get(attempt.consent_id)
        consent_id = attempt.query.consent_id
        grant = self.grants.get(consent_id)
        if grant is None and isinstance(attempt, Release) and attempt.seen.consent_id == consent_id:
            grant = attempt.seen if consent_id in self.standings else None
        if grant is None:
            return None
        standing = self.standings.get(consent_id)
        return grant.standing(standing) if standing else grant


def run(tx: Transaction, attempts: Sequence[Attempt], guards: Guards) -> list[Outcome]:
    """Decide and record a group of attempts, in order. The caller flushes and commits."""
    loaded = _load(tx, attempts, guards)
    outcomes = [_decide(loaded, attempt) for attempt in attempts]
    tx.write(
        kept.kept(loaded.new_answers),
        register.uses(loaded.used),
        contract.figures(loaded.new_usage.items()),
        cells.kept(loaded.new_cells),
        register.happened(loaded.events),
    )
    return outcomes


def _load(tx: Transaction, attempts: Sequence[Attempt], guards: Guards) -> Loaded:
    queries = [a for a in attempts if not isinstance(a, Refusal)]
    releases = {a.query.consent_id: a.seen.subject for a in queries if isinstance(a, Release)}
    others = {
        (a.caller.partner_id, a.query.consent_id)
        for a in queries
        # Sealed before somebody was erased: whose consent it is now, is read anew.
        if isinstance(a, Repeat) or (guards.erased and a.known_at != tx.head.erasures)
    }
    others |= {
        (a.caller.partner_id, a.consent_id) for a in attempts if isinstance(a, Refusal) and a.consent_id
    }
    months = {a.cell.month for a in queries if isinstance(a, Release) and a.cell is not None}
    callers, standings, grants, answers, known = ask(
        tx.connection,
        partners.enrolled({a.caller.fingerprint for a in attempts}),
        register.standings(releases),
        register.grants_owned(others),
        kept.first_answers([_key(a) for a in queries], now=tx.now),
        cells.known(months),
    )
    contracts = {
        callers[a.caller.fingerprint].partner.partner_id: callers[a.caller.fingerprint].partner.contract
        for a in queries
        if a.caller.fingerprint in callers
    }
    tx.know_sequences({each.partner.partner_id: each.sequence for each in callers.values()})
    return Loaded(
        tx=tx,
        guards=guards,
        callers=callers,
        standings=standings,
        grants=grants,
        answers=answers,
        usage=contract.usages(contracts, tx.now).ask(tx.connection),
        cells=known,
    )


def _decide(loaded: Loaded, attempt: Attempt) -> Outcome:
    if isinstance(attempt, Refusal):
        return _refuse(loaded, attempt, loaded.grant(attempt))
    try:
        return _release(loaded, attempt)
    except DENIALS as denial:
        query = attempt.query
        refusal = Refusal(
            method=query.method,
            caller=attempt.caller,
            reason=denial.reason,
            purpose=query.ask.purpose,
            consent_id=query.consent_id,
            request_id=query.request_id,
        )
        _refuse(loaded, refusal, loaded.grant(attempt))
        return Denied(denial.reason, loaded.usage.get(attempt.caller.partner_id))


def _release(loaded: Loaded, attempt: Repeat | Release) -> Outcome:
    """The laws, in order. Nothing is changed before every check has passed."""
    tx, query, guards = loaded.tx, attempt.query, loaded.guards
    # 1  partner and certificate, as they stand now
    enrolled = loaded.callers.get(attempt.caller.fingerprint)
    if enrolled is None:
        raise PartnerRefused("CERTIFICATE_UNKNOWN")
    partner = enrolled.require(query.method) if guards.recheck else enrolled.partner
    usage = loaded.usage[partner.partner_id]
    # 2  the same question asked before?
    name = _key(attempt)
    first = loaded.answers.get(name)
    if first is not None and first.request_sha256 != query.request_sha256:
        raise kept.RequestIdReused
    # 3  consent, with the person's freeze; a stranger's consent is a missing one
    grant = loaded.grant(attempt)
    if grant is None or grant.is_erased:
        raise ConsentDenied("CONSENT_NOT_USABLE")
    if guards.recheck:
        grant.require(query.ask, now=tx.now, replay_of=first.leaf_index if first else None)
    # 4  a repeat costs nothing and leaves an entry of its own
    if first is not None:
        _append_replay(loaded, attempt, first, grant)
        return Replayed(first.sealed, first.log_origin, first.leaf_index, first.leaf, usage)
    if isinstance(attempt, Repeat):
        return Gone()
    # 5  a threshold that the contract lists and the person read, the person's marks, and what this month's
    #    first answer in cells rested on
    if guards.recheck:
        policy.require_listed(query.threshold, partner.contract)
        grant.require_line(query.threshold)
        if grant.marks != attempt.seen.marks:
            return Overtaken()  # a dispute was opened or resolved since the answer was signed
    if guards.first_cell and not _rests_on_the_first(loaded, attempt.cell):
        return Overtaken()
    # 6  signed with today's key, for today's log?
    if (attempt.signing_kid, attempt.log_origin) != (tx.head.signing_kid, tx.head.origin):
        return Stale(tx.head.signing_kid, tx.head.origin)
    # 7  contract quota
    cost = 0 if attempt.not_scored and not partner.contract.charge_not_scored else 1
    spent = contract.spend(usage if guards.debit_under_lock else attempt.seen_usage, cost)
    # 8  from here on the attempt is released, if the transaction commits
    return _append_release(loaded, attempt, name, grant, spent, cost)


def _rests_on_the_first(loaded: Loaded, cell: Cell | None) -> bool:
    if cell is None:
        return True
    month = loaded.cells[cell.month]
    first = month.get(cell.basis)
    if first is not None:
        return first.sealed.data == cell.sealed.data
    return cell.is_new and cell.is_first(month)


def _append_release(
    loaded: Loaded, attempt: Release, name: str, grant: Grant, spent: Usage, cost: int
) -> Released:
    tx, query = loaded.tx, attempt.query
    placed = tx.append(
        leaf_pb2.Leaf(
            kind=leaf_pb2.LEAF_KIND_RELEASE,
            partner_id=attempt.caller.partner_id,
            method=query.method,
            purpose=_purpose(query.ask.purpose),
            decision=leaf_pb2.DECISION_NOT_SCORED if attempt.not_scored else leaf_pb2.DECISION_SCORED,
            reason=attempt.not_scored or "",
            cost_units=cost,
            quota_periods=[spent.day, spent.month] if cost else [],
            attestation_sha256=attempt.attestation_sha256,
        ),
        attempt.private,
    )
    answer = kept.Answer(
        key=name,
        request_sha256=query.request_sha256,
        sealed=attempt.answer,
        log_origin=tx.head.origin,
        leaf_index=placed.leaf_index,
        leaf=placed.leaf,
        expires_at=tx.now + kept.KEPT,
    )
    loaded.answers[answer.key] = answer
    loaded.new_answers.append(answer)
    if cost:
        loaded.usage[attempt.caller.partner_id] = spent
        loaded.new_usage[attempt.caller.partner_id] = spent
    cell = attempt.cell
    if cell is not None and cell.basis not in loaded.cells[cell.month]:
        loaded.cells[cell.month][cell.basis] = cell
        loaded.new_cells.append(cell)
    if not attempt.not_scored:
        # not_scored never comes here: it uses nothing up.
        used = grant.used(tx.now, placed.leaf_index)
        loaded.standings[grant.consent_id] = loaded.used[grant.consent_id] = used
        if used.state is State.CONSUMED:
            whose, consumed = (
                (grant.partner_id, placed.leaf_index, grant.consent_id),
                ConsentEventKind.CONSUMED,
            )
            loaded.events.append(Event(*whose, consumed, tx.now))
    return Released(placed.leaf_index, placed.leaf, spent)


def _append_replay(loaded: Loaded, attempt: Repeat | Release, first: kept.Answer, grant: Grant) -> None:
    query = attempt.query
    part = _part(loaded, attempt.caller, query.consent_id, query.request_id, grant)
    loaded.tx.append(
        leaf_pb2.Leaf(
            kind=leaf_pb2.LEAF_KIND_REPLAY,
            partner_id=attempt.caller.partner_id,
            method=query.method,
            purpose=_purpose(query.ask.purpose),
            refers_to=first.leaf_index,
        ),
        part,
    )


def _refuse(loaded: Loaded, refusal: Refusal, grant: Grant | None) -> Denied:
    """One entry for one refused call. Strangers' consents stay unnamed people's."""
    if grant is not None and grant.partner_id != refusal.caller.partner_id:
        grant = None
    part = _part(loaded, refusal.caller, refusal.consent_id, refusal.request_id, grant)
    loaded.tx.append(
        leaf_pb2.Leaf(
            kind=leaf_pb2.LEAF_KIND_REFUSAL,
            partner_id=refusal.caller.partner_id,
            method=refusal.method,
            purpose=_purpose(refusal.purpose),
            decision=leaf_pb2.DECISION_REFUSED,
            reason=refusal.reason,
        ),
        part,
    )
    return Denied(refusal.reason)


def _part(loaded: Loaded, caller: Caller, consent_id: str, request_id: str, grant: Grant | None) -> Bound:
    return loaded.tx.bind(
        leaf_pb2.PrivatePart(
            subject=grant.subject if grant else "",
            consent_id=consent_id,
            request_id=request_id,
            legal_name=caller.legal_name,
            peer=caller.peer,
        ),
        partner_id=caller.partner_id,
    )


def _key(attempt: Repeat | Release) -> str:
    query = attempt.query
    return kept.answer_key(attempt.caller.partner_id, query.method, query.request_id)


def _purpose(purpose: Purpose | None) -> Any:
    return purpose.number if purpose else types_pb2.PURPOSE_UNSPECIFIED
