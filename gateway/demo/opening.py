"""The first chapters: a scorecard, a gateway, a lender, and a borrower who is asked and allows it."""

from __future__ import annotations

import secrets
from datetime import timedelta

from gateway.demo.commands import is_listening
from gateway.demo.page import Page, StepFailed
from gateway.demo.people import RETURN_ADDRESS, Credentials, Lender, Operator, contract, make_key
from gateway.demo.stage import Stage
from gateway.pages.log import POLICY
from scoregate.client import (
    Consent,
    ConsentState,
    Frequency,
    Identity,
    Invitation,
    InvitationState,
    Terms,
    returned,
)
from scoregate.errors import ReturnRefused
from scoregate.proof.jwk import VerificationKeys
from scoregate.tlog.policy import Policy
from scoregate.words import CalendarUnit, ConsentMode, Disclosure, InputFamily, Purpose
from scoring import evidence, store
from scoring.scorecard import BANDS, band_shares
from scoring.train import scorable, train

REPEATS = 10
AUC_PROMISED = 0.765
BORROWER, SOMEBODY_ELSE = "uci-00004", "uci-00001"
LEGAL_NAME = "Meadow P2P Lending Ltd"
USES = 20  # a year, of the borrower's consent
SHOWN = ("Your exact number", "Your band", "Yes or no", "Reasons")  # as the pages call them
NO_SUCH_ID = "a" * 26  # as consents and invitations are named
CREDIT = Purpose.CREDIT_APPLICATION
NOT_OUT_OF_TIME = "not out of time: every outcome is of one month"


def scorecard(stage: Stage, page: Page) -> None:
    """Trained on the card records of 30,000 people (Taiwan, 2005; UCI, CC BY 4.0), and measured on people
    whom it has not seen.
    """
    steps = 5 * REPEATS
    with page.progress("training and measuring", steps) as done:
        made, again = train(), train()
        measured = evidence.evaluate(made.records, REPEATS, lambda folds, _: done(folds))
    store.write(stage.engine, made.artefact, made.population)
    shares = band_shares(made.scorecard.scores(scorable(made.records)[0]))
    low, high = measured.interval
    page.facts(
        [
            ("model", f"{made.scorecard.name}@{made.scorecard.version}"),
            ("people", f"{measured.people:,} with enough months, {measured.bad_rate:.1%} of them defaulted"),
            ("AUC", f"{measured.mean:.4f} out of fold, 95 % interval {low:.4f} to {high:.4f} (DeLong)"),
            ("but", NOT_OUT_OF_TIME),
        ]
    )
    page.gap()
    page.histogram(
        [
            (f"{first}–{last}", round(share * measured.people))
            for (first, last), share in zip(BANDS, shares, strict=True)
        ]
    )
    page.gap()
    page.check(
        "the AUC keeps its promise",
        measured.mean >= AUC_PROMISED,
        f"{measured.mean:.4f} over {REPEATS} × five folds, promised {AUC_PROMISED}",
    )
    page.check("every band has people in it", min(shares) > 0, f"from {min(shares):.1%} to {max(shares):.1%}")
    page.check(
        "training twice gives the same bytes",
        (made.artefact, made.population) == (again.artefact, again.population),
        f"{len(made.artefact) + len(made.population):,} bytes",
    )


def gateway(stage: Stage, page: Page) -> None:
    """An installation of its own, with its own certificate authorities; the gateway is a process of its own,
    on SQLite with the engine inside. Everybody reaches it over mTLS; beside it, in compliance's hands, runs a
    witness that cosigns the log for as long as it only grows.
    """
    started = stage.open_gateway()
    stage.operator = Operator(stage.connect(started.operator, started.admin_address))
    stage.officer = _enrol_officer(stage)
    page.facts(
        [
            ("partner door", f"{started.partner_address}  gRPC, certificates of the partner CA"),
            ("admin door", f"{started.admin_address}  gRPC, certificates of the staff CA"),
            ("public pages", f"{started.settings.public_url}  keys, health, error help"),
            ("people's pages", f"{started.settings.pages.url}  a process of its own over the same ledger"),
            ("the witness", f"{stage.witness.url}  a process with a key of its own"),
        ]
    )
    page.gap()
    page.check("the gateway serves", started.fetch("/healthz")[0] == 200, f"as process {started.process_id}")
    serves = started.fetch("/healthz", str(started.settings.listen.pages))[0] == 200
    page.check("the pages serve beside it", serves, f"as process {started.pages_process_id}")
    page.check(
        "so does a witness, which trusts the log's key",
        is_listening(stage.witness.address),
        f"as process {stage.witness.process_id}",
    )
    model, sha256 = stage.operator.model()
    _, card_sha256, _ = store.read(stage.engine)
    page.check("it serves the scorecard just trained", sha256 == card_sha256, f"{model}, {sha256[:12]}…")


