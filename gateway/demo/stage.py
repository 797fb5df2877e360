"""Where the story happens, and what its chapters share.

    HOME/installation/   SCOREGATE_HOME: settings, authorities, keys, the ledger
    HOME/engine/         the trained scorecard
    HOME/<who>/          what a lender or the officer keeps: key, certificate, receipts, the pulled log
    HOME/borrower/       what the borrower downloads: signed receipts of their consents

The stage closes whatever was opened on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TypeVar

from gateway.demo.borrower import RESIDENT, Person
from gateway.demo.browser import Browser
from gateway.demo.installation import Installation
from gateway.demo.people import Credentials, Lender, Operator
from scoregate.client import Client, Consent, ScoreAnswer, ScoreQuery
from scoregate.client.connection import Connection

T = TypeVar("T")


class Stage:
    """The place, the gateway and the people. What has no value yet is set by the chapter that is about it.

    ``after_pull`` is called with the folder of the pulled log before it is verified; a test puts something in
    that spoils it, to see the story notice.
    """

    gateway: Installation
    operator: Operator
    officer: Credentials  # of compliance
    meadow: Lender  # the lender of the story
    harbour: Lender  # another one
    borrower: Person  # signed in, once they were asked
    consent: Consent  # the borrower's, to meadow
    query: ScoreQuery  # the first question
    answer: ScoreAnswer  # and its answer
    foreign: Consent  # the borrower's, to harbour
    crowd: Sequence[Consent]  # one-time, used up
    receipt: Path  # the borrower's last one

    def __init__(
        self, home: Path, *, people: int = 1_000, after_pull: Callable[[Path], None] = lambda _: None
    ) -> None:
        self.home = home
        self.people = people
        self.after_pull = after_pull
        self.lenders: list[Lender] = []
        self._closing = ExitStack()

    @property
    def engine(self) -> Path:
        """The folder of the trained scorecard."""
        return self.home / "engine"

    def open_gateway(self) -> Installation:
        """Found the installation and start its gateway, and the pages beside it; they stop with the stage.

        Raises:
            StepFailed: As its commands do.
        """
        self.gateway = Installation(self.home / "installation", engine=self.engine)
        self._closing.callback(self.gateway.stop)
        self.gateway.found()
        self.gateway.start(with_pages=True)
        return self.gateway

    def open_second(self, **changes: str) -> Installation:
        """Start a second gateway on the same files, with these settings of its own; it stops with the stage.

        Raises:
            StepFailed: As its command does.
        """
        second = self.gateway.second(**changes)
        self._closing.callback(second.stop)
        second.start()
        return second

    def keep(self, opened: AbstractContextManager[T]) -> T:
        """Enter it; it is left with the stage."""
        return self._closing.enter_context(opened)

    def connect(self, credentials: Credentials, address: str) -> Connection:
        """Open a connection to one of the gateway's doors."""
        connection = credentials.connect(address)
        self._closing.callback(connection.close)
        return connection

    def client(self, credentials: Credentials, jwks: Path, gateway: Installation | None = None) -> Client:
        """Open a lender's client, of the second gateway if that is given."""
        return self.keep(
            Client(
                (gateway or self.gateway).partner_address,
                certificate=credentials.certificate,
                key=credentials.key,
                server_ca=credentials.server_ca,
                issuer=self.gateway.settings.issuer,
                jwks=jwks,
            )
        )

    def person(self, subject: str) -> Person:
        """Open a browser for somebody; nobody is signed in."""
        return Person(RESIDENT[subject], self.keep(Browser(self.gateway.settings.pages.url)))

    def units(self) -> int:
        """Return the contract units that the lenders have spent this month, by the gateway's meters."""
        return sum(self.operator.units(lender.partner_id) for lender in self.lenders)

    def close(self) -> None:
        """Close every connection, then stop the gateway."""
        self._closing.close()
