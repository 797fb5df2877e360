"""After every grant and change there is a signed receipt, and whoever holds it needs our word no more."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from consent import register
from consent.grant import Change, ConsentAltered
from consent.pairwise import Pairwise
from consent.receipt import HistoryUnknown
from consent.register import Entry, Event, NotFound
from consent.register.tables import consent_events, grants
from consent.register.terms import consent_digest, load
from consent.sql import write
from gateway import decisions
from gateway.audit.log import private_parts
from gateway.audit.private import Vault
from gateway.keys import Signer
from gateway.ledger import Ledger, Transaction
from gateway.pages.consumer.receipts import SignedReceipt, consent_receipt
from gateway.settings import read_secret
from gateway.store import Store, open_store
from scoregate.audit.v1 import leaf_pb2
from scoregate.auditing.pulled import PulledLog
from scoregate.consent_receipts import check
from scoregate.errors import KeyUnknown
from scoregate.partner.v1 import consent_pb2, receipt_pb2
from scoregate.proof import consent_receipt as proof
from scoregate.proof.consent_receipt import ConsentReceipt
from scoregate.proof.digest import canonical
from scoregate.proof.jwk import Algorithm, VerificationKeys
from scoregate.proof.leaf import LeafInvalid
from scoregate.tlog import merkle
from scoregate.tlog.checkpoint import Checkpoint
from scoregate.words import ConsentEventKind
from tests.journey.conftest import STORES, new_name
from tests.journey.rows import answered, turned_down
from tests.signing import signed
from tests.world import Partner, World, seconds

GRANTED = ConsentEventKind.GRANTED
OFTEN = {"mode": "CONSENT_MODE_PERIODIC"}
REVIEW = {"purpose": "PURPOSE_ACCOUNT_REVIEW", **OFTEN}


@pytest.fixture(scope="module", params=STORES)
def store(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@dataclass
class Pages:
    """What the consumers' pages open beside the gateway: a store, a ledger and a signer of their own."""

    world: World
    store: Store
    vault: Vault
    ledger: Ledger
    pairwise: Pairwise
    signer: Signer

    def allow(self, invitation: consent_pb2.ConsentInvitation, subject: str, *, lift: bool = False) -> str:
        """The person says yes; returns the consent's id."""
        entry = self.ledger.change(
            lambda tx: decisions.allow(
                tx, invitation.handle, subject, self.pairwise, lift_freeze=lift, actor="consumer"
            )
        )
        return entry.grant.consent_id

    def change(self, consent_id: str, what: Change) -> None:
        self.ledger.change(lambda tx: decisions.change(tx, consent_id, what, actor="consumer"))

    def freeze(self, subject: str, *, frozen: bool) -> None:
        self.ledger.change(lambda tx: decisions.set_freeze(tx, subject, frozen=frozen, actor="consumer"))

    def signed(self, consent_id: str, subject: str) -> SignedReceipt:
        with self.store.reading() as connection:
            return consent_receipt(
                connection,
                consent_id,
                subject,
                vault=self.vault,
                signer=self.signer,
                issuer=self.world.settings.issuer,
                now=self.world.clock(),
            )

    def receipt(self, consent_id: str, subject: str, partner: Partner) -> ConsentReceipt:
        """What the partner makes of a receipt, with the keys that the gateway publishes."""
        return proof.verify(self.signed(consent_id, subject).compact, published(partner))


def published(partner: Partner) -> VerificationKeys:
    keys = partner.receipts.GetVerificationKeys(receipt_pb2.GetVerificationKeysRequest())
    return VerificationKeys.from_jwks(keys.jwks)


def told(receipt: ConsentReceipt) -> list[tuple[str, str]]:
    return [(event.kind.value, event.by.value) for event in receipt.events]


@pytest.fixture
def open_pages() -> Iterator[Callable[[World], Pages]]:
    opened: list[Pages] = []

    def opens(world: World) -> Pages:
        settings = world.settings
        store = open_store(settings.database.url)
        vault = Vault(read_secret(settings.secrets.master_key))
        ledger = Ledger(store, vault, clock=world.clock, max_waiting=16)
        signer = Signer(
            store, settings.attestation.key_folder, algorithm=Algorithm(settings.attestation.algorithm)
        )
        pairwise = Pairwise(read_secret(settings.secrets.pairwise_key))
        opened.append(Pages(world, store, vault, ledger, pairwise, signer))
        return opened[-1]

    yield opens
    for pages in opened:
        pages.ledger.close()
        pages.store.close()


@pytest.fixture
def pages(world: World, open_pages: Callable[[World], Pages]) -> Pages:
    return open_pages(world)


