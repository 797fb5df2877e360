"""Kinds of value that settings have: addresses, whole numbers, paths, database addresses. Pure."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, parse_qs, urlsplit

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen or connect; port 0 listens on any free port."""

    host: str
    port: int

    def __str__(self) -> str:
        """Return HOST:PORT, an IPv6 host in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _address(given: object) -> object:
    if isinstance(given, Address):
        return given
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})", str(given), re.ASCII)
    if match is None or int(match[3]) > 65535:
        raise ValueError("it isn't HOST:PORT with a port of 0 to 65535")
    if match[1]:
        ipaddress.IPv6Address(match[1])  # explains itself in a ValueError
    return Address(match[1] or match[2], int(match[3]))


def _whole(given: object) -> object:
    if isinstance(given, bool):
        raise PydanticCustomError("whole", "it isn't a number")  # `true` would count as 1
    return given


def _path(given: object) -> object:
    if given == "" or "\0" in str(given):
        raise ValueError("it isn't a path")
    return given


AddressField = Annotated[Address, BeforeValidator(_address)]
Whole = Annotated[int, BeforeValidator(_whole)]
PathField = Annotated[Path, BeforeValidator(_path)]


def split_url(url: str) -> SplitResult:
    """Return the parts of a database address.

    Raises:
        ValueError: It can't be split. The text doesn't quote the address, which may hold a password.
    """
    try:
        return urlsplit(url)
    except ValueError:
        raise ValueError("it isn't an address") from None


def is_local(url: str) -> bool:
    """Return whether every host of a PostgreSQL address is this machine: a socket or a loopback address."""
    parts = split_url(url)
    query = parse_qs(parts.query)
    named = ",".join([parts.hostname or "", *query.get("host", []), *query.get("hostaddr", [])])
    return all(host in ("", *LOOPBACK) or host.startswith("/") for host in named.split(","))


def is_encrypted(url: str) -> bool:
    """Return whether a PostgreSQL address insists on TLS."""
    return parse_qs(split_url(url).query).get("sslmode", [""])[-1] in ("require", "verify-ca", "verify-full")
