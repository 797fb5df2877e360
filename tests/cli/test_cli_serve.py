"""`scoregate serve`: the gateway and the engine as real processes."""

from __future__ import annotations

import logging
import signal
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.client import HTTPResponse
from pathlib import Path

import grpc
import httpx
import pytest
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.cli.conftest import Desk, Process, Terminal, command, environment, pages_at, unchanged
from tests.pages.browser import Browser, text_of
from tests.pages.place import free_port

SECONDS = 20
Refusals = Callable[..., list[dict[str, str]]]


@pytest.fixture
def env(terminal: Terminal, engine_folder: Path) -> dict[str, str]:
    """The variables of a shell in front of a new installation that can start."""
    assert terminal.run("init").code == 0
    home = Path(terminal.environ["SCOREGATE_HOME"])
    return environment(home, SCOREGATE_ENGINE__FOLDER=str(engine_folder))


@pytest.fixture
def refusals(terminal: Terminal, env: dict[str, str]) -> Iterator[Refusals]:
    """Runs a serve that must not start, in this process, and returns what it complains of.

    One that starts all the same is told to end. What it did to this process's logging is undone.
    """
    root, before = logging.getLogger(), threading.excepthook
    handlers, level = list(root.handlers), root.level
    handler = signal.signal(signal.SIGALRM, signal.default_int_handler)

    def refusals(*words: str, **changes: str) -> list[dict[str, str]]:
        signal.alarm(SECONDS)
        mine = terminal.with_(SCOREGATE_ENGINE__FOLDER=env["SCOREGATE_ENGINE__FOLDER"])
        told = mine.stopped("serve", *words, code=2, **changes)
        assert told["result"] == "failed"
        found: list[dict[str, str]] = told["problems"]
        return found

    yield refusals
    signal.alarm(0)
    signal.signal(signal.SIGALRM, handler)
    root.handlers[:], threading.excepthook = handlers, before
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


