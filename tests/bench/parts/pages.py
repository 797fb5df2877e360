"""The consumers' pages: how long each takes, how much it is, and GetScore while people read them.

The person whose pages are measured has 300 consents with four lenders, 25 cases as long as they may be, and
100,000 entries in the log, every one a real release: asked for in batches at a gateway's door, with other
people's between them, and followed by the auditor. The pages are a process of their own on the server's
core. Each is asked for in turn, on a connection that stays open, and timed from the first byte sent to the
last one read, so loopback and this side's reading are in it. It weighs what a first visit transfers: headers,
page, style sheet and icon.

Then GetScore runs twice in each round: while nobody reads, and while three people read all of their pages,
their own score too, at the pace of a page in a quarter of a second each. The pages then share the
generator's core, as the gateway's own is full.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import cycle
from threading import Event

from consent import register
from consent.register import disputes
from gateway.audit import persons
from gateway.audit.private import Vault
from gateway.pages.consumer.frame import static_files
from gateway.server.pages import RESIDENTS
from gateway.settings import read_secret
from gateway.store import Store, open_store
from scoregate.partner.v1 import consent_pb2_grpc
from tests.bench import installation, postgres, servers
from tests.bench.contest import BATCHES_IN_FLIGHT, ITEMS, WARM_UP_SECONDS, Contender, Ground, one_by_one
from tests.bench.failed import BenchFailed
from tests.bench.figures import READ, UNREAD, Findings, Spread, percentile, quotients
from tests.bench.honesty import Auditor
from tests.bench.installation import LENDERS, Installation
from tests.bench.load import Connections
from tests.bench.servers import running
from tests.bench.turn import Turn
from tests.pages.browser import Browser
from tests.pages.place import with_pages
from tests.wire import open_channel

PERSON, *_ = READERS = [subject for subject, *_ in RESIDENTS[:3]]
OF_THE_PERSON, OF_OTHERS = 75, 25  # consents of each lender
LOADS, WARM = 100, 3  # of each page; unmeasured
PAUSE_SECONDS = 0.25
TIMEOUT_SECONDS = 30.0
ENDLESS = 600.0


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the application, as a signed-in person asks for it.

    A year's report as JSON is none: a download as long as the year was, sent while it is read.
    """

    name: str
    path: str
    status: int = 200
    has_style: bool = True  # a browser asks for the style sheet and the icon too


@dataclass(frozen=True, slots=True)
class Loaded:
    """What loads of one page took, and what they transferred."""

    page: Page
    ms: Sequence[float]
    cpu_ms: Sequence[float]  # of that, what the pages' process worked
    transferred: int  # bytes, headers included, the most of all loads

    @property
    def p95(self) -> float:
        """Milliseconds that 95 in 100 loads do not exceed."""
        return percentile(self.ms, 0.95)

    def plain(self, static: int) -> dict[str, float]:
        """In figures; ``static`` bytes come with a page at a first visit."""
        return {
            "p50_ms": round(statistics.median(self.ms), 2),
            "p95_ms": round(self.p95, 2),
            "most_ms": round(max(self.ms), 2),
            "cpu_p50_ms": round(statistics.median(self.cpu_ms), 2),
            "kb": round((self.transferred + static * self.page.has_style) / 1e3, 1),
        }


class Reader:
    """Somebody who is signed in, at a connection that stays open."""

    def __init__(self, url: str, subject: str) -> None:
        with Browser(url) as browser:
            if browser.sign_in(subject, then="/freeze").status_code != 200:
                raise BenchFailed("Nobody can sign in to the pages.")
            self._headers = {"cookie": "; ".join(f"{k}={v}" for k, v in browser.cookies.items())}
        self._line = HTTPConnection(url.partition("//")[2], timeout=TIMEOUT_SECONDS)

    def load(self, page: Page) -> tuple[float, int]:
        """Milliseconds and bytes.

        Raises:
            BenchFailed: It is another page than it must be.
        """
        began = time.perf_counter()
        self._line.request("GET", page.path, headers=self._headers)
        answer = self._line.getresponse()
        body = answer.read()
        took = (time.perf_counter() - began) * 1e3
        if answer.status != page.status:
            raise BenchFailed(f"The page {page.name} answered {answer.status}.")
        headers = sum(len(name) + len(value) + 4 for name, value in answer.getheaders())
        return took, len(body) + headers + len(f"HTTP/1.1 {answer.status} {answer.reason}\r\n\r\n")

    def close(self) -> None:
        """Hang up."""
        self._line.close()


