"""A login that has begun and not yet come back: what the browser keeps of it, signed, until then.

Only the browser that began a login can end it (RFC 9700, 4.7), within ten minutes and once. That it was used
is known to this process alone; elsewhere the code, which a provider takes once, is what stops a replay. The
browser keeps it for an hour, so that whoever comes back too late is still led to the page that they wanted.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from itsdangerous import BadData, URLSafeSerializer

from gateway.pages.consumer.signin.openid import Question
from scoregate.instants import micros

LIFE = timedelta(minutes=10)
KEPT = timedelta(hours=1)


class NotBegun(Exception):
    """This browser began no such login, too long ago, or has ended it.

    ``next`` is where it wanted to go with the latest that it began, as far as it has kept that.
    """

    def __init__(self, next_path: str = "/") -> None:
        super().__init__()
        self.next = next_path


@dataclass(frozen=True, slots=True)
class Begun:
    """A question to the provider, and where its person wanted to go."""

    question: Question
    next: str


class Beginnings:
    """Signs what a browser keeps, and takes it back once."""

    def __init__(self, secret: bytes) -> None:
        self._signed = URLSafeSerializer(
            secret, salt="login", signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"}
        )
        self._used: dict[str, int] = {}  # state -> when its cookie ends, in microseconds

    def seal(self, begun: Begun, *, now: datetime) -> str:
        """What the browser keeps."""
        kept = {"question": asdict(begun.question), "next": begun.next, "until": micros(now + LIFE)}
        sealed: str = self._signed.dumps(kept)
        return sealed

    def take(self, cookie: str, state: str, *, now: datetime) -> Begun:
        """The login of this state, for the first and only time.

        Raises:
            NotBegun: The cookie is missing, altered, too old, used, or of another login; a login that is
                still going on in this browser stays as it is.
        """
        try:
            kept: dict[str, Any] = self._signed.loads(cookie)
        except BadData as error:
            raise NotBegun from error
        question = Question(**kept["question"])
        if not hmac.compare_digest(question.state.encode(), state.encode()):
            raise NotBegun(kept["next"])
        if kept["until"] <= micros(now) or question.state in self._used:
            raise NotBegun(kept["next"])
        self._used = {each: until for each, until in self._used.items() if until > micros(now)}
        self._used[question.state] = kept["until"]
        return Begun(question, kept["next"])
