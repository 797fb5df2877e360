"""Any log of C2SP tlog-tiles is verified, in a folder or at an address; whose it is, nobody guesses."""

import gzip
import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from scoregate.address import Address
from scoregate.cli import app
from scoregate.tlog.faults import LogIncomplete, LogInvalid
from tests.auditing import foreign
from tests.sample_log import SampleLog
from tests.signing import log_vkey

OK, USAGE, INVALID, DIVERGED, INCOMPLETE = 0, 2, 3, 4, 5


def run(log: object, *more: object, vkey: object = foreign.VKEY, kind: str = "--foreign") -> Result:
    words = ["log", "verify", log, "--vkey", vkey, *([kind] if kind else []), *more]
    return CliRunner().invoke(app, [str(word) for word in words])


def told(*words: Any, **more: Any) -> dict[str, Any]:
    result = run(*words, "-o", "json", **more)
    found: dict[str, Any] = json.loads(result.stdout) | {"code": result.exit_code}
    return found


# --- in a folder


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 512, 700])
def test_a_log_of_plain_texts_holds(tmp_path: Path, size: int) -> None:
    found = told(foreign.write(tmp_path, foreign.texts(size)))
    assert (found["code"], found["tree_size"], found["foreign"]) == (OK, size, True)
    assert found["bundles"] == -(-size // 256)


def test_a_log_of_three_levels_holds(tmp_path: Path) -> None:
    found = told(foreign.write(tmp_path, foreign.texts(70_000)))
    assert (found["code"], found["hash_tiles"]) == (OK, 277)


def test_what_was_checked_is_told(tmp_path: Path) -> None:
    result = run(foreign.write(tmp_path, foreign.texts(300)))
    shown = " ".join(result.stdout.split())
    assert "300 in 2 bundles; checked as bytes" in shown
    assert foreign.VKEY in shown.replace(" ", "")
    assert "partners" not in shown


def test_entries_of_the_largest_size_hold(tmp_path: Path) -> None:
    assert told(foreign.write(tmp_path, [b"", b"x" * 65_535, b"y" * 65_535]))["code"] == OK


def test_a_log_that_is_copied_while_it_grows_holds_as_far_as_its_checkpoint_says(tmp_path: Path) -> None:
    foreign.write(tmp_path, foreign.texts(700))
    before = foreign.write(tmp_path / "before", foreign.texts(300)) / "checkpoint"
    (tmp_path / "checkpoint").write_bytes(before.read_bytes())
    assert told(tmp_path)["tree_size"] == 300


def test_what_grew_meanwhile_is_held_to_the_same_entries(tmp_path: Path) -> None:
    foreign.write(tmp_path, foreign.texts(700))
    other = foreign.write(tmp_path / "other", [b"another", *foreign.texts(300)[1:]]) / "checkpoint"
    (tmp_path / "checkpoint").write_bytes(other.read_bytes())
    assert told(tmp_path)["code"] == DIVERGED


@pytest.mark.parametrize("index", [0, 255, 256, 299])
def test_a_changed_text_is_named(tmp_path: Path, index: int) -> None:
    foreign.write(tmp_path, foreign.texts(300))
    path = tmp_path / "tile/entries" / ("000" if index < 256 else "001.p/44")
    old = foreign.texts(300)[index]
    path.write_bytes(path.read_bytes().replace(old, old.replace(b"fruit", b"FRUIT"), 1))
    found = told(tmp_path)
    assert (found["code"], found["index"]) == (DIVERGED, index)


def test_another_key_is_refused(tmp_path: Path) -> None:
    assert told(foreign.write(tmp_path, foreign.texts(3)), vkey=log_vkey())["code"] == INVALID


# --- whose log it is, nobody guesses


def test_a_log_that_is_not_announced_as_foreign_is_held_to_our_rules(tmp_path: Path) -> None:
    found = told(foreign.write(tmp_path, foreign.texts(300)), kind="")
    assert (found["code"], found["index"]) == (INVALID, 0)
    assert "entry 0: " in found["message"]
    assert "if this log is of another kind than Scoregate's, add --foreign" in found["message"]


def test_whoever_spoils_our_first_entry_chooses_nothing(tmp_path: Path) -> None:
    """A dishonest operator, with the log's key, writes a first entry that is no leaf, and gaps behind it.

    Were the kind of a log guessed from there, the rest would be checked as bytes, and hold.
    """
    log = SampleLog().fill(300)
    gaps = [b"no leaf", *log.entries[9:]]
    foreign.write(tmp_path, gaps)
    found = told(tmp_path, kind="")
    assert (found["code"], found["index"]) == (INVALID, 0)
    assert told(tmp_path)["code"] == OK  # the control arm: as bytes, it does


# --- at an address


@dataclass
class Site:
    """Serves a folder on the loopback; `bend` may answer in its place."""

    folder: Path
    bend: Callable[[str, BaseHTTPRequestHandler], bool] = lambda path, handler: False
    asked: list[str] = field(default_factory=list)
    url: str = ""


def answer(handler: BaseHTTPRequestHandler, code: int, data: bytes = b"", **headers: str) -> bool:
    handler.send_response(code)
    handler.send_header("Content-Length", str(len(data)))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(data)
    return True


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path / "log")

    class Handler(BaseHTTPRequestHandler):
        wbufsize = -1  # an answer is one packet, or the second waits for the first to be acknowledged

        def do_GET(self) -> None:
            path = self.path.removeprefix("/fruit/")
            site.asked.append(path)
            if site.bend(path, self):
                return
            file = site.folder / path
            answer(self, *((200, file.read_bytes()) if file.is_file() else (404, b"")))

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 64  # or the ninth connection at a time waits a second for its turn

    server = Server(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}/fruit"
    yield site
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this user's programs keep what they remember."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "state"


