"""Keeps the log published while a gateway runs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from functools import partial

from gateway.audit import accounts
from gateway.audit.tree import signing
from gateway.audit.tree.integrate import Integrator, TreeRefused
from gateway.audit.tree.outside import Outside, OutsideUnusable
from gateway.audit.tree.proofs import EntryNotPublished, Proofs
from gateway.audit.tree.publish import Publisher
from gateway.audit.tree.steps import Reached, nobody
from gateway.audit.tree.tables import Origin, read_origins
from gateway.audit.tree.witnesses import Witnesses
from gateway.ledger import LedgerBusy, LedgerUnavailable
from gateway.pages.log import prefix_of
from gateway.pki import FileRefused
from gateway.renaming import following, rename
from gateway.server.housekeeping import tick
from gateway.server.parts import Parts
from gateway.server.soundness import invalid
from gateway.settings import Settings
from gateway.store import Store, StoreUnavailable
from scoregate.tlog.policy import Policy

ACCOUNT_SECONDS = 5.0
"""A statement may take the longer, the more entries came meanwhile: some twenty milliseconds a thousand."""

BUSY = 500
"""Where more entries than this came since the last time, callers need the processor more than accounts do."""

BESIDE_CALLERS = 1_000
"""Entries that are brought in then; the rest waits for a calmer hour, or for whoever asks for a statement."""


def keep_published(parts: Parts, closing: ExitStack, reached: Reached = nobody) -> None:
    """Integrate and publish until ``closing`` closes, and once more then; ``reached`` is told each step.

    Raises:
        SettingsInvalid: Nothing may be signed with these keys, this file or this database.
    """
    store, log = parts.store, parts.settings.log
    with store.reading() as connection:
        if not read_origins(connection):
            raise invalid("log.key_folder", "the log has no key of its own; run `scoregate upgrade`")
    try:
        outside = Outside(log.checkpoint)
        integrator = Integrator(store, key_folder=log.key_folder, outside=outside, reached=reached)
    except FileRefused as error:
        raise invalid("log.key_folder", str(error)) from error
    except (TreeRefused, OutsideUnusable) as error:
        raise invalid("log.checkpoint", str(error)) from error
    policy = Policy.parse(log.policy.read_bytes())
    witnesses = Witnesses(list(policy.witnesses.values()), timeout=log.witness_timeout_ms / 1_000)
    closing.callback(witnesses.close)
    publisher = Publisher(store, integrator, witnesses, partial(_rename, parts), reached=reached)
    closing.callback(publisher.catch_up)  # what was answered last is not to wait for the next start
    publisher.begin()
    tick("tree", publisher.catch_up, closing, every=log.interval_ms / 1_000)
    tick("accounts", _Accounting(store), closing, every=ACCOUNT_SECONDS)


class _Accounting:
    """Brings the partners' accounts up to what is published, at leisure."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._proofs = Proofs(store)
        self._before = 0

    def __call__(self) -> None:
        with suppress(StoreUnavailable, EntryNotPublished):  # whoever asks for a statement does the rest
            size = self._proofs.published().checkpoint.size
            is_busy, self._before = size - self._before > BUSY, size
            accounts.catch_up(self._store, size, most=BESIDE_CALLERS if is_busy else accounts.MOST)


def _rename(parts: Parts) -> None:
    """Give the log the name of its half-year, once one has begun."""
    before = parts.signer.signing().log_origin
    name = following(before, parts.ledger.now())
    if name is None:
        return
    with suppress(LedgerUnavailable, LedgerBusy):  # the next one comes in a second
        if parts.signer.refresh().log_origin == before:
            key = signing.create(parts.settings.log.key_folder, name)
            parts.ledger.change(
                partial(rename, key=key, before=before, actor="gateway", reason="a half-year began")
            )
            parts.signer.refresh()


def stated_policy(settings: Settings, origins: Sequence[Origin]) -> str:
    """What the log says of itself: each name's key and address, and the witnesses that are asked."""
    logs = [f"log {origin.vkey} {settings.public_url}/{prefix_of(origin.name)}" for origin in origins]
    return "\n".join([*logs, settings.log.policy.read_text()])
