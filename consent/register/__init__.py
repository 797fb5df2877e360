"""The register of consents: invitations and grants in SQL.

Every function works inside the caller's transaction; changes are only called under the
ledger's head lock, so what is read here can't change before it is written. Look-ups on
behalf of a partner are keyed by (partner, id): missing and foreign are one answer.
"""

from consent.register.events import (
    Event,
    events_of_partner,
    happened,
    latest_events_of_consent,
    open_grants,
    overdue,
)
from consent.register.grants import (
    Entry,
    NotFound,
    any_grants,
    change,
    entries_of_partner,
    entries_of_subject,
    entry,
    frozen_at,
    grants_owned,
    latest_of_subject,
    lifted_of_subject,
    set_freeze,
    set_states,
    standings,
    uses,
)
from consent.register.invitations import (
    ID,
    Invitation,
    InvitationClosed,
    NothingLeft,
    RequestIdReused,
    SubjectIsFrozen,
    allow,
    invitation,
    invite,
    mismatch,
    reject,
)
from consent.register.tables import metadata

__all__ = [
    "ID",
    "Entry",
    "Event",
    "Invitation",
    "InvitationClosed",
    "NotFound",
    "NothingLeft",
    "RequestIdReused",
    "SubjectIsFrozen",
    "allow",
    "any_grants",
    "change",
    "entries_of_partner",
    "entries_of_subject",
    "entry",
    "events_of_partner",
    "frozen_at",
    "grants_owned",
    "happened",
    "invitation",
    "invite",
    "latest_events_of_consent",
    "latest_of_subject",
    "lifted_of_subject",
    "metadata",
    "mismatch",
    "open_grants",
    "overdue",
    "reject",
    "set_freeze",
    "set_states",
    "standings",
    "uses",
]
