"""`scoregate consent`: what a person decided elsewhere than on their own pages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.table import Table

from gateway.cli.console import Admin, asks_gateway, dialled, pages, settings
from gateway.cli.failures import REFUSED, Problem, Stopped, stopped
from gateway.cli.tables import day, facts, instant, listing

if TYPE_CHECKING:
    from scoregate.admin.v1 import consent_admin_pb2 as pb
    from scoregate.partner.v1 import consent_pb2

app = typer.Typer(
    name="consent",
    help="Record a person's decisions: allow, deny, pause, revoke, freeze.",
    no_args_is_help=True,
)

Handle = Annotated[
    str, typer.Argument(metavar="HANDLE", help="The invitation that the partner gave the person.")
]
ConsentId = Annotated[str, typer.Argument(metavar="CONSENT_ID", help="As `scoregate consent list` shows it.")]
Subject = Annotated[str, typer.Option(metavar="ID", help="The person, such as uci-00001.")]


@app.command()
@asks_gateway
def allow(
    admin: Admin,
    handle: Handle,
    subject: Subject,
    lift_freeze: Annotated[
        bool, typer.Option("--lift-freeze", help="They lift a freeze of their file for this consent alone.")
    ] = False,
) -> None:
    """The person allows an invitation; a consent comes of it.

    Example:
      scoregate consent allow 5xk3… --subject uci-00001
    """
    from scoregate.admin.v1 import consent_admin_pb2 as pb

    asked = pb.AllowInvitationRequest(handle=handle, subject=subject, lift_freeze=lift_freeze)
    with _telling_of_an_earlier_yes(admin, asked):
        made: consent_pb2.Consent = admin.people.AllowInvitation(asked).consent
    note = _note(admin, subject)
    admin.show(
        {"consent": plain(made), **note},
        _consent_facts(made),
        "The partner may ask from now on.",
        *note.values(),
    )


@contextmanager
def _telling_of_an_earlier_yes(admin: Admin, asked: pb.AllowInvitationRequest) -> Iterator[None]:
    """Name the consent, where the invitation is closed because this person allowed it before."""
    import grpc

    try:
        yield
    except grpc.RpcError as error:
        if cast(grpc.Call, error).code() is not grpc.StatusCode.FAILED_PRECONDITION:
            raise
        made = (each.consent for each in _consents_of(admin, asked.subject))
        earlier = next((each for each in made if each.handle == asked.handle), None)
        if earlier is None:
            raise
        told = f"This person allowed it before: consent {earlier.consent_id} is {state_of(earlier)}."
        problem = Problem("", told, "Nothing was changed.")
        raise Stopped(REFUSED, [problem], reason="STATE_CONFLICT") from error


@app.command()
@asks_gateway
def deny(admin: Admin, handle: Handle) -> None:
    """The person says no to an invitation.

    Example:
      scoregate consent deny 5xk3…
    """
    from scoregate.admin.v1 import consent_admin_pb2 as pb
    from scoregate.partner.v1 import consent_pb2

    asked = pb.DenyInvitationRequest(handle=handle)
    denied: consent_pb2.ConsentInvitation = admin.people.DenyInvitation(asked).invitation
    state = consent_pb2.InvitationState.Name(denied.state).removeprefix("INVITATION_STATE_")
    admin.show(
        {"invitation": {"handle": denied.handle, "state": state}}, f"The invitation is {state.lower()}."
    )


@app.command()
@asks_gateway
def pause(admin: Admin, consent_id: ConsentId) -> None:
    """The person stops a consent for now. Effective when this returns.

    Example:
      scoregate consent pause 7qhd…
    """
    _change(admin, consent_id, "PAUSE")


@app.command()
@asks_gateway
def resume(admin: Admin, consent_id: ConsentId) -> None:
    """The person lets a paused consent hold again.

    Example:
      scoregate consent resume 7qhd…
    """
    _change(admin, consent_id, "RESUME")


@app.command()
@asks_gateway
def revoke(admin: Admin, consent_id: ConsentId) -> None:
    """The person ends a consent for good, replays included. Effective when this returns.

    Example:
      scoregate consent revoke 7qhd…
    """
    _change(admin, consent_id, "REVOKE")


def _change(admin: Admin, consent_id: str, change: str) -> None:
    from scoregate.admin.v1 import consent_admin_pb2 as pb

    asked = pb.ChangeConsentRequest(consent_id=consent_id, change=f"CONSENT_CHANGE_{change}")
    made: consent_pb2.Consent = admin.people.ChangeConsent(asked).consent
    admin.show({"consent": plain(made)}, f"The consent is {state_of(made).lower()}.")


@app.command()
@asks_gateway
def freeze(admin: Admin, subject: Subject) -> None:
    """The person freezes their file.

    Nobody gets a score of it, but for account reviews that were agreed before.

    Example:
      scoregate consent freeze --subject uci-00001
    """
    _set_freeze(admin, subject, frozen=True)


@app.command()
@asks_gateway
def unfreeze(admin: Admin, subject: Subject) -> None:
    """The person lifts the freeze.

    Example:
      scoregate consent unfreeze --subject uci-00001
    """
    _set_freeze(admin, subject, frozen=False)


@app.command()
@asks_gateway
def reopen(
    admin: Admin,
    subject: Subject,
    reason: Annotated[
        str, typer.Option(metavar="TEXT", help="What was corrected; no personal data. It goes into the log.")
    ],
) -> None:
    """Let the next answers rest on a corrected score.

    Yes/no answers and bands of one month rest on the month's first score, so
    that nobody learns more by asking again. A correction is the exception.

    Example:
      scoregate consent reopen --subject uci-00001 --reason "dispute 7 upheld"
    """
    from scoregate.admin.v1 import consent_admin_pb2 as pb

    asked = pb.ReopenMonthRequest(subject=subject, reason=reason)
    answer: pb.ReopenMonthResponse = admin.people.ReopenMonth(asked)
    told = (
        "The next answers rest on today's score."
        if answer.cells
        else "Nothing was remembered of this person."
    )
    note = _note(admin, subject)
    admin.show({"cells": answer.cells, **note}, told, *note.values())


def _set_freeze(admin: Admin, subject: str, *, frozen: bool) -> None:
    from scoregate.admin.v1 import consent_admin_pb2 as pb

    answer: pb.SetFreezeResponse = admin.people.SetFreeze(pb.SetFreezeRequest(subject=subject, frozen=frozen))
    state, note = "frozen" if answer.frozen else "not frozen", _note(admin, subject)
    admin.show({"frozen": answer.frozen, **note}, f"The file is {state} now.", *note.values())


def _note(admin: Admin, subject: str) -> dict[str, str]:
    """That the engine has no record of this person, where its population lies here to be looked at."""
    try:
        from scoring import store

        there = settings()
        if there.engine.kind != "embedded" or admin.address != dialled("", there.listen.admin, option=""):
            return {}  # another gateway, or an engine elsewhere
        people = store.read(there.engine.folder)[2].places
    except Exception as error:
        if stopped(error) is None:
            raise
        return {}  # nothing here to tell by
    if subject in people:
        return {}
    known = f"its {len(people):,} people are {min(people)} to {max(people)}"
    return {"note": f"The engine in {there.engine.folder} has no record of this person: {known}."}


@app.command("list")
@asks_gateway
def list_(admin: Admin, subject: Subject) -> None:
    """List a person's consents with all partners, oldest first.

    Example:
      scoregate consent list --subject uci-00001
    """
    found = _consents_of(admin, subject)
    if not found:
        note = _note(admin, subject)
        admin.show({"consents": [], **note}, "This person has no consents.", *note.values())
        return
    rows = (_row(each.partner_id, each.consent) for each in found)
    columns = ("consent", "partner", "state", "until", "what for")
    admin.show(
        {"consents": [{"partner_id": each.partner_id, **plain(each.consent)} for each in found]},
        listing(f"Consents of {subject}", columns, rows),
    )


def _consents_of(admin: Admin, subject: str) -> list[pb.SubjectConsent]:
    from scoregate.admin.v1 import consent_admin_pb2 as pb

    listed = pages(admin.people.ListSubjectConsents, pb.ListSubjectConsentsRequest(subject=subject))
    return [each for page in listed for each in page.consents]


def state_of(consent: consent_pb2.Consent) -> str:
    """The state's word."""
    from scoregate.partner.v1 import consent_pb2

    return consent_pb2.ConsentState.Name(consent.state).removeprefix("CONSENT_STATE_")


