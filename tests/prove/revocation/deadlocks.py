"""Whether PostgreSQL has met a deadlock, by its own log, which the server says where to find.

It writes "deadlock detected" where it breaks one, and nothing else writes that. The control arm are two
transactions that wait for each other, in a table of their own.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Barrier

import psycopg
import sqlalchemy as sa

from tests.prove.campaign import POSTGRESQL, Finding

WORDS = "deadlock detected"


class Deadlocks:
    """The server's log from here on; ``url`` names a database of the campaign's own on it."""

    def __init__(self, url: str) -> None:
        self._url = sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(self._url) as connection:
            [folder] = connection.execute("SHOW data_directory").fetchone() or ("",)
        self._log = Path(folder) / "log"
        self._begin = self._log.stat().st_size
        self._committed = self._transactions()

    def found(self) -> Finding:
        """How many there were in how many transactions, and whether one on purpose is found."""
        committed = self._transactions() - self._committed
        met = self._count()
        self._make_one()
        return Finding(
            law="PostgreSQL logs no deadlock",
            store=POSTGRESQL,
            runs=committed,
            violations=met,
            control="two transactions that wait for each other",
            control_runs=1,
            control_violations=self._count() - met,
        )

    def _count(self) -> int:
        with self._log.open("rb") as log:
            log.seek(self._begin)
            return log.read().decode(errors="replace").count(WORDS)

    def _transactions(self) -> int:
        with psycopg.connect(self._url) as connection:
            [total] = connection.execute(
                "SELECT sum(xact_commit)::bigint FROM pg_stat_database"
            ).fetchone() or (0,)
        return int(total)

    def _make_one(self) -> None:
        with psycopg.connect(self._url) as connection:
            connection.execute("CREATE TABLE rows (id int PRIMARY KEY, n int NOT NULL)")
            connection.execute("INSERT INTO rows VALUES (1, 0), (2, 0)")
        first_is_held = Barrier(2)

        def move(first: int, second: int) -> None:
            with suppress(psycopg.errors.DeadlockDetected), psycopg.connect(self._url) as connection:
                connection.execute("UPDATE rows SET n = n + 1 WHERE id = %s", [first])
                first_is_held.wait(10)
                connection.execute("UPDATE rows SET n = n + 1 WHERE id = %s", [second])

        with ThreadPoolExecutor(2) as pool:
            for moved in [pool.submit(move, 1, 2), pool.submit(move, 2, 1)]:
                moved.result()
