"""Whatever comes through the port: it has an end, it changes nothing, and the next caller is answered."""

from __future__ import annotations

import re
import select
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scoregate.witness.call import MAX_HEAD_BYTES, Patience
from scoregate.witness.request import MAX_REQUEST_BYTES
from tests.witness.conftest import Place, opened
from tests.witness.made_log import Caller, MadeLog

LOG = MadeLog()
HURRIED = Patience(
    idle=timedelta(seconds=0.3),
    request=timedelta(seconds=0.3),
    answer=timedelta(seconds=0.3),
    farewell=timedelta(seconds=0.3),
)
PATIENT = timedelta(seconds=60)


@contextmanager
def connected(caller: Caller) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", caller.port), timeout=20) as connection:
        yield connection


def all_of(connection: socket.socket) -> bytes:
    """What comes until the other side closes; a reset is an end too."""
    data = b""
    try:
        while part := connection.recv(65536):
            data += part
    except ConnectionError:
        pass
    return data


def sent(caller: Caller, data: bytes) -> bytes:
    """Everything that is answered to these bytes, after which nothing more is sent."""
    with connected(caller) as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        except OSError:  # it did not wait for the end
            pass
        return all_of(connection)


def send_without_end(connection: socket.socket, data: bytes) -> None:
    while True:
        connection.sendall(data)


def statuses(answer: bytes) -> list[int]:
    return [int(each) for each in re.findall(rb"^HTTP/1\.1 ([0-9]{3}) ", answer, re.MULTILINE)]


def post(body: bytes, *headers: str, length: str | None = None, path: str = "/add-checkpoint") -> bytes:
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: w",
        f"Content-Length: {len(body) if length is None else length}",
        *headers,
        "",
        "",
    ]
    return "\r\n".join(lines).encode() + body


def without_length(*headers: str) -> bytes:
    return "\r\n".join(["POST /add-checkpoint HTTP/1.1", "Host: w", *headers, "", ""]).encode()


GOOD = LOG.request(0, 8)
GET = b"GET / HTTP/1.1\r\nHost: w\r\n\r\n"

