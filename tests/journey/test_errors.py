"""The catalogue of refusals, and the pages that explain it: whole, in one voice, and where the links lead."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass

import pytest

from gateway.errors import STATUS
from scoregate.partner.v1 import error_reason_pb2
from scoregate.reasons import REASONS
from tests.journey.contract import PROMISED
from tests.wire import refused
from tests.world import Partner, World

NAMES = error_reason_pb2.DESCRIPTOR.enum_types_by_name["ErrorReason"].values_by_name
CODES = [name.removeprefix("ERROR_REASON_") for name in NAMES if name != "ERROR_REASON_UNSPECIFIED"]


@dataclass(frozen=True, slots=True)
class Page:
    status: int
    headers: dict[str, str]
    text: str


def get(world: World, path: str, method: str = "GET") -> Page:
    """A page over the real HTTP server; the path goes out as it is."""
    connection = http.client.HTTPConnection("127.0.0.1", world.gateway.http_port, timeout=5)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return Page(answer.status, headers, answer.read().decode())
    finally:
        connection.close()


def link_of(world: World, partner: Partner, code: str) -> str:
    """The Help link of a real refusal, with another reason in its last place."""
    failure = refused(partner.score, "a" * 26)
    assert failure.help_url == f"{world.settings.public_url}/errors/{failure.reason}"
    return failure.help_url.removeprefix(world.settings.public_url).replace(failure.reason, code)


# --- the catalogue


def test_the_contract_is_read_whole() -> None:
    assert set(PROMISED) == set(CODES)
    assert len(CODES) >= 34


def test_every_reason_has_the_status_that_the_contract_promises() -> None:
    assert {code: status.name for code, status in STATUS.items()} == PROMISED


@pytest.mark.parametrize("code", CODES)
def test_every_reason_says_what_happened_and_what_to_do(code: str) -> None:
    reason = REASONS[code]
    assert reason.code == code
    assert reason.title.endswith(".")
    assert reason.remedy.endswith(".")


@pytest.mark.parametrize("code", CODES)
def test_every_help_link_leads_to_its_own_page(world: World, acme: Partner, code: str) -> None:
    page = get(world, link_of(world, acme, code))
    assert page.status == 200
    assert page.headers["content-type"].startswith("text/html")
    plain = page.text.replace("&#x27;", "'").replace("&quot;", '"')
    for said in (code, REASONS[code].title, REASONS[code].remedy, PROMISED[code]):
        assert said in plain


def test_the_page_of_all_reasons_links_to_each(world: World) -> None:
    page = get(world, "/errors")
    assert page.status == 200
    assert all(f'href="/errors/{code}"' in page.text for code in CODES)


# --- the other pages


def test_the_keys_page_is_a_jwk_set(world: World) -> None:
    page = get(world, "/.well-known/jwks.json")
    assert page.headers["content-type"] == "application/jwk-set+json"
    keys = json.loads(page.text)["keys"]
    assert {key["kid"] for key in keys} >= set(world.keys().values())
    assert not any("d" in key for key in keys), "a private key is on the page"


def test_the_keys_page_shows_a_new_key_before_it_signs(own_world: World) -> None:
    own_world.rotate_keys()
    shown = [key["kid"] for key in json.loads(get(own_world, "/.well-known/jwks.json").text)["keys"]]
    assert own_world.keys()["NEXT"] in shown
    assert len(shown) == 3


def test_healthz_says_serving(world: World) -> None:
    page = get(world, "/healthz")
    assert (page.status, page.text) == (200, "serving\n")


def test_the_metrics_count_calls_by_method_and_reason_and_name_nobody(world: World, acme: Partner) -> None:
    refused(acme.score, "a" * 26)
    text = get(world, "/metrics").text
    assert 'outcome="CONSENT_NOT_USABLE"' in text
    assert acme.partner_id not in text


@pytest.mark.parametrize(
    "path",
    [
        "/errors/NO_SUCH_REASON",
        "/errors/consent_unheard_of",
        "/errors/%3Cscript%3Ealert(1)%3C/script%3E",
        "/errors/../../etc/passwd",
        "/errors/CONSENT_REVOKED%00",
        "/nothing",
        "/.well-known/",
        "//errors",
        "/" + "x" * 10_000,
    ],
)
def test_a_path_that_leads_nowhere_is_not_found_and_shows_nothing_of_itself(world: World, path: str) -> None:
    page = get(world, path)
    assert page.status == 404
    assert "<script>" not in page.text
    assert "root:" not in page.text
    assert "Traceback" not in page.text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "TRACE"])
def test_the_pages_are_only_for_reading(world: World, method: str) -> None:
    assert get(world, "/errors", method).status == 405


def test_the_pages_run_no_scripts_and_are_framed_by_nobody(world: World) -> None:
    policy = get(world, "/errors").headers["content-security-policy"]
    assert policy.startswith("default-src 'none';")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
