"""`scoregate witness` as somebody types it."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from scoregate.tlog.note import VerifierKey
from scoregate.tlog.policy import Policy
from scoregate.witness.cli import app as witness_app
from scoregate.witness.logs import Log
from tests.witness.conftest import NAME, ROOT, Place, Starts, opened
from tests.witness.made_log import ORIGIN, MadeLog, hashed, request

LOG = MadeLog()
FORK = LOG.forked(at=3)


@pytest.fixture(scope="session")
def app() -> typer.Typer:
    made = typer.Typer(name="scoregate", add_completion=False, pretty_exceptions_enable=False)
    made.add_typer(witness_app)
    return made


Types = Callable[..., tuple[int, str, str]]


@pytest.fixture
def types(app: typer.Typer) -> Types:
    def run(*words: str | Path) -> tuple[int, str, str]:
        result = CliRunner().invoke(app, ["witness", *map(str, words)], env={"COLUMNS": "200"})
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stdout, result.stderr

    return run


def told(types: Types, *words: str | Path, code: int = 0) -> dict[str, Any]:
    ended, out, err = types(*words, "-o", "json")
    assert (ended, err) == (code, ""), out + err
    found: dict[str, Any] = json.loads(out)
    return found


def stopped(types: Types, *words: str | Path, code: int = 2) -> str:
    """The one line on stderr; the same in JSON."""
    ended, out, err = types(*words)
    assert (ended, out) == (code, ""), err
    assert err.count("\n") == 1
    found = told(types, *words, code=code)
    assert err == f"{found['result'].capitalize()}: {found['message']}.\n"
    return str(found["message"])


# --- init -------------------------------------------------------------------------------------------


def test_init_makes_a_witness_and_prints_what_the_log_s_operator_needs(types: Types, tmp_path: Path) -> None:
    url = "https://witness.example/here"
    made = told(types, "init", tmp_path / "w", "--name", NAME, "--url", url)
    policy = Policy.parse("".join(f"{line}\n" for line in made["policy"]).encode())
    assert {name: (str(each.key), each.url) for name, each in policy.witnesses.items()} == {
        NAME: (made["vkey"], url)
    }
    assert policy.quorum == NAME
    assert stat.S_IMODE((tmp_path / "w" / "key.pem").stat().st_mode) == 0o600


def test_init_for_people_shows_the_same(types: Types, tmp_path: Path) -> None:
    code, out, err = types("init", tmp_path / "w", "--name", NAME)
    vkey = (tmp_path / "w" / "vkey").read_text().strip()
    assert (code, err) == (0, "")
    assert f"  witness {NAME} {vkey} http://127.0.0.1:8090\n  quorum {NAME}\n" in out
    assert "key.pem" not in out


@pytest.mark.parametrize(
    "name", ["", "a b", "a+b", "a\nb", "a\0b", "none", "https://witness.example", "a\u2028b"]
)
def test_a_name_that_can_t_be_one_makes_nothing(types: Types, tmp_path: Path, name: str) -> None:
    assert stopped(types, "init", tmp_path / "w", "--name", name).startswith("--name: ")
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize("url", ["", "witness.example", "ftp://w", "http://", "http://a b", "http://ü"])
def test_an_address_that_no_policy_can_hold_makes_nothing(types: Types, tmp_path: Path, url: str) -> None:
    assert stopped(types, "init", tmp_path / "w", "--name", NAME, "--url", url).startswith("--url: ")
    assert not (tmp_path / "w").exists()


def test_init_never_makes_a_second_key(types: Types, place: Place) -> None:
    before = (place.path / "key.pem").read_bytes()
    assert "holds a witness already" in stopped(types, "init", place.path, "--name", "other.example")
    assert (place.path / "key.pem").read_bytes() == before


def test_init_leaves_a_folder_alone_that_others_may_enter(types: Types, tmp_path: Path) -> None:
    tmp_path.joinpath("w").mkdir(mode=0o755)
    assert "chmod 700" in stopped(types, "init", tmp_path / "w", "--name", NAME)
    assert list((tmp_path / "w").iterdir()) == []


def test_init_says_where_it_can_t_write(types: Types, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "file" in stopped(types, "init", tmp_path / "file", "--name", NAME)
    assert "file" in stopped(types, "init", tmp_path / "file" / "w", "--name", NAME)


# --- trust ------------------------------------------------------------------------------------------


def test_trust_is_known_at_once_and_says_it_once(types: Types, place: Place) -> None:
    other = MadeLog("other.example", seed="other")
    with opened(place.witness()) as caller:
        assert caller.submit(other.request(0, 3)).status == 404
        first = told(types, "trust", place.path, str(other.vkey))
        assert caller.submit(other.request(0, 3)).status == 200
        assert caller.ask("GET", first["path"]).status == 200
    assert (first["origin"], first["new"]) == ("other.example", True)
    assert told(types, "trust", place.path, str(other.vkey))["new"] is False


def test_another_key_for_a_known_log_needs_a_word(types: Types, place: Place) -> None:
    new = MadeLog(seed="new").vkey
    assert "--new-key" in stopped(types, "trust", place.path, str(new))
    assert Log.of(place.folder, ORIGIN).keys() == (LOG.vkey,)
    told(types, "trust", place.path, str(new), "--new-key")
    assert Log.of(place.folder, ORIGIN).keys() == (LOG.vkey, new)


def test_no_log_has_keys_without_end(types: Types, place: Place) -> None:
    for number in range(15):
        told(types, "trust", place.path, str(MadeLog(seed=f"{number}").vkey), "--new-key")
    assert "16 keys" in stopped(types, "trust", place.path, str(MadeLog(seed="15").vkey), "--new-key")


def test_what_is_no_log_s_vkey_is_refused(types: Types, place: Place) -> None:
    for wrong in (str(LOG.vkey)[:-1], "rubbish", "", str(place.vkey), str(LOG.vkey).replace("log", "lag")):
        assert stopped(types, "trust", place.path, wrong).startswith("VKEY: ")


def test_no_command_takes_a_folder_without_a_witness(types: Types, tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        for words in (("trust", folder, str(LOG.vkey)), ("run", folder), ("show", folder)):
            assert "scoregate witness init" in stopped(types, *words)


# --- show -------------------------------------------------------------------------------------------


def test_show_tells_each_log_and_what_was_cosigned_last(types: Types, place: Place) -> None:
    told(types, "trust", place.path, str(MadeLog("quiet.example").vkey))
    place.witness().add_checkpoint(LOG.request(0, 8))
    shown = told(types, "show", place.path)
    assert (shown["result"], shown["name"], shown["vkey"], shown["evidence"]) == (
        "ok",
        NAME,
        str(place.vkey),
        [],
    )
    logs = {each.pop("origin"): each for each in shown["logs"]}
    assert logs[ORIGIN] == {
        "keys": [str(LOG.vkey)],
        "size": 8,
        "root_hash": LOG.checkpoint(8).root.hex(),
        "cosigned_at": "2026-11-30T12:00:00Z",
    }
    assert logs["quiet.example"]["size"] is None
    code, out, _ = types("show", place.path)
    assert code == 0
    for text in (ORIGIN, "2026-11-30T12:00:00Z", "none yet", "Nothing is on record."):
        assert text in out


def test_show_ends_with_4_where_something_is_on_record(types: Types, place: Place) -> None:
    with opened(place.witness()) as caller:
        caller.submit(LOG.request(0, 8))
        for body, status in (
            (request(8, [], FORK.note(8)), 422),
            (FORK.request(8, 9), 422),
            (request(8, [], LOG.note(7)), 400),
        ):
            assert caller.submit(body).status == status
        shown = told(types, "show", place.path, code=4)  # while it runs
    assert shown["result"] == "diverged"
    assert {each["kind"]: each["submitted_size"] for each in shown["evidence"]} == {
        "fork": 8,
        "unproven": 9,
        "rollback": 7,
    }
    code, out, _ = types("show", place.path)
    assert code == 4
    for each in shown["evidence"]:
        assert each["folder"] in out
        assert (place.path / "evidence" / each["folder"] / "submitted").is_file()
    assert "two roots for one size" in out


def test_what_was_dealt_with_and_moved_away_is_not_shown(types: Types, place: Place, tmp_path: Path) -> None:
    witness = place.witness()
    witness.add_checkpoint(LOG.request(0, 8))
    with opened(witness) as caller:
        caller.submit(request(8, [], FORK.note(8)))
    (folder,) = place.evidence()
    folder.rename(tmp_path / folder.name)
    told(types, "show", place.path)


def test_a_file_that_the_witness_did_not_write_is_named(types: Types, place: Place) -> None:
    checkpoint = Log.of(place.folder, ORIGIN).path / "checkpoint"
    checkpoint.write_text("rubbish")
    for words in (("show", place.path), ("run", place.path)):
        assert str(checkpoint) in stopped(types, *words, code=3)
    checkpoint.unlink()
    (place.path / "vkey").write_text(f"{LOG.vkey}\n")
    assert "0x04" in stopped(types, "show", place.path, code=3)
    (place.path / "vkey").write_text("rubbish\n")
    assert "vkey" in stopped(types, "show", place.path, code=3)


# --- run --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_ends_with_one_line_and_goes_on_next_time(place: Place, start: Starts, number: int) -> None:
    running = start()
    assert running.caller.submit(LOG.request(0, 8)).status == 200
    assert running.end(number) == 0
    assert start().caller.submit(LOG.request(8, 9)).status == 200


def test_run_for_people_says_where_it_is_and_how_it_ends(place: Place) -> None:
    words = ["scoregate", "witness", "run", str(place.path), "--listen", "127.0.0.1:0"]
    with subprocess.Popen(
        [sys.executable, "-m", *words],
        cwd=ROOT,
        env=dict(os.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith(f"Witness {NAME} at http://127.0.0.1:")
        assert line.endswith(". Ctrl-C ends it.\n")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "", "Stopped. What was cosigned is kept.\n")


@pytest.mark.parametrize(
    "listen", ["", "8090", ":8090", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "a:b:1", "[::1"]
)
def test_an_address_that_is_none_is_refused(types: Types, place: Place, listen: str) -> None:
    assert stopped(types, "run", place.path, "--listen", listen).startswith("--listen: ")


def test_a_port_that_is_taken_is_named(types: Types, place: Place) -> None:
    with opened(place.witness()) as caller:
        assert f":{caller.port}" in stopped(types, "run", place.path, "--listen", f"127.0.0.1:{caller.port}")


def test_a_host_that_is_not_here_is_named(types: Types, place: Place) -> None:
    assert "192.0.2.1:8090" in stopped(types, "run", place.path, "--listen", "192.0.2.1:8090")


@pytest.mark.parametrize(("name", "mode"), [("key.pem", 0o640), ("key.pem", 0o604), (".", 0o750)])
def test_run_refuses_what_others_may_read(types: Types, place: Place, name: str, mode: int) -> None:
    (place.path / name).chmod(mode)
    assert "chmod" in stopped(types, "run", place.path)


def test_a_key_that_is_none_or_missing_is_named(types: Types, place: Place) -> None:
    key = place.path / "key.pem"
    key.write_text("rubbish")
    assert str(key) in stopped(types, "run", place.path, code=3)
    key.unlink()
    assert str(key) in stopped(types, "run", place.path)


# --- help -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["init", "trust", "run", "show"])
def test_every_command_shows_an_example_its_exit_codes_and_json(types: Types, command: str) -> None:
    _, out, _ = types(command, "--help")
    assert f"scoregate witness {command} " in out.partition("Example:")[2]
    assert "Exit codes" in out
    assert "--output" in out


def test_help_loads_no_cryptography() -> None:
    program = "import sys, scoregate.witness.cli\nprint(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert not set(loaded.stdout.split()) & {"cryptography", "grpc", "sqlalchemy", "starlette"}


def test_the_base_command_has_it() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "scoregate", "--help"], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout
    assert "witness" in {line.split()[1] for line in shown.splitlines() if line.startswith("│ ")}


def test_what_it_prints_of_a_log_obeys_nobody(types: Types, tmp_path: Path) -> None:
    """A key's name may hold what a terminal would obey."""
    place = Place(tmp_path / "w")
    odd = MadeLog("x\u009b31m\u202e.example")
    for words in (("trust", place.path, str(odd.vkey)), ("show", place.path)):
        _, out, _ = types(*words)
        assert "x\\x9b31m" in out
        assert not {"\u009b", "\u202e"} & set(out)
    assert VerifierKey.parse(str(odd.vkey)).name == odd.origin
    assert hashed(odd.origin) in {each.name for each in place.folder.logs.iterdir()}