MATRIX: dict[str, tuple[list[int], bytes]] = {
    # how long the body is
    "no length": ([411], without_length()),
    "chunks": ([411], without_length("Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\n\r\n"),
    "chunks and a length": ([411], post(GOOD, "Transfer-Encoding: chunked")),
    "an encoding that nobody knows": ([411], post(GOOD, "Transfer-Encoding: identity")),
    "two lengths": ([400], post(GOOD, f"Content-Length: {len(GOOD)}")),
    "two lengths that differ": ([400], post(GOOD, "Content-Length: 1")),
    "two lengths in a line": ([400], post(GOOD, length=f"{len(GOOD)}, {len(GOOD)}")),
    "a length with a sign": ([400], post(GOOD, length=f"+{len(GOOD)}")),
    "a length below zero": ([400], post(GOOD, length="-1")),
    "a length in hex": ([400], post(GOOD, length="0x10")),
    "a length with an underscore": ([400], post(GOOD, length="1_0")),
    "a length in other digits": ([400], post(GOOD, length="²")),
    "a length in words": ([400], post(GOOD, length="all of it")),
    "an empty length": ([400], post(GOOD, length="")),
    "a length without end": ([400], post(GOOD, length="9" * 5000)),
    "a byte over the limit": ([413], post(b"x" * (MAX_REQUEST_BYTES + 1))),
    "a terabyte to come": ([413], post(b"", length=str(2**40))),
    "a megabyte that is there": ([413], post(b"x" * 2**20)),
    "as much as is allowed": ([400], post(b"x" * MAX_REQUEST_BYTES)),
    "more than it says": ([404, 400], post(GOOD, length="10")),
    "less than it says": ([], post(GOOD, length=str(len(GOOD) + 1))),
    "nothing": ([400], post(b"")),
    "a promise of 100, and too long": ([413], post(b"", "Expect: 100-continue", length=str(2**20))),
    # its lines
    "an empty line": ([], b"\r\n"),
    "one word": ([400], b"hello\r\n\r\n"),
    "HTTP/0.9": ([400], b"GET /\r\n\r\n"),
    "HTTP/2": ([505], b"GET / HTTP/2.0\r\nHost: w\r\n\r\n"),
    "HTTP/1.5": ([400], b"GET / HTTP/1.5\r\nHost: w\r\n\r\n"),
    "HTTP of words": ([400], b"GET / HTTP/one\r\nHost: w\r\n\r\n"),
    "a TLS hello": ([400], b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64)),
    "bytes": ([400], bytes(range(256)) + b"\r\n\r\n"),
    "NULs": ([400], bytes(4096)),
    "a NUL in the path": ([404], b"GET /\0 HTTP/1.1\r\nHost: w\r\n\r\n"),
    "no UTF-8 in the path": ([404], b"GET /\xff\xfe HTTP/1.1\r\nHost: w\r\n\r\n"),
    "a NUL in a header": ([200], b"GET / HTTP/1.1\r\nHost: w\r\nX: \0\r\n\r\n"),
    "no UTF-8 in a header": ([200], b"GET / HTTP/1.1\r\nHost: w\r\nX: \xff\r\n\r\n"),
    "a space before a colon": ([400], b"GET / HTTP/1.1\r\nHost: w\r\nContent-Length : 5\r\n\r\nhello"),
    "a line that is no header": ([400], b"GET / HTTP/1.1\r\nHost: w\r\nhello\r\n\r\n"),
    "a header that goes on": ([400], post(GOOD, length=f"{len(GOOD)}\r\n 1")),
    "no host": ([400], b"GET / HTTP/1.1\r\n\r\n"),
    "two hosts": ([400], b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    "HTTP/1.0 without a host": ([200], b"GET / HTTP/1.0\r\n\r\n"),
    "101 headers": ([431], b"GET / HTTP/1.1\r\nHost: w\r\n" + b"X: y\r\n" * 100 + b"\r\n"),
    "a header without end": ([431], b"GET / HTTP/1.1\r\nHost: w\r\nX: " + b"y" * (2 * MAX_HEAD_BYTES)),
    "a path without end": ([431], b"GET /" + b"y" * (2 * MAX_HEAD_BYTES)),
    "headers without end": ([431], b"GET / HTTP/1.1\r\nHost: w\r\n" + b"X: y\r\n" * 2**16),
    "a method of odd letters": ([501], b"\xff\0 / HTTP/1.1\r\nHost: w\r\n\r\n"),
    "a method that is one of ours": ([501], b"__init__ / HTTP/1.1\r\nHost: w\r\n\r\n"),
    "a GET with a body": ([400], b"GET / HTTP/1.1\r\nHost: w\r\nContent-Length: 5\r\n\r\nhello"),
    "a GET in chunks": ([400], b"GET / HTTP/1.1\r\nHost: w\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "a POST elsewhere": ([404], post(GOOD, path="/other")),
    # one behind the other
    "two at once": ([200, 200], GET + GET),
    "two at once, the first one's body whole": ([409, 200], post(LOG.request(1, 8)) + GET),
    "rubbish behind": ([200, 400], GET + b"\xff rubbish\r\n\r\n"),
    "a GET in the body of what was refused": ([413], post(GET, length=str(2**20))),
    "a GET behind chunks": ([411], without_length("Transfer-Encoding: chunked") + b"0\r\n\r\n" + GET),
    "a close and more": ([200], GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + GET),
    "a hundred at once": ([200] * 100, GET * 100),
}


@pytest.mark.parametrize(("expected", "data"), MATRIX.values(), ids=MATRIX.keys())
def test_it_is_answered_in_our_own_words_and_changes_nothing(
    place: Place, capfd: pytest.CaptureFixture[str], expected: list[int], data: bytes
) -> None:
    with opened(place.witness(), patience=replace(HURRIED, idle=PATIENT, request=PATIENT)) as caller:
        answer = sent(caller, data)
        assert statuses(answer) == expected, answer
        for leak in (
            b"Traceback",
            b"Python",
            b"BaseHTTP",
            b"Server:",
            str(place.path).encode(),
            b"rubbish",
            b"hello",
        ):
            assert leak not in answer
        assert caller.shown().status == 404
        assert caller.submit(GOOD).status == 200
    assert (place.told, *capfd.readouterr()) == ([], "", "")


def test_who_waits_for_a_100_gets_it_once_the_length_is_known(caller: Caller) -> None:
    head, body = post(GOOD, "Expect: 100-continue").split(b"\r\n\r\n", 1)
    with connected(caller) as connection:
        connection.sendall(head + b"\r\n\r\n")
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(
    "start",
    [b"", b"GET", GET[:-2], post(GOOD)[:80], post(GOOD)[:-1]],
    ids=["", "word", "head", "half", "all but 1"],
)
def test_who_stops_in_the_middle_is_let_go(place: Place, start: bytes) -> None:
    with opened(place.witness(), patience=HURRIED) as caller, connected(caller) as connection:
        connection.sendall(start)
        assert all_of(connection) == b""
        assert caller.submit(GOOD).status == 200


def test_the_rest_of_a_request_that_came_with_the_one_before_has_no_more_time(place: Place) -> None:
    patience = replace(HURRIED, idle=PATIENT)
    with opened(place.witness(), patience=patience) as caller, connected(caller) as connection:
        connection.sendall(GET + GET[:-2])
        assert statuses(all_of(connection)) == [200]


@pytest.mark.parametrize("data", [post(GOOD), b"GET / HTTP/1.1\r\nX: " + b"y" * 5000], ids=["body", "head"])
def test_who_sends_drop_by_drop_has_the_time_of_one_request_and_no_more(place: Place, data: bytes) -> None:
    """Each byte comes in time; all of them don't."""
    with (
        opened(place.witness(), patience=replace(HURRIED, idle=PATIENT)) as caller,
        connected(caller) as connection,
    ):
        connection.sendall(data[:1])
        began = time.monotonic()
        for index in range(1, len(data)):
            if select.select([connection], [], [], 0.05)[0]:
                break
            connection.sendall(data[index : index + 1])
        assert all_of(connection) == b""
        assert time.monotonic() - began < 20
        assert index < 100


def test_who_reads_nothing_is_let_go(place: Place) -> None:
    hurried = opened(place.witness(), patience=replace(HURRIED, idle=PATIENT), callers=1)
    with hurried as caller, socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(20)
        connection.connect(("127.0.0.1", caller.port))
        with pytest.raises(ConnectionError):
            send_without_end(connection, GET * 1000)
        # The only place is free again once the witness gives up on us.
        while statuses(answer := sent(caller, GET)) == [503]:
            pass
        assert statuses(answer) == [200]


def test_there_is_an_end_to_the_callers_at_once_and_a_place_comes_back(place: Place) -> None:
    with opened(place.witness(), callers=2) as caller, connected(caller) as one, connected(caller) as two:
        for each in (one, two):
            each.sendall(GET)
            assert each.recv(65536)  # both are in
        assert statuses(sent(caller, b"")) == [503]
        one.shutdown(socket.SHUT_RDWR)
        while statuses(answer := sent(caller, GET)) == [503]:
            pass  # its thread is about to end
        assert statuses(answer) == [200]


def test_callers_without_number_are_all_answered_or_turned_away(place: Place) -> None:
    with opened(place.witness(), callers=4) as caller:
        seen: list[list[int]] = []
        threads = [
            threading.Thread(target=lambda: seen.append(statuses(sent(caller, GET)))) for _ in range(50)
        ]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert len(seen) == 50
        assert {tuple(each) for each in seen} <= {(200,), (503,), ()}
        assert caller.submit(GOOD).status == 200


def test_a_stop_lets_a_call_under_way_end_and_idle_ones_go(place: Place) -> None:
    witness = place.witness()
    judged, go = threading.Event(), threading.Event()

    def stall(_: object) -> None:
        judged.set()
        assert go.wait(20)

    witness.reached = stall
    with ThreadPoolExecutor(1) as pool:
        with opened(witness) as caller:
            idle, busy = (socket.create_connection(("127.0.0.1", caller.port), timeout=20) for _ in range(2))
            busy.sendall(post(GOOD))
            assert judged.wait(20)
            let_go = pool.submit(lambda: (all_of(idle), go.set()))
        assert let_go.result(20) == (b"", None)
    assert statuses(all_of(busy)) == [200]
    idle.close()
    busy.close()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_whatever_is_sent_it_goes_on(caller: Caller, data: st.DataObject) -> None:
    pieces = st.one_of(
        st.binary(max_size=50),
        st.sampled_from(
            [b"\r\n", b"POST ", b"/add-checkpoint", b" HTTP/1.1\r\n", b"Host: w\r\n", GET, post(b"old 0\n\n")]
        ),
        st.sampled_from(
            [b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"\0", LOG.note(1), b"\n\n"]
        ),
    )
    answer = sent(caller, b"".join(data.draw(st.lists(pieces, max_size=12))))
    assert all(200 <= status < 506 and status != 500 for status in statuses(answer))
    assert caller.ask("GET", "/").status == 200