@pytest.fixture
def subject() -> str:
    """A person whom no other test knows."""
    return new_name("person")


def test_each_change_has_its_receipt_and_each_begins_like_the_one_before(
    pages: Pages, acme: Partner, subject: str
) -> None:
    consent_id = pages.allow(acme.invite(**REVIEW), subject)
    steps: list[tuple[Callable[[], Any], str, str]] = [
        (lambda: None, "GRANTED", "ACTIVE"),
        (lambda: pages.change(consent_id, Change.PAUSE), "PAUSED", "PAUSED"),
        (lambda: pages.change(consent_id, Change.RESUME), "RESUMED", "ACTIVE"),
        (lambda: pages.freeze(subject, frozen=True), "FROZEN", "ACTIVE"),
        (lambda: pages.freeze(subject, frozen=False), "UNFROZEN", "ACTIVE"),
        (lambda: pages.change(consent_id, Change.REVOKE), "REVOKED", "REVOKED"),
    ]
    before: ConsentReceipt | None = None
    for step, kind, state in steps:
        step()
        now = pages.receipt(consent_id, subject, acme)
        assert (told(now)[-1], now.state) == ((kind, "consumer"), state)
        assert now.events[:-1] == (before.events if before else ())
        assert before is None or now.receipt_id != before.receipt_id
        before = now


def test_it_says_what_was_agreed_with_whom_and_as_whom(pages: Pages, acme: Partner, subject: str) -> None:
    invitation = acme.invite(**REVIEW, time_zone="Asia/Shanghai", excluded_families=["INPUT_FAMILY_SOCIAL"])
    consent_id = pages.allow(invitation, subject)
    consent = acme.consents.GetConsent(consent_pb2.GetConsentRequest(consent_id=consent_id)).consent
    told = json.loads(pages.receipt(consent_id, subject, acme).encode())
    assert told["parties"] == {
        "controller": {"partner_id": acme.partner_id, "legal_name": f"{acme.partner_id.title()} Lending Ltd"},
        "gateway": {"issuer": pages.world.settings.issuer},
        "principal": {"subject_ref": consent.subject_ref},
    }
    agreed = told["processing"]
    assert agreed["consent_sha256"] == consent.consent_sha256.hex()
    assert (agreed["purpose"], agreed["inquiry"], agreed["mode"]) == ("ACCOUNT_REVIEW", "SOFT", "PERIODIC")
    assert agreed["frequency"] == {"uses": 1_000, "unit": "DAY"}
    assert (agreed["time_zone"], agreed["excluded_families"]) == ("Asia/Shanghai", ["SOCIAL"])
    assert agreed["disclosures"] == ["BAND", "REASONS", "SCORE", "THRESHOLD"]
    assert agreed["data_life_seconds"] == 90 * 86_400
    assert agreed["expires_at"] == consent.expires_at.ToDatetime().isoformat(timespec="microseconds") + "Z"
    assert agreed["notice_version"] == consent.notice_version
    assert agreed["thresholds"] == list(consent.terms.thresholds) != []
    assert told["log"] == pages.world.settings.log_origin


def test_its_digest_is_recomputed_from_what_it_says(pages: Pages, acme: Partner, subject: str) -> None:
    for terms in (REVIEW, {"excluded_families": ["INPUT_FAMILY_SOCIAL"]}):
        found = pages.receipt(pages.allow(acme.invite(**terms), subject), subject, acme)
        assert found.terms_sha256() == found.processing.consent_sha256


def test_an_operators_hand_is_told_apart(pages: Pages, world: World, acme: Partner, subject: str) -> None:
    consent = world.consent(acme, subject, **OFTEN)
    world.change(consent, "PAUSE")
    world.freeze(subject)
    assert told(pages.receipt(consent.consent_id, subject, acme)) == [
        ("GRANTED", "operator"),
        ("PAUSED", "operator"),
        ("FROZEN", "operator"),
    ]


def test_what_a_partner_gives_up_it_ended(pages: Pages, acme: Partner, subject: str) -> None:
    consent_id = pages.allow(acme.invite(**OFTEN), subject)
    acme.consents.RelinquishConsent(consent_pb2.RelinquishConsentRequest(consent_id=consent_id))
    found = pages.receipt(consent_id, subject, acme)
    assert told(found) == [("GRANTED", "consumer"), ("REVOKED", "partner")]
    assert found.state == "REVOKED"


