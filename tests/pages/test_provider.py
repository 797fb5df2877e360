"""Development's own provider keeps the rules that a real one keeps, and is nowhere but in development."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import jwt
import pytest

from gateway.pages.consumer.signin.provider import PATH, Provider, development_provider
from gateway.pages.consumer.signin.registration import Registration, provider_problems
from gateway.pki import create_private
from gateway.settings import Settings, load
from tests.pages.login_house import CHEN, PEOPLE, WANG, House, open_house

VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with open_house(tmp_path_factory.mktemp("home")) as house:
        yield house


@pytest.fixture
def registration(house: House) -> Registration:
    found: Registration = house.login._issuer._us
    return found


@pytest.fixture
def client(house: House) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{house.at}{PATH}", trust_env=False) as client:
        yield client


def asked(registration: Registration, **changes: str | None) -> dict[str, str]:
    """A sound authorization request; None takes a parameter away."""
    fields: dict[str, str | None] = {
        "response_type": "code",
        "client_id": registration.client_id,
        "redirect_uri": registration.redirect_uri,
        "scope": "openid profile",
        "state": "s",
        "nonce": "n",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    return {name: value for name, value in (fields | changes).items() if value is not None}


def code_for(client: httpx.Client, registration: Registration, subject: str = CHEN[0]) -> str:
    response = client.post("/authorize", data=asked(registration) | {"subject": subject})
    assert response.status_code == 303
    return httpx.URL(response.headers["location"]).params["code"]


def redeem(
    client: httpx.Client, registration: Registration, code: str, /, *, auth: Any = None, **changes: str
) -> httpx.Response:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": registration.redirect_uri,
        "code_verifier": VERIFIER,
    }
    own = (registration.client_id, registration.client_secret)
    return client.post("/token", data=form | changes, auth=auth or httpx.BasicAuth(*own))


def test_a_library_that_is_not_ours_verifies_its_tokens(
    house: House, client: httpx.Client, registration: Registration
) -> None:
    described = client.get("/.well-known/openid-configuration").json()
    assert described["issuer"] == registration.issuer == f"{house.at}{PATH}"
    answer = redeem(client, registration, code_for(client, registration))
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    published = client.get("/jwks").json()["keys"]
    assert all("d" not in key for key in published)
    keys = jwt.PyJWKSet(published)
    token = answer.json()["id_token"]
    claims = jwt.decode(
        token,
        keys[jwt.get_unverified_header(token)["kid"]],
        algorithms=["ES256"],
        audience="scoregate",
        issuer=described["issuer"],
    )
    assert (claims["sub"], claims["nonce"], claims["name"]) == (CHEN[0], "n", CHEN[1])


@pytest.mark.parametrize(
    "wrong",
    [
        {"redirect_uri": "https://evil.example/login/callback"},
        {"redirect_uri": "{own}/"},
        {"redirect_uri": "{own}?x=1"},
        {"redirect_uri": "{own}#x"},
        {"redirect_uri": "{own}.evil.example"},
        {"redirect_uri": "{own}/../evil"},
        {"redirect_uri": None},
        {"client_id": "somebody else"},
        {"client_id": None},
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nobody_is_sent_where_a_stranger_wants(
    client: httpx.Client, registration: Registration, wrong: dict[str, str | None], method: str
) -> None:
    changes = {name: value and value.format(own=registration.redirect_uri) for name, value in wrong.items()}
    request = asked(registration, **changes)
    if method == "GET":
        response = client.get("/authorize", params=request)
    else:
        response = client.post("/authorize", data=request | {"subject": CHEN[0]})
    assert response.status_code == 400
    assert "location" not in response.headers
    assert "evil" not in response.text


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"nonce": None}, "invalid_request"),
        ({"state": None}, "invalid_request"),
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_without_its_protections_gets_no_code(
    client: httpx.Client, registration: Registration, wrong: dict[str, Any], error: str, method: str
) -> None:
    request = asked(registration, **wrong)
    if method == "GET":
        response = client.get("/authorize", params=request)
    else:
        response = client.post("/authorize", data=request | {"subject": CHEN[0]})
    params = httpx.URL(response.headers["location"]).params
    assert (response.status_code, params["error"]) == (303, error)
    assert params["iss"] == registration.issuer
    assert "code" not in params


def test_a_parameter_that_comes_twice_is_refused(client: httpx.Client, registration: Registration) -> None:
    query = f"{httpx.QueryParams(asked(registration))}&redirect_uri=https%3A%2F%2Fevil.example"
    assert client.get(f"/authorize?{query}").status_code == 400


def test_markup_in_a_parameter_or_a_name_stays_text(client: httpx.Client, registration: Registration) -> None:
    evil = '"><script>alert(1)</script>'
    page = client.get("/authorize", params=asked(registration, state=evil, **{evil: evil}))
    assert page.status_code == 200
    assert "<script" not in page.text
    assert "&quot;&gt;&lt;script&gt;" in page.text
    assert "Wang &lt;b&gt;Fang&lt;/b&gt;" in page.text
    assert WANG[1] not in page.text
    assert "Development only" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]


def test_only_the_people_who_were_named_can_be_chosen(
    client: httpx.Client, registration: Registration
) -> None:
    response = client.post("/authorize", data=asked(registration) | {"subject": "uci-99999"})
    assert response.status_code == 400


def test_a_code_is_taken_once(client: httpx.Client, registration: Registration) -> None:
    code = code_for(client, registration)
    assert redeem(client, registration, code).status_code == 200
    again = redeem(client, registration, code)
    assert (again.status_code, again.json()) == (400, {"error": "invalid_grant"})


@pytest.mark.parametrize(("seconds", "status"), [(59, 200), (60, 400)])
def test_a_code_is_dead_after_a_minute(
    house: House, client: httpx.Client, registration: Registration, seconds: int, status: int
) -> None:
    code = code_for(client, registration)
    house.clock.move(seconds=seconds)
    assert redeem(client, registration, code).status_code == status


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"code_verifier": "w" * 43}, "invalid_grant"),
        ({"code_verifier": CHALLENGE}, "invalid_grant"),
        ({"code_verifier": ""}, "invalid_grant"),
        ({"redirect_uri": "https://evil.example"}, "invalid_grant"),
        ({"code": "guessed"}, "invalid_grant"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
    ],
    ids=str,
)
def test_a_code_opens_only_for_the_request_that_it_was_made_for(
    client: httpx.Client, registration: Registration, wrong: dict[str, str], error: str
) -> None:
    response = redeem(client, registration, code_for(client, registration), **wrong)
    assert (response.status_code, response.json()) == (400, {"error": error})


@pytest.mark.parametrize(
    "auth", [("scoregate", "wrong"), ("scoregate", ""), ("another", "{secret}"), ("", "")]
)
def test_a_client_without_the_secret_gets_nothing_and_burns_no_code(
    client: httpx.Client, registration: Registration, auth: tuple[str, str]
) -> None:
    code = code_for(client, registration)
    name, secret = auth[0], auth[1].format(secret=registration.client_secret)
    refused = redeem(client, registration, code, auth=httpx.BasicAuth(name, secret))
    assert (refused.status_code, refused.json()) == (401, {"error": "invalid_client"})
    in_form = {"client_id": name, "client_secret": secret}
    assert redeem(client, registration, code, auth=httpx.Auth(), **in_form).status_code == 401
    own = {"client_id": registration.client_id, "client_secret": registration.client_secret}
    assert redeem(client, registration, code, **own).status_code == 401  # one way, not two
    assert redeem(client, registration, code, auth=httpx.Auth(), **own).status_code == 200


@pytest.mark.parametrize("header", ["Basic", "Basic !", "Basic /w==", "Bearer x", ""])
def test_a_header_that_is_no_secret_is_refused_in_its_place(client: httpx.Client, header: str) -> None:
    response = client.post("/token", headers={"authorization": header})
    assert (response.status_code, response.json()) == (401, {"error": "invalid_client"})


# --- where it may be


def told(home: Path, mode: str, **pages: str) -> Settings:
    (home / "scoregate.toml").write_text("")
    of_production = {
        "TRUST_DOMAIN": "credit.example",
        "ISSUER": "https://credit.example",
        "LOG_ORIGIN": "credit.example/log",
        "PUBLIC_URL": "https://credit.example",
        "PAGES__URL": "https://people.credit.example",
    }
    given = (
        {"MODE": mode} | of_production | {f"PAGES__{name.upper()}": value for name, value in pages.items()}
    )
    return load({f"SCOREGATE_{name}": value for name, value in given.items()}, home=home)


@pytest.mark.parametrize(
    ("mode", "provider", "there"),
    [
        ("development", "", True),
        ("development", "https://login.example", False),
        ("production", "", False),
        ("production", "https://login.example", False),
    ],
)
def test_it_is_there_in_development_alone_and_where_no_other_is_named(
    tmp_path: Path, house: House, mode: str, provider: str, there: bool
) -> None:
    found = development_provider(told(tmp_path, mode, provider=provider), PEOPLE, clock=house.clock)
    assert isinstance(found, Provider) is there


def test_production_without_a_provider_is_refused_at_start(tmp_path: Path) -> None:
    (problem,) = provider_problems(told(tmp_path, "production"))
    assert problem.field == "pages.provider"
    assert "Name the issuer" in problem.remedy
    assert provider_problems(told(tmp_path, "development")) == []


@pytest.mark.parametrize("mode", ["development", "production"])
@pytest.mark.parametrize(
    ("content", "bits", "why"),
    [
        (None, 0, "is missing"),
        (b"secret\n", 0o644, "wider than 0600"),
        (b"", 0o600, "isn't one line"),
        (b"\n", 0o600, "isn't one line"),
        (b"two\nlines\n", 0o600, "isn't one line"),
        ("geheimnißvoll".encode(), 0o600, "isn't one line"),
    ],
)
def test_a_client_secret_that_cannot_be_used_is_refused_at_start(
    tmp_path: Path, mode: str, content: bytes | None, bits: int, why: str
) -> None:
    path = tmp_path / "provider.secret"
    if content is not None:
        create_private(path, content)
        path.chmod(bits)
    named = {"provider": "https://login.example", "client_secret": str(path)}
    (problem,) = provider_problems(told(tmp_path, mode, **named))
    assert problem.field == "pages.client_secret"
    assert why in problem.problem
    assert "secret\n" not in f"{problem}"


def test_a_client_secret_in_a_file_of_its_owner_lets_the_pages_start(tmp_path: Path) -> None:
    create_private(tmp_path / "provider.secret", b"a good one\n")
    named = {"provider": "https://login.example", "client_secret": str(tmp_path / "provider.secret")}
    assert provider_problems(told(tmp_path, "production", **named)) == []


def test_a_secret_with_signs_is_known_in_the_header_as_the_standard_writes_it(
    house: House, client: httpx.Client, registration: Registration
) -> None:
    code = code_for(client, registration)
    written = httpx.BasicAuth(quote("scoregate", safe=""), quote(registration.client_secret, safe=""))
    assert redeem(client, registration, code, auth=written).status_code == 200