@pytest.fixture
def fruit(site: Site) -> Site:
    foreign.write(site.folder, foreign.texts(700))
    return site


def test_a_log_at_an_address_holds(fruit: Site) -> None:
    found = told(fruit.url)
    assert (found["code"], found["tree_size"], found["hash_tiles"]) == (OK, 700, 4)
    assert sorted(set(fruit.asked)) == sorted(
        [
            "checkpoint",
            *("tile/entries/000", "tile/entries/001", "tile/entries/002.p/188"),
            *("tile/0/000", "tile/0/001", "tile/0/002.p/188", "tile/1/000.p/2"),
        ]
    )
    assert told(f"{fruit.url}/")["code"] == OK


def test_each_resource_is_asked_for_once(fruit: Site) -> None:
    foreign.write(fruit.folder, foreign.texts(70_000))
    assert told(fruit.url)["code"] == OK
    resources = [path for path in fruit.asked if path != "checkpoint"]
    assert len(resources) == len(set(resources)) == 274 + 277


def test_a_log_of_ours_is_verified_at_an_address(site: Site) -> None:
    SampleLog().fill(300).pull(site.folder)
    found = told(site.url, vkey=log_vkey(), kind="")
    assert (found["code"], found["releases"] > 0) == (OK, True)


def test_what_was_accepted_is_remembered_for_the_user_by_the_logs_key(fruit: Site, state: Path) -> None:
    assert told(fruit.url)["accepted_size"] is None
    (kept,) = (state / "scoregate" / "accepted").iterdir()
    assert kept.read_bytes() == (fruit.folder / "checkpoint").read_bytes()
    # Elsewhere, the same log is still the same log.
    assert told(fruit.url.replace("127.0.0.1", "localhost"))["accepted_size"] == 700
    before = foreign.write(fruit.folder.parent / "before", foreign.texts(300)) / "checkpoint"
    (fruit.folder / "checkpoint").write_bytes(before.read_bytes())
    assert told(fruit.url)["code"] == DIVERGED


def test_the_memory_of_an_address_may_lie_elsewhere(fruit: Site, state: Path, tmp_path: Path) -> None:
    assert told(fruit.url, "--trusted", tmp_path / "mine")["code"] == OK
    assert (tmp_path / "mine").is_file()
    assert not state.exists()


def test_without_a_key_nothing_is_remembered_of_an_address(fruit: Site, state: Path) -> None:
    result = CliRunner().invoke(app, ["log", "verify", fruit.url, "--foreign"])
    assert result.exit_code == OK
    assert "NOT CHECKED" in result.stdout
    assert not state.exists()


def test_a_changed_tile_is_found_at_an_address(fruit: Site) -> None:
    data = bytearray((fruit.folder / "tile/0/001").read_bytes())
    data[40] ^= 1
    (fruit.folder / "tile/0/001").write_bytes(data)
    found = told(fruit.url)
    assert (found["code"], found["index"]) == (DIVERGED, 257)


@pytest.mark.parametrize(
    ("path", "index"), [("checkpoint", None), ("tile/entries/001", 256), ("tile/0/002.p/188", 512)]
)
def test_what_is_missing_at_an_address_is_incomplete(fruit: Site, path: str, index: int | None) -> None:
    (fruit.folder / path).unlink()
    found = told(fruit.url)
    assert (found["code"], found["index"]) == (INCOMPLETE, index)
    assert "try again, or ask who serves it" in found["message"]