def test_the_answer_that_used_it_up_is_the_one_that_the_partner_holds(pages: Pages, acme: Partner) -> None:
    subject = "uci-00417"
    consent_id = pages.allow(acme.invite(), subject)
    answer = answered(acme, acme.query(consent_id))
    found = pages.receipt(consent_id, subject, acme)
    assert told(found) == [("GRANTED", "consumer"), ("CONSUMED", "partner")]
    assert found.state == "CONSUMED"
    used = found.events[-1]
    assert (used.log_index, used.leaf_hash) == (
        answer.receipt.leaf_index,
        merkle.leaf_hash(answer.receipt.leaf),
    )
    claims = json.loads(urlsafe_b64decode(answer.attestation.split(".")[1] + "=="))
    assert claims["consent_sha256"] == found.processing.consent_sha256
    assert claims["subject_ref"] == found.subject_ref
    pages.change(consent_id, Change.REVOKE)  # replays end too
    assert told(pages.receipt(consent_id, subject, acme))[-1] == ("REVOKED", "consumer")


def test_a_freeze_is_an_event_of_what_is_open_and_a_lift_begins_with_its_unfreezing(
    pages: Pages, acme: Partner, zeta: Partner, subject: str
) -> None:
    ended, kept = (pages.allow(acme.invite(**OFTEN), subject) for _ in range(2))
    pages.change(ended, Change.REVOKE)
    pages.freeze(subject, frozen=True)
    lifted = pages.allow(zeta.invite(**OFTEN), subject, lift=True)
    pages.freeze(subject, frozen=False)
    assert [kind for kind, _ in told(pages.receipt(ended, subject, acme))] == ["GRANTED", "REVOKED"]
    assert [kind for kind, _ in told(pages.receipt(kept, subject, acme))] == ["GRANTED", "FROZEN", "UNFROZEN"]
    assert [kind for kind, _ in told(pages.receipt(lifted, subject, zeta))] == ["GRANTED", "UNFROZEN"]


def test_an_end_by_time_is_told_by_the_clock_and_then_by_the_log(
    own_world: World, open_pages: Callable[[World], Pages]
) -> None:
    acme, pages = own_world.partner(), open_pages(own_world)
    consent_id = pages.allow(acme.invite(valid_for=seconds(60)), "uci-00001")
    assert pages.receipt(consent_id, "uci-00001", acme).state == "ACTIVE"
    own_world.clock.move(seconds=60)
    assert pages.receipt(consent_id, "uci-00001", acme).state == "EXPIRED"
    pages.ledger.change(lambda tx: decisions.expire(tx, [consent_id]))
    found = pages.receipt(consent_id, "uci-00001", acme)
    assert (told(found)[-1], found.state) == (("EXPIRED", "gateway"), "EXPIRED")


def test_a_clock_that_was_set_back_issues_nothing_before_its_last_event(
    own_world: World, open_pages: Callable[[World], Pages]
) -> None:
    acme, pages = own_world.partner(), open_pages(own_world)
    consent_id, keys = pages.allow(acme.invite(**OFTEN), "uci-00001"), published(acme)
    own_world.clock.move(hours=-1)
    found = proof.verify(pages.signed(consent_id, "uci-00001").compact, keys)
    assert found.issued_at == found.events[-1].at > own_world.clock()


def test_each_event_is_found_in_the_pulled_log(
    pages: Pages, world: World, acme: Partner, subject: str, tmp_path: Path
) -> None:
    consent_id = pages.allow(acme.invite(), subject)
    pages.change(consent_id, Change.PAUSE)
    pages.freeze(subject, frozen=True)
    made = pages.signed(consent_id, subject)
    file, folder = tmp_path / made.file_name, tmp_path / "log"
    file.write_text(made.compact)
    origin, size, root = world.settings.log_origin, world.log_size(), merkle.CompactRange()
    entries = world.leaf_bytes()[:size]
    for entry in entries:
        root.append(merkle.leaf_hash(entry))
    pulled = PulledLog(folder)
    pulled.write_checkpoint(signed(Checkpoint(origin, size, root.root())))
    pulled.append(entries)
    pulled.write_tiles()
    checked = check(file, published(acme), log=folder)
    assert checked.log is not None
    assert checked.recomputed
    assert [event.kind for event in checked.receipt.events] == ["GRANTED", "PAUSED", "FROZEN"]


def test_nobody_gets_anothers_receipt_and_nobody_one_of_nothing(
    pages: Pages, acme: Partner, subject: str
) -> None:
    consent_id = pages.allow(acme.invite(), subject)
    for consent, person in ((consent_id, "uci-00001"), (consent_id, ""), ("a" * 26, subject)):
        with pytest.raises(NotFound):
            pages.signed(consent, person)


