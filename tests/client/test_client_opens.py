"""A client opens only with everything it needs, says what is missing, and drags no server along."""

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

import scoregate
from consent.keys import jwks
from scoregate.client import (
    Client,
    ConsentEvent,
    ConsentState,
    Frequency,
    Identity,
    InvitationState,
    ScoreAnswer,
    Terms,
)
from scoregate.errors import (
    AnswerUnreadable,
    BindingMismatch,
    ClientMisconfigured,
    KeysInvalid,
    KeyUnknown,
    Refused,
    ServerFault,
    WordUnknown,
)
from scoregate.partner.v1 import consent_pb2, receipt_pb2, usage_pb2
from scoregate.words import CalendarUnit, ConsentEventKind, ConsentMode, Disclosure, InputFamily, Purpose
from tests.attestation.made_answers import ISSUER, JWKS, ORIGIN, signing_key
from tests.client.scripted_gateway import Authority, FrozenTime, ScriptedGateway, say
from tests.pki_support import of_an_unknown_version

CONSENT = "mfrggzdfmztwq2lknnwg23tpob"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def names(*uris: str) -> list[x509.GeneralName]:
    return [x509.UniformResourceIdentifier(uri) for uri in uris]


# What it needs.


def test_without_keys_the_error_teaches_both_ways_to_get_them(connect: Callable[..., Client]) -> None:
    with pytest.raises(ClientMisconfigured, match=r"pin .*trusting_first_use"):
        connect(jwks=None)


def test_everything_may_be_given_as_files(
    connect: Callable[..., Client], authority: Authority, tmp_path: Path
) -> None:
    certificate, key = authority.client_pair
    for name, content in {
        "c.pem": certificate,
        "k.pem": key,
        "ca.pem": authority.pem,
        "j": JWKS.encode(),
    }.items():
        (tmp_path / name).write_bytes(content)
    client = connect(
        certificate=tmp_path / "c.pem",
        key=str(tmp_path / "k.pem"),
        server_ca=tmp_path / "ca.pem",
        jwks=tmp_path / "j",
    )
    assert client.score(CONSENT, Purpose.COLLECTION).score == 712
    assert client.jwks == JWKS


def test_a_key_of_another_certificate_is_refused(
    connect: Callable[..., Client], authority: Authority
) -> None:
    with pytest.raises(ClientMisconfigured, match="not the key of this certificate"):
        connect(key=authority.server_pair[1])


@pytest.mark.parametrize("text", ["{}", '{"keys":[]}', "{"])
def test_a_jwks_that_cannot_be_trusted_is_refused(connect: Callable[..., Client], text: str) -> None:
    with pytest.raises(KeysInvalid):
        connect(jwks=text)


def test_the_partner_is_the_one_in_the_certificate(connect: Callable[..., Client]) -> None:
    assert connect().partner_id == "acme"
    assert connect(partner_id="bike-share").partner_id == "bike-share"


@pytest.mark.parametrize(
    "alternative",
    [[], names("https://acme.example/x"), names("spiffe://a/partner/acme", "spiffe://a/partner/b"),
     names("spiffe://a/partner/"), [x509.DNSName("acme.example")]],
)  # fmt: skip
def test_a_certificate_that_names_no_one_partner_asks_for_the_partner_id(
    connect: Callable[..., Client], authority: Authority, alternative: list[x509.GeneralName]
) -> None:
    certificate, key = authority.issue(alternative)
    with pytest.raises(ClientMisconfigured, match="partner_id"):
        connect(certificate=certificate, key=key)
    assert connect(certificate=certificate, key=key, partner_id="acme").partner_id == "acme"


def test_a_certificate_of_an_unknown_version_is_none(
    connect: Callable[..., Client], authority: Authority
) -> None:
    certificate, key = authority.client_pair
    with pytest.raises(ClientMisconfigured, match="not a certificate in PEM"):
        connect(certificate=of_an_unknown_version(certificate), key=key)


def test_a_closed_client_says_so(client: Client) -> None:
    with client as opened:
        assert opened is client
    with pytest.raises(ClientMisconfigured, match="closed"):
        client.score(CONSENT, Purpose.COLLECTION)


def test_one_client_serves_many_threads(client: Client) -> None:
    with ThreadPoolExecutor(8) as pool:
        found: list[ScoreAnswer] = list(
            pool.map(lambda _: client.score(CONSENT, Purpose.COLLECTION), range(64))
        )
    assert len({answer.request_id for answer in found}) == 64


