"""The first chapters: a scorecard, a gateway, a lender, and a borrower who allows it."""

from __future__ import annotations

from datetime import timedelta

from gateway.demo.page import Page
from gateway.demo.people import Credentials, Lender, Operator, contract, make_key
from gateway.demo.stage import Stage
from scoregate.client import ConsentState, Frequency, InvitationState, Terms
from scoregate.proof.jwk import VerificationKeys
from scoregate.words import CalendarUnit, ConsentMode, Disclosure, Purpose
from scoring import evidence, store
from scoring.scorecard import BANDS, band_shares
from scoring.train import scorable, train

REPEATS = 10
AUC_PROMISED = 0.765
BORROWER = "uci-00012"
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
    on SQLite with the engine inside. Everybody reaches it over mTLS.
    """
    started = stage.open_gateway()
    stage.operator = Operator(stage.connect(started.operator, started.admin_address))
    stage.officer = _enrol_officer(stage)
    page.facts(
        [
            ("partner door", f"{started.partner_address}  gRPC, certificates of the partner CA"),
            ("admin door", f"{started.admin_address}  gRPC, certificates of the staff CA"),
            ("public pages", f"{started.settings.public_url}  keys, health, error help"),
        ]
    )
    page.gap()
    page.check("the gateway serves", started.fetch("/healthz")[0] == 200, f"as process {started.process_id}")
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
    pins the issuer's public keys.
    """
    stage.meadow = meadow = enrol(stage, "meadow", "Meadow P2P Lending Ltd")
    pinned = VerificationKeys.from_jwks(meadow.client.jwks)
    usage = {each.limit_name: each for each in meadow.client.usage()}
    page.facts(
        [
            ("lender", "Meadow P2P Lending Ltd"),
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
    """The lender invites a borrower, who reads the terms and allows them. Until the consumer's own pages
    exist, the operator brings the answer through the admin door.
    """
    terms = credit_terms(uses=10)
    invitation = stage.meadow.client.invite(terms, partner_reference="loan-2471")
    page.facts(
        [
            ("purpose", str(terms.purpose)),
            ("may show", ", ".join(terms.disclosures)),
            ("how often", "up to 10 answers a year, for 30 days"),
            ("invitation", invitation.handle),
        ]
    )
    page.gap()
    page.check(
        "before the borrower's yes there is no consent",
        invitation.state is InvitationState.PENDING and invitation.consent_id is None,
        str(invitation.state),
    )
    stage.consent = stage.operator.allow(invitation.handle, BORROWER)
    seen = stage.meadow.client.consent(stage.consent.consent_id)
    page.check("the borrower allowed it", seen.state is ConsentState.ACTIVE, f"consent {seen.consent_id}")
    page.check(
        "the lender is told a reference, not the person",
        seen.subject_ref.startswith("s1-") and BORROWER not in seen.subject_ref,
        seen.subject_ref,
    )


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
