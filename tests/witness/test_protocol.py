"""tlog-witness through real HTTP: which request gets which answer."""

from __future__ import annotations

import http.client
from collections.abc import Callable

import pytest

from scoregate.tlog.checkpoint import Checkpoint, open_checkpoint
from scoregate.tlog.cosignature import cosign, cosigned_at
from scoregate.tlog.merkle import empty_root
from scoregate.tlog.note import Note, decode_signatures, sign
from scoregate.tlog.policy import Policy
from scoregate.witness import faults
from scoregate.witness.call import SIZE_TYPE, STATUSES, TEXT_TYPE
from scoregate.witness.faults import NotCosigned
from scoregate.witness.folder import Folder
from scoregate.witness.logs import Log
from tests.witness.conftest import NAME, Place, opened
from tests.witness.made_log import ORIGIN, Answer, Caller, MadeLog, hashed, private, request

LOG = MadeLog()
FORK = LOG.forked(at=3)
STRANGER = MadeLog(seed="stranger")  # our log's name, and another key
UNKNOWN = MadeLog("unknown.example")


def with_first_signature(note: bytes, change: Callable[[str], str]) -> bytes:
    text, _, line = note.decode().rpartition("\n\n")
    return f"{text}\n\n{change(line)}".encode()


def both(*notes: bytes) -> bytes:
    first, *more = map(Note.decode, notes)
    return first.with_signatures(line for each in more for line in each.signatures).encode()


def text_of(size: int | str, root: str, origin: str = ORIGIN) -> str:
    return f"{origin}\n{size}\n{root}\n"


ROOT = LOG.checkpoint(9).text().split("\n")[2]
PROOF = LOG.proof(8, 9)