def _enrol_officer(stage: Stage) -> Credentials:
    folder = stage.home / "officer"
    make_key(folder, "officer")
    stage.operator.add("officer", "Compliance", "COMPLIANCE")
    return stage.operator.enroll("officer", folder)


def lender(stage: Stage, page: Page) -> None:
    """A P2P lender makes a key and keeps it. The operator signs the request and agrees a contract; the lender
    pins the public keys of issuer, log and witness.
    """
    stage.meadow = meadow = enrol(stage, "meadow", LEGAL_NAME)
    pinned = VerificationKeys.from_jwks(meadow.client.jwks)
    usage = {each.limit_name: each for each in meadow.client.usage()}
    page.facts(
        [
            ("lender", LEGAL_NAME),
            ("certificate", f"{meadow.credentials.fingerprint[:32]}…"),
            ("contract", f"{usage['day'].limit:,} units a day, {usage['month'].limit:,} a month"),
        ]
    )
    page.gap()
    page.check(
        "the operator was sent a request, not a key",
        b"PRIVATE KEY" not in (meadow.folder / "meadow.csr").read_bytes()
        and (meadow.credentials.key.stat().st_mode & 0o777) == 0o600,
        "the key stays with the lender, mode 0600",
    )
    page.check(
        "HTTP and gRPC publish the same keys",
        pinned == VerificationKeys.from_jwks(meadow.client.keys().jwks),
        f"{len(pinned.by_kid)} keys, pinned by the lender",
    )
    told = stage.gateway.fetch(POLICY)[1]
    page.check(
        "the log says itself that it needs the witness",
        Policy.parse(told) == Policy.parse(stage.policy.read_bytes()),
        "its policy is the one that was pinned",
    )


def enrol(stage: Stage, partner_id: str, legal_name: str, **changes: int) -> Lender:
    """Bring a new lender in: its key, its request, its certificate, the issuer's keys."""
    folder = stage.home / partner_id
    make_key(folder, partner_id)
    stage.operator.add(partner_id, legal_name, "PARTNER", contract(**changes))
    credentials = stage.operator.enroll(partner_id, folder)
    jwks = folder / "issuer.jwks"
    jwks.write_bytes(stage.gateway.fetch("/.well-known/jwks.json")[1])
    stage.lenders.append(Lender(partner_id, folder, credentials, stage.client(credentials, jwks)))
    return stage.lenders[-1]


def consent(stage: Stage, page: Page) -> None:
    """The lender invites a borrower, naming whom it expects. The borrower follows the link, signs in, reads
    who wants what, why and for how long, and says yes, but not to their social connections.
    """
    stage.borrower = borrower = stage.person(BORROWER)
    state = secrets.token_urlsafe()
    invitation = _invite(stage, state)
    welcome = borrower.browser.open(invitation.url)
    asked = borrower.sign_in(welcome)
    facts = asked.facts
    page.facts(
        [
            ("link", invitation.url),
            ("the page", asked.headline),
            ("they would see", ", ".join(shown for shown in asked.all("strong") if shown in SHOWN)),
            *((name, facts[name]) for name in ("Why", "How long", "How often")),
        ]
    )
    page.gap()
    page.check(
        "before the borrower's yes there is no consent",
        invitation.state is InvitationState.PENDING and invitation.consent_id is None,
        str(invitation.state),
    )
    page.check(
        "whoever has only the link reads nothing of it",
        LEGAL_NAME not in welcome.text and "Sign in" in welcome.text,
        welcome.headline,
    )
    page.check(
        "the page names the lender and what it would see",
        LEGAL_NAME in asked.headline and set(SHOWN) <= set(asked.all("strong")),
        "its verified legal name",
    )
    boxes = asked.form("/allow").boxes
    page.check(
        "social connections are off unless chosen",
        [family for family, is_on in boxes.items() if not is_on] == [InputFamily.SOCIAL],
        f"{sum(boxes.values())} of {len(boxes)} switches are on",
    )
    decided = borrower.browser.send(asked.form("/allow"))
    _check_allowed(stage, page, invitation)
    _check_way_back(page, decided.link(RETURN_ADDRESS), state, invitation.handle)


