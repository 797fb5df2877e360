"""Who asked: every look into a person's file and every refusal, as the audit log has them, with proof."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from consent.identity import Trait
from gateway.audit.log import first_since, read_head
from gateway.audit.persons import PersonEntry, PersonPage, entries_about, entry_about
from gateway.audit.tree.proofs import EntryNotPublished, Proofs
from gateway.decisions import RELINQUISHED
from gateway.pages.consumer.desk import CONSUMER, Missing, Visit
from gateway.pages.consumer.frame import Frame, attached
from scoregate.audit.v1 import leaf_pb2
from scoregate.words import Purpose

PAGE, REPORT_PAGE, CHUNK = 25, 100, 500
FIRST_YEAR = 2020
DECISIONS = frozenset(
    {
        "INVITATION_REJECTED",
        "CONSENT_GRANTED",
        "CONSENT_PAUSED",
        "CONSENT_RESUMED",
        "CONSENT_REVOKED",
        "SUBJECT_FROZEN",
        "SUBJECT_UNFROZEN",
    }
)
"""What people decide: by themselves, or through somebody of ours."""
OF_THE_PERSON = DECISIONS | {"SELF_INQUIRY", "DISPUTE_OPENED"}
OURS = frozenset({"OFFICER_READ", "EXPORTED", "DISPUTE_RESOLVED", "MONTH_REOPENED", "CONSENT_EXPIRED"})


class AskedPages:
    """Shows a person's entries, newest first, and the report of a year."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._desk = frame.desk
        self._proofs = Proofs(frame.desk.store)
        self._zone = ZoneInfo(frame.desk.settings.pages.time_zone)
        self._begins: dict[int, int] = {}  # year → index of its first entry

    def routes(self) -> list[Route]:
        """The pages' addresses."""
        frame = self._frame
        return [
            Route("/asked", frame.page(self._list)),
            Route("/asked/report", frame.page(self._report)),
            Route("/asked/report.json", frame.page(self._report_json)),
            Route("/asked/{leaf_index}", frame.page(self._show)),
            Route("/asked/{leaf_index}/leaf", frame.page(self._leaf)),
            Route("/asked/{leaf_index}/receipt.json", frame.page(self._receipt)),
            Route("/asked/{leaf_index}/proof", frame.page(self._proof)),
        ]

    def _list(self, visit: Visit) -> Response:
        with self._desk.store.reading() as connection:
            page = self._page(connection, visit.subject, _number(visit.request, "before"), PAGE)
        return self._frame.render(
            visit,
            "asked.html",
            here="asked",
            entries=list(map(Told.of, page.entries)),
            older=page.before,
            year=visit.now.astimezone(self._zone).year,
        )

    def _show(self, visit: Visit) -> Response:
        return self._frame.render(visit, "entry.html", here="asked", entry=Told.of(self._one(visit)[0]))

    def _leaf(self, visit: Visit) -> Response:
        entry, _ = self._one(visit)
        return _download(entry.data, f"leaf-{entry.leaf_index}.binpb", "application/octet-stream")

    def _receipt(self, visit: Visit) -> Response:
        """Where the entry lies in the log, that it does, and what opens its commitment."""
        entry, log_origin = self._one(visit)
        part = b"" if entry.part is None else entry.part.SerializeToString()
        receipt: dict[str, str | int] = {
            "log_origin": log_origin,
            "leaf_index": entry.leaf_index,
            "leaf": base64.b64encode(entry.data).decode(),
            "private_part": base64.b64encode(part).decode(),
            "blind": base64.b64encode(entry.blind).decode(),
        }
        with suppress(EntryNotPublished):  # of the last second: what there is is a receipt, too
            receipt["proof"] = self._proofs.tlog_proof(entry.leaf_index)
        text = json.dumps(receipt, indent=2) + "\n"
        return _download(text.encode(), f"receipt-{entry.leaf_index}.json", "application/json")

    def _proof(self, visit: Visit) -> Response:
        """That the entry is in the published log (C2SP tlog-proof)."""
        entry, _ = self._one(visit)
        proof = self._proofs.tlog_proof(entry.leaf_index)
        return _download(proof.encode(), f"entry-{entry.leaf_index}.tlog-proof", "text/plain")

    def _report(self, visit: Visit) -> Response:
        year, before = self._year(visit), _number(visit.request, "before")
        found, older = self._of_year(visit.subject, year, before, REPORT_PAGE)
        return self._frame.render(
            visit,
            "report.html",
            here="asked",
            year=year,
            entries=found,
            older=older,
            begun=before is None,
            around=self._around(visit),
        )

    def _report_json(self, visit: Visit) -> Response:
        subject, year = visit.subject, self._year(visit)
        # The first page is read before anything is sent: what can't be read at all is said on a page.
        first, older = self._of_year(subject, year, None, CHUNK)
        head = {
            "year": year,
            "time_zone": self._zone.key,
            "made_at": visit.now.isoformat(),
            "subject": subject,
            **self._around(visit),
        }

        def lines() -> Iterator[str]:
            yield json.dumps(head)[:-1] + ', "entries": ['
            page, before, between = first, older, "\n"
            while True:
                for entry in page:
                    yield between + json.dumps(entry.plain())
                    between = ",\n"
                if before is None:
                    break
                page, before = self._of_year(subject, year, before, CHUNK)
            yield "\n]}\n"

        return StreamingResponse(
            lines(), media_type="application/json", headers=attached(f"report-{year}.json")
        )

    def _around(self, visit: Visit) -> dict[str, str]:
        """Whom a report is about, as their sign-in says; who makes it; and of which log."""
        with self._desk.store.reading() as connection:
            origin = read_head(connection).origin
        return {
            "name": visit.signed_in.person.traits.get(Trait.NAME, ""),
            "issuer": self._desk.settings.issuer,
            "log_origin": origin,
        }

    def _year(self, visit: Visit) -> int:
        now = visit.now.astimezone(self._zone).year
        year = _number(visit.request, "year")
        if year is None:
            return now
        if not FIRST_YEAR <= year <= now:
            raise Missing
        return year

    def _of_year(
        self, subject: str, year: int, before: int | None, limit: int
    ) -> tuple[list[Told], int | None]:
        """A page of a year's entries, the newest first, and where the next begins."""
        with self._desk.store.reading() as connection:
            first, behind = (self._first_of(connection, each) for each in (year, year + 1))
            end = behind if before is None else min(before, behind)
            page = self._page(connection, subject, end, limit)
        found = [Told.of(entry) for entry in page.entries if entry.leaf_index >= first]
        return found, page.before if len(found) == len(page.entries) else None

    def _first_of(self, connection: Connection, year: int) -> int:
        """Where a year begins in the log; once it has begun, that stays."""
        found = self._begins.get(year)
        if found is None:
            found = first_since(connection, datetime(year, 1, 1, tzinfo=self._zone))
            if found < read_head(connection).size:
                self._begins[year] = found
        return found

    def _one(self, visit: Visit) -> tuple[PersonEntry, str]:
        """The entry, and the log's origin."""
        with self._desk.store.reading() as connection:
            index = _whole(visit.request.path_params["leaf_index"])
            found = entry_about(connection, self._desk.vault, visit.subject, index)
            origin = read_head(connection).origin
        if found is None:
            raise Missing
        return found, origin

    def _page(self, connection: Connection, subject: str, before: int | None, limit: int) -> PersonPage:
        return entries_about(connection, self._desk.vault, subject, before=before, limit=limit)


