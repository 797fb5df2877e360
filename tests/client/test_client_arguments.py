"""Each argument that cannot be right is one clear line: its name, and what would be right."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scoregate.client import Client, ScoreQuery, Terms
from scoregate.errors import ClientMisconfigured
from scoregate.words import Disclosure, Purpose
from tests.attestation.made_answers import ISSUER, JWKS
from tests.client.scripted_gateway import Authority, ScriptedGateway

CONSENT = "mfrggzdfmztwq2lknnwg23tpob"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
TERMS = Terms("COLLECTION", ("SCORE",), valid_for=timedelta(days=30), data_life=timedelta(days=90))


def is_told_alone(error: BaseException) -> bool:
    """Whether a traceback shows this error's one line, and no other library's before it."""
    return (
        "\n" not in str(error)
        and error.__cause__ is None
        and bool(error.__suppress_context__ or not error.__context__)
    )


def opened(authority: Authority, target: str, **changes: Any) -> Client:
    certificate, key = authority.client_pair
    return Client(
        target,
        certificate=certificate,
        key=key,
        server_ca=authority.pem,
        jwks=JWKS,
        issuer=ISSUER,
        **changes,
    )


# Files.


@pytest.mark.parametrize("name", ["certificate", "key", "server_ca", "jwks"])
def test_a_file_that_cannot_be_read_is_named(
    connect: Callable[..., Client], tmp_path: Path, name: str
) -> None:
    for path, why in ((tmp_path / "nowhere", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(
            ClientMisconfigured, match=f"^{name}: '{path}' can't be read .{why}.*; give"
        ) as error:
            connect(**{name: str(path)})
        assert is_told_alone(error.value)


@pytest.mark.parametrize("name", ["certificate", "key", "server_ca"])
@pytest.mark.parametrize("given", [b"-----BEGIN NOTHING-----\n", b"", "-----BEGIN CERTIFICATE-----\n"])
def test_what_is_not_pem_is_named_with_what_would_be(
    connect: Callable[..., Client], name: str, given: bytes | str
) -> None:
    with pytest.raises(ClientMisconfigured, match=f"^{name}: not .* in PEM; give") as error:
        connect(**{name: given, "partner_id": "acme"})
    assert is_told_alone(error.value)


def test_pem_may_be_given_as_text(connect: Callable[..., Client], authority: Authority) -> None:
    certificate, key = (content.decode() for content in authority.client_pair)
    client = connect(certificate=certificate, key=key, server_ca=authority.pem.decode())
    assert client.score(CONSENT, Purpose.COLLECTION).score == 712


def test_a_key_that_was_given_as_text_is_never_quoted(connect: Callable[..., Client]) -> None:
    with pytest.raises(ClientMisconfigured, match=r"^key: not an unencrypted private key") as error:
        connect(key="-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n")
    assert "c2VjcmV0" not in str(error.value)


def test_odd_paths_are_refused(connect: Callable[..., Client], tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(ClientMisconfigured, match="not text"):
        connect(jwks=tmp_path / "binary")
    for odd in ("a\0b", 7):
        with pytest.raises(ClientMisconfigured, match=r"^certificate: not a path; give"):
            connect(certificate=odd)


# Issuer, target and timeout.


@pytest.mark.parametrize("given", [None, ""])
def test_a_client_without_an_issuer_is_not_made(connect: Callable[..., Client], given: str | None) -> None:
    with pytest.raises(ClientMisconfigured, match=r"^issuer: name who .* such as") as error:
        connect(issuer=given)
    assert is_told_alone(error.value)


@pytest.mark.parametrize(
    "target",
    ["https://localhost:8443", "http://localhost", "localhost", "localhost:", ":8443", "::1", "localhost:x",
     "localhost:8443/", "local host:8443", "localhost:844343", ""],
)  # fmt: skip
def test_a_target_is_host_and_port(authority: Authority, target: str) -> None:
    with pytest.raises(
        ClientMisconfigured, match=r"^target: give host and port, .*without a scheme"
    ) as error:
        opened(authority, target)
    assert is_told_alone(error.value)


@pytest.mark.parametrize("target", ["localhost:1", "gateway.example:8443", "127.0.0.1:8443", "[::1]:65535"])
def test_each_kind_of_host_is_a_target(authority: Authority, target: str) -> None:
    opened(authority, target).close()


@pytest.mark.parametrize("given", [10, 2.5, "10s"])
def test_a_bare_number_is_no_timeout(client: Client, authority: Authority, given: Any) -> None:
    with pytest.raises(ClientMisconfigured, match=r"^timeout: give a timedelta"):
        opened(authority, "localhost:1", timeout=given)
    with pytest.raises(ClientMisconfigured, match=r"^timeout: give a timedelta"):
        client.score(CONSENT, Purpose.COLLECTION, timeout=given)


# Consents.


@pytest.mark.parametrize("ask", [
    lambda client: client.score(None, "COLLECTION"),
    lambda client: client.reaches(None, "COLLECTION", 650),
    lambda client: list(client.scores([ScoreQuery(None, "COLLECTION")])),
    lambda client: client.consent(None),
])  # fmt: skip
def test_the_consent_of_an_invitation_that_was_not_allowed_is_told_as_such(
    client: Client, gateway: ScriptedGateway, ask: Callable[[Client], object]
) -> None:
    told = r"^consent_id: None, as of an invitation that has not been allowed \(yet\).*PENDING, REJECTED, EXP"
    with pytest.raises(ClientMisconfigured, match=told) as error:
        ask(client)
    assert is_told_alone(error.value)
    assert gateway.requests == []


# Terms.


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"disclosures": "SCORE"}, r"disclosures: give a tuple, such as \('SCORE',\), not str"),
        ({"disclosures": Disclosure.BAND}, r"disclosures: give a tuple, such as \('BAND',\), not str"),
        ({"excluded_families": "SOCIAL"}, r"excluded_families: give a tuple, such as \('SOCIAL',\), not str"),
        ({"valid_for": 30}, r"valid_for: give a timedelta, such as timedelta\(days=30\), not int"),
        ({"data_life": None}, r"data_life: give a timedelta, .* not NoneType"),
        ({"not_before": "2026-11-23"}, "not_before: give a datetime, not str"),
        ({"not_before": NOON.date()}, "not_before: give a datetime, not date"),
    ],
)
def test_a_term_of_another_type_is_named_with_what_would_be_right(
    client: Client, gateway: ScriptedGateway, change: dict[str, Any], told: str
) -> None:
    with pytest.raises(ClientMisconfigured, match=f"^{told}$"):
        client.invite(replace(TERMS, **change))
    assert gateway.requests == []


def test_a_bare_number_of_days_to_decide_is_refused(client: Client, gateway: ScriptedGateway) -> None:
    days: Any = 2
    with pytest.raises(ClientMisconfigured, match=r"^decide_within: give a timedelta"):
        client.invite(TERMS, decide_within=days)
    assert gateway.requests == []