def test_neither_receipt_nor_file_name_holds_the_operators_name_of_the_person(
    pages: Pages, acme: Partner, subject: str
) -> None:
    made = pages.signed(pages.allow(acme.invite(), subject), subject)
    payload = urlsafe_b64decode(made.compact.split(".")[1] + "==").decode()
    assert subject not in payload
    receipt = ConsentReceipt.decode(payload.encode())
    assert made.file_name == f"consent-receipt-{acme.partner_id}-{receipt.events[-1].log_index}.jws"
    assert receipt.consent_id not in made.file_name


def test_a_key_that_another_process_turned_signs_no_more(
    own_world: World, open_pages: Callable[[World], Pages]
) -> None:
    acme, pages = own_world.partner(), open_pages(own_world)
    consent_id = pages.allow(acme.invite(), "uci-00001")
    old, known = pages.signed(consent_id, "uci-00001").compact, published(acme)
    own_world.rotate_keys()
    own_world.rotate_keys()  # to a key that was not even published before
    new = pages.signed(consent_id, "uci-00001").compact
    kids = [json.loads(urlsafe_b64decode(each.split(".")[0] + "=="))["kid"] for each in (old, new)]
    assert kids[1] == own_world.keys()["CURRENT"] != kids[0]
    with pytest.raises(KeyUnknown):
        proof.verify(new, known)
    for compact in (old, new):  # what was signed stays verifiable
        proof.verify(compact, published(acme))


def test_of_what_was_given_before_events_were_kept_there_is_no_receipt(
    pages: Pages, acme: Partner, subject: str
) -> None:
    consent_id = pages.allow(acme.invite(**OFTEN), subject)
    pages.change(consent_id, Change.PAUSE)
    mine = consent_events.c.consent_id == consent_id
    with pages.store.writer.begin() as connection:
        connection.execute(sa.delete(consent_events).where(mine, consent_events.c.what == "GRANTED"))
    with pytest.raises(HistoryUnknown):
        pages.signed(consent_id, subject)


@pytest.mark.parametrize("spoilt", [{"what": "RESUMED"}, {"leaf_index": 0}, {"leaf_index": 10**9}])
def test_what_the_log_does_not_say_is_not_signed(
    pages: Pages, acme: Partner, subject: str, spoilt: dict[str, Any]
) -> None:
    consent_id = pages.allow(acme.invite(**OFTEN), subject)
    pages.change(consent_id, Change.PAUSE)
    mine = consent_events.c.consent_id == consent_id
    with pages.store.writer.begin() as connection:
        connection.execute(
            sa.update(consent_events).where(mine, consent_events.c.what == "PAUSED").values(**spoilt)
        )
    with pytest.raises(LeafInvalid):
        pages.signed(consent_id, subject)


def agree(pages: Pages, acme: Partner, subject: str) -> str:
    """A consent to a band and nothing else, as often as may be."""
    return pages.allow(acme.invite(mode="CONSENT_MODE_PERIODIC", disclosures=["DISCLOSURE_BAND"]), subject)


def rewrite(pages: Pages, consent_id: str, **columns: Any) -> None:
    """Somebody writes into the database."""
    with pages.store.writer.begin() as connection:
        connection.execute(sa.update(grants).where(grants.c.consent_id == consent_id).values(**columns))


def row(pages: Pages, consent_id: str) -> Any:
    with pages.store.reading() as connection:
        return connection.execute(sa.select(grants).where(grants.c.consent_id == consent_id)).one()


OTHER_TERMS: dict[str, Any] = {
    "purpose": "COLLECTION",
    "disclosures": ["SCORE"],
    "mode": "ONE_TIME",
    "not_before_us": 2_600_000_000_000_000,
    "valid_for_s": 31_536_000,
    "frequency": [999_999, "DAY"],
    "time_zone": "Asia/Shanghai",
    "data_life_s": 1,
    "excluded_families": ["SOCIAL"],
    "thresholds": [600],
}


@pytest.mark.parametrize("field", OTHER_TERMS)
def test_what_was_changed_in_the_store_is_neither_signed_nor_answered_under(
    pages: Pages, acme: Partner, field: str
) -> None:
    consent_id = agree(pages, acme, "uci-00417")
    asked = acme.query(consent_id, disclosure="DISCLOSURE_BAND")
    answered(acme, asked)
    terms = json.loads(row(pages, consent_id).terms)
    if field != "thresholds":
        assert terms[field] != OTHER_TERMS[field]
    rewrite(pages, consent_id, terms=json.dumps(terms | {field: OTHER_TERMS[field]}))
    with pytest.raises(ConsentAltered):
        pages.signed(consent_id, "uci-00417")
    purpose = "PURPOSE_COLLECTION" if field == "purpose" else "PURPOSE_CREDIT_APPLICATION"
    shown = "DISCLOSURE_SCORE" if field == "disclosures" else "DISCLOSURE_BAND"
    turned_down(acme, acme.query(consent_id, disclosure=shown, purpose=purpose), "INTERNAL")
    turned_down(acme, asked, "INTERNAL")  # nor is the first answer given again
    pages.change(consent_id, Change.REVOKE)  # to end it stays open


