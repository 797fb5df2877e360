"""Step after step: integrates what was committed, has it witnessed, and shows it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sqlalchemy as sa
import structlog
from sqlalchemy import exc
from sqlalchemy.engine import Connection

from gateway.audit.tree.integrate import Integrator, TreeRefused
from gateway.audit.tree.outside import OutsideUnusable
from gateway.audit.tree.steps import Reached, Step, nobody
from gateway.audit.tree.tables import log_origins, publish, read_tree, tiles_of
from gateway.audit.tree.witnesses import Witnesses
from gateway.metrics import LOG_PUBLISHED, LOG_STALLED
from gateway.store import Store, StoreUnavailable
from scoregate.tlog import tree_tiles
from scoregate.tlog.checkpoint import Checkpoint
from scoregate.tlog.note import Note

log = structlog.get_logger()


class Publisher:
    """Keeps the published tree close behind the log. Used by one thread."""

    def __init__(
        self,
        store: Store,
        integrator: Integrator,
        witnesses: Witnesses,
        rename: Callable[[], None] = lambda: None,
        *,
        reached: Reached = nobody,
    ) -> None:
        self._store = store
        self._integrator = integrator
        self._witnesses = witnesses
        self._rename = rename  # gives the log its next name, where that is due
        self._reached = reached
        self._trouble = ""

    def begin(self) -> None:
        """Take one step: a log that is not far behind is published from the start on."""
        self._try(self._integrator.step)

    def catch_up(self) -> None:
        """Bring the tree up to the log's head, and show it."""
        self._try(self._take_all)

    def _take_all(self) -> None:
        self._rename()
        while (done := self._integrator.step()) is not None and done.is_behind:
            pass

    def _try(self, step: Callable[[], object]) -> None:
        """Do it, and show what is there. What stops it is told, once for as long as it stays the same."""
        try:
            step()
            self._show()
        except (TreeRefused, OutsideUnusable, StoreUnavailable) as error:
            LOG_STALLED.inc()
            if str(error) != self._trouble:
                log.error("the log is not published", why=str(error))  # noqa: TRY400  # it says all
            self._trouble = str(error)
        else:
            self._trouble = ""

    def _show(self) -> None:
        """Publish the latest checkpoint, with the cosignatures that come in time."""
        with self._store.reading() as connection:
            tree = read_tree(connection)
        if not tree.checkpoint:
            return
        note = Note.decode(tree.checkpoint)
        shown = Note.decode(tree.published) if tree.published else None
        if shown is not None and shown.text != note.text:
            shown = None  # it is an earlier one
        # Whoever was missing is asked again, until a later checkpoint takes this one's place.
        lines = self._witnesses.cosign(shown or note, self._prove)
        if shown is not None and not lines:
            return
        self._reached(Step.COSIGNED)  # A crash costs these signatures: witnesses give them again.
        published = (shown or note).with_signatures(lines).encode()
        checkpoint = Checkpoint.decode(note.text)
        try:
            with (
                self._store.writer.connect() as connection,
                self._store.timed(connection),
                connection.begin(),
            ):
                if publish(connection, tree, published):
                    _close(connection, checkpoint, published)
                self._reached(Step.ENTERED)
        except exc.SQLAlchemyError as error:
            raise StoreUnavailable("the checkpoint can't be published") from error
        self._reached(Step.SHOWN)
        LOG_PUBLISHED.set(checkpoint.size)

    def _prove(self, old: int, size: int) -> Sequence[bytes]:
        with self._store.reading() as connection:
            return tree_tiles.consistency(old, size, tiles_of(connection))


def _close(connection: Connection, checkpoint: Checkpoint, published: bytes) -> None:
    """Keep the last checkpoint of a name that the log has given up."""
    whose = log_origins.c.origin == checkpoint.origin
    connection.execute(
        sa.update(log_origins).where(whose, log_origins.c.ends == checkpoint.size).values(final=published)
    )