# First use.


def first_use(gateway: ScriptedGateway, authority: Authority, time: FrozenTime, **changes: Any) -> Client:
    certificate, key = authority.client_pair
    return Client.trusting_first_use(
        gateway.target, certificate=certificate, key=key, server_ca=authority.pem, clock=time.clock, **changes
    )


def test_first_use_trusts_what_the_gateway_serves_and_shows_it(
    gateway: ScriptedGateway, authority: Authority, time: FrozenTime
) -> None:
    with first_use(gateway, authority, time) as client:
        assert client.jwks == JWKS
        assert client.score(CONSENT, Purpose.COLLECTION).score == 712


def test_first_use_trusts_nothing_else_afterwards(
    gateway: ScriptedGateway, authority: Authority, time: FrozenTime
) -> None:
    other = jwks([signing_key(seed=9).public_jwk])
    gateway.script(say(receipt_pb2.GetVerificationKeysResponse(issuer=ISSUER, jwks=other)))
    with first_use(gateway, authority, time) as client, pytest.raises(KeyUnknown):
        client.score(CONSENT, Purpose.COLLECTION)


def test_first_use_can_hold_the_gateway_to_an_issuer(
    gateway: ScriptedGateway, authority: Authority, time: FrozenTime
) -> None:
    with (
        first_use(gateway, authority, time, issuer="https://other.example") as client,
        pytest.raises(BindingMismatch, match="iss"),
    ):
        client.score(CONSENT, Purpose.COLLECTION)


@pytest.mark.parametrize("text", ["", "{}", "no path either"])
def test_first_use_with_nonsense_for_keys_is_refused(
    gateway: ScriptedGateway, authority: Authority, time: FrozenTime, text: str
) -> None:
    gateway.script(say(receipt_pb2.GetVerificationKeysResponse(issuer=ISSUER, jwks=text)))
    with pytest.raises(KeysInvalid):
        first_use(gateway, authority, time)


def test_first_use_never_takes_what_the_gateway_sends_for_a_path(
    gateway: ScriptedGateway, authority: Authority, time: FrozenTime, tmp_path: Path
) -> None:
    (tmp_path / "jwks").write_text(JWKS)
    path = str(tmp_path / "jwks")
    gateway.script(say(receipt_pb2.GetVerificationKeysResponse(issuer=ISSUER, jwks=path)))
    with pytest.raises(KeysInvalid):
        first_use(gateway, authority, time)


def test_fetched_keys_are_shown_and_not_trusted(client: Client, gateway: ScriptedGateway) -> None:
    other = jwks([signing_key(seed=9).public_jwk])
    gateway.script(say(receipt_pb2.GetVerificationKeysResponse(issuer="i", jwks=other, log_origin=ORIGIN)))
    found = client.keys()
    assert (found.issuer, found.jwks, found.log_origin) == ("i", other, ORIGIN)
    assert client.jwks == JWKS


# Consents and quotas.

TERMS = Terms(
    purpose=Purpose.ACCOUNT_REVIEW,
    disclosures=(Disclosure.SCORE, Disclosure.REASONS),
    valid_for=timedelta(days=365),
    data_life=timedelta(days=90),
    mode=ConsentMode.PERIODIC,
    frequency=Frequency(4, CalendarUnit.MONTH),
    not_before=NOON,
    time_zone="Asia/Shanghai",
    excluded_families=(InputFamily.SOCIAL,),
)


def invitation(request: Any, context: Any) -> Any:
    found = consent_pb2.ConsentInvitation(
        handle="h" * 26,
        state=InvitationState.PENDING.number,
        terms=request.terms,
        partner_reference=request.partner_reference,
    )
    found.expires_at.FromDatetime(NOON)
    return consent_pb2.CreateConsentInvitationResponse(invitation=found)


def test_an_invitation_says_what_was_asked(client: Client, gateway: ScriptedGateway) -> None:
    gateway.script(invitation)
    found = client.invite(TERMS, partner_reference="loan 77", decide_within=timedelta(days=2))
    assert found.handle == "h" * 26
    assert found.state is InvitationState.PENDING
    assert found.terms == TERMS
    assert (found.consent_id, found.subject_ref) == (None, None)
    assert (found.partner_reference, found.expires_at) == ("loan 77", NOON)
    sent = gateway.requests[0]
    assert sent.decide_within.ToTimedelta() == timedelta(days=2)