def pages(ground: Ground) -> Findings:
    """The pages on each store, and GetScore beside them on SQLite."""
    lenders = dict.fromkeys(LENDERS, OF_THE_PERSON + OF_OTHERS)
    others = iter([each for each in installation.scorable(ground.engine_folder) if each not in READERS])
    people = [
        subject
        for _ in LENDERS
        for subject in [PERSON] * OF_THE_PERSON + [next(others) for _ in range(OF_OTHERS)]
    ]
    made = installation.found(
        ground.folder / "home-pages", ground.engine_folder, lenders=lenders, people=people, complains=PERSON
    )
    static, on_sqlite = _all_pages(ground, made)
    beside = _beside(ground, made)
    with postgres.postgres(ground.folder / "postgres-pages", ground.server_core) as database:
        home = ground.folder / "home-pages-postgres"
        made = installation.found(home, ground.engine_folder, database.url, lenders, people, PERSON)
        _, on_postgres = _all_pages(ground, made)
    found = {
        store: {each.page.name: each.plain(static) for each in loaded}
        for store, loaded in (("sqlite", on_sqlite), ("postgresql", on_postgres))
    }
    figures = {
        "pages_p95_ms": Spread.of([max(each["p95_ms"] for each in found["sqlite"].values())]),
        "pages_p95_ms_on_postgres": Spread.of([max(each["p95_ms"] for each in found["postgresql"].values())]),
        "pages_kb": Spread.of([max(each["kb"] for pages in found.values() for each in pages.values())]),
    }
    notes = {
        f"page {name}": f"{_told(each)}; on PostgreSQL {_told(found['postgresql'][name])}"
        for name, each in found["sqlite"].items()
    }
    return Findings({}, figures, notes, {"pages": found}) | beside


def _told(page: dict[str, float]) -> str:
    times = f"p50 {page['p50_ms']}, p95 {page['p95_ms']}, most {page['most_ms']} ms"
    return f"{times}, of the processor {page['cpu_p50_ms']}, {page['kb']} kB"


def _all_pages(ground: Ground, made: Installation) -> tuple[int, list[Loaded]]:
    """Bytes of style sheet and icon, and every page."""
    settings = with_pages(made.settings)
    with ExitStack() as stack:
        store = open_store(settings.database.url)
        stack.callback(store.close)
        with running("gateway", servers.gateway, ground.server_core, settings) as gateway:
            handle = _invite(made, gateway.port)
            _ask(ground, made, Auditor(store, made), gateway)
        persons.catch_up(store)
        served = stack.enter_context(running("pages", servers.pages, ground.server_core, settings))
        reader = Reader(settings.pages.url, PERSON)
        stack.callback(reader.close)
        taken: dict[Page, list[tuple[float, int, float]]] = {page: [] for page in _pages(store, made, handle)}
        with ground.bar(WARM + LOADS) as step:
            for number in range(WARM + LOADS):
                step(f"reading pages: {number + 1} of {WARM + LOADS}")
                for page, loads in taken.items():
                    worked = served.cpu_seconds()
                    ms, transferred = reader.load(page)
                    loads.append((ms, transferred, (served.cpu_seconds() - worked) * 1e3))
        static = sum(reader.load(page)[1] for page in taken if page.path.startswith("/static/"))
    loaded = []
    for page, loads in taken.items():
        ms, transferred, worked_ms = zip(*loads, strict=True)
        loaded.append(Loaded(page, ms[WARM:], worked_ms[WARM:], max(transferred)))
    return static, loaded


def _invite(made: Installation, port: int) -> str:
    """An invitation that waits; its handle."""
    lender = made.lenders[0]
    with open_channel(port, made.server_ca, lender.certificate, lender.key) as channel:
        consents = consent_pb2_grpc.ConsentServiceStub(channel)
        handle: str = consents.CreateConsentInvitation(installation.invite()).invitation.handle
        return handle