def plain(consent: consent_pb2.Consent) -> dict[str, object]:
    """A consent for programs."""
    from scoregate.words import CalendarUnit, ConsentMode, Disclosure, InputFamily, Purpose

    terms, frequency = consent.terms, consent.terms.frequency
    return {
        "consent_id": consent.consent_id,
        "state": state_of(consent),
        "subject_ref": consent.subject_ref,
        "handle": consent.handle,
        "partner_reference": consent.partner_reference,
        "purpose": Purpose.of(terms.purpose),
        "disclosures": [Disclosure.of(each) for each in terms.disclosures],
        "mode": ConsentMode.of(terms.mode),
        "frequency": {"uses": frequency.uses, "unit": CalendarUnit.of(frequency.unit)}
        if terms.HasField("frequency")
        else None,
        "time_zone": terms.time_zone,
        "excluded_families": [InputFamily.of(each) for each in terms.excluded_families],
        "thresholds": list(terms.thresholds),
        "not_before": instant(consent.not_before),
        "expires_at": instant(consent.expires_at),
        "consent_sha256": consent.consent_sha256.hex(),
    }


def _terms(consent: consent_pb2.Consent) -> tuple[str, str, str]:
    """Purpose, what answers show, and how often, in words."""
    from scoregate.words import CalendarUnit, Disclosure, Purpose

    terms, often = consent.terms, "once"
    if terms.HasField("frequency"):
        often = f"{terms.frequency.uses:,} a {CalendarUnit.of(terms.frequency.unit).lower()}"
    purpose = Purpose.of(terms.purpose).replace("_", " ").lower()
    return purpose, ", ".join(Disclosure.of(each).lower() for each in terms.disclosures), often


def _row(partner_id: str, consent: consent_pb2.Consent) -> tuple[str, ...]:
    purpose, shows, often = _terms(consent)
    what = f"{purpose}, {often}: {shows}"
    return (consent.consent_id, partner_id, state_of(consent), day(consent.expires_at), what)


def _consent_facts(consent: consent_pb2.Consent) -> Table:
    purpose, shows, often = _terms(consent)
    rows = (
        ("state", state_of(consent)),
        ("purpose", purpose),
        ("shows", shows),
        ("how often", often),
        ("until", instant(consent.expires_at)),
    )
    return facts(f"Consent {consent.consent_id}", rows)
