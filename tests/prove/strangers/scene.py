"""People whose every datum is unmistakable, a gateway that works for them, and ears for what comes out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from random import Random
from typing import Any

import grpc
import sqlalchemy as sa

from gateway.store import Store
from scoregate.partner.v1 import consent_pb2, score_pb2
from tests.prove.strangers.needles import Needles
from tests.wire import failure_of
from tests.world import Partner, World, new_uuid, terms

NAMES = ("Zoë", "José", "Łukasz", "Дмитрий", "美玲", "O'Neill & Søn")
CALL_SECONDS = 20.0

LINES, METRICS, ERRORS, PAGES, COMMANDS, ENTRIES, PAGES_LINES, REFUSED_PAGES, ADDRESSES = (
    "log lines",
    "metrics",
    "errors",
    "HTTP answers",
    "failed commands",
    "log entries",
    "log lines of the consumers' pages",
    "refusals of the consumers' pages",
    "addresses of the consumers' pages",
)
SURFACES = (LINES, METRICS, ERRORS, PAGES, COMMANDS, ENTRIES, PAGES_LINES, REFUSED_PAGES, ADDRESSES)
"""All that is searched. Answers are not: whoever is due a datum gets it."""

TOLD_TO_OPERATORS = ("consent_id", "handle")
"""By commands; and people's own stand in the addresses of their pages."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who does not exist, and whose data can't be mistaken for anything else."""

    tag: str  # part of the subject id and of the name
    phone: str
    name: str
    real: str  # whose score it is

    @property
    def subject(self) -> str:
        """What the gateway knows them by."""
        return f"{self.tag}@mail.example"

    @property
    def resident(self) -> tuple[str, str, str, str]:
        """As whom they sign in: subject, name, document, phone."""
        return self.subject, self.name, self.tag.upper(), self.phone

    @property
    def reference(self) -> str:
        """What a careless lender writes into its own reference."""
        return f"{self.name}, {self.phone}"


def invent(chance: Random, real: Sequence[str], count: int) -> list[Person]:
    """So many people."""
    return [
        Person(
            tag := f"kanari{chance.randbytes(6).hex()}",
            f"+49 30 {chance.randrange(10**8, 10**9)}",
            f"{NAMES[n % len(NAMES)]} {tag.title()}",
            real[n % len(real)],
        )
        for n in range(count)
    ]


@dataclass
class Ears:
    """What came out, by surface, each thing once; and how calls were refused."""

    heard: defaultdict[str, dict[bytes, None]] = field(default_factory=lambda: defaultdict(dict))
    reasons: Counter[str] = field(default_factory=Counter)
    calls: int = 0

    def note(self, surface: str, *parts: str | bytes) -> None:
        """Keep what came out there."""
        for part in parts:
            self.heard[surface][part.encode() if isinstance(part, str) else part] = None

    def hay(self, surface: str) -> bytes:
        """All of it."""
        return b"\n".join(self.heard[surface])

    def call(self, method: Callable[..., Any], *given: Any) -> Any:
        """Call, and keep the refusal whole, if it is one; else return the answer."""
        self.calls += 1
        try:
            answer = method(*given, timeout=CALL_SECONDS)
        except grpc.RpcError as error:
            self._note_refusal(error)
            return None
        if isinstance(answer, score_pb2.BatchGetScoresResponse):
            for each in answer.results:
                if each.HasField("error"):
                    self.reasons[each.error.reason] += 1
                    self.note(ERRORS, each.error.SerializeToString())
        return answer

    def _note_refusal(self, error: Any) -> None:
        failure = failure_of(error)
        self.reasons[failure.reason or failure.status.name] += 1
        self.note(ERRORS, error.details() or "")
        for metadata in (error.initial_metadata(), error.trailing_metadata()):
            for name, value in metadata or ():
                self.note(ERRORS, name, value)


@dataclass
class Scene:
    """An installation while its people live in it."""

    store: Store  # beside the gateway
    world: World
    lender: Partner
    other: Partner
    ears: Ears
    secret: Needles
    pages: str  # the consumers' pages' address

    def ask(self, lender: Partner, query: score_pb2.GetScoreRequest) -> Any:
        """GetScore."""
        return self.ears.call(lender.scores.GetScore, query)

    def admin(self, method: str, request: Any) -> Any:
        """A call of the operator's to the service of people."""
        return self.ears.call(getattr(self.world.people, method), request)

    def consent(self, lender: Partner, person: Person, **changes: Any) -> consent_pb2.Consent:
        """A consent of theirs, which is secret from here on."""
        fields = {"mode": "CONSENT_MODE_PERIODIC"} | changes
        request = consent_pb2.CreateConsentInvitationRequest(
            request_id=new_uuid(), terms=terms(**fields), partner_reference=person.reference
        )
        invitation = lender.consents.CreateConsentInvitation(request).invitation
        made = self.world.allow(invitation, person.subject)
        for name in ("subject_ref", *TOLD_TO_OPERATORS):
            self.secret.add(f"{name} of {person.tag}", getattr(made, name))
        return made

    def write(self, *statements: str, **values: Any) -> None:
        """Change the database behind the gateway's back."""
        with self.store.writer.begin() as connection:
            for statement in statements:
                connection.execute(sa.text(statement), values)

    def browse(self, path: str, **headers: str) -> bytes:
        """Read a page; its status line, headers and body are kept."""
        line = HTTPConnection("127.0.0.1", self.world.gateway.http_port, timeout=CALL_SECONDS)
        try:
            line.request("GET", path, headers=headers)
            answer = line.getresponse()
            body = answer.read()
            self.ears.note(PAGES, f"{answer.status} {answer.reason}", str(answer.headers), body)
        except HTTPException:  # it hung up
            return b""
        finally:
            line.close()
        return body