def operator_channel(home: Path, address: str) -> grpc.Channel:
    folder = home / "operator"
    files = ("server-ca.pem", "operator.key", "operator.pem")
    return grpc.secure_channel(
        address, grpc.ssl_channel_credentials(*((folder / name).read_bytes() for name in files))
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_the_gateway(
    env: dict[str, str], start: Callable[..., Process], number: signal.Signals
) -> None:
    gateway = start("serve", env=env)
    with operator_channel(Path(env["SCOREGATE_HOME"]), gateway.told["admin"]) as channel:
        grpc.channel_ready_future(channel).result(SECONDS)
        check = health_pb2_grpc.HealthStub(channel).Check
        answer = check(health_pb2.HealthCheckRequest(), timeout=SECONDS)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        # With a caller still connected, it ends by itself and in good order.
        assert gateway.stop(number) == 0
        with pytest.raises(grpc.RpcError):
            check(health_pb2.HealthCheckRequest(), timeout=SECONDS)
    assert "draining" in gateway.errors.read_text()


def test_the_banner_and_the_real_addresses_are_shown(
    env: dict[str, str], start: Callable[..., Process]
) -> None:
    gateway = start("serve", env=env, until="public keys")
    assert "development only" in gateway.text
    assert ":0 " not in gateway.text
    address = gateway.text.split()[-1]
    with urllib.request.urlopen(f"{address}/healthz", timeout=SECONDS) as answer:  # noqa: S310
        assert answer.read() == b"serving\n"
    assert gateway.stop() == 0


def test_every_mistake_in_the_settings_is_named_at_once(env: dict[str, str]) -> None:
    home = Path(env["SCOREGATE_HOME"])
    (home / "keys" / "pairwise.key").chmod(0o644)
    (home / "pki" / "staff-ca.key").unlink()
    ended = subprocess.run(command("serve"), env=env, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    first, *lines = ended.stderr.splitlines()
    assert first == "Failed: 2 mistakes in the settings:"
    assert [line.split(":")[0] for line in lines] == ["  tls.authorities", "  secrets.pairwise_key"]
    assert f"chmod 600 {home}/keys/pairwise.key" in lines[1]


def test_values_out_of_range_are_named_with_what_gave_them(refusals: Refusals) -> None:
    told = refusals(
        SCOREGATE_LIMITS__DEFAULT_DEADLINE_MS="51", SCOREGATE_LISTEN__ADMIN="nowhere", SCOREGATE_LISTENN="x"
    )
    fields = {each["field"] for each in told}
    assert fields == {"SCOREGATE_LISTENN", "limits.default_deadline_ms", "listen.admin"}
    assert all(each["remedy"] for each in told)


def test_a_gateway_without_a_model_says_how_to_train_one(refusals: Refusals, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (told,) = refusals(SCOREGATE_ENGINE__FOLDER=str(tmp_path / "empty"))
    assert told["field"] == "engine.folder"
    assert told["remedy"] == "Train it again with `scoregate engine train`."


def test_a_gateway_whose_signing_key_is_gone_refuses_to_start(
    env: dict[str, str], refusals: Refusals
) -> None:
    folder = Path(env["SCOREGATE_HOME"]) / "keys" / "attestation"
    for number, key in enumerate(folder.glob("*.pem")):
        key.rename(key.with_name(f"{number}{'A' * 42}.pem"))
    (told,) = refusals()
    assert told["field"] == "attestation.key_folder"


def test_a_taken_port_is_a_sentence(
    env: dict[str, str], start: Callable[..., Process], refusals: Refusals
) -> None:
    gateway = start("serve", env=env)
    for door in ("partner", "admin", "http"):
        taken = gateway.told[door]
        (told,) = refusals(**{f"SCOREGATE_LISTEN__{door.upper()}": taken})
        assert (told["field"], told["problem"]) == (f"listen.{door}", f"can't listen on {taken}.")


def test_every_taken_port_is_named_at_once(
    env: dict[str, str], start: Callable[..., Process], refusals: Refusals
) -> None:
    gateway = start("serve", env=env)
    doors = ("partner", "admin", "http")
    told = refusals(**{f"SCOREGATE_LISTEN__{door.upper()}": gateway.told[door] for door in doors})
    assert [each["field"] for each in told] == [f"listen.{door}" for door in doors]
    assert gateway.stop() == 0


def test_the_address_of_another_machine_is_told_from_a_taken_port(refusals: Refusals) -> None:
    elsewhere = "192.0.2.1:8443"  # of no machine (RFC 5737)
    (told,) = refusals(SCOREGATE_LISTEN__PARTNER=elsewhere)
    assert (told["field"], told["problem"]) == ("listen.partner", "192.0.2.1 is no address of this machine.")
    (told,) = refusals("--engine", SCOREGATE_ENGINE__ADDRESS=elsewhere)
    assert told["field"] == "engine.address"


def test_the_pages_list_the_metrics_and_forgive_lower_case(desk: Desk) -> None:
    pages = f"http://127.0.0.1:{desk.gateway.http_port}"

    def get(path: str) -> HTTPResponse:
        answer: HTTPResponse = urllib.request.urlopen(pages + path, timeout=SECONDS)  # noqa: S310
        return answer

    with get("/") as index:
        assert b'<a href="/metrics">' in index.read()
    with get("/errors/consent_revoked") as answer:
        assert answer.url == f"{pages}/errors/CONSENT_REVOKED"
    with pytest.raises(urllib.error.HTTPError) as missing, get("/errors/no_such_reason"):
        pass
    assert missing.value.code == 404
    missing.value.close()


def test_a_separate_engine_answers_the_gateway_alone(
    env: dict[str, str], start: Callable[..., Process]
) -> None:
    engine = start("serve", "--engine", env=env | {"SCOREGATE_ENGINE__ADDRESS": "127.0.0.1:0"})
    remote = env | {
        "SCOREGATE_ENGINE__KIND": "remote",
        "SCOREGATE_ENGINE__ADDRESS": engine.told["engine"],
        "SCOREGATE_ENGINE__FOLDER": "nowhere",
    }
    gateway = start("serve", env=remote)
    assert gateway.stop() == 0
    # The gateway's certificate is let in; without it, nobody is.
    ca = (Path(env["SCOREGATE_HOME"]) / "pki" / "server-ca.pem").read_bytes()
    with grpc.secure_channel(engine.told["engine"], grpc.ssl_channel_credentials(ca)) as stranger:
        call = stranger.unary_unary("/scoregate.engine.v1.EngineService/GetModel")
        with pytest.raises(grpc.RpcError) as refused:
            call(b"", timeout=SECONDS)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert engine.stop() == 0
    assert "draining" in engine.errors.read_text()


def test_a_gateway_without_its_engine_says_so(refusals: Refusals) -> None:
    (told,) = refusals(SCOREGATE_ENGINE__KIND="remote", SCOREGATE_ENGINE__ADDRESS="127.0.0.1:1")
    assert told["field"] == "engine.address"


def test_an_engine_process_checks_its_own_files(
    env: dict[str, str], refusals: Refusals, tmp_path: Path
) -> None:
    (Path(env["SCOREGATE_HOME"]) / "pki" / "engine.key").chmod(0o640)
    told = refusals("--engine", SCOREGATE_ENGINE__FOLDER=str(tmp_path / "nowhere"))
    assert [each["field"] for each in told] == ["engine.folder", "engine.server_key"]


PRODUCTION = {
    "SCOREGATE_MODE": "production",
    "SCOREGATE_TRUST_DOMAIN": "scores.example",
    "SCOREGATE_ISSUER": "https://scores.example",
    "SCOREGATE_LOG_ORIGIN": "scores.example/log",
    "SCOREGATE_PUBLIC_URL": "https://scores.example",
    "SCOREGATE_PAGES__URL": "https://me.scores.example",
}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_pages_are_a_process_of_their_own_that_a_signal_ends(
    env: dict[str, str], start: Callable[..., Process], number: signal.Signals
) -> None:
    places = pages_at(free_port())
    gateway = start("serve", env=env | places)
    with Browser(places["SCOREGATE_PAGES__URL"]) as browser, pytest.raises(httpx.ConnectError):
        browser.get("/healthz")  # the gateway serves no pages
    pages = start("serve", "--pages", env=env | places)
    assert pages.told["pages"] == places["SCOREGATE_LISTEN__PAGES"]
    assert pages.told["url"] == places["SCOREGATE_PAGES__URL"]
    with Browser(places["SCOREGATE_PAGES__URL"]) as browser:
        assert "You have allowed nobody anything" in text_of(browser.sign_in("uci-00001"))
        assert pages.stop(number) == 0
    assert "stopped" in pages.errors.read_text().splitlines()[-1]
    assert gateway.stop() == 0


def test_the_pages_say_where_they_are(env: dict[str, str], start: Callable[..., Process]) -> None:
    places = pages_at(free_port())
    at, elsewhere = places["SCOREGATE_PAGES__URL"], {"SCOREGATE_PAGES__URL": "http://me.example:8081"}
    for changes, told in (({}, at), (elsewhere, f"{at}; people reach them at http://me.example:8081")):
        pages = start("serve", "--pages", env=env | places | changes, until="Pages at")
        assert "development only" in pages.text
        assert pages.text.endswith(f"Pages at {told}\n")
        assert pages.stop() == 0


def test_the_pages_name_their_own_taken_address(
    env: dict[str, str], start: Callable[..., Process], refusals: Refusals
) -> None:
    taken = start("serve", "--pages", env=env).told["pages"]
    (told,) = refusals("--pages", SCOREGATE_LISTEN__PAGES=taken)
    assert (told["field"], told["problem"]) == ("listen.pages", f"can't listen on {taken}.")


def test_production_wants_a_provider_and_every_mistake_is_named_with_it(
    env: dict[str, str], refusals: Refusals
) -> None:
    home = Path(env["SCOREGATE_HOME"])
    (home / "keys" / "pairwise.key").chmod(0o644)
    (home / "keys" / "master.key").unlink()
    told = refusals("--pages", **PRODUCTION)
    named = {each["field"]: each["remedy"] for each in told}
    # And the authorities of development, which production refuses too.
    assert {field for field in named if not field.startswith("tls.")} == {
        *("secrets.pairwise_key", "secrets.master_key", "pages.provider")
    }
    assert "development's own lets anybody be anybody" in named["pages.provider"]


def test_a_provider_needs_its_secret_kept_private(env: dict[str, str], refusals: Refusals) -> None:
    provider = {"SCOREGATE_PAGES__PROVIDER": "https://login.example"}
    secret = Path(env["SCOREGATE_HOME"]) / "keys" / "provider.secret"
    (missing,) = refusals("--pages", **provider)
    assert missing["field"] == "pages.client_secret"
    assert str(secret) in missing["problem"]
    secret.write_text("a secret\n")
    secret.chmod(0o644)
    (open_to_all,) = refusals("--pages", **provider)
    assert open_to_all["field"] == "pages.client_secret"
    assert "chmod 600" in open_to_all["remedy"].lower()


def test_pages_and_engine_are_two_processes(terminal: Terminal) -> None:
    (told,) = terminal.stopped("serve", "--pages", "--engine", code=2)["problems"]
    assert told["field"] == "--pages"


def test_without_an_installation_nothing_is_made(terminal: Terminal, tmp_path: Path) -> None:
    with unchanged(tmp_path):
        told = terminal.stopped("serve", code=2)
    assert "Run `scoregate init`" in told["problems"][0]["remedy"]
