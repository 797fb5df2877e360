"""The invitation: who wants what, why, for how long and how often; and the person's yes or no."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial

import structlog
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from consent import register
from consent.grant import State, window
from consent.register import Entry, Invitation, InvitationClosed, NotFound, NothingLeft, SubjectIsFrozen
from consent.register.terms import NOTICE_VERSION
from gateway import decisions, partners
from gateway.ledger import Transaction
from gateway.pages.consumer import forms
from gateway.pages.consumer.attempts import Attempts
from gateway.pages.consumer.desk import CONSUMER, FormRefused, Missing, SignInFirst, Visit, known
from gateway.pages.consumer.frame import Frame, Show
from gateway.pages.consumer.words import N_
from gateway.quota.burst import Limit
from scoregate.proof.claims import inquiry_of
from scoregate.words import InputFamily, InquiryType

log = structlog.get_logger()

UNLESS_CHOSEN = frozenset({InputFamily.SOCIAL})
"""Families that stay out unless the person switches them on."""

LIFT = "lift"
Allow = Callable[[Transaction], Entry | None]
NOT_OPEN = N_("This question is not open any more. Nothing was changed.")
FROZEN = N_("Your file is frozen. To allow this, tick the box that lifts the freeze for this one.")
SUSPENDED = N_("This lender may not ask at the moment. Nothing was changed.")
LINES_CHANGED = N_(
    "The lender's lines have changed since you opened the page. Nothing was done; look at it again."
)
UNKNOWN = N_(
    "The lender has named a person, and your sign-in does not say enough to tell whether that is you. "
    "Ask the lender to invite you again."
)
NOTHING_LEFT = N_("With everything left out there would be nothing to answer from. Leave one on, or say no.")
GUESSES = Limit(calls_per_second=1, burst_calls=10)
"""Handles that lead one person nowhere, be they anybody's or none; a handle has 130 unguessable bits."""