def test_what_was_not_asked_is_not_sent(client: Client, gateway: ScriptedGateway) -> None:
    gateway.script(invitation)
    short = Terms("COLLECTION", ("BAND",), timedelta(days=1), timedelta(days=1))
    assert client.invite(short).terms == short
    sent = gateway.requests[0]
    assert not sent.HasField("decide_within")
    assert not sent.HasField("identity")
    assert (sent.return_address, sent.return_state) == ("", "")
    assert not sent.terms.HasField("frequency")
    assert not sent.terms.HasField("not_before")


def test_an_invitation_carries_a_way_back_and_whom_the_lender_expects(
    client: Client, gateway: ScriptedGateway
) -> None:
    def made(request: Any, context: Any) -> Any:
        reply = invitation(request, context)
        reply.invitation.url = "https://people.example/i/x"
        reply.invitation.return_address = request.return_address
        reply.invitation.return_state = request.return_state
        reply.qr_svg = "<svg/>"
        return reply

    gateway.script(made)
    identity = Identity(name="王小明", document_number="A1", phone="+86 138 0013 8000")
    found = client.invite(
        TERMS, return_address="https://lender.example/back", return_state="s" * 22, identity=identity
    )
    assert (found.url, found.qr_svg) == ("https://people.example/i/x", "<svg/>")
    assert (found.return_address, found.return_state) == ("https://lender.example/back", "s" * 22)
    sent = gateway.requests[0].identity
    assert (sent.name, sent.document_number, sent.phone) == ("王小明", "A1", "+86 138 0013 8000")
    assert repr(identity) == "Identity()"


def test_an_identity_of_another_type_is_named_and_not_quoted(
    client: Client, gateway: ScriptedGateway
) -> None:
    wrong: Any = {"name": "王小明"}
    with pytest.raises(ClientMisconfigured, match=r"^identity: give an Identity\(.*, not dict$"):
        client.invite(TERMS, identity=wrong)
    assert gateway.requests == []


def test_a_mismatch_is_all_that_a_lender_hears(client: Client, gateway: ScriptedGateway) -> None:
    ended = consent_pb2.ConsentInvitation(
        handle="h" * 26, state=InvitationState.IDENTITY_MISMATCH.number, terms=TERMS.message()
    )
    gateway.script(say(consent_pb2.GetConsentInvitationResponse(invitation=ended)))
    found = client.invitation("h" * 26)
    assert (found.state, found.consent_id, found.subject_ref) == ("IDENTITY_MISMATCH", None, None)
    assert found.qr_svg == ""


def test_terms_are_checked_before_they_are_sent(client: Client, gateway: ScriptedGateway) -> None:
    with pytest.raises(WordUnknown, match="Purpose"):
        client.invite(Terms("FUN", ("SCORE",), timedelta(days=1), timedelta(days=1)))
    naive = Terms(
        "COLLECTION", ("SCORE",), timedelta(days=1), timedelta(days=1), not_before=datetime(2026, 1, 1)
    )
    with pytest.raises(ClientMisconfigured, match="time zone"):
        client.invite(naive)
    with pytest.raises(WordUnknown, match="Purpose"):
        client.score(CONSENT, "FUN")
    assert gateway.requests == []


def consent(number: int) -> consent_pb2.Consent:
    found = consent_pb2.Consent(
        consent_id=f"{number:026}",
        state=ConsentState.ACTIVE.number,
        subject_ref="p1-x",
        terms=TERMS.message(),
        consent_sha256=b"\x01" * 32,
    )
    found.not_before.FromDatetime(NOON)
    found.expires_at.FromDatetime(NOON + timedelta(days=1))
    return found


def test_a_consent_is_shown_as_it_stands(client: Client, gateway: ScriptedGateway) -> None:
    gateway.script(say(consent_pb2.GetConsentResponse(consent=consent(7))))
    found = client.consent(f"{7:026}")
    assert gateway.requests[0].consent_id == found.consent_id == f"{7:026}"
    assert found.state is ConsentState.ACTIVE
    assert found.terms == TERMS
    assert (found.not_before, found.expires_at) == (NOON, NOON + timedelta(days=1))
    assert found.consent_sha256 == "01" * 32


def happened(index: int, kind: ConsentEventKind, consent: int | None = None) -> consent_pb2.ConsentEvent:
    consent_id = f"{index if consent is None else consent:026}"
    made = consent_pb2.ConsentEvent(log_index=index, consent_id=consent_id, kind=kind.number)
    made.time.FromDatetime(NOON)
    return made


