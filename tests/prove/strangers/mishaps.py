"""What can go wrong around one person: every refusal that can be provoked, and crashes over their data.

Each mishap gets the scene, the person, a consent of theirs to the lender and one to the other lender.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from consent.register.invitations import new_id
from scoregate.admin.v1 import consent_admin_pb2
from scoregate.partner.v1 import consent_pb2, score_pb2
from tests.prove.campaign import POSTGRESQL
from tests.prove.stagehands import ENDLESS
from tests.prove.strangers.chatty import WHIMS
from tests.prove.strangers.scene import Person, Scene
from tests.world import seconds

Consent = consent_pb2.Consent
Mishap = Callable[[Scene, Person, Consent, Consent], None]

WHOSE = "(SELECT subject FROM grants WHERE consent_id = NEW.consent_id) = '{subject}'"
BREAKING = {
    False: (
        f"CREATE TRIGGER unlucky BEFORE UPDATE ON standings WHEN {WHOSE} "
        "BEGIN SELECT RAISE(ABORT, 'the row of {subject}'); END",
        "DROP TRIGGER unlucky",
    ),
    True: (
        "CREATE FUNCTION unlucky() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF {WHOSE} THEN RAISE EXCEPTION 'the row of {{subject}}'; END IF; RETURN NEW; END $$; "
        "CREATE TRIGGER unlucky BEFORE UPDATE ON standings FOR EACH ROW EXECUTE FUNCTION unlucky()",
        "DROP FUNCTION unlucky() CASCADE",
    ),
}
"""The database refuses the person's row, and names it."""


def a_score(scene: Scene, person: Person, mine: Consent, _: Consent) -> None:
    """Nothing: a score, a yes or no, a repeat, a batch; and the same request id for something else."""
    lender, query = scene.lender, scene.lender.query(mine)
    scene.ask(lender, query)
    scene.ask(lender, query)
    scene.ask(lender, lender.query(mine, request_id=query.request_id, with_reasons=True))
    scene.ears.call(lender.scores.CheckThreshold, lender.threshold_query(mine))
    scene.ears.call(lender.scores.CheckThreshold, lender.threshold_query(mine, threshold=800))
    items = [lender.query(mine), lender.query(mine, purpose="PURPOSE_COLLECTION"), lender.query(new_id())]
    scene.ears.call(lender.scores.BatchGetScores, score_pb2.BatchGetScoresRequest(items=items))


def a_stranger(scene: Scene, person: Person, mine: Consent, theirs: Consent) -> None:
    """Another lender's consent, and another's reference, or no reference at all but a name."""
    for subject_ref in ("", theirs.subject_ref, mine.subject_ref, person.subject, person.reference):
        scene.ask(scene.lender, scene.lender.query(theirs, subject_ref=subject_ref))
        scene.ask(scene.lender, scene.lender.query(mine, subject_ref=subject_ref))
    consents = scene.lender.consents
    scene.ears.call(consents.GetConsent, consent_pb2.GetConsentRequest(consent_id=theirs.consent_id))
    scene.ears.call(
        consents.GetConsentInvitation, consent_pb2.GetConsentInvitationRequest(handle=theirs.handle)
    )


def _changed(*changes: str) -> Mishap:
    def run(scene: Scene, person: Person, mine: Consent, _: Consent) -> None:
        """A consent that was paused or revoked, once and once again."""
        for change in changes:
            request = consent_admin_pb2.ChangeConsentRequest(
                consent_id=mine.consent_id, change=f"CONSENT_CHANGE_{change}"
            )
            scene.admin("ChangeConsent", request)
            scene.ask(scene.lender, scene.lender.query(mine))

    return run


def a_freeze(scene: Scene, person: Person, mine: Consent, _: Consent) -> None:
    """A person who froze their file, and an invitation meanwhile."""
    invitation = scene.lender.invite()
    scene.admin("SetFreeze", consent_admin_pb2.SetFreezeRequest(subject=person.subject, frozen=True))
    scene.ask(scene.lender, scene.lender.query(mine))
    allow = consent_admin_pb2.AllowInvitationRequest(handle=invitation.handle, subject=person.subject)
    scene.admin("AllowInvitation", allow)
    scene.admin("ListSubjectConsents", consent_admin_pb2.ListSubjectConsentsRequest(subject=person.subject))
    scene.admin("SetFreeze", consent_admin_pb2.SetFreezeRequest(subject=person.subject))


def a_dispute(scene: Scene, person: Person, mine: Consent, _: Consent) -> None:
    """A person says what is wrong; an operator reads it, answers them, and answers once again."""
    reference = scene.world.dispute(person.subject, words=person.reference)
    scene.ask(scene.lender, scene.lender.query(mine))
    scene.admin("ListDisputes", consent_admin_pb2.ListDisputesRequest())
    for outcome in (f"{person.reference}\n", person.reference, person.reference):
        resolve = consent_admin_pb2.ResolveDisputeRequest(reference=reference, outcome=outcome)
        scene.admin("ResolveDispute", resolve)
    scene.admin("ListDisputes", consent_admin_pb2.ListDisputesRequest(with_resolved=True))


def a_second_yes(scene: Scene, person: Person, mine: Consent, _: Consent) -> None:
    """An invitation that was decided is decided again, the other way too; and one that is nowhere."""
    for handle in (mine.handle, new_id()):
        allow = consent_admin_pb2.AllowInvitationRequest(handle=handle, subject=person.subject)
        scene.admin("AllowInvitation", allow)
        scene.admin("DenyInvitation", consent_admin_pb2.DenyInvitationRequest(handle=handle))


