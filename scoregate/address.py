"""A log at an http(s) address, for `scoregate log verify`: a source like a folder (tlog/sources.py).

Source: C2SP tlog-tiles, "APIs". Nothing that comes from there is believed. What is due next is asked for
ahead, a few resources at a time, so that a far server costs its bandwidth and not its distance.
"""

import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPException, HTTPResponse, IncompleteRead
from ipaddress import ip_address
from types import TracebackType
from typing import Self
from urllib import request
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from scoregate.tlog.faults import LogIncomplete, LogInvalid
from scoregate.tlog.sources import Resource

AHEAD = 8  # requests at a time: bounds memory, and what a server has to bear
TIMEOUT_SECONDS = 30.0  # for a server that falls silent
PACKING_BYTES = 4_096  # by which hashes, which nothing packs, may grow in gzip
PAUSES_SECONDS = (0.25, 1.0, 4.0)  # before trying again what may pass

ENTRIES = "tile/entries/"
UNAUTHORIZED = 401

_CLOSED = "it is for whoever has a token (401); give yours by --token-file FILE"
_REFUSED = "the token is over, or for other entries (401); get another: scoregate audit open"
_GONE = {404, 410}
_PASSING = {408, 429, 500, 502, 503, 504}


class Address:
    """The log below an address; a context manager, which ends what was asked for ahead.

    Raises:
        ValueError: It is no http(s) address, or has a query, a fragment, a name or a password; or a token
            would travel in the clear.
    """

    again = "try again, or ask who serves it"

    def __init__(self, url: str, *, token: str = "", pause: Callable[[float], None] = time.sleep) -> None:
        """``token`` (RFC 6750) opens entry bundles: it goes to this very host, and nowhere else."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("an address begins with http:// or https:// and has a host")
        if "?" in url or "#" in url or parts.username is not None:
            raise ValueError("an address has no query, no fragment, no name and no password")
        if token and parts.scheme != "https" and not _is_here(parts.hostname):
            raise ValueError("a token goes over https alone, or to this machine: give an https:// address")
        self._prefix = url.rstrip("/")
        self._token = token
        self._pause = pause
        self._opener = request.OpenerDirector()
        # Nothing but http and https, redirects included: an address must not lead to this machine's files.
        for handler in (
            # To this machine without https, a token would be read by whatever proxy the variables name.
            request.ProxyHandler({} if token and parts.scheme == "http" else None),
            request.HTTPHandler(),
            request.HTTPSHandler(),
            request.HTTPRedirectHandler(),
            request.HTTPDefaultErrorHandler(),
            request.HTTPErrorProcessor(),
        ):
            self._opener.add_handler(handler)
        self._pool = ThreadPoolExecutor(AHEAD, thread_name_prefix="log")
        self._plan: Iterator[tuple[str, int]] = iter(())
        self._asked: dict[str, Future[bytes | None]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def expect(self, paths: Iterable[tuple[str, int]]) -> None:
        """As Source has it."""
        self._plan = iter(paths)
        for _ in range(AHEAD):
            self._ask_ahead()

    def listing(self) -> Iterable[Resource]:
        """As Source has it: an address can't be listed."""
        return ()

    def read(self, path: str, limit: int) -> bytes | None:
        """As Source has it."""
        asked = self._asked.pop(path, None)
        if asked is None:
            return self._fetch(path, limit)
        self._ask_ahead()
        return asked.result()

    def _ask_ahead(self) -> None:
        with suppress(StopIteration):
            path, limit = next(self._plan)
            self._asked[path] = self._pool.submit(self._fetch, path, limit)

    def _fetch(self, path: str, limit: int) -> bytes | None:
        for pause in (*PAUSES_SECONDS, None):
            try:
                return self._get(path, limit)
            except HTTPError as error:
                error.close()
                if error.code in _GONE:
                    return None
                if error.code == UNAUTHORIZED:
                    raise self._unread(path, _REFUSED if self._token else _CLOSED) from error
                if pause is None or error.code not in _PASSING:
                    raise self._unread(path, f"the server answers {error.code}") from error
            except (URLError, HTTPException, OSError) as error:
                if pause is None:
                    raise self._unread(path, str(getattr(error, "reason", None) or error)) from error
            self._pause(pause)
        raise AssertionError  # the last round returns or raises

    def _get(self, path: str, limit: int) -> bytes:
        asked = request.Request(  # noqa: S310 - the scheme was looked at
            f"{self._prefix}/{path}",
            headers={"Accept-Encoding": "gzip, identity", "User-Agent": "scoregate-log-verify"},
        )
        if self._token and path.startswith(ENTRIES):
            # Not redirected: urllib makes a new request of the other headers wherever it is sent on to.
            asked.add_unredirected_header("Authorization", f"Bearer {self._token}")
        answer: HTTPResponse = self._opener.open(asked, timeout=TIMEOUT_SECONDS)
        with answer:
            data = answer.read(limit + PACKING_BYTES)
            if answer.length and len(data) < limit + PACKING_BYTES:
                raise IncompleteRead(data, answer.length)
            if answer.headers.get("Content-Encoding", "identity") == "gzip":
                data = _inflated(data, path, limit)
        if len(data) > limit:
            raise LogInvalid(f"{path} has more than {limit:,} bytes")
        return data

    def _unread(self, path: str, why: str) -> LogIncomplete:
        return LogIncomplete(f"{self._prefix}/{path} can't be read: {why}; {self.again}")


def _is_here(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _inflated(data: bytes, path: str, limit: int) -> bytes:
    """What gzip packed, and no more than the limit of it: a small answer may unpack to anything."""
    inflater = zlib.decompressobj(wbits=31)
    try:
        return inflater.decompress(data, limit + 1)
    except zlib.error as error:
        raise LogInvalid(f"{path} is not what its Content-Encoding says") from error
