"""SQL that both floors share. One statement has one text, so that it is compiled once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.operators import OperatorType
from sqlalchemy.types import TypeDecorator, TypeEngine


class Texts(TypeDecorator[Sequence[str]]):
    """A list of texts as one parameter: an array in PostgreSQL, JSON in SQLite."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the dialect's own type."""
        return dialect.type_descriptor(ARRAY(sa.Text) if dialect.name == "postgresql" else sa.Text())

    def process_bind_param(self, value: Sequence[str] | None, dialect: Dialect) -> Any:
        """Return what the driver takes."""
        texts = list(value or ())
        return texts if dialect.name == "postgresql" else json.dumps(texts)


class among(FunctionElement[bool]):  # it reads as the operator that it is
    """``column`` is one of the texts bound as ``name``.

    IN with a list of its own length would be another statement for each length, compiled
    and planned anew.
    """

    type = sa.Boolean()
    inherit_cache = True

    def __init__(self, column: sa.ColumnElement[str], name: str) -> None:
        super().__init__(column, sa.bindparam(name, type_=Texts()))

    def self_group(self, against: OperatorType | None = None) -> among:  # noqa: ARG002
        """Return it as it is: a comparison, to which SQLite need not add "= 1", which no index serves."""
        return self


@compiles(among, "sqlite")
def _in_sqlite(element: among, compiler: SQLCompiler, **options: Any) -> str:
    column, texts = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({texts}))"  # noqa: S608  # both are compiled here


@compiles(among, "postgresql")
def _in_postgresql(element: among, compiler: SQLCompiler, **options: Any) -> str:
    column, texts = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column} = ANY({texts})"
