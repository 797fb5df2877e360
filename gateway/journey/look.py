"""Step 4: consent, replay and quota by an optimistic read, begun after the call arrived.

It refuses early; it never releases. Whatever it lets pass, the ledger checks again under its lock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from sqlalchemy.engine import Connection

from consent import register
from consent.grant import Grant
from consent.sql import ask
from gateway.audit.private import DataKey, Vault, owner_subject
from gateway.errors import Refused, refused
from gateway.journey.inquiry import Consented, Inquiry
from gateway.ledger import answers
from gateway.quota import contract
from gateway.quota.contract import Usage
from gateway.thresholds.policy import require_listed

QUOTAS = {"DAILY_QUOTA_EXHAUSTED": "day", "MONTHLY_QUOTA_EXHAUSTED": "month"}


class Look:
    """Reads what a group of queries needs to know, with one statement per table."""

    def __init__(self, vault: Vault, *, now: Callable[[], datetime]) -> None:
        self._vault = vault
        self._now = now

    def at(self, connection: Connection, inquiries: Sequence[Inquiry]) -> None:
        """Give every inquiry its consent, or a refusal."""
        now = self._now()
        contracts = {i.caller.partner_id: i.partner.contract for i in inquiries}
        names = [inquiry.answer_key for inquiry in inquiries]
        usages, grants, firsts = ask(
            connection,
            contract.usages(contracts, now),
            register.grants_owned({(i.caller.partner_id, i.query.consent_id) for i in inquiries}),
            # Read last: a twin that used up the quota or the grant just now is found to have done so.
            answers.first_answers(names, now=now),
        )
        own = [grant for i in inquiries if (grant := _own(grants, i)) is not None]
        keys = self._vault.keys(connection, list({owner_subject(grant.subject) for grant in own}))
        for inquiry, name in zip(inquiries, names, strict=True):
            usage = inquiry.usage = usages[inquiry.caller.partner_id]
            try:
                _check(inquiry, _own(grants, inquiry), keys, usage, firsts.get(name), now)
            except Exception as error:
                inquiry.refusal = self.explain(refused(error), usage)

    def explain(self, refusal: Refused, usage: Usage | None) -> Refused:
        """Add the usage, and to a quota refusal when its period ends; retry loops are told to stop."""
        refusal.usage = usage
        if usage is not None and refusal.code in QUOTAS:
            now = self._now()
            day_ends, month_ends = contract.ends(usage.contract, now)
            refusal.quota_subject = QUOTAS[refusal.code]
            refusal.retry_after = (day_ends if refusal.quota_subject == "day" else month_ends) - now
            refusal.stop = True
        return refusal


def _own(grants: Mapping[str, Grant], inquiry: Inquiry) -> Grant | None:
    """The consent that is asked about, if it is the asker's; a stranger's is a missing one."""
    grant = grants.get(inquiry.query.consent_id)
    return grant if grant is not None and grant.partner_id == inquiry.caller.partner_id else None


def _check(
    inquiry: Inquiry,
    grant: Grant | None,
    keys: Mapping[str, DataKey],
    usage: Usage,
    first: answers.Answer | None,
    now: datetime,
) -> None:
    query = inquiry.query
    if first is not None and first.request_sha256 != query.request_sha256:
        raise Refused("REQUEST_ID_REUSED")
    # A person whose key is gone was erased: what was sealed under it can't be given again.
    key = keys.get(owner_subject(grant.subject)) if grant else None
    if grant is None or key is None:
        raise Refused("CONSENT_NOT_USABLE")
    inquiry.consented = Consented(grant, key, usage)
    if first is not None:
        inquiry.repeats = True  # whether it may be given again, the ledger decides
        return
    grant.require(query.ask, now=now)
    require_listed(query.threshold, inquiry.partner.contract)
    grant.require_line(query.threshold)
    contract.require(usage)
