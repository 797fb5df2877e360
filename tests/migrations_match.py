"""Says whether the migrations, run on an empty database, give the tables that the code declares."""

from __future__ import annotations

import sys
import tempfile

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from gateway import migrations
from gateway.store import open_store


def differences(url: str) -> list[object]:
    """What a new migration would have to do; empty when nothing."""
    store = open_store(url)
    try:
        migrations.upgrade(store)
        with store.writer.begin() as connection:
            context = MigrationContext.configure(connection)
            return [d for metadata in [migrations.ALL] for d in compare_metadata(context, metadata)]
    finally:
        store.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        found = differences(f"sqlite:///{folder}/empty.db")
    for difference in found:
        print(difference)
    sys.exit(1 if found else 0)