class InvitationPages:
    """Shows an invitation to whom it is for, and takes the decision."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._desk = frame.desk
        self._misses = Attempts(GUESSES)

    def routes(self) -> list[Route]:
        """The pages' addresses."""
        frame = self._frame
        return [
            Route("/i/{handle}", frame.page(partial(self._counted, self._show))),
            Route("/i/{handle}/read", frame.form(partial(self._counted, self._read)), methods=["POST"]),
            Route("/i/{handle}/allow", frame.form(partial(self._counted, self._allow)), methods=["POST"]),
            Route("/i/{handle}/deny", frame.form(partial(self._counted, self._deny)), methods=["POST"]),
            Route("/i/{handle}/done", frame.page(partial(self._counted, self._done))),
        ]

    def _counted(self, show: Show, visit: Visit) -> Response:
        """Whatever leads nowhere counts, so that how often it may is the same for every handle."""
        try:
            return show(visit)
        except (Missing, NotFound):
            self._misses.spend(visit.subject)
            raise

    def _show(self, visit: Visit) -> Response:
        if visit.session is None:  # the same for every handle
            return self._frame.render(visit, "welcome.html", back=visit.path, asked=True)
        found = self._found(visit)
        if found.state_at(visit.now) != "PENDING":
            return self._over(visit, found)
        if not self._meets(visit, found):
            return self._asked_by_name(visit, found)
        with self._desk.store.reading() as connection:
            partner = partners.partner(connection, found.partner_id)
            frozen = register.frozen_at(connection, visit.subject)
        if partner.suspended:
            raise FormRefused(SUSPENDED, 409)
        begins, ends = window(found.terms, visit.now)
        return self._frame.render(
            visit,
            "invitation.html",
            invitation=found,
            partner=partner,
            terms=found.terms,
            begins=begins,
            ends=ends,
            from_now=begins <= visit.now,
            is_hard=inquiry_of(found.terms.purpose) is InquiryType.HARD,
            frozen=frozen,
            unless_chosen=UNLESS_CHOSEN,
        )

    def _asked_by_name(self, visit: Visit, found: Invitation) -> Response:
        """Whoever looks is not the person whom the lender named: nothing is told, and nothing ends.

        Another site can send a browser here, and would learn from the end of an invitation who is not before
        it. So it ends only once somebody presses, in a form of ours.

        Raises:
            FormRefused: Their login does not say enough to tell.
        """
        _require_told(visit, found)
        self._misses.spend(visit.subject)
        return self._frame.render(visit, "named.html", handle=found.handle)

    def _read(self, visit: Visit) -> Response:
        """Somebody wants to read what another was asked, and the invitation ends.

        Raises:
            FormRefused: Their login does not say enough to tell; nothing has ended.
            Missing: They are somebody else.
        """
        found = self._found(visit)
        if found.state_at(visit.now) != "PENDING":
            return self._over(visit, found)
        if self._meets(visit, found):
            return RedirectResponse(f"/i/{found.handle}", 303)
        _require_told(visit, found)
        self._frame.acts.spend(visit.subject)
        with suppress(InvitationClosed):  # by a second tab, a moment ago
            self._desk.ledger.change(partial(decisions.mismatch, handle=found.handle, actor=CONSUMER))
        raise Missing

    def _allow(self, visit: Visit) -> Response:
        handle = self._found(visit).handle
        self._frame.acts.spend(visit.subject)
        chosen = {family for family in InputFamily if family.value in visit.chosen}
        allow = partial(
            decisions.allow,
            handle=handle,
            subject=visit.subject,
            pairwise=self._desk.pairwise,
            lift_freeze=LIFT in visit.chosen,
            actor=CONSUMER,
            traits=visit.signed_in.person.traits,
            matcher=self._desk.matcher,
            excluded=frozenset(InputFamily) - chosen,
            notice_version=f"{NOTICE_VERSION}.{visit.read_in}",
        )
        try:
            work = partial(_as_shown, allow=allow, handle=handle, lines=visit.form.get("lines", ""))
            decisions.require_met(self._desk.ledger.change(work))
        except SubjectIsFrozen as error:
            raise FormRefused(FROZEN, 409) from error
        except InvitationClosed as error:
            if not self._is_theirs(visit, self._found(visit)):  # else it was pressed twice
                raise FormRefused(NOT_OPEN, 409) from error
        except decisions.IdentityMismatch as error:
            raise Missing from error
        except NothingLeft as error:
            raise FormRefused(NOTHING_LEFT) from error
        return RedirectResponse(f"/i/{handle}/done", 303)

    def _deny(self, visit: Visit) -> Response:
        found = self._found(visit)
        if not self._meets(visit, found):
            raise Missing
        try:
            deny = partial(decisions.deny, handle=found.handle, actor=CONSUMER, subject=visit.subject)
            self._desk.ledger.change(deny)
        except InvitationClosed as error:
            raise FormRefused(NOT_OPEN, 409) from error
        proof = forms.proof(visit.signed_in, _denied(found.handle))
        return RedirectResponse(f"/i/{found.handle}/done?denied={proof}", 303)

    def _done(self, visit: Visit) -> Response:
        """What was decided, and the way back. Whoever didn't decide it learns nothing here."""
        found, entry = self._found(visit), None
        denied = visit.request.query_params.get("denied", "")
        with self._desk.store.reading() as connection:
            if found.consent_id:
                entry = register.entry(connection, found.consent_id)
                if entry.grant.subject != visit.subject:
                    raise Missing
            elif not forms.holds(visit.signed_in, _denied(found.handle), denied):
                raise Missing
            partner = partners.partner(connection, found.partner_id)
        back = decisions.return_link(found, partner.contract)
        state = entry.grant.state_at(visit.now) if entry else None
        frozen = entry is not None and entry.grant.frozen_at not in (None, entry.grant.lifts)
        return self._frame.render(
            visit,
            "decided.html",
            entry=entry,
            partner=partner,
            back=back,
            state=state,
            frozen=frozen,
            may_ask=state is State.ACTIVE and not frozen,
        )

    def _over(self, visit: Visit, found: Invitation) -> Response:
        if self._is_theirs(visit, found):
            return RedirectResponse(f"/consents/{found.consent_id}", 303)
        raise Missing

    def _is_theirs(self, visit: Visit, found: Invitation) -> bool:
        """Whether it is this person who allowed it."""
        if not found.consent_id:
            return False
        with self._desk.store.reading() as connection:
            return register.entry(connection, found.consent_id).grant.subject == visit.subject

    def _meets(self, visit: Visit, found: Invitation) -> bool:
        """Whether the person is whom the partner expects."""
        return decisions.meets(found, visit.signed_in.person.traits, self._desk.matcher)

    def _found(self, visit: Visit) -> Invitation:
        if visit.session is None:
            raise SignInFirst
        self._misses.require(visit.subject)
        handle = known(visit.request.path_params["handle"], register.ID)
        with self._desk.store.reading() as connection:
            return register.invitation(connection, handle)


def _require_told(visit: Visit, found: Invitation) -> None:
    """Return only if the login says of its person all that the lender has named.

    Raises:
        FormRefused: It doesn't, so nobody can tell.
    """
    if found.identity.keys() - visit.signed_in.person.traits.keys():
        log.warning("a login lacks what an invitation asks for", page="/i/{handle}")
        raise FormRefused(UNKNOWN, 409)


def _as_shown(tx: Transaction, allow: Allow, handle: str, lines: str) -> Entry | None:
    """Nobody allows anything to a lender who was stopped, nor a yes or no at lines that they have not read.

    Raises:
        FormRefused: It is suspended, or its lines have changed.
    """
    partner = partners.partner(tx.connection, register.invitation(tx.connection, handle).partner_id)
    if partner.suspended:
        raise FormRefused(SUSPENDED, 409)
    if lines.split() != [str(line) for line in partner.contract.thresholds]:
        raise FormRefused(LINES_CHANGED, 409)
    return allow(tx)


def _denied(handle: str) -> str:
    """What a session proves that it has denied: nobody else's no is shown to them."""
    return f"/i/{handle}/denied"