REFUSED: dict[str, tuple[int, bytes]] = {
    # the request's own lines
    "nothing": (400, b""),
    "no request at all": (400, b"hello\n"),
    "no empty line": (
        400,
        request(8, PROOF, b"").rstrip(b"\n") + b"\n" + LOG.note(9).replace(b"\n\n", b"\n"),
    ),
    "no old size": (400, b"\n" + LOG.note(9)),
    "an old size with a zero before it": (400, request("08", PROOF, LOG.note(9))),
    "an old size below zero": (400, request("-8", PROOF, LOG.note(9))),
    "an old size with carriage return": (400, request("8\r", PROOF, LOG.note(9))),
    "an old size of 2^63": (400, request(2**63, PROOF, LOG.note(9))),
    "a proof line that is no base64": (400, request(8, ["?"], LOG.note(9))),
    "a proof line of 31 bytes": (400, request(8, [bytes(31)], LOG.note(9))),
    "64 proof lines": (400, request(8, [bytes(32)] * 64, LOG.note(9))),
    # whose it is
    "an unknown origin": (404, UNKNOWN.request(0, 9)),
    "an unknown origin, signed by nobody": (404, request(0, [], b"unknown.example\n1\n\n")),
    "an origin with a space behind it": (404, request(8, PROOF, LOG.signed(text_of(9, ROOT, ORIGIN + " ")))),
    "an origin that is not UTF-8": (404, request(8, PROOF, b"\xff" + LOG.note(9))),
    "no checkpoint": (404, request(8, PROOF, b"")),
    # who signed it
    "no signature line": (403, request(8, PROOF, LOG.checkpoint(9).text().encode() + b"\n")),
    "no empty line before the signatures": (403, request(8, PROOF, LOG.note(9).replace(b"\n\n", b"\n"))),
    "another key": (403, request(8, PROOF, STRANGER.note(9))),
    "the witness's own kind of line alone": (
        403,
        request(
            8,
            PROOF,
            Note(
                LOG.checkpoint(9).text(), (cosign(LOG.checkpoint(9).text(), NAME, private("w"), at=1),)
            ).encode(),
        ),
    ),
    "the log's key under another name": (
        403,
        request(
            8, PROOF, Note(LOG.checkpoint(9).text(), (sign(LOG.checkpoint(9).text(), "x", LOG.key),)).encode()
        ),
    ),
    "a signature of another checkpoint": (
        403,
        request(
            8,
            PROOF,
            LOG.note(10).replace(LOG.checkpoint(10).text().encode(), LOG.checkpoint(9).text().encode()),
        ),
    ),
    "a good signature and a bad one of the same key": (
        403,
        request(
            8,
            PROOF,
            both(
                LOG.note(9),
                LOG.note(10).replace(LOG.checkpoint(10).text().encode(), LOG.checkpoint(9).text().encode()),
            ),
        ),
    ),
    "a text that was changed": (403, request(8, PROOF, LOG.note(9).replace(b"\n9\n", b"\n10\n"))),
    "a last newline that is missing": (403, request(8, PROOF, LOG.note(9).rstrip(b"\n"))),
    "a byte behind the note": (403, request(8, PROOF, LOG.note(9) + b"x")),
    "a carriage return in the note": (403, request(8, PROOF, LOG.note(9).replace(b"\n9\n", b"\n9\r\n"))),
    "a NUL in the note": (403, request(8, PROOF, LOG.note(9).replace(b"\n9\n", b"\n9\0\n"))),
    "65 signatures": (
        403,
        request(
            8,
            PROOF,
            LOG.note(9)
            + b"".join(
                f"{sign(LOG.checkpoint(9).text(), f's{index}', private('s')).line}\n".encode()
                for index in range(64)
            ),
        ),
    ),
    # signed, and no checkpoint
    "two lines": (400, request(8, PROOF, LOG.signed(f"{ORIGIN}\n9\n"))),
    "a size in words": (400, request(8, PROOF, LOG.signed(text_of("nine", ROOT)))),
    "a size with a zero before it": (400, request(8, PROOF, LOG.signed(text_of("09", ROOT)))),
    "a size of 2^63": (400, request(8, PROOF, LOG.signed(text_of(2**63, ROOT)))),
    "a root of 31 bytes": (400, request(8, PROOF, LOG.signed(text_of(9, "AAAA")))),
    "an empty extension line": (400, request(8, PROOF, LOG.signed(text_of(9, ROOT) + "\n"))),
    # sizes
    "an old size over the checkpoint's": (400, request(8, [], LOG.note(7))),
    "both over what was cosigned, and in the wrong order": (400, request(10, PROOF, LOG.note(9))),
    "an old size of 0": (409, LOG.request(0, 9)),
    "an old size of 0 and a proof": (409, request(0, PROOF, LOG.note(9))),
    "an old size below the latest": (409, LOG.request(7, 9)),
    "an old size above the latest": (409, LOG.request(9, 10)),
    "a smaller one after a smaller one": (409, LOG.request(3, 7)),
    "another root for the size, from a stale one": (409, FORK.request(4, 8)),
    # consistency
    "no proof": (422, request(8, [], LOG.note(9))),
    "a proof of another growth": (422, request(8, LOG.proof(8, 16), LOG.note(9))),
    "63 hashes of nothing": (422, request(8, [bytes(32)] * 63, LOG.note(9))),
    "a proof with a changed hash": (422, request(8, [bytes(32)], LOG.note(9))),
    "a proof with a hash too many": (422, request(8, [*PROOF, bytes(32)], LOG.note(9))),
    "another history": (422, FORK.request(8, 9)),
    "another root for the size": (422, request(8, [], FORK.note(8))),
    "a proof where nothing was added": (422, request(8, PROOF, LOG.note(8))),
}


@pytest.mark.parametrize(("status", "body"), REFUSED.values(), ids=REFUSED.keys())
def test_a_request_that_is_refused(place: Place, caller: Caller, status: int, body: bytes) -> None:
    caller.submit(LOG.request(0, 8))
    before = caller.shown()
    answer = caller.submit(body)
    assert answer.status == status, answer
    if status == 409:
        assert (answer.body, answer.kind) == (b"8\n", "text/x.tlog.size")
    else:
        assert answer.kind == TEXT_TYPE
        assert answer.body.endswith(b".\n")
        assert answer.body.count(b"\n") == 1
    assert "—".encode() not in answer.body
    assert caller.shown() == before


FIRST: dict[str, tuple[int, bytes]] = {
    "an old size that is not 0": (409, LOG.request(8, 9)),
    "a proof from 0": (422, request(0, LOG.proof(8, 9), LOG.note(9))),
    "nothing with the root of something": (422, request(0, [], LOG.signed(text_of(0, ROOT)))),
    "an unknown origin": (404, UNKNOWN.request(0, 9)),
}


