"""Finds what is secret in whatever came out: as it is, and as such things are commonly encoded. Pure."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

LEAST = 12
"""Bytes of a needle: fewer could be there by chance."""


@dataclass(frozen=True, slots=True)
class Find:
    """A needle that was found."""

    label: str  # whose, and what
    encoding: str
    around: str  # what it was found in


class Needles:
    """Many secrets, in every encoding, found in one pass over the hay."""

    def __init__(self) -> None:
        self._by_beginning: defaultdict[bytes, list[tuple[bytes, str, str]]] = defaultdict(list)
        self.count = 0

    def add(self, label: str, secret: str) -> None:
        """Look for one more from here on.

        Raises:
            ValueError: It is too short to be told from chance.
        """
        if len(secret) < LEAST:
            raise ValueError(f"{label} is too short to look for")
        for encoding, encoded in encodings(secret):
            self._by_beginning[encoded[:LEAST]].append((encoded, label, encoding))
            self.count += 1

    def found_in(self, hay: bytes) -> Iterator[Find]:
        """Every needle that is in there, each time it is."""
        beginnings = self._by_beginning
        for at in range(len(hay) - LEAST + 1):
            some = beginnings.get(hay[at : at + LEAST])
            if some is None:
                continue
            for encoded, label, encoding in some:
                if hay.startswith(encoded, at):
                    around = hay[max(0, at - 60) : at + len(encoded) + 20].decode(errors="replace")
                    yield Find(label, encoding, around)


def encodings(secret: str) -> list[tuple[str, bytes]]:
    """What a text may look like, each look once: the first name that it goes by."""
    looks: dict[bytes, str] = {}
    for name, look in _looks(secret):
        if len(look) >= LEAST:
            looks.setdefault(look, name)
    return [(name, look) for look, name in looks.items()]


def _looks(secret: str) -> Iterator[tuple[str, bytes]]:
    raw = secret.encode()
    yield "as it is", raw
    yield "lower case", secret.lower().encode()
    yield "upper case", secret.upper().encode()
    yield "JSON", json.dumps(secret)[1:-1].encode()
    yield "repr", ascii(secret)[1:-1].encode()
    yield "bytes repr", repr(raw)[2:-1].encode()
    yield "HTML", html.escape(secret).encode()
    yield "URL", quote(secret, safe="").encode()
    yield "form", quote_plus(secret).encode()
    yield "URL in lower case", quote(secret, safe="").lower().encode()
    yield "UTF-16", secret.encode("utf-16-le")
    yield from _as_bytes("", raw)
    for digest in (hashlib.sha256, hashlib.sha1, hashlib.md5):
        yield from _as_bytes(f"{digest().name} in ", digest(raw, usedforsecurity=False).digest())


def _as_bytes(what: str, raw: bytes) -> Iterator[tuple[str, bytes]]:
    yield f"{what}hex", raw.hex().encode()
    yield f"{what}HEX", raw.hex().upper().encode()
    yield f"{what}base32", base64.b32encode(raw).rstrip(b"=")
    if what:
        yield f"{what}bytes", raw
    for look in _base64(raw):
        yield f"{what}base64", look
        yield f"{what}base64url", look.translate(bytes.maketrans(b"+/", b"-_"))


def _base64(raw: bytes) -> Iterable[bytes]:
    """What base64 (RFC 4648) makes of it wherever it stands in a longer text: three ways to begin."""
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + raw + bytes(-(before + len(raw)) % 3))
        begin = -(-before * 8 // 6)  # characters that hold bits of what is before, or none of it
        end = (before + len(raw)) * 8 // 6
        yield encoded[begin:end]