def _ask(ground: Ground, made: Installation, auditor: Auditor, gateway: servers.Server) -> None:
    """Fill the log with answers about the person, and some about others."""
    wanted = ground.plan.entries * (OF_THE_PERSON + OF_OTHERS) // OF_THE_PERSON
    each = -(-wanted // (ITEMS * len(made.lenders)))
    ground.say(f"  {each * len(made.lenders) * ITEMS:,} answers into the log")
    bodies = [installation.batches(cycle(lender.consent_ids), each, ITEMS) for lender in made.lenders]
    with Connections([gateway], made, "BatchGetScores") as batches:
        auditor.require_batches(batches.drive(bodies, in_flight=BATCHES_IN_FLIGHT, seconds=ENDLESS))


def _pages(store: Store, made: Installation, handle: str) -> list[Page]:
    """Every page that can be read, long lists at their end too."""
    vault = Vault(read_secret(made.settings.secrets.master_key))
    with store.reading() as connection:
        consents = register.latest_of_subject(connection, PERSON, before="", limit=1_000)
        cases = disputes.disputes_of_subject(connection, PERSON)
        (newest,) = persons.entries_about(connection, vault, PERSON, limit=1).entries
    consent, last = consents[0], consents[-10].grant.consent_id
    early = newest.leaf_index // 50
    return [
        Page("/", "/", 303, has_style=False),
        Page("/score", "/score"),
        Page("/i/…", f"/i/{handle}"),
        Page("/i/…/done", f"/i/{consent.handle}/done"),
        Page("/consents", "/consents"),
        Page("/consents, the oldest", f"/consents?before={last}"),
        Page("/consents/…", f"/consents/{consent.grant.consent_id}"),
        Page("/consents/…/receipt", f"/consents/{consent.grant.consent_id}/receipt", has_style=False),
        Page("/asked", "/asked"),
        Page("/asked, among the oldest", f"/asked?before={early}"),
        Page("/asked/report", "/asked/report"),
        Page("/asked/report, among the oldest", f"/asked/report?before={early}"),
        Page("/asked/…", f"/asked/{newest.leaf_index}"),
        Page("/asked/…/leaf", f"/asked/{newest.leaf_index}/leaf", has_style=False),
        Page("/asked/…/receipt.json", f"/asked/{newest.leaf_index}/receipt.json", has_style=False),
        Page("/wrong", "/wrong"),
        Page("/wrong, in the middle", f"/wrong?before={cases[len(cases) // 2].reference}"),
        Page("/freeze", "/freeze"),
        Page("a page that there is not", "/asked/999999999", 404),
        *(Page(f"/static/….{name[-3:]}", f"/static/{name}", has_style=False) for name in static_files()),
    ]


def _beside(ground: Ground, made: Installation) -> Findings:
    """GetScore while nobody reads pages, and while people do."""
    settings = with_pages(made.settings)
    with ExitStack() as stack:
        store = open_store(settings.database.url)
        stack.callback(store.close)
        gateway = stack.enter_context(running("gateway", servers.gateway, ground.server_core, settings))
        stack.enter_context(running("pages", servers.pages, ground.generator_core, settings))
        auditor = Auditor(store, made)
        singles = stack.enter_context(Connections([gateway], made, "GetScore"))
        alone = Contender(UNREAD, one_by_one(singles, made), auditor.require_singles)
        readers = [Reader(settings.pages.url, subject) for subject in READERS]
        for reader in readers:
            stack.callback(reader.close)
        read: list[int] = []

        def drive(seconds: float) -> Turn:
            with _reading(readers, read):
                return alone.drive(seconds)

        arms = ground.compete([alone, Contender(READ, drive, auditor.require_singles)])
    figures = {
        "getscore_beside_pages": quotients(arms[UNREAD].cpu_us(), arms[READ].cpu_us()),
        "getscore_beside_pages_throughput": quotients(arms[READ].per_second(), arms[UNREAD].per_second()),
    }
    seconds = WARM_UP_SECONDS + sum(turn.seconds for turn in arms[READ].turns)
    note = f"{len(readers)} people, {len(read) / seconds:.0f} pages a second, on the generator's core"
    return Findings(arms, figures, {"GetScore beside pages": note})


@contextmanager
def _reading(readers: Sequence[Reader], read: list[int]) -> Iterator[None]:
    """All of them go round the pages until the block ends; ``read`` gets the bytes of each."""
    rooms = [
        Page(path, path) for path in ("/score", "/consents", "/asked", "/asked/report", "/wrong", "/freeze")
    ]
    enough = Event()

    def run(reader: Reader) -> None:
        reader.close()  # what lay idle for some seconds is closed by now; it opens another by itself
        for page in cycle(rooms):
            if enough.wait(PAUSE_SECONDS):
                return
            read.append(reader.load(page)[1])

    with ThreadPoolExecutor(len(readers)) as pool:
        reading = [pool.submit(run, reader) for reader in readers]
        try:
            yield
        finally:
            enough.set()
        for each in reading:
            each.result()