def test_a_partial_that_gave_way_to_the_full_one_is_read_from_that(fruit: Site) -> None:
    # A log that grows may drop a partial tile once the full one is there (Partial Tiles).
    before = foreign.write(fruit.folder.parent / "before", foreign.texts(300)) / "checkpoint"
    (fruit.folder / "checkpoint").write_bytes(before.read_bytes())
    (fruit.folder / "tile/1/000.p").mkdir(exist_ok=True)
    (fruit.folder / "tile/1/000.p/1").write_bytes((fruit.folder / "tile/1/000.p/2").read_bytes()[:32])
    assert told(fruit.url)["tree_size"] == 300
    assert "tile/entries/001.p/44" in fruit.asked


def test_packed_answers_are_unpacked(fruit: Site) -> None:
    def packed(path: str, handler: BaseHTTPRequestHandler) -> bool:
        data = gzip.compress((fruit.folder / path).read_bytes())
        assert handler.headers["Accept-Encoding"] == "gzip, identity"
        return answer(handler, 200, data, Content_Encoding="gzip")

    fruit.bend = packed
    assert told(fruit.url)["code"] == OK


@pytest.mark.parametrize(
    ("data", "headers"),
    [
        pytest.param(gzip.compress(bytes(20_000_000)), {"Content_Encoding": "gzip"}, id="a bomb"),
        pytest.param(b"no gzip", {"Content_Encoding": "gzip"}, id="no gzip"),
        pytest.param(bytes(17_000_000), {}, id="more than any bundle"),
    ],
)
def test_an_answer_of_another_size_or_kind_is_invalid(
    fruit: Site, data: bytes, headers: dict[str, str]
) -> None:
    fruit.bend = lambda path, handler: path == "tile/entries/001" and answer(handler, 200, data, **headers)
    found = told(fruit.url)
    assert (found["code"], found["index"]) == (INVALID, 256)


def failing(*codes: int) -> Callable[[str, BaseHTTPRequestHandler], bool]:
    """Answers with these first, then truly."""
    left = list(codes)
    return lambda path, handler: path == "checkpoint" and bool(left) and answer(handler, left.pop(0))


def test_what_may_pass_is_tried_again(fruit: Site) -> None:
    pauses: list[float] = []
    fruit.bend = failing(503, 429, 500)
    with Address(fruit.url, pause=pauses.append) as address:
        assert address.read("checkpoint", 10_000) == (fruit.folder / "checkpoint").read_bytes()
    assert pauses == [0.25, 1.0, 4.0]


@pytest.mark.parametrize(
    ("codes", "pauses", "words"),
    [((500,) * 4, 3, "the server answers 500"), ((403,), 0, "the server answers 403")],
)
def test_what_does_not_pass_is_told(fruit: Site, codes: tuple[int, ...], pauses: int, words: str) -> None:
    slept: list[float] = []
    fruit.bend = failing(*codes)
    with Address(fruit.url, pause=slept.append) as address, pytest.raises(LogIncomplete, match=words):
        address.read("checkpoint", 10_000)
    assert len(slept) == pauses


def test_an_answer_that_breaks_off_is_asked_for_again(fruit: Site) -> None:
    left = [1]

    def cut(path: str, handler: BaseHTTPRequestHandler) -> bool:
        if not left:
            return False
        left.pop()
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b"half")
        return True

    fruit.bend = cut
    with Address(fruit.url, pause=lambda _: None) as address:
        assert address.read("checkpoint", 10_000) == (fruit.folder / "checkpoint").read_bytes()


def test_nobody_there_is_a_sentence(site: Site) -> None:
    with (
        Address("http://127.0.0.1:9", pause=lambda _: None) as address,
        pytest.raises(LogIncomplete, match=r"http://127\.0\.0\.1:9/checkpoint can't be read: .*refused"),
    ):
        address.read("checkpoint", 100)