def other_terms(scene: Scene, person: Person, mine: Consent, _: Consent) -> None:
    """Consents that don't cover what is asked, or not any more, or not yet."""
    lender = scene.lender
    scene.ask(lender, lender.query(mine, purpose="PURPOSE_ACCOUNT_REVIEW"))
    band = scene.consent(lender, person, disclosures=["DISCLOSURE_BAND"])
    once = scene.consent(lender, person, mode="CONSENT_MODE_ONE_TIME")
    late = scene.consent(lender, person, not_before={"seconds": 1_900_000_000}, valid_for=seconds(86_400))
    for consent in (band, once, once, late):
        scene.ask(lender, lender.query(consent))


def a_failing_engine(scene: Scene, person: Person, mine: Consent, _: Consent) -> None:
    """The engine fails over this person, and names them."""
    scene.ask(scene.lender, scene.lender.query(mine))
    items = [scene.lender.query(mine), scene.lender.query(mine)]
    scene.ears.call(scene.lender.scores.BatchGetScores, score_pb2.BatchGetScoresRequest(items=items))


def a_crash(scene: Scene, person: Person, mine: Consent, theirs: Consent) -> None:
    """Rows that can't be read: handlers crash over them, with the row in the words of the exception."""
    spoilt = f'{{"of": "{person.reference}"}}'
    for consent, lender in ((mine, scene.lender), (theirs, scene.other)):
        scene.write(
            "UPDATE grants SET terms = :terms WHERE consent_id = :consent_id",
            terms=spoilt,
            consent_id=consent.consent_id,
        )
        scene.ask(lender, lender.query(consent))
        request = consent_pb2.GetConsentRequest(consent_id=consent.consent_id)
        scene.ears.call(lender.consents.GetConsent, request)
    scene.admin("ListSubjectConsents", consent_admin_pb2.ListSubjectConsentsRequest(subject=person.subject))


def a_lost_key(scene: Scene, person: Person, mine: Consent, theirs: Consent) -> None:
    """The person's key can't be unwrapped."""
    owner = f"subject:{person.subject}"
    scene.write(
        "UPDATE data_keys SET wrapped = :wrapped WHERE owner = :owner", wrapped=bytes(40), owner=owner
    )
    scene.ask(scene.lender, scene.lender.query(mine))
    scene.admin("SetFreeze", consent_admin_pb2.SetFreezeRequest(subject=person.subject, frozen=True))


def a_refused_row(scene: Scene, person: Person, mine: Consent, theirs: Consent) -> None:
    """The database refuses the row of the person, and says which."""
    begin, end = BREAKING[scene.store.url.get_backend_name() == POSTGRESQL]
    scene.write(begin.format(subject=person.subject))
    try:
        scene.ask(scene.lender, scene.lender.query(mine))
        change = consent_admin_pb2.ChangeConsentRequest(
            consent_id=mine.consent_id, change="CONSENT_CHANGE_PAUSE"
        )
        scene.admin("ChangeConsent", change)
    finally:
        scene.write(end)


def _with_contract(**limits: Any) -> Mishap:
    def run(scene: Scene, person: Person, mine: Consent, theirs: Consent) -> None:
        """A limit is met."""
        scene.world.set_contract(scene.lender.partner_id, **limits)
        try:
            for _ in range(3):
                scene.ask(scene.lender, scene.lender.query(mine))
        finally:
            scene.world.set_contract(scene.lender.partner_id, **ENDLESS)

    return run


MISHAPS: tuple[Mishap, ...] = (
    a_score,
    a_stranger,
    _changed("PAUSE", "PAUSE", "RESUME"),
    _changed("REVOKE", "RESUME"),
    a_freeze,
    a_dispute,
    a_second_yes,
    other_terms,
    a_crash,
    a_lost_key,
    a_refused_row,
    _with_contract(daily_units=0, monthly_units=10),
    _with_contract(daily_units=10, monthly_units=0),
    _with_contract(daily_units=10, monthly_units=10, calls_per_second=1, burst_calls=1),
    *[a_failing_engine] * len(WHIMS),
)
"""A person's is that of their number; the engine's whims stand in the same order, at the end."""

PROVOKED = (
    *("FIELD_INVALID", "BODY_MALFORMED", "NOT_FOUND", "ALREADY_EXISTS", "STATE_CONFLICT", "UNIMPLEMENTED"),
    *("CONSENT_NOT_USABLE", "CONSENT_REVOKED", "CONSENT_PAUSED", "CONSENT_CONSUMED", "CONSENT_NOT_YET_VALID"),
    *("CONSENT_PURPOSE_MISMATCH", "CONSENT_DISCLOSURE_NOT_ALLOWED", "SUBJECT_FROZEN", "REQUEST_ID_REUSED"),
    *("THRESHOLD_NOT_REGISTERED", "DAILY_QUOTA_EXHAUSTED", "MONTHLY_QUOTA_EXHAUSTED", "BURST_EXCEEDED"),
    *("ENGINE_UNAVAILABLE", "ENGINE_ANSWER_INVALID", "AUDIT_UNAVAILABLE", "INTERNAL", "METHOD_NOT_ALLOWED"),
    *(
        "CERTIFICATE_UNKNOWN",
        "page 200",
        "page 303",
        "page 400",
        "page 403",
        "page 404",
        "page 409",
        "page 413",
    ),
    *("page 500", "page 503"),
)
"""Refusals that must have been met, and of the consumers' pages what they answered."""