@pytest.mark.parametrize(("status", "body"), FIRST.values(), ids=FIRST.keys())
def test_a_first_request_that_is_refused(caller: Caller, status: int, body: bytes) -> None:
    answer = caller.submit(body)
    assert answer.status == status
    if status == 409:
        assert (answer.body, answer.kind) == (b"0\n", SIZE_TYPE)
    assert caller.shown().status == 404


def cosigned(place: Place, answer: Answer, note: bytes) -> None:
    assert answer.status == 200, answer
    assert place.times(note, answer.body) == [place.clock.seconds]
    assert {line.name for line in decode_signatures(answer.body)} == {NAME}


def test_growth_from_size_to_size_is_cosigned(place: Place, caller: Caller) -> None:
    old = 0
    for size in (0, 0, 1, 2, 3, 7, 8, 8, 9, 31, 32, 33, 64):
        cosigned(place, caller.submit(LOG.request(old, size)), LOG.note(size))
        old = size
    assert place.evidence() == []


def test_a_tree_of_nothing_has_the_hash_of_nothing_as_its_root(place: Place, caller: Caller) -> None:
    nothing = Checkpoint(ORIGIN, 0, empty_root())
    cosigned(place, caller.submit(request(0, [], LOG.signed(nothing.text()))), LOG.note(0))


def test_extension_lines_are_cosigned_with_the_rest(place: Place, caller: Caller) -> None:
    note = LOG.signed(LOG.checkpoint(3).text() + "an extension\nand another\n")
    cosigned(place, caller.submit(request(0, [], note)), note)


def test_logs_do_not_know_of_each_other(place: Place, caller: Caller) -> None:
    other = MadeLog("other.example", seed="other")
    Log.of(place.folder, other.origin).trust(other.vkey, beside=False)  # while it runs
    caller.submit(LOG.request(0, 8))
    cosigned(place, caller.submit(other.forked(at=0).request(0, 3)), other.forked(at=0).note(3))
    assert caller.submit(LOG.request(0, 9)).body == b"8\n"
    assert caller.submit(other.request(0, 9)).body == b"3\n"


def test_a_log_that_lost_count_asks_with_0_and_goes_on(place: Place, caller: Caller) -> None:
    caller.submit(LOG.request(0, 8))
    told = caller.submit(LOG.request(0, 11))
    assert (told.status, told.kind) == (409, SIZE_TYPE)
    cosigned(place, caller.submit(LOG.request(int(told.body), 11)), LOG.note(11))


def test_the_answer_makes_the_log_s_note_one_that_a_policy_accepts(place: Place, caller: Caller) -> None:
    note = LOG.note(8)
    whole = note + caller.submit(LOG.request(0, 8)).body
    judged = Policy.of([LOG.vkey, place.vkey]).judge(whole)
    assert (judged.checkpoint, dict(judged.cosigned)) == (LOG.checkpoint(8), {NAME: place.clock.seconds})
    assert caller.shown() == Answer(200, whole, TEXT_TYPE)


def test_monitors_read_the_latest_with_the_log_s_signature_and_the_line_that_was_answered(
    place: Place, caller: Caller
) -> None:
    assert caller.shown().status == 404
    line = caller.submit(LOG.request(0, 3)).body
    checkpoint, note = open_checkpoint(caller.shown().body, LOG.vkey)
    assert checkpoint == LOG.checkpoint(3)
    assert cosigned_at(note, place.vkey) == place.clock.seconds
    assert caller.shown().body.endswith(line)
    caller.submit(LOG.request(3, 5))
    assert open_checkpoint(caller.shown().body, LOG.vkey)[0] == LOG.checkpoint(5)
    assert caller.shown("unknown.example").status == 404


def test_the_first_page_says_who_this_is(place: Place, caller: Caller) -> None:
    answer = caller.ask("GET", "/")
    assert answer.status == 200
    assert f"{place.vkey}\n".encode() in answer.body
    assert len(answer.body.splitlines()) == 2