def test_a_redirect_is_followed_to_http_and_to_nothing_else(fruit: Site, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    fruit.bend = lambda path, handler: (
        path == "checkpoint" and answer(handler, 302, Location=f"{fruit.url}/tile/entries/000")
    )
    with Address(fruit.url, pause=lambda _: None) as address:
        assert address.read("checkpoint", 100_000) == (fruit.folder / "tile/entries/000").read_bytes()
        for place in (f"file://{tmp_path}/secret", "ftp://127.0.0.1/secret", "data:,secret"):
            fruit.bend = lambda path, handler, place=place: answer(handler, 302, Location=place)  # type: ignore[misc]
            with pytest.raises(LogIncomplete):
                address.read("checkpoint", 100_000)


# --- with a token

TOKEN = "sge1_c2VjcmV0.c2VjcmV0"
BEARER = f"Bearer {TOKEN}"


def closing(path: str, handler: BaseHTTPRequestHandler) -> bool:
    """Entries are for whoever shows the token, and nothing else may be told it."""
    shown = handler.headers["Authorization"]
    if path.startswith("tile/entries/"):
        return shown != BEARER and answer(handler, 401, WWW_Authenticate="Bearer")
    return shown is not None and answer(handler, 500)


def plain(shown: str) -> str:
    """What a box says, in one line."""
    return " ".join(shown.replace("│", " ").split())


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    file.chmod(0o600)
    return file


def test_entries_that_are_for_few_are_read_with_a_token(fruit: Site, token_file: Path) -> None:
    fruit.bend = closing
    found = told(fruit.url)
    assert (found["code"], "--token-file FILE" in found["message"]) == (INCOMPLETE, True)
    found = told(fruit.url, "--token-file", str(token_file))
    assert (found["code"], found["tree_size"]) == (OK, 700)
    assert TOKEN not in json.dumps(found)
    token_file.write_text("another")
    found = told(fruit.url, "--token-file", str(token_file))
    assert (found["code"], "get another: scoregate audit open" in found["message"]) == (INCOMPLETE, True)


def test_a_token_is_told_to_nobody_to_whom_a_server_sends_on(fruit: Site) -> None:
    shown: list[tuple[str, str | None]] = []

    def bend(path: str, handler: BaseHTTPRequestHandler) -> bool:
        shown.append((path, handler.headers["Authorization"]))
        # "localhost" is another host than 127.0.0.1, and this very server.
        elsewhere = fruit.url.replace("127.0.0.1", "localhost")
        return path == "tile/entries/000" and answer(handler, 302, Location=f"{elsewhere}/tile/entries/001")

    fruit.bend = bend
    with Address(fruit.url, token=TOKEN, pause=lambda _: None) as address:
        assert address.read("tile/entries/000", 100_000)
    assert shown == [("tile/entries/000", BEARER), ("tile/entries/001", None)]


@pytest.mark.parametrize(
    ("url", "goes"),
    [
        ("https://log.example/log", True),
        ("http://127.0.0.1:1/log", True),
        ("http://[::1]:1/log", True),
        ("http://localhost/log", True),
        ("http://log.example/log", False),
        ("http://10.0.0.1/log", False),
        ("http://localhost.example/log", False),
        ("http://127.0.0.1.example/log", False),
    ],
)
def test_a_token_goes_by_https_or_to_this_machine(url: str, goes: bool) -> None:
    Address(url).__exit__(None, None, None)
    if goes:
        Address(url, token=TOKEN).__exit__(None, None, None)
    else:
        with pytest.raises(ValueError, match="https alone"):
            Address(url, token=TOKEN)


def test_a_token_in_the_clear_is_not_told_to_a_proxy(fruit: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", fruit.url.removesuffix("/fruit"))  # it would have seen the request
    closed = fruit.url.rpartition(":")[0] + ":9"
    with Address(closed, token=TOKEN, pause=lambda _: None) as address, pytest.raises(LogIncomplete):
        address.read("tile/entries/000", 100)
    assert not fruit.asked
    with Address(closed, pause=lambda _: None) as address:
        address.read("tile/entries/000", 100)
    assert fruit.asked  # the control arm: without a token, proxies are used


@pytest.mark.parametrize("content", [b"", b"\n", b"two words", b"x" * 5_000, b"\xff", b"a\nb\n", b"=x"])
def test_a_file_that_holds_no_token_is_wrong_usage(fruit: Site, token_file: Path, content: bytes) -> None:
    token_file.write_bytes(content)
    ended = run(fruit.url, "--token-file", str(token_file))
    assert (ended.exit_code, "holds no token" in plain(ended.stderr)) == (USAGE, True)


def test_a_token_that_others_can_read_and_one_for_a_folder_are_wrong_usage(
    fruit: Site, token_file: Path, tmp_path: Path
) -> None:
    ended = run(str(fruit.folder), "--token-file", str(token_file))
    assert (ended.exit_code, "for an address" in plain(ended.stderr)) == (USAGE, True)
    token_file.chmod(0o640)
    ended = run(fruit.url, "--token-file", str(token_file))
    assert (ended.exit_code, "chmod 600" in plain(ended.stderr)) == (USAGE, True)
    ended = run(fruit.url, "--token-file", str(tmp_path / "none"))
    assert ended.exit_code == USAGE
    assert not fruit.asked


def test_an_answer_over_its_limit_is_refused(fruit: Site) -> None:
    with Address(fruit.url) as address, pytest.raises(LogInvalid, match="has more than 9 bytes"):
        address.read("checkpoint", 9)


def test_the_hand_made_vkey_is_one() -> None:
    assert foreign.VKEY.startswith(f"{foreign.NAME}+")
    assert b64encode(b"\x01").decode()[0] in foreign.VKEY