@dataclass(frozen=True, slots=True)
class Told:
    """An entry in words: those of the contract, without their prefixes."""

    leaf_index: int
    at: datetime
    kind: str
    partner_id: str
    legal_name: str
    purpose: Purpose | None
    decision: str
    reason: str
    shown: str
    score: int | None
    consent_id: str
    actor: str

    @property
    def is_by_staff(self) -> bool:
        """Whether an operator brought what the person decided."""
        return self.kind in DECISIONS and self.actor not in {CONSUMER, self.partner_id}

    @property
    def is_relinquished(self) -> bool:
        """Whether the lender gave up what the person had allowed it."""
        return self.reason == RELINQUISHED

    @property
    def lender(self) -> str:
        """The name of whom it concerns besides the person; empty where that is nobody."""
        return self.legal_name or self.partner_id

    @property
    def by(self) -> str:
        """Who acted: "person", "lender", or "us"."""
        if self.kind in OURS or (not self.partner_id and self.kind not in OF_THE_PERSON):
            return "us"
        return "person" if self.kind in OF_THE_PERSON and not self.is_relinquished else "lender"

    @classmethod
    def of(cls, entry: PersonEntry) -> Told:
        """What an entry says; what does not open says nothing."""
        leaf, part = entry.leaf, entry.part or leaf_pb2.PrivatePart()
        return cls(
            leaf_index=entry.leaf_index,
            at=entry.time,
            kind=leaf_pb2.LeafKind.Name(leaf.kind).removeprefix("LEAF_KIND_"),
            partner_id=leaf.partner_id,
            legal_name=entry.legal_name,
            purpose=Purpose.of(leaf.purpose) if leaf.purpose else None,
            decision=leaf_pb2.Decision.Name(leaf.decision).removeprefix("DECISION_") if leaf.decision else "",
            reason=leaf.reason,
            shown=part.shown,
            score=part.score if part.HasField("score") else None,
            consent_id=part.consent_id,
            actor=leaf.actor,
        )

    def plain(self) -> dict[str, object]:
        """As the report has it."""
        return {**asdict(self), "at": self.at.isoformat()}


def _number(request: Request, name: str) -> int | None:
    """A whole number of the query, None where there is none; what can't be one is a page that is not there.

    Raises:
        Missing: No number below 2^53.
    """
    text = request.query_params.get(name)
    return None if text is None else _whole(text)


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise Missing
    return int(text)


def _download(content: bytes, name: str, kind: str) -> Response:
    return Response(content, media_type=kind, headers=attached(name))
