"""Who asked: every look into a person's file and every refusal, as the audit log has them, with proof."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from consent.identity import Trait
from gateway.audit.log import first_since, read_head
from gateway.audit.persons import PersonEntry, PersonPage, entries_about, entry_about
from gateway.audit.tree.proofs import EntryNotPublished, Proofs, Published
from gateway.decisions import RELINQUISHED
from gateway.pages.consumer.desk import CONSUMER, Missing, Visit
from gateway.pages.consumer.frame import Frame, attached
from scoregate.proof import personal, personal_report
from scoregate.proof.digest import Json
from scoregate.tlog.proof import TlogProof

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
        proof = None
        with suppress(EntryNotPublished):  # of the last second: what there is is a receipt, too
            proof = TlogProof.decode(self._proofs.tlog_proof(entry.leaf_index))
        shown = {"log_origin": log_origin, "leaf_index": entry.leaf_index, **_proving(entry, proof)}
        text = json.dumps(shown, indent=2) + "\n"
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
        published = self._published()
        first, older = self._lines(subject, year, None, published)
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
                for line in page:
                    yield between + json.dumps(line)
                    between = ",\n"
                if before is None:
                    break
                page, before = self._lines(subject, year, before, published)
            yield "\n]}\n"

        return StreamingResponse(
            lines(), media_type="application/json", headers=attached(f"report-{year}.json")
        )

    def _published(self) -> Published | None:
        """The checkpoint that all proofs of a report end in; None: nothing is published yet."""
        try:
            return self._proofs.published()
        except EntryNotPublished:
            return None

    def _lines(
        self, subject: str, year: int, before: int | None, published: Published | None
    ) -> tuple[list[dict[str, Json]], int | None]:
        """A page of a year's entries as JSON has them, each with its proof where it is published."""
        found, older = self._entries_of_year(subject, year, before, CHUNK)
        size = published.checkpoint.size if published else 0
        hashes = self._proofs.inclusions((entry.leaf_index for entry in found), size)
        lines = []
        for entry in found:
            proof = None
            if published and entry.leaf_index in hashes:
                path = tuple(hashes[entry.leaf_index])
                proof = TlogProof(entry.leaf_index, path, published.note)
            lines.append({**Told.of(entry).plain(), **_proving(entry, proof)})
        return lines, older

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
        """A page of a year's entries in words, the newest first, and where the next begins."""
        found, older = self._entries_of_year(subject, year, before, limit)
        return list(map(Told.of, found)), older

    def _entries_of_year(
        self, subject: str, year: int, before: int | None, limit: int
    ) -> tuple[list[PersonEntry], int | None]:
        with self._desk.store.reading() as connection:
            first, behind = (self._first_of(connection, each) for each in (year, year + 1))
            end = behind if before is None else min(before, behind)
            page = self._page(connection, subject, end, limit)
        found = [entry for entry in page.entries if entry.leaf_index >= first]
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
class Told(personal.Told):
    """An entry as a page tells it."""

    named_today: str  # the partner's name, where the entry does not say what it was then

    @classmethod
    def of(cls, entry: PersonEntry) -> Told:
        """What an entry says; what does not open says nothing."""
        return cls.read(entry.leaf_index, entry.leaf, entry.part, named_today=entry.legal_name)

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
        return self.legal_name or self.named_today or self.partner_id

    @property
    def by(self) -> str:
        """Who acted: "person", "lender", or "us"."""
        if self.kind in OURS or (not self.partner_id and self.kind not in OF_THE_PERSON):
            return "us"
        return "person" if self.kind in OF_THE_PERSON and not self.is_relinquished else "lender"

    @property
    def is_report(self) -> bool:
        """Whether an officer drew a report of who asked."""
        return self.kind == "OFFICER_READ" and self.reason.startswith(personal_report.REASON)

    @property
    def why(self) -> str:
        """The reason that an officer gave for a copy; empty where there is none."""
        return str(self._copied.get("why", ""))

    @property
    def is_with_private_parts(self) -> bool:
        """Whether an officer's copy holds what is about the person, and not the entries alone."""
        return bool(self._copied.get("private_parts"))

    @property
    def _copied(self) -> dict[str, object]:
        found = json.loads(self.reason) if self.kind == "EXPORTED" else {}
        return found if isinstance(found, dict) else {}


def _proving(entry: PersonEntry, proof: TlogProof | None) -> dict[str, str]:
    part = b"" if entry.part is None else entry.part.SerializeToString()
    return personal.proving(entry.data, part, entry.blind, proof)


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
