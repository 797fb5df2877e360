"""A consent receipt says what can have happened, in one spelling, and any JOSE library reads it."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import jwt
import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jws as other
from joserfc.jwk import KeySet
from jwt.algorithms import ECAlgorithm, OKPAlgorithm

from consent.keys import SigningKey, jwks
from scoregate.audit.v1 import leaf_pb2
from scoregate.errors import AttestationMalformed, ClaimInvalid, KeyUnknown, SignatureInvalid
from scoregate.partner.v1 import consent_pb2
from scoregate.proof import consent_receipt, jws
from scoregate.proof.consent_history import Beginner, ConsentEvent, ConsentState, event_in, state_after
from scoregate.proof.consent_receipt import MAX_COMPACT_CHARACTERS, MAX_EVENTS, TYP, ConsentReceipt
from scoregate.proof.consent_terms import Processing
from scoregate.proof.jwk import Algorithm, VerificationKeys
from scoregate.proof.leaf import LeafInvalid
from scoregate.words import (
    CalendarUnit,
    ConsentEventKind,
    ConsentMode,
    Disclosure,
    InputFamily,
    Purpose,
)
from tests.attestation.made_answers import ACME, KEY, NOW, attest, claims_for, score_request, signing_key
from tests.attestation.made_receipts import (
    END,
    MINUTE,
    OFTEN,
    ONCE,
    STORY,
    entry,
    happened,
    history,
    receipt,
    signed,
)

VECTORS = Path(__file__).parents[1] / "vectors" / "consent-receipt"
ED_KEY = signing_key(Algorithm.ED25519, seed=2)
PUBLISHED = jwks([KEY.public_jwk, ED_KEY.public_jwk])
KEYS = VerificationKeys.from_jwks(PUBLISHED)
TICK = timedelta(microseconds=1)

TOLD = receipt(events=history(STORY))
REVIEWED = receipt(
    processing=OFTEN,
    legal_name="敬业 “Loans” & Söhne GmbH",
    events=history(("GRANTED", "PAUSED", "EXPIRED")),
    issued_at=END + MINUTE,
)

# The bytes.


@pytest.mark.parametrize(
    ("name", "made", "key"),
    [("once-es256", TOLD, KEY), ("often-ed25519", REVIEWED, ED_KEY)],
    ids=["once-es256", "often-ed25519"],
)
def test_receipts_are_written_and_read_as_the_vectors_are(
    name: str, made: ConsentReceipt, key: SigningKey
) -> None:
    golden = (VECTORS / f"{name}.json").read_bytes().rstrip(b"\n")
    assert made.encode() == golden
    assert ConsentReceipt.decode(golden) == made
    compact = (VECTORS / f"{name}.jws").read_text().strip()
    assert signed(made, key) == compact
    assert consent_receipt.verify(compact, KEYS) == made


def test_the_four_sections_stand_beside_the_log() -> None:
    assert set(json.loads(TOLD.encode())) == {"header", "processing", "parties", "events", "log"}


@pytest.mark.parametrize("key", [KEY, ED_KEY], ids=["ES256", "Ed25519"])
def test_joserfc_verifies_it_with_the_published_keys(key: SigningKey) -> None:
    published = KeySet.import_key_set(json.loads(PUBLISHED))
    found = other.deserialize_compact(signed(TOLD, key), published, algorithms=["ES256", "Ed25519"])
    assert found.payload == TOLD.encode()
    assert found.headers() == {"alg": key.algorithm, "kid": key.kid, "typ": TYP}


@pytest.mark.parametrize("key", [KEY, ED_KEY], ids=["ES256", "Ed25519"])
def test_pyjwt_verifies_it_with_the_published_keys(key: SigningKey) -> None:
    compact = signed(TOLD, key)
    # PyJWT knows Ed25519 by the name that RFC 9864 retires, and is told of the other here.
    reader = jwt.PyJWS()
    if key is ED_KEY:
        reader.register_algorithm("Ed25519", OKPAlgorithm())
    (public,) = [each for each in json.loads(PUBLISHED)["keys"] if each["kid"] == key.kid]
    loaded = (ECAlgorithm if key is KEY else OKPAlgorithm).from_jwk(public)
    assert reader.decode(compact, loaded, algorithms=[key.algorithm.value]) == TOLD.encode()
    other_payload = signed(REVIEWED, key).rpartition(".")[0]
    with pytest.raises(jwt.InvalidSignatureError):
        reader.decode(
            f"{other_payload}.{compact.rpartition('.')[2]}", loaded, algorithms=[key.algorithm.value]
        )


# Any receipt that keeps the rules.

ends = st.datetimes(datetime(2027, 1, 1), datetime(2030, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))
instants = st.datetimes(datetime(2026, 11, 24), datetime(2031, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))


@st.composite
def terms(draw: st.DrawFn) -> Processing:
    mode = draw(st.sampled_from(ConsentMode))
    disclosures = draw(st.frozensets(st.sampled_from(Disclosure), min_size=1))
    lines = st.frozensets(st.integers(350, 950), max_size=3).map(lambda some: tuple(sorted(some)))
    often = st.tuples(st.integers(1, 1_000_000), st.sampled_from(CalendarUnit))
    return Processing(
        purpose=draw(st.sampled_from(Purpose)),
        disclosures=disclosures,
        mode=mode,
        frequency=draw(often) if mode is ConsentMode.PERIODIC else None,
        time_zone=draw(st.sampled_from(["UTC", "Asia/Shanghai", "Etc/GMT+1", "America/Port-au-Prince"])),
        not_before=draw(instants.filter(lambda at: at < datetime(2027, 1, 1, tzinfo=UTC))),
        expires_at=draw(ends),
        data_life_seconds=draw(st.integers(1, 3_000_000_000)),
        excluded_families=draw(st.frozensets(st.sampled_from(InputFamily))),
        notice_version=draw(st.from_regex(r"[!-~]{1,16}", fullmatch=True)),
        consent_sha256=draw(st.binary(min_size=32, max_size=32)).hex(),
        thresholds=draw(st.none() | lines) if Disclosure.THRESHOLD in disclosures else None,
    )


@st.composite
def any_receipt(draw: st.DrawFn) -> ConsentReceipt:
    """Tries one event after another, and keeps those that can have happened."""
    agreed, events = draw(terms()), [happened("GRANTED")]
    kinds = [kind for kind in ConsentEventKind if kind != "CONSUMED" or agreed.frequency is None]
    for place, kind in enumerate(draw(st.lists(st.sampled_from(kinds), max_size=12))):
        at = agreed.expires_at if kind == "EXPIRED" else events[-1].at + place * TICK
        more = [*events, happened(kind, at, events[-1].log_index + 1 + place)]
        try:
            state_after(more, expires_at=agreed.expires_at, now=at)
        except ClaimInvalid:
            continue
        events = more
    return receipt(
        processing=agreed,
        events=tuple(events),
        issued_at=max(events[-1].at, draw(instants)),
        receipt_id=str(draw(st.uuids())),
        consent_id=draw(st.from_regex(r"[a-z2-7]{26}", fullmatch=True)),
        legal_name=draw(st.text(min_size=1, max_size=120).filter(str.isprintable)),
        issuer=draw(st.from_regex(r"[!-~]{1,255}", fullmatch=True)),
        subject_ref=draw(st.from_regex(r"[!-~]{1,128}", fullmatch=True)),
        log=draw(st.from_regex(r"[!-~]{1,255}", fullmatch=True)),
    )


@settings(max_examples=80)
@given(any_receipt(), st.sampled_from([KEY, ED_KEY]))
def test_any_receipt_comes_back_from_its_bytes(made: ConsentReceipt, key: SigningKey) -> None:
    assert ConsentReceipt.decode(made.encode()) == made
    assert rfc8785.dumps(json.loads(made.encode())) == made.encode()
    assert consent_receipt.verify(signed(made, key), KEYS) == made


REFUSED = (AttestationMalformed, KeyUnknown, SignatureInvalid)


@settings(max_examples=200)
@given(any_receipt(), st.sampled_from([KEY, ED_KEY]), st.data())
def test_any_single_changed_byte_is_refused(
    made: ConsentReceipt, key: SigningKey, data: st.DataObject
) -> None:
    compact = signed(made, key).encode()
    place = data.draw(st.integers(0, len(compact) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda each: each != compact[place]))
    with pytest.raises(REFUSED):
        consent_receipt.verify(
            (compact[:place] + bytes([byte]) + compact[place + 1 :]).decode("latin-1"), KEYS
        )


@settings(max_examples=80)
@given(any_receipt(), st.data())
def test_no_byte_of_the_canonical_form_may_be_dropped_or_doubled(
    made: ConsentReceipt, data: st.DataObject
) -> None:
    whole = made.encode()
    place = data.draw(st.integers(0, len(whole) - 1))
    for spoiled in (
        whole[:place] + whole[place + 1 :],
        whole[:place] + whole[place : place + 1] + whole[place:],
    ):
        try:
            found = ConsentReceipt.decode(spoiled)
        except AttestationMalformed:
            continue
        assert found != made  # a shorter text is another receipt, never a second spelling
        assert found.encode() == spoiled


@given(st.binary(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_no_payload_crashes_the_reader(payload: bytes) -> None:
    with pytest.raises(AttestationMalformed):
        ConsentReceipt.decode(payload)


JUNK = [None, True, 0, -1, 2**53, "", "x", "\n", "\ud800", [], {}, [[]], {"a": 1}, ["SCORE", "SCORE"]]


@settings(max_examples=300)
@given(st.data())
def test_nothing_odd_in_any_place_crashes_the_reader(data: st.DataObject) -> None:
    members = json.loads(TOLD.encode())
    node: Any = members
    while True:
        name = data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
        if not isinstance(node[name], dict | list) or not node[name] or data.draw(st.booleans()):
            break
        node = node[name]
    node[name] = data.draw(
        st.sampled_from(JUNK).filter(lambda odd: odd != node[name] or type(odd) is not type(node[name]))
    )
    with pytest.raises(AttestationMalformed):
        ConsentReceipt.decode(json.dumps(members).encode())


LINES = replace(
    TOLD.processing, disclosures=frozenset({Disclosure.THRESHOLD, Disclosure.SCORE}), thresholds=(500, 650)
)


def test_lines_that_the_person_read_are_listed_and_no_line_is_no_member() -> None:
    assert LINES.members()["thresholds"] == (500, 650)
    assert Processing.read(json.loads(json.dumps(LINES.members()))) == LINES
    assert "thresholds" not in TOLD.processing.members()


@pytest.mark.parametrize(
    "lines", [(349,), (951,), (650, 500), (500, 500), (True,), ("500",), (500.0,), [500]]
)
def test_lines_rise_once_each_on_the_scale(lines: Any) -> None:
    assert replace(LINES, thresholds=(350, 950)).thresholds == (350, 950)
    with pytest.raises(ClaimInvalid, match="thresholds: "):
        replace(LINES, thresholds=lines)
    if lines != [500]:  # which JSON has no other form for
        members = LINES.members() | {"thresholds": lines}
        with pytest.raises(ClaimInvalid, match="thresholds: "):
            Processing.read(json.loads(json.dumps(members)))


def test_lines_in_another_order_or_twice_are_told_so() -> None:
    for lines in ((650, 500), (500, 500)):
        with pytest.raises(ClaimInvalid, match=r"^claim thresholds: they rise, each once$"):
            replace(LINES, thresholds=lines)


def test_having_read_no_line_is_listed_and_lines_need_a_yes_or_no() -> None:
    none = Processing.read(json.loads(json.dumps(LINES.members() | {"thresholds": []})))
    assert none == replace(LINES, thresholds=())
    with pytest.raises(ClaimInvalid, match="thresholds: "):
        Processing.read(json.loads(json.dumps(LINES.members() | {"thresholds": None})))
    with pytest.raises(ClaimInvalid, match=r"thresholds: they need THRESHOLD among the disclosures$"):
        replace(LINES, disclosures=frozenset({Disclosure.SCORE}))


# One rule broken at a time: made, and read.

BROKEN: list[tuple[str, str, Any]] = [
    *[("header", "receipt_id", value) for value in ("", "D9428888-122B-41E1-B85C-61FFA1F5B6A3", 7, None)],
    *[("header", "consent_id", value) for value in ("a" * 25, "a" * 27, "a" * 25 + " ", None)],
    *[("parties.controller", "partner_id", value) for value in ("", "a b", "x" * 65, "acme\n")],
    *[("parties.controller", "legal_name", value) for value in ("", "x" * 121, "a\nb", "\u202e", None, 5)],
    *[("parties.gateway", "issuer", value) for value in ("", "a b", "x" * 256, "ü")],
    *[("parties.principal", "subject_ref", value) for value in ("", "a b", "x" * 129, "é")],
    *[("", "log", value) for value in ("", "a b", "x" * 256, "ü", 5)],
    *[("processing", "time_zone", value) for value in ("", "Mars Base", "x" * 65, None)],
    *[("processing", "notice_version", value) for value in ("", "x" * 17, "a b")],
    *[("processing", "consent_sha256", value) for value in ("", "0" * 63, "A" * 64)],
    *[("processing", "data_life_seconds", value) for value in (0, -1, 4_000_000_000, True, "1", None)],
]  # fmt: skip


@pytest.mark.parametrize(("section", "member", "value"), BROKEN)
def test_a_member_outside_its_bounds_is_refused_by_name(section: str, member: str, value: Any) -> None:
    whole: Any = TOLD.processing if section == "processing" else TOLD
    with pytest.raises(ClaimInvalid) as made:
        replace(whole, **{member: value})
    with pytest.raises(ClaimInvalid) as read:
        ConsentReceipt.decode(spoiled(section, lambda node: node.update({member: value})))
    assert made.value.claim == read.value.claim == member


def test_a_legal_name_may_be_as_long_as_it_may_be() -> None:
    longest = replace(TOLD, legal_name="x" * 120)
    assert ConsentReceipt.decode(longest.encode()) == longest
    with pytest.raises(ClaimInvalid, match=r"^claim legal_name: 1 to 120 printable characters belong here$"):
        replace(TOLD, legal_name="x" * 121)


@pytest.mark.parametrize(
    ("agreed", "changes", "told"),
    [
        (ONCE, {"purpose": "CREDIT_APPLICATION"}, "purpose: a Purpose belongs here"),
        (ONCE, {"mode": "ONE_TIME"}, "mode: a ConsentMode belongs here"),
        (OFTEN, {"frequency": (4, "MONTH")}, "frequency.unit: a CalendarUnit belongs here"),
        (ONCE, {"disclosures": frozenset({"SCORE"})}, "disclosures: a Disclosure belongs here"),
        (ONCE, {"disclosures": [Disclosure.SCORE]}, "disclosures: a frozenset belongs here"),
        (ONCE, {"excluded_families": frozenset({"SOCIAL"})}, "excluded_families: a InputFamily belongs here"),
        (ONCE, {"excluded_families": set()}, "excluded_families: a frozenset belongs here"),
    ],
)
def test_nothing_that_is_only_like_it_is_agreed_to(
    agreed: Processing, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(ClaimInvalid, match=f"^claim {re.escape(told)}$"):
        replace(agreed, **changes)


def spoiled(section: str, spoil: Callable[[dict[str, Any]], Any], of: ConsentReceipt = TOLD) -> bytes:
    members = json.loads(of.encode())
    node = members
    for name in filter(None, section.split(".")):
        node = node[name]
    spoil(node)
    return json.dumps(members).encode()


def put(**members: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda node: node.update(members)


WRONG: list[tuple[str, str, Callable[[dict[str, Any]], Any], str]] = [
    ("a section too few", "", lambda node: node.pop("parties"), "claim parties: missing in receipt"),
    ("a section too many", "", put(notes=[]), "claim 'notes': unknown in receipt; a newer"),
    ("a section that is a list", "", put(header=[]), "claim header: an object belongs here"),
    ("a member too few", "header", lambda node: node.pop("state"), "claim state: missing in header"),
    ("a member too many", "parties.principal", put(subject="uci-1"), "claim 'subject': unknown in principal"),
    ("a party too few", "parties", lambda node: node.pop("principal"), "claim principal: missing in parties"),
    ("a party without a name", "parties.controller", lambda node: node.pop("legal_name"),
     "claim legal_name: missing in controller"),
    ("no mode", "processing", lambda node: node.pop("mode"), "claim mode: missing in processing"),
    ("a newer schema", "header", put(schema_version=2), "claim schema_version: 1 belongs here"),
    ("a schema that is only like 1", "header", put(schema_version=True), "claim schema_version: 1"),
    ("a state of no contract", "header", put(state="DONE"), "claim state: one of ACTIVE, PAUSED, REVOKED"),
    ("another state", "header", put(state="ACTIVE"), "claim state: must be the one that the events lead to"),
    ("no time", "header", put(issued_at=None), "claim issued_at: an instant as YYYY"),
    ("a time in another form", "header", put(issued_at="2026-11-23T10:30:00+00:00"), "claim issued_at"),
    ("a day that is none", "header", put(issued_at="2026-02-30T10:30:00.000000Z"), "claim issued_at"),
    ("a purpose of no contract", "processing", put(purpose="FUN"), "claim purpose: a Purpose of this"),
    ("another inquiry", "processing", put(inquiry="SOFT"), "claim inquiry: must be the purpose's own"),
    ("no disclosures", "processing", put(disclosures=[]), "claim disclosures: at least one belongs here"),
    ("a disclosure of no contract", "processing", put(disclosures=["ALL"]),
     "claim disclosures: a Disclosure of this contract"),
    ("no end", "processing", put(expires_at=None), "claim expires_at: an instant as YYYY"),
    ("one disclosure", "processing", put(disclosures="SCORE"), "claim disclosures: an array belongs here"),
    ("a frequency once", "processing", put(frequency={"uses": 1, "unit": "DAY"}), "claim frequency: a"),
    ("a frequency of nothing", "processing", put(mode="PERIODIC", frequency={"uses": 0, "unit": "DAY"}),
     "claim frequency.uses: an integer from 1"),
    ("a unit of no calendar", "processing", put(mode="PERIODIC", frequency={"uses": 1, "unit": "EON"}),
     "claim frequency.unit"),
    ("a half frequency", "processing", put(frequency={"uses": 1}), "claim unit: missing in frequency"),
    ("no frequency though periodic", "processing", put(mode="PERIODIC"), "claim frequency: a PERIODIC"),
    ("an end before its beginning", "processing", put(expires_at="2026-11-23T09:30:00.000000Z"),
     "claim expires_at: must be later than not_before"),
    ("a beginning before the yes", "processing", put(not_before="2026-11-23T09:29:59.999999Z"),
     "claim not_before: a consent does not hold before it was GRANTED"),
    ("issued before its last event", "header", put(issued_at="2026-11-23T09:35:59.999999Z"),
     "claim issued_at: must not be earlier than the last event"),
    ("no events", "", put(events=[]), "claim events: the first one is GRANTED"),
    ("events that are none", "", put(events={}), "claim events: an array belongs here"),
    ("an event that is none", "", put(events=["GRANTED"]), "claim events: an object belongs here"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "section", "spoil", "told"), WRONG, ids=[row[0] for row in WRONG])
def test_what_is_wrong_is_said_by_name(
    what: str, section: str, spoil: Callable[[dict[str, Any]], Any], told: str
) -> None:
    with pytest.raises(ClaimInvalid, match=f"^{re.escape(told)}"):
        ConsentReceipt.decode(spoiled(section, spoil))


@pytest.mark.parametrize(
    ("member", "value", "claim"),
    [
        ("by", "operators", "events.by"),
        ("by", "gateway", "events.by"),
        ("kind", "LOST", "events.kind"),
        ("time", "yesterday", "events.time"),
        ("log_index", -1, "events.log_index"),
        ("log_index", "7", "events.log_index"),
        ("leaf_hash", "0" * 63, "events.leaf_hash"),
        ("leaf_hash", None, "events.leaf_hash"),
    ],
)
def test_an_event_outside_its_bounds_is_refused_by_name(member: str, value: Any, claim: str) -> None:
    with pytest.raises(ClaimInvalid) as error:
        ConsentReceipt.decode(spoiled("", lambda node: node["events"][1].update({member: value})))
    assert error.value.claim == claim


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"kind": "PAUSED"}, "events.kind: a ConsentEventKind belongs here"),
        ({"at": NOW.replace(tzinfo=None)}, "events.time: an instant in UTC, from 1970 on, belongs here"),
        ({"log_index": -1}, "events.log_index: an integer from 0 to"),
        ({"log_index": 2**53}, "events.log_index: an integer from 0 to"),
        ({"by": "consumer"}, "events.by: a Beginner belongs here"),
        *[({"leaf_hash": odd}, "events.leaf_hash: 32 bytes in hex belong here")
          for odd in (bytes(31), bytes(33), bytearray(32), "0" * 32)],
    ],
)  # fmt: skip
def test_an_event_outside_its_bounds_is_not_made(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ClaimInvalid, match=f"^claim {re.escape(told)}"):
        replace(happened("PAUSED"), **changes)


@pytest.mark.parametrize("index", [0, 2**53 - 1])
def test_an_event_is_any_entry_of_a_log(index: int) -> None:
    assert ConsentReceipt.decode(receipt(events=(happened("GRANTED", index=index),)).encode())


@pytest.mark.parametrize("member", ["disclosures", "excluded_families"])
def test_a_set_out_of_order_or_with_one_twice_is_another_spelling(member: str) -> None:
    right = json.loads(TOLD.encode())["processing"][member]
    for wrong in (right * 2, [*right[::-1], right[0]]):
        payload = spoiled("processing", put(**{member: wrong}))
        with pytest.raises(AttestationMalformed, match="canonical form"):
            ConsentReceipt.decode(payload)


def test_what_is_no_json_is_said_to_be_none() -> None:
    with pytest.raises(AttestationMalformed, match=r"^receipt: not JSON as this package writes it"):
        ConsentReceipt.decode(b"{")


def test_another_spelling_of_the_same_is_refused() -> None:
    with pytest.raises(AttestationMalformed, match=r"^receipt: not in the canonical form of RFC 8785$"):
        ConsentReceipt.decode(TOLD.encode().replace(b",", b", ", 1))


@pytest.mark.parametrize("at", [NOW.replace(tzinfo=None), NOW.astimezone(timezone(timedelta(hours=8))),
                                datetime(1969, 12, 31, tzinfo=UTC), "now"])  # fmt: skip
def test_only_instants_in_utc_from_1970_on_are_written(at: Any) -> None:
    with pytest.raises(ClaimInvalid, match=r"^claim issued_at: an instant in UTC, from 1970 on"):
        replace(TOLD, issued_at=at)
    for member in ("not_before", "expires_at"):
        with pytest.raises(ClaimInvalid, match=f"^claim {member}: an instant in UTC, from 1970 on"):
            replace(ONCE, **{member: at})


# What can have happened.


@pytest.mark.parametrize(
    ("kinds", "state"),
    [
        ("GRANTED", "ACTIVE"),
        ("GRANTED PAUSED", "PAUSED"),
        ("GRANTED PAUSED RESUMED", "ACTIVE"),
        ("GRANTED REVOKED", "REVOKED"),
        ("GRANTED PAUSED REVOKED", "REVOKED"),
        ("GRANTED CONSUMED", "CONSUMED"),
        ("GRANTED CONSUMED REVOKED", "REVOKED"),
        ("GRANTED EXPIRED", "EXPIRED"),
        ("GRANTED PAUSED EXPIRED", "EXPIRED"),
        ("GRANTED FROZEN", "ACTIVE"),
        ("GRANTED FROZEN UNFROZEN FROZEN", "ACTIVE"),
        ("GRANTED UNFROZEN", "ACTIVE"),
        ("GRANTED FROZEN PAUSED UNFROZEN", "PAUSED"),
        ("GRANTED FROZEN CONSUMED", "CONSUMED"),
    ],
)
def test_the_state_follows_from_the_events(kinds: str, state: str) -> None:
    events = history(kinds.split())
    made = receipt(events=events, issued_at=max(events[-1].at, NOW + MINUTE))
    assert made.state == state
    assert json.loads(made.encode())["header"]["state"] == state


@pytest.mark.parametrize(
    ("kinds", "told"),
    [
        ("PAUSED", "the first one is GRANTED"),
        ("GRANTED GRANTED", "GRANTED can't happen to a consent that is ACTIVE"),
        ("GRANTED RESUMED", "RESUMED can't happen to a consent that is ACTIVE"),
        ("GRANTED PAUSED PAUSED", "PAUSED can't happen to a consent that is PAUSED"),
        ("GRANTED PAUSED CONSUMED", "CONSUMED can't happen to a consent that is PAUSED"),
        ("GRANTED REVOKED REVOKED", "REVOKED can't happen to a consent that is REVOKED"),
        ("GRANTED REVOKED CONSUMED", "CONSUMED can't happen to a consent that is REVOKED"),
        ("GRANTED REVOKED EXPIRED", "EXPIRED can't happen to a consent that is REVOKED"),
        ("GRANTED CONSUMED CONSUMED", "CONSUMED can't happen to a consent that is CONSUMED"),
        ("GRANTED CONSUMED PAUSED", "PAUSED can't happen to a consent that is CONSUMED"),
        ("GRANTED FROZEN FROZEN", "FROZEN can't happen there"),
        ("GRANTED UNFROZEN UNFROZEN", "UNFROZEN can't happen there"),
        ("GRANTED REVOKED FROZEN", "FROZEN can't happen there"),
        ("GRANTED CONSUMED UNFROZEN", "UNFROZEN can't happen there"),
    ],
)
def test_what_cannot_have_happened_is_neither_made_nor_read(kinds: str, told: str) -> None:
    events = history(kinds.split())
    with pytest.raises(ClaimInvalid, match=f"^claim events: {told}"):
        receipt(events=events, issued_at=END + MINUTE)
    rows = [
        {"kind": e.kind, "time": f"{e.at:%Y-%m-%dT%H:%M:%S.%fZ}", "log_index": e.log_index, "by": e.by,
         "leaf_hash": e.leaf_hash.hex()} for e in events
    ]  # fmt: skip
    with pytest.raises(ClaimInvalid, match=f"^claim events: {told}"):
        ConsentReceipt.decode(spoiled("", put(events=rows)))


def test_a_window_closes_at_its_very_instant() -> None:
    assert receipt(issued_at=END - TICK).state is ConsentState.ACTIVE
    assert receipt(issued_at=END).state is ConsentState.EXPIRED
    used = receipt(events=history(("GRANTED", "CONSUMED")), issued_at=END)
    assert used.state is ConsentState.CONSUMED  # what was used up has no window left to close


@pytest.mark.parametrize("kind", ["PAUSED", "REVOKED", "CONSUMED"])
def test_nothing_happens_to_a_consent_past_its_end(kind: str) -> None:
    def made(at: datetime) -> ConsentReceipt:
        return receipt(events=(happened("GRANTED"), happened(kind, at, 8)), issued_at=END)

    assert made(END - TICK).events[1].kind == kind
    with pytest.raises(ClaimInvalid, match=f"{kind} can't happen to a consent that is past its end"):
        made(END)


def test_it_is_frozen_until_its_end_is_recorded_and_what_was_used_up_is_revoked_later_too() -> None:
    late = END + MINUTE
    recorded = (happened("GRANTED"), happened("FROZEN", END, 8), happened("EXPIRED", END, 9))
    assert receipt(events=recorded, issued_at=late).state is ConsentState.EXPIRED
    with pytest.raises(ClaimInvalid, match="UNFROZEN can't happen there"):
        receipt(events=(*recorded, happened("UNFROZEN", late, 10)), issued_at=late)
    ended = (happened("GRANTED"), happened("CONSUMED", NOW, 8), happened("REVOKED", late, 9))
    assert receipt(events=ended, issued_at=late).state is ConsentState.REVOKED


def test_no_end_by_time_comes_early() -> None:
    events = (happened("GRANTED"), happened("EXPIRED", END - TICK, 8))
    with pytest.raises(ClaimInvalid, match="EXPIRED can't happen to a consent that is ACTIVE"):
        receipt(events=events, issued_at=END)


@pytest.mark.parametrize(("at", "index"), [(NOW, 7), (NOW, 6), (NOW - TICK, 8)])
def test_events_stand_in_the_order_of_the_log(at: datetime, index: int) -> None:
    assert receipt(events=(happened("GRANTED"), happened("PAUSED", NOW, 8)))  # one instant, two entries
    with pytest.raises(
        ClaimInvalid, match=r"^claim events: they stand in the order of the log, each entry once$"
    ):
        receipt(events=(happened("GRANTED"), happened("PAUSED", at, index)))


def test_only_a_one_time_consent_is_used_up() -> None:
    with pytest.raises(ClaimInvalid, match=r"^claim events: only a ONE_TIME consent is ever CONSUMED$"):
        receipt(processing=OFTEN, events=history(("GRANTED", "CONSUMED")))


def test_a_receipt_of_the_most_events_is_verified_and_of_one_more_is_not_made() -> None:
    kinds = ["GRANTED", *["PAUSED", "RESUMED"] * (MAX_EVENTS // 2)]
    paused, resumed = happened("PAUSED"), happened("RESUMED")
    events = [happened("GRANTED")]
    for place, kind in enumerate(kinds[1:], 1):
        events.append(replace(paused if kind == "PAUSED" else resumed, log_index=2**52 + place))
    made = receipt(events=tuple(events[:MAX_EVENTS]))
    compact = signed(made)
    assert len(compact) < MAX_COMPACT_CHARACTERS
    assert consent_receipt.verify(compact, KEYS) == made
    with pytest.raises(ClaimInvalid, match=r"^claim events: a receipt has at most 10,000$"):
        receipt(events=tuple(events))


# Events and entries.

THEIRS = ("GRANTED", "PAUSED", "RESUMED", "REVOKED", "FROZEN", "UNFROZEN")
WHO = [
    *[(kind, "consumer", Beginner.CONSUMER) for kind in THEIRS],
    *[(kind, "op-1", Beginner.OPERATOR) for kind in THEIRS],
    ("REVOKED", "acme", Beginner.PARTNER),
    ("CONSUMED", "", Beginner.PARTNER),
    ("EXPIRED", "gateway", Beginner.GATEWAY),
]


@pytest.mark.parametrize(("kind", "actor", "by"), WHO)
def test_the_entry_says_who_began_it(kind: str, actor: str, by: Beginner) -> None:
    found = happened(kind, actor=actor)
    assert (found.kind, found.by, found.at, found.log_index) == (kind, by, NOW, 7)


def test_no_event_is_begun_by_one_who_cannot() -> None:
    possible = {(kind, by) for kind, _, by in WHO}
    for kind in ConsentEventKind:
        for by in Beginner:
            made = {"kind": kind, "at": NOW, "log_index": 1, "by": by, "leaf_hash": bytes(32)}
            if (kind, by) in possible:
                assert ConsentEvent(**made).by is by
            else:
                with pytest.raises(ClaimInvalid, match=f"{kind} is never begun by the {by}"):
                    ConsentEvent(**made)


def test_entries_of_other_things_and_other_partners_are_no_events() -> None:
    for spoilt, told in (
        ({"kind": 21}, "kind is not one that changes a consent"),
        ({"kind": 3}, "kind is not one that changes a consent"),
        ({"partner_id": "rival"}, "partner_id names somebody else"),
        ({"version": 2}, "version is 2"),
    ):
        with pytest.raises(LeafInvalid, match=told):
            event_in(_raw(**spoilt), 7, ACME)
    with pytest.raises(LeafInvalid):
        event_in(b"", 7, ACME)


def test_a_freeze_is_of_this_partner_or_of_all_and_nothing_else_is_of_all() -> None:
    def named(kind: str, partner_id: str) -> ConsentEvent:
        return happened(kind, partner_id=partner_id, partner_sequence=7 if partner_id else 0)

    for partner_id in (ACME, ""):
        assert named("FROZEN", partner_id).kind == "FROZEN"
    for kind, partner_id in (("FROZEN", "rival"), ("UNFROZEN", "rival"), ("GRANTED", "")):
        with pytest.raises(LeafInvalid, match="partner_id names somebody else"):
            named(kind, partner_id)


def _raw(**changes: Any) -> bytes:
    made = leaf_pb2.Leaf.FromString(entry("GRANTED", NOW))
    made.MergeFrom(leaf_pb2.Leaf(**changes))
    return made.SerializeToString(deterministic=True)


def test_every_state_and_kind_of_the_contract_is_known_here() -> None:
    states = {
        name.removeprefix("CONSENT_STATE_") for name, number in consent_pb2.ConsentState.items() if number
    }
    assert set(ConsentState) == states
    assert {happened(kind).kind for kind in ConsentEventKind} == set(ConsentEventKind)


# The signature.


def test_an_attestation_is_no_receipt_and_a_receipt_no_attestation() -> None:
    claims = claims_for(score_request())
    answer = attest(claims).compact
    with pytest.raises(AttestationMalformed, match="typ: only consent-receipt"):
        consent_receipt.verify(answer, KEYS)
    with pytest.raises(AttestationMalformed, match="typ: only score-attestation"):
        jws.verify(signed(TOLD), typ=claims.typ, keys=KEYS)


def test_another_keys_receipt_is_refused() -> None:
    with pytest.raises(KeyUnknown):
        consent_receipt.verify(signed(TOLD, signing_key(seed=9)), KEYS)
    head, _, signature = signed(TOLD).split(".")
    payload = signed(REVIEWED).split(".")[1]
    with pytest.raises(
        SignatureInvalid, match=r"^the signature does not hold: the receipt was changed; download it again$"
    ):
        consent_receipt.verify(f"{head}.{payload}.{signature}", KEYS)


LONG = "x" * (MAX_COMPACT_CHARACTERS + 1)


@pytest.mark.parametrize("text", ["", "a.b", LONG, "é.é.é", signed(TOLD) + "\n"], ids=range(5))
def test_what_is_no_compact_jws_is_refused(text: str) -> None:
    with pytest.raises(AttestationMalformed):
        consent_receipt.verify(text, KEYS)