def test_events_come_page_by_page(client: Client, gateway: ScriptedGateway) -> None:
    first, second = happened(7, ConsentEventKind.GRANTED), happened(9, ConsentEventKind.FROZEN)
    gateway.script(
        say(consent_pb2.ListConsentEventsResponse(events=[first], next_page_token="more")),
        say(consent_pb2.ListConsentEventsResponse(events=[second], next_index=10)),
    )
    assert list(client.events(5)) == [
        ConsentEvent(7, f"{7:026}", ConsentEventKind.GRANTED, NOON),
        ConsentEvent(9, f"{9:026}", ConsentEventKind.FROZEN, NOON),
    ]
    assert [(each.start_index, each.page_token) for each in gateway.requests] == [(5, ""), (5, "more")]


@pytest.mark.parametrize("stopped", range(6))
def test_whoever_stops_within_an_entry_goes_on_within_it(
    client: Client, gateway: ScriptedGateway, stopped: int
) -> None:
    frozen = [happened(9, ConsentEventKind.FROZEN, consent) for consent in (1, 2, 3)]
    told = [happened(7, ConsentEventKind.GRANTED), *frozen, happened(10, ConsentEventKind.REVOKED, 2)]

    def script(begin: int) -> None:
        behind = [each for each in told if each.log_index >= begin]
        gateway.script(
            say(consent_pb2.ListConsentEventsResponse(events=behind[:2], next_page_token="more")),
            say(consent_pb2.ListConsentEventsResponse(events=behind[2:], next_index=11)),
        )

    script(0)
    read = list(islice(client.events(), stopped))
    cursor = read[-1].cursor if read else ""
    gateway.forget()
    script(read[-1].log_index if read else 0)
    read += client.events(after=cursor)
    assert read == list(map(ConsentEvent.of, told))


@pytest.mark.parametrize("cursor", ["7", "7:", ":a", "-1:a", "7:a b", "7:a\n", "٧:a", "7" * 19 + ":a", 7])
def test_what_is_no_events_cursor_is_said_before_anything_is_asked(client: Client, cursor: Any) -> None:
    with pytest.raises(ClientMisconfigured, match=r"^after: give the cursor of an event"):
        client.events(after=cursor)


def test_a_consent_is_given_up(client: Client, gateway: ScriptedGateway) -> None:
    ended = consent(7)
    ended.state = ConsentState.REVOKED.number
    gateway.script(say(consent_pb2.RelinquishConsentResponse(consent=ended)))
    found = client.relinquish(f"{7:026}")
    assert gateway.requests[0].consent_id == found.consent_id == f"{7:026}"
    assert found.state is ConsentState.REVOKED


def test_an_approved_invitation_names_its_consent(client: Client, gateway: ScriptedGateway) -> None:
    approved = consent_pb2.ConsentInvitation(
        handle="h" * 26,
        state=InvitationState.APPROVED.number,
        terms=TERMS.message(),
        consent_id=CONSENT,
        subject_ref="p1-x",
    )
    gateway.script(say(consent_pb2.GetConsentInvitationResponse(invitation=approved)))
    found = client.invitation("h" * 26)
    assert (found.state, found.consent_id, found.subject_ref) == (InvitationState.APPROVED, CONSENT, "p1-x")


def test_consents_are_read_page_by_page(client: Client, gateway: ScriptedGateway) -> None:
    pages = [([1, 2], "b"), ([], "c"), ([3], "")]
    for numbers, token in pages:
        listed = [consent(number) for number in numbers]
        gateway.script(say(consent_pb2.ListConsentsResponse(consents=listed, next_page_token=token)))
    assert [int(found.consent_id) for found in client.consents()] == [1, 2, 3]
    assert [request.page_token for request in gateway.requests] == ["", "b", "c"]


@pytest.mark.parametrize("change", [{"state": 99}, {"state": 0}])
def test_a_state_of_a_newer_gateway_is_named(
    client: Client, gateway: ScriptedGateway, change: dict[str, int]
) -> None:
    newer = consent(1)
    newer.state = change["state"]  # type: ignore[assignment]
    gateway.script(say(consent_pb2.GetConsentResponse(consent=newer)))
    with pytest.raises(WordUnknown, match="ConsentState"):
        client.consent("x" * 26)


