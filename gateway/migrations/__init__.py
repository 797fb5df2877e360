"""The database's history, one Alembic revision per change.

``upgrade`` brings a database to the newest revision; ``require_current`` refuses one that
is older, newer, or not ours, and says what to do.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import MetaData, exc, inspect
from sqlalchemy.engine import Connection

import consent.keyring  # noqa: F401
import gateway.audit.accounts
import gateway.audit.log
import gateway.audit.persons
import gateway.audit.redaction
import gateway.audit.tree.tables
import gateway.ledger.answers
import gateway.pages.consumer.signin.sessions
import gateway.partners
import gateway.quota.contract
import gateway.thresholds.cells
import gateway.thresholds.entities  # noqa: F401  # each room's tables must be known here
from consent import register
from gateway.store import Store, metadata

FOLDER = Path(__file__).parent
ALL: list[MetaData] = [metadata, register.metadata]
"""Every table that a revision must account for."""


class SchemaMismatch(Exception):
    """The database is not at the revision that this version of the gateway needs."""


def upgrade(store: Store) -> None:
    """Bring the database to the newest revision; an empty one gets its tables.

    Raises:
        SchemaMismatch: It is at a revision that this version does not know.
    """
    with store.writer.begin() as connection:
        _require_known(connection)
        command.upgrade(_config(connection), "head")


def require_current(store: Store) -> None:
    """Return only if the database is at the newest revision.

    Raises:
        SchemaMismatch: It is empty, older, newer, or not a database of ours.
    """
    try:
        with store.writer.begin() as connection:
            found = _require_known(connection)
            lacking = _lacking(connection)
    except exc.SQLAlchemyError as error:
        raise SchemaMismatch("the database can't be read; restore it from its backup") from error
    newest = ScriptDirectory(str(FOLDER)).get_current_head()
    if found is None:
        raise SchemaMismatch(
            "the database holds no ledger; restore it from its backup, correct the address, "
            "or found a new installation with `scoregate init`"
        )
    if found != newest:
        raise SchemaMismatch(
            f"the database is at revision {found}, older than {newest}; run `scoregate upgrade`"
        )
    if lacking:
        raise SchemaMismatch(f"the database lacks {', '.join(lacking)}; restore it from its backup")


def _lacking(connection: Connection) -> list[str]:
    """Tables and columns that somebody took away, such as "grants" and "partners.role"."""
    there = inspect(connection)
    tables = {table.name: table for each in ALL for table in each.sorted_tables}
    gone = sorted(tables.keys() - set(there.get_table_names()))
    for name in sorted(tables.keys() - set(gone)):
        found = {column["name"] for column in there.get_columns(name)}
        gone += [f"{name}.{column.name}" for column in tables[name].columns if column.name not in found]
    return gone


def _require_known(connection: Connection) -> str | None:
    found = MigrationContext.configure(connection).get_current_revision()
    if found is not None:
        try:
            ScriptDirectory(str(FOLDER)).get_revision(found)
        except CommandError as error:
            raise SchemaMismatch(
                f"the database is at revision {found}, which a newer scoregate made; install that version"
            ) from error
    return found


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.attributes["connection"] = connection
    return config