def test_a_digest_that_was_made_anew_with_the_terms_is_not_that_of_the_log(
    pages: Pages, acme: Partner, subject: str
) -> None:
    consent_id = agree(pages, acme, subject)
    held = row(pages, consent_id)
    text = held.terms.replace('"BAND"', '"SCORE"')
    with pages.store.reading() as connection:
        grant = register.entry(connection, consent_id).grant
    changed = replace(grant, terms=load(text))
    whole = consent_digest(changed, held.notice_version)
    form = json.loads(pages.receipt(consent_id, subject, acme).encode())["processing"]
    for digest in (whole, earlier_digest(form | {"disclosures": ["SCORE"]})):
        rewrite(pages, consent_id, terms=text, sha256=digest)
        with pages.store.reading() as connection:
            assert register.entry(connection, consent_id).grant.is_intact
        with pytest.raises(ConsentAltered, match="another digest"):
            pages.signed(consent_id, subject)


def earlier_digest(processing: dict[str, Any]) -> bytes:
    """The digest of the earlier form, which is of the terms alone."""
    left_out = {"inquiry", "consent_sha256"}
    return sha256(canonical({k: v for k, v in processing.items() if k not in left_out})).digest()


def test_a_consent_that_is_older_than_digests_in_entries_has_its_receipt(
    pages: Pages, acme: Partner, subject: str
) -> None:
    def allow(tx: Transaction, handle: str) -> Entry:
        reference = pages.pairwise.reference(acme.partner_id, subject)
        entry = register.allow(tx.connection, handle, subject=subject, subject_ref=reference, now=tx.now)
        leaf = leaf_pb2.Leaf(
            kind=leaf_pb2.LEAF_KIND_CONSENT_GRANTED,
            partner_id=acme.partner_id,
            purpose=entry.grant.terms.purpose.number,
            actor="consumer",
        )
        part = leaf_pb2.PrivatePart(subject=subject, consent_id=entry.grant.consent_id, handle=handle)
        placed = tx.append(leaf, tx.bind(part, partner_id=acme.partner_id))
        event = Event(acme.partner_id, placed.leaf_index, entry.grant.consent_id, GRANTED, tx.now)
        write(tx.connection, register.happened([event]))
        return entry

    handle = acme.invite(disclosures=["DISCLOSURE_BAND"]).handle
    consent_id = pages.ledger.change(lambda tx: allow(tx, handle)).grant.consent_id
    found = pages.receipt(consent_id, subject, acme)
    assert found.processing.consent_sha256 == found.terms_sha256()
    earlier = earlier_digest(json.loads(found.encode())["processing"])
    rewrite(pages, consent_id, sha256=earlier)
    found = pages.receipt(consent_id, subject, acme)
    assert found.processing.consent_sha256 == found.earlier_terms_sha256() == earlier.hex()


@pytest.mark.parametrize(
    "spoil", [sa.delete(private_parts), sa.update(private_parts).values(sealed=b"?" * 99)]
)
def test_an_entry_that_does_not_open_proves_nothing(
    pages: Pages, acme: Partner, subject: str, spoil: Any
) -> None:
    consent_id = agree(pages, acme, subject)
    [event] = pages.receipt(consent_id, subject, acme).events
    with pages.store.writer.begin() as connection:
        connection.execute(spoil.where(private_parts.c.leaf_index == event.log_index))
    with pytest.raises(ConsentAltered, match="does not open"):
        pages.signed(consent_id, subject)


def test_another_entry_of_the_same_person_is_not_the_consents(
    pages: Pages, acme: Partner, subject: str
) -> None:
    one, other = (agree(pages, acme, subject) for _ in range(2))
    [event] = pages.receipt(other, subject, acme).events
    with pages.store.writer.begin() as connection:
        connection.execute(sa.delete(consent_events).where(consent_events.c.consent_id == other))
        mine = consent_events.c.consent_id == one
        connection.execute(sa.update(consent_events).where(mine).values(leaf_index=event.log_index))
    with pytest.raises(ConsentAltered, match=f"entry {event.log_index} "):
        pages.signed(one, subject)
