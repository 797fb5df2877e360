"""A write fails, or the line breaks while writes travel: COMMIT was not sent, so what became of it is known.

Whoever is to blame fails alone, and everybody else's answer leaves.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import exc

from gateway.ledger import LedgerUnavailable, Released
from tests.ledger.conftest import Books, Commits, one_commit

POISON = "0" * 8
REFUSE_SQLITE = (
    f"CREATE TRIGGER refuse AFTER INSERT ON answers WHEN NEW.answer_key LIKE '%{POISON}%' "
    "BEGIN SELECT RAISE(ABORT, 'poison'); END",
)
REFUSE_POSTGRESQL = (
    "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'poison'; END$$",
    "CREATE TRIGGER refuse AFTER INSERT ON answers FOR EACH ROW "
    f"WHEN (NEW.answer_key LIKE '%{POISON}%') EXECUTE FUNCTION refuse()",
)
CUT_ONCE = (
    "CREATE SEQUENCE cuts",  # it counts what is rolled back, too
    "CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN "
    "IF nextval('cuts') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF; RETURN NEW; END$$",
    "CREATE TRIGGER cut AFTER INSERT ON entries FOR EACH ROW EXECUTE FUNCTION cut()",
)


def tell(books: Books, statements: tuple[str, ...]) -> None:
    with books.store.writer.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement.replace("%", "%%") if "%" in statement else statement)


def test_whose_write_fails_fails_alone(books: Books) -> None:
    acme = books.caller()
    grants = [books.grant(acme, f"uci-{n:05}") for n in range(5)]
    poison = books.query(acme, grants[2], request_id=f"{POISON}-0000-7000-8000-000000000000")
    queries = [books.query(acme, grant) for grant in grants[:2]] + [poison]
    queries += [books.query(acme, grant) for grant in grants[3:]]
    attempts = [books.release(acme, grant, query=query) for grant, query in zip(grants, queries, strict=True)]
    tell(books, REFUSE_SQLITE if books.store.is_file else REFUSE_POSTGRESQL)
    outcomes = one_commit(books, attempts)
    refused = outcomes.pop(2)
    assert {type(outcome) for outcome in outcomes} == {Released}
    assert isinstance(refused, LedgerUnavailable)
    assert isinstance(refused.__cause__, exc.DBAPIError)
    assert "INSERT INTO answers" in str(refused.__cause__)
    assert [entry.partner_sequence for entry in books.leaves()] == [1, 2, 3, 4]
    assert books.usage(acme).used_day == 4


@pytest.mark.parametrize("together", [1, 3], ids=["alone", "in a group"])
def test_a_line_cut_while_writes_travel_is_no_unknown_outcome(
    new_books: Callable[[str], Books], together: int
) -> None:
    """Of a group nobody notices; a caller who was alone is told that nothing was written, and it is so."""
    books = new_books("postgresql")
    acme = books.caller()
    attempts = [books.release(acme, books.grant(acme, f"uci-{n:05}")) for n in range(together)]
    store = books.open()
    books.ledger, commits = books.new_ledger(store=store), Commits(store)
    tell(books, CUT_ONCE)
    outcomes = one_commit(books, attempts)
    if together == 1:
        assert str(outcomes[0]) == "the ledger can't be written"
        assert books.leaves() == []
        outcomes = list(books.submit(*attempts))
    assert {type(outcome) for outcome in outcomes} == {Released}
    assert [entry.partner_sequence for entry in books.leaves()] == list(range(1, together + 1))
    assert books.usage(acme).used_day == together
    assert commits.count > 0
