"""How an OpenID provider knows this installation. Not pure: reads the file of the client's secret."""

from __future__ import annotations

from dataclasses import dataclass, field

import httpx

from gateway.pki.files import FileRefused, read_private
from gateway.settings import Problem, Settings


@dataclass(frozen=True, slots=True)
class Registration:
    """How a provider knows this installation, and how to reach it."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    redirect_uri: str
    transport: httpx.AsyncBaseTransport | None = field(default=None, repr=False)  # None: over the network


def registered(settings: Settings) -> Registration:
    """The registration that the settings name.

    Raises:
        FileRefused: The client's secret can't be read.
    """
    pages = settings.pages
    return Registration(pages.provider, pages.client_id, _read_secret(settings), callback(settings))


def callback(settings: Settings) -> str:
    """Where providers send people back to, exactly as it is registered there."""
    return f"{settings.pages.url}/login/callback"


def provider_problems(settings: Settings) -> list[Problem]:
    """Return what stops people from signing in with these settings; an empty list lets the pages start."""
    if not settings.pages.provider:
        if settings.mode == "development":
            return []
        remedy = "Name the issuer of your OpenID provider; development's own lets anybody be anybody."
        return [Problem("pages.provider", "it is empty, and production needs a provider", remedy)]
    try:
        _read_secret(settings)
    except FileRefused as refusal:
        remedy = f"{refusal.remedy[:1].upper()}{refusal.remedy[1:]}."
        return [Problem("pages.client_secret", f"{refusal.path} {refusal.why}", remedy)]
    return []


def _read_secret(settings: Settings) -> str:
    path = settings.pages.client_secret
    content = read_private(path).removesuffix(b"\n")
    if not content or not all(0x20 <= byte < 0x7F for byte in content):  # RFC 6749, A.2
        raise FileRefused(
            path, "isn't one line of printable ASCII", "write the secret that the provider gave"
        )
    return content.decode()
