"""Where the story happens, and what its chapters share.

    HOME/installation/   SCOREGATE_HOME: settings, authorities, keys, the ledger
    HOME/engine/         the trained scorecard
    HOME/<who>/          what a lender or the officer keeps: key, certificate, receipts, the pulled log
    HOME/borrower/       what the borrower downloads: signed receipts of their consents, a proof
    HOME/witness/        the witness's: its key, and what it cosigned
    HOME/policy          whose signatures the log needs, as everybody here pins them

The stage closes whatever was opened on it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TypeVar

from gateway.demo.borrower import RESIDENT, Person
from gateway.demo.browser import Browser
from gateway.demo.installation import Installation, own_environment
from gateway.demo.people import Credentials, Lender, Operator
from gateway.demo.witness import Witness
from scoregate.client import Client, Consent, ScoreAnswer, ScoreQuery
from scoregate.client.connection import Connection

T = TypeVar("T")


class Stage:
    """The place, the gateway and the people. What has no value yet is set by the chapter that is about it.

    ``after_pull`` is called with the folder of the pulled log before it is verified, ``after_keep`` with the
    lender's kept file; a test puts something in that spoils it, to see the story notice.
    """

    gateway: Installation
    second: Installation  # another gateway on the same files
    witness: Witness  # of the log
    vkey: str  # the log's own
    operator: Operator
    officer: Credentials  # of compliance
    meadow: Lender  # the lender of the story
    harbour: Lender  # another one
    borrower: Person  # signed in, once they were asked
    consent: Consent  # the borrower's, to meadow
    query: ScoreQuery  # the first question
    answer: ScoreAnswer  # and its answer
    kept: Path  # the lender's file of it, with its proof
    foreign: Consent  # the borrower's, to harbour
    crowd: Sequence[Consent]  # one-time, used up
    nobody: Consent  # of somebody of whom there is no record: never used up
    young: ScoreAnswer  # about them, whose proof was asked for too early
    receipt: Path  # the borrower's last one

    def __init__(
        self,
        home: Path,
        *,
        people: int = 1_000,
        after_pull: Callable[[Path], None] = lambda _: None,
        after_keep: Callable[[Path], None] = lambda _: None,
    ) -> None:
        self.home = home
        self.people = people
        self.after_pull = after_pull
        self.after_keep = after_keep
        self.lenders: list[Lender] = []
        self._closing = ExitStack()

    @property
    def engine(self) -> Path:
        """The folder of the trained scorecard."""
        return self.home / "engine"

    @property
    def policy(self) -> Path:
        """The log's key and its witness's, as everybody pins them (C2SP tlog-policy)."""
        return self.home / "policy"

    def open_gateway(self) -> Installation:
        """Found the installation and start its gateway, the pages beside it, and a witness of its log. They
        stop with the stage.

        Raises:
            StepFailed: As their commands do.
        """
        self.gateway = gateway = Installation(self.home / "installation", engine=self.engine)
        self.witness = witness = Witness(self.home / "witness", own_environment(os.environ))
        self._closing.callback(witness.stop)
        self._closing.callback(gateway.stop)
        gateway.found()
        witness.start()
        gateway.settings.log.policy.write_text(witness.policy)
        gateway.start(with_pages=True)
        self.vkey = gateway.fetch(f"{gateway.log_path}/vkey")[1].decode().strip()
        witness.trust(self.vkey)
        place = f"{gateway.settings.public_url}{gateway.log_path}"
        self.policy.write_text(f"log {self.vkey} {place}\n{witness.policy}")
        return gateway

    def open_second(self, **changes: str) -> Installation:
        """Start a second gateway on the same files, with these settings of its own; it stops with the stage.

        Raises:
            StepFailed: As its command does.
        """
        self.second = second = self.gateway.second(**changes)
        self._closing.callback(second.stop)
        second.start()
        return second

    def go_dark(self) -> list[str]:
        """Stop whatever serves, for good; returns the addresses where it listened."""
        addresses = [*self.second.addresses, *self.gateway.addresses, self.witness.address]
        for each in (self.second, self.gateway, self.witness):
            each.stop()
        return addresses

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
                log=self.policy,
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
