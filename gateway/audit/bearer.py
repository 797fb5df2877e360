"""Tokens that open entry bundles over HTTP: what an officer's certificate may read, until when.

Pure. A token is sealed (RFC 2104) under a secret of the installation's, so that any of its gateways reads
what another gave out, and nobody else can make one. It names the officer and the certificate that asked:
whether these may read the log still is for whoever is shown the token.

    sge1_<base64url of officer:fingerprint:begin:end:expiry in microseconds>.<base64url of 32 bytes>
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from datetime import datetime, timedelta

from scoregate.bearer import PREFIX
from scoregate.instants import micros, moment
from scoregate.values import value

LIFE = timedelta(hours=1)
NO_END = 2**63 - 1  # no log has more entries

_TOKEN = re.compile(rf"{PREFIX}([A-Za-z0-9_-]{{1,400}})\.([A-Za-z0-9_-]{{43}})")


class PassRefused(Exception):
    """No token of this installation's, or one whose time is over: nobody is told which."""


@value
class Pass:
    """What a token says."""

    officer_id: str
    fingerprint: str  # of the certificate that asked for it
    begin: int  # the first entry that it opens
    end: int  # behind the last one
    expires_at: datetime  # UTC; dead at this instant

    def covers(self, begin: int, end: int) -> bool:
        """Whether all of these entries are among those that it opens."""
        return self.begin <= begin and end <= self.end


class Passes:
    """Seals and reads them."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def seal(self, granted: Pass) -> str:
        """The token."""
        said = (
            granted.officer_id,
            granted.fingerprint,
            granted.begin,
            granted.end,
            micros(granted.expires_at),
        )
        text = _spelled(":".join(map(str, said)).encode())
        return f"{PREFIX}{text}.{self._seal(text)}"

    def read(self, token: str, *, now: datetime) -> Pass:
        """What a token says.

        Raises:
            PassRefused: It is none, or its time is over.
        """
        found = _TOKEN.fullmatch(token)
        if found is None or not hmac.compare_digest(found[2], self._seal(found[1])):
            raise PassRefused
        said = base64.urlsafe_b64decode(found[1] + "=" * (-len(found[1]) % 4)).decode()  # we wrote it
        officer_id, fingerprint, begin, end, expires_us = said.split(":")
        granted = Pass(officer_id, fingerprint, int(begin), int(end), moment(int(expires_us)))
        if now >= granted.expires_at:
            raise PassRefused
        return granted

    def _seal(self, text: str) -> str:
        return _spelled(hmac.digest(self._secret, text.encode(), hashlib.sha256))


def _spelled(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