HASH = hashed(ORIGIN)
ELSEWHERE = [
    *(
        ("POST", path, 404)
        for path in ("/nothing", "/add-checkpoint/", "//add-checkpoint/x", "/add-checkpoint?x=1")
    ),
    *(
        ("GET", path, 404)
        for path in ("/nothing", f"/{HASH}", f"/{HASH.upper()}/checkpoint", f"/{HASH}/checkpoint/")
    ),
    *(
        ("GET", path, 404)
        for path in (f"/{HASH[:-1]}/checkpoint", "/../vkey", f"/{HASH}/../key.pem", "/%2e%2e/vkey")
    ),
    *(("GET", path, 404) for path in ("/evidence/", "/logs", f"/{HASH}/keys", "/key.pem")),
    *((method, "/add-checkpoint", 405) for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS")),
    *(("POST", path, 405) for path in ("/", f"/{HASH}/checkpoint")),
    ("BREW", "/add-checkpoint", 501),
]


@pytest.mark.parametrize(("method", "path", "status"), ELSEWHERE)
def test_other_places_and_methods(caller: Caller, method: str, path: str, status: int) -> None:
    caller.submit(LOG.request(0, 8))
    answer = caller.ask(method, path, LOG.request(8, 9) if method != "GET" and method != "HEAD" else None)
    assert answer.status == status
    assert caller.shown().body.startswith(LOG.note(8))


def test_a_method_that_does_not_go_there_is_told_which_does(caller: Caller) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", caller.port, timeout=20)
    connection.request("GET", "/add-checkpoint")
    answer = connection.getresponse()
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")
    connection.close()


def test_head_is_get_without_its_body(caller: Caller) -> None:
    caller.submit(LOG.request(0, 8))
    for path in ("/", f"/{HASH}/checkpoint", "/nothing"):
        got, head = caller.ask("GET", path), caller.ask("HEAD", path)
        assert (head.status, head.body, head.kind) == (got.status, b"", got.kind)


def test_a_connection_lives_through_answers_of_every_kind(place: Place, caller: Caller) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", caller.port, timeout=20)
    connection.connect()
    socket = connection.sock
    seen = []
    for body in (
        LOG.request(0, 8),
        LOG.request(0, 9),
        FORK.request(8, 9),
        b"",
        UNKNOWN.request(0, 1),
        LOG.request(8, 9),
    ):
        connection.request("POST", "/add-checkpoint", body)
        answer = connection.getresponse()
        answer.read()
        seen.append(answer.status)
        connection.request("GET", f"/{HASH}/checkpoint")
        assert connection.getresponse().read()
    assert seen == [200, 409, 422, 400, 404, 200]
    assert connection.sock is socket
    connection.close()


def test_a_restart_goes_on_where_it_was(place: Place) -> None:
    with opened(place.witness()) as caller:
        caller.submit(LOG.request(0, 8))
        shown = caller.shown()
    with opened(place.witness()) as caller:
        assert caller.shown() == shown
        assert caller.submit(LOG.request(0, 9)).body == b"8\n"
        assert caller.submit(request(8, [], FORK.note(8))).status == 422
        cosigned(place, caller.submit(LOG.request(8, 9)), LOG.note(9))


def test_a_file_that_is_not_its_own_is_500_and_its_path_stays_here(place: Place, caller: Caller) -> None:
    caller.submit(LOG.request(0, 8))
    (Log.of(place.folder, ORIGIN).path / "checkpoint").write_bytes(b"rubbish")
    for answer in (caller.submit(LOG.request(8, 9)), caller.shown()):
        assert (answer.status, answer.body) == (500, b"The witness can't use its files.\n")
    assert str(place.path) in place.told[0]


def kinds(root: type[NotCosigned]) -> set[type[NotCosigned]]:
    return {each for kind in root.__subclasses__() for each in {kind, *kinds(kind)}}


def test_every_refusal_has_a_status_and_stands_in_the_tree_above_them() -> None:
    assert set(STATUSES) == kinds(NotCosigned)
    assert all(f"── {each.__name__} " in (faults.__doc__ or "") for each in STATUSES)


def test_two_witnesses_sign_one_note(place: Place, caller: Caller) -> None:
    second = Place(place.path.with_name("second"))
    Folder.open(second.path)
    with opened(second.witness()) as other:
        lines = [each.submit(LOG.request(0, 8)).body for each in (caller, other)]
    signed = LOG.note(8) + b"".join(lines)
    assert [cosigned_at(Note.decode(signed), each.vkey) for each in (place, second)] == [
        place.clock.seconds
    ] * 2