def _invite(stage: Stage, state: str) -> Invitation:
    who = stage.borrower.resident
    return stage.meadow.client.invite(
        credit_terms(uses=USES),
        partner_reference="loan-2471",
        return_address=RETURN_ADDRESS,
        return_state=state,
        identity=Identity(name=who.name, phone=who.phone),
    )


def _check_allowed(stage: Stage, page: Page, invitation: Invitation) -> None:
    stage.consent = seen = consent_of(stage.meadow, invitation)
    page.check("the borrower allowed it", seen.state is ConsentState.ACTIVE, f"consent {seen.consent_id}")
    page.check(
        "without their social connections",
        seen.terms.excluded_families == (InputFamily.SOCIAL,),
        f"left out: {', '.join(seen.terms.excluded_families)}",
    )
    page.check(
        "the lender is told a reference, not the person",
        seen.subject_ref.startswith("s1-") and BORROWER not in seen.subject_ref,
        seen.subject_ref,
    )


def _check_way_back(page: Page, link: str, state: str, handle: str) -> None:
    """The lender's own server, as the borrower comes back to it."""
    page.check("the way back is the lender's own", returned(link, state) == handle, RETURN_ADDRESS)
    try:
        returned(link, secrets.token_urlsafe())
    except ReturnRefused as error:
        page.check("refused: a way back into another session", True, type(error).__name__)
    else:
        raise StepFailed("a way back into another session is refused", "the client took it")


def stranger(stage: Stage, page: Page) -> None:
    """The lender sends the borrower another link, and somebody else opens it and signs in. They read nothing,
    and once they press to read, the invitation is over; the lender learns that, and not who it was.
    """
    client = stage.meadow.client
    invitation = _invite(stage, secrets.token_urlsafe())
    somebody = stage.person(SOMEBODY_ELSE)
    opened = somebody.sign_in(somebody.browser.open(invitation.url))
    before = client.invitation(invitation.handle)
    pressed = somebody.browser.send(opened.form("/read"), status=404)
    after = client.invitation(invitation.handle)
    page.facts(
        [
            ("the page", opened.headline),
            ("once they press", pressed.headline),
            ("the lender", str(after.state)),
        ]
    )
    page.gap()
    page.check(
        "to open it ends nothing", before.state is InvitationState.PENDING, "a link may be followed unasked"
    )
    page.check(
        "somebody else reads nothing",
        LEGAL_NAME not in opened.text + pressed.text,
        f"status {pressed.status}, as for a link that leads nowhere",
    )
    page.check(
        "the invitation ends",
        after.state is InvitationState.IDENTITY_MISMATCH and after.consent_id is None,
        str(after.state),
    )
    page.check("the lender is told no more than that", after.subject_ref is None, "no reference to anybody")
    late = stage.borrower.browser.open(invitation.url, status=404)
    page.check("it is over for the borrower, too", LEGAL_NAME not in late.text, late.headline)


def consent_of(lender: Lender, invitation: Invitation) -> Consent:
    """Return the consent that came of an invitation, as the lender finds it.

    Raises:
        StepFailed: Nobody has allowed it.
    """
    consent_id = lender.client.invitation(invitation.handle).consent_id
    if consent_id is None:
        raise StepFailed("the borrower allowed it", "there is no consent")
    return lender.client.consent(consent_id)


def credit_terms(
    *,
    uses: int = 0,
    disclosures: tuple[Disclosure, ...] = tuple(Disclosure),
) -> Terms:
    """Return terms for one answer, or for so many ``uses`` a year."""
    return Terms(
        purpose=CREDIT,
        disclosures=disclosures,
        valid_for=timedelta(days=30),
        data_life=timedelta(days=90),
        mode=ConsentMode.PERIODIC if uses else ConsentMode.ONE_TIME,
        frequency=Frequency(uses, CalendarUnit.YEAR) if uses else None,
    )