@pytest.mark.parametrize("field", ["purpose", "mode"])
def test_terms_with_a_word_of_a_newer_gateway_are_named(
    client: Client, gateway: ScriptedGateway, field: str
) -> None:
    newer = consent(1)
    setattr(newer.terms, field, 99)
    gateway.script(say(consent_pb2.GetConsentResponse(consent=newer)))
    with pytest.raises(WordUnknown, match="99"):
        client.consent("x" * 26)


@pytest.mark.parametrize("seconds", [2**62, -(2**62)])
@pytest.mark.parametrize("field", ["expires_at", "not_before", "terms.valid_for", "terms.data_life"])
def test_a_time_that_there_is_not_is_named(
    client: Client, gateway: ScriptedGateway, field: str, seconds: int
) -> None:
    odd = consent(1)
    owner = odd.terms if field.startswith("terms.") else odd
    getattr(owner, field.rpartition(".")[2]).seconds = seconds
    gateway.script(say(consent_pb2.GetConsentResponse(consent=odd)))
    with pytest.raises(AnswerUnreadable, match="an answer holds"):
        client.consent("x" * 26)


def test_states_are_those_of_the_contract() -> None:
    for kind, enum, prefix in (
        (InvitationState, consent_pb2.InvitationState, "INVITATION_STATE_"),
        (ConsentState, consent_pb2.ConsentState, "CONSENT_STATE_"),
    ):
        numbers = {name.removeprefix(prefix): number for name, number in enum.items() if number}
        assert {word.value: word.number for word in kind} == numbers


def test_usage_shows_every_limit(client: Client, gateway: ScriptedGateway) -> None:
    day = usage_pb2.QuotaUsage(
        limit_name="day", period="2026-11-23", limit=1000, used=3, remaining=997, time_zone="Asia/Shanghai"
    )
    day.resets_at.FromDatetime(NOON)
    gateway.script(
        say(usage_pb2.ListQuotaUsageResponse(usages=[day, usage_pb2.QuotaUsage(limit_name="burst")]))
    )
    first, second = client.usage()
    assert (first.limit_name, first.period, first.limit, first.used, first.remaining) == (
        "day",
        "2026-11-23",
        1000,
        3,
        997,
    )
    assert (first.resets_at, first.time_zone) == (NOON, "Asia/Shanghai")
    assert second.limit_name == "burst"


def test_a_server_that_lacks_a_method_is_not_a_scoregate_of_this_version(
    client: Client, gateway: ScriptedGateway
) -> None:
    def fail(request: Any, context: Any) -> Any:
        raise RuntimeError("a secret of the server's")

    gateway.script(fail)
    with pytest.raises(Refused) as error:
        client.usage()
    assert type(error.value) is ServerFault


# Imports.

# grpc_health and grpc_reflection are missing here: grpc itself imports them where they are installed.
SERVER_ONLY = ("sqlalchemy", "alembic", "psycopg", "starlette", "uvicorn", "pydantic", "numpy", "sklearn",
               "structlog", "prometheus_client", "gateway", "consent", "scoring")  # fmt: skip


@pytest.mark.parametrize(
    ("statement", "unwanted"),
    [
        ("import scoregate.client", SERVER_ONLY),
        ("from scoregate import Client", SERVER_ONLY),
        ("import scoregate.proof.verify, scoregate.proof.view", (*SERVER_ONLY, "grpc")),
        (
            "import scoregate, scoregate.errors, scoregate.reasons, scoregate.words",
            (*SERVER_ONLY, "grpc", "google"),
        ),
    ],
)
def test_importing_pulls_in_nothing_of_the_server(statement: str, unwanted: tuple[str, ...]) -> None:
    script = f"{statement}\nimport sys, json\nprint(json.dumps(sorted(sys.modules)))"
    root = Path(scoregate.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=root, timeout=30
    )
    loaded = {name.split(".")[0] for name in json.loads(done.stdout)}
    assert sorted(loaded & set(unwanted)) == []


def test_the_package_offers_the_client_and_nothing_unknown() -> None:
    assert scoregate.Client is Client
    with pytest.raises(AttributeError, match="Klient"):
        scoregate.Klient  # noqa: B018


def test_what_the_package_offers_is_listed_before_it_is_loaded() -> None:
    script = "import scoregate, sys; assert 'scoregate.client' not in sys.modules; print(*dir(scoregate))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30
    )
    assert set(scoregate.__all__) | {"__doc__", "errors"} <= set(done.stdout.split())
