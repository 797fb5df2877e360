"""My consents: active, paused and past; paused, resumed or revoked at once, each with its events."""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from sqlalchemy.engine import Connection
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from consent import register
from consent.grant import OPEN, Change, ConsentAltered, MoveRefused, State
from consent.receipt import HistoryTooLong, HistoryUnknown
from consent.register import Entry, Event, NotFound
from gateway import decisions, partners
from gateway.audit.log import read_entries
from gateway.ledger import Transaction
from gateway.pages.consumer.desk import CONSUMER, FormRefused, Visit, known
from gateway.pages.consumer.frame import Frame, attached
from gateway.pages.consumer.receipts import MEDIA_TYPE, consent_receipt
from gateway.pages.consumer.words import N_
from scoregate.errors import ClaimInvalid
from scoregate.proof.consent_history import Beginner, event_in
from scoregate.proof.leaf import LeafInvalid
from scoregate.words import ConsentEventKind

PAGE = 25
TOO_OLD = N_("This consent is older than signed receipts are.")
TOO_LONG = N_("More has happened to this consent than one receipt holds. Who asked has all of it.")
ALTERED = N_(
    "What is stored of this consent is not what you agreed to. So there is no receipt of it, and nothing is "
    "answered under it. You can end it; please tell us."
)
MOST_EVENTS = 200
MOVED = N_("This consent has changed since you opened the page. Nothing was done; look at it again.")
LEADS_TO = {Change.PAUSE: State.PAUSED, Change.RESUME: State.ACTIVE, Change.REVOKE: State.REVOKED}
CHANGES = {change.value.lower(): change for change in Change}

log = structlog.get_logger()


class ConsentPages:
    """Shows a person's consents with everybody, and lets them stop any of these."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._desk = frame.desk

    def routes(self) -> list[Route]:
        """The pages' addresses."""
        frame = self._frame
        return [
            Route("/consents", frame.page(self._list)),
            Route("/consents/{consent_id}", frame.page(self._show)),
            Route("/consents/{consent_id}/receipt", frame.page(self._receipt)),
            Route("/consents/{consent_id}/{change}", frame.form(self._change), methods=["POST"]),
        ]

    def _list(self, visit: Visit) -> Response:
        subject, before = visit.subject, visit.request.query_params.get("before", "")
        if before:
            known(before, register.ID)
        with self._desk.store.reading() as connection:
            found = register.latest_of_subject(connection, subject, before=before, limit=PAGE + 1)
            page = found[:PAGE]
            names = partners.legal_names(connection, {entry.grant.partner_id for entry in page})
            frozen = register.frozen_at(connection, subject)
        by_state: dict[str, list[Entry]] = {"active": [], "paused": [], "past": []}
        for entry in page:
            state = entry.grant.state_at(visit.now)
            by_state[state.value.lower() if state in OPEN else "past"].append(entry)
        return self._frame.render(
            visit,
            "consents.html",
            here="consents",
            by_state=by_state,
            names=names,
            frozen=frozen,
            older=page[-1].grant.consent_id if len(found) > PAGE else "",
        )

    def _show(self, visit: Visit) -> Response:
        with self._desk.store.reading() as connection:
            entry = _own(connection, visit)
            partner = partners.partner(connection, entry.grant.partner_id)
            events = _happened(connection, entry)
        state = entry.grant.state_at(visit.now)
        return self._frame.render(
            visit,
            "consent.html",
            here="consents",
            entry=entry,
            partner=partner,
            terms=entry.grant.terms,
            events=events[:MOST_EVENTS],
            are_more=len(events) > MOST_EVENTS,
            state=state,
            # Whoever ended it did so last.
            ended_by=_ended(events) if state is State.REVOKED else None,
            is_open=state in OPEN,
            is_paused=state is State.PAUSED,
        )

    def _change(self, visit: Visit) -> Response:
        consent_id, what = _consent_id(visit), visit.request.path_params["change"]
        if what not in CHANGES:
            raise NotFound

        if CHANGES[what] is Change.RESUME:
            self._frame.acts.spend(visit.subject)

        def change(tx: Transaction) -> Entry:
            _own(tx.connection, visit)
            return decisions.change(tx, consent_id, CHANGES[what], actor=CONSUMER)

        try:
            self._desk.ledger.change(change)
        except MoveRefused as error:
            if error.state is not LEADS_TO[CHANGES[what]]:  # else it was pressed twice
                raise FormRefused(MOVED, 409) from error
        return RedirectResponse(f"/consents/{consent_id}", 303)

    def _receipt(self, visit: Visit) -> Response:
        """The signed receipt of everything so far."""
        desk, consent_id = self._desk, _consent_id(visit)
        try:
            with desk.store.reading() as connection:
                made = consent_receipt(
                    connection,
                    consent_id,
                    visit.subject,
                    vault=desk.vault,
                    signer=desk.signer,
                    issuer=desk.settings.issuer,
                    now=visit.now,
                )
        except HistoryUnknown as error:
            raise FormRefused(TOO_OLD, 404) from error
        except HistoryTooLong as error:
            raise FormRefused(TOO_LONG, 409) from error
        except ConsentAltered as error:
            log.error("a consent is not what was agreed to", why=str(error))  # noqa: TRY400  # it says all
            raise FormRefused(ALTERED, 500) from error
        return Response(made.compact, media_type=MEDIA_TYPE, headers=attached(made.file_name))


def _happened(connection: Connection, entry: Entry) -> list[tuple[Event, Beginner | None]]:
    """The latest events and who began each, the latest first. None: its entry does not say so."""
    partner_id, consent_id = entry.grant.partner_id, entry.grant.consent_id
    events = register.latest_events_of_consent(connection, partner_id, consent_id, limit=MOST_EVENTS + 1)
    entries = read_entries(connection, [event.leaf_index for event in events])
    found: list[tuple[Event, Beginner | None]] = []
    for event in events:
        try:
            told = event_in(entries.get(event.leaf_index, b""), event.leaf_index, partner_id)
            found.append((event, told.by))
        except (LeafInvalid, ClaimInvalid):  # the way to pause and end it stays open whatever the log says
            found.append((event, None))
    return found


def _consent_id(visit: Visit) -> str:
    return known(visit.request.path_params["consent_id"], register.ID)


def _ended(
    events: Sequence[tuple[Event, Beginner | None]],
) -> tuple[ConsentEventKind, Beginner | None] | None:
    """How a consent was ended, and by whom; None where nobody wrote it down."""
    found = ((event.what, by) for event, by in events if event.what is ConsentEventKind.REVOKED)
    return next(found, None)


def _own(connection: Connection, visit: Visit) -> Entry:
    """The consent, if it is this person's; another's is as good as none."""
    entry = register.entry(connection, _consent_id(visit))
    if entry.grant.subject != visit.subject:
        raise NotFound
    return entry
