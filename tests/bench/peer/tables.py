"""The peer's models, as SQLAlchemy's ORM has them, and its engine."""

from __future__ import annotations

import sqlite3
from datetime import date, datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import ForeignKey, event
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

CONNECTIONS = 40  # as many as the thread pool has threads
BUSY_SECONDS = 30.0


class Base(DeclarativeBase):
    """Its tables."""


class Partner(Base):
    """Who may ask."""

    __tablename__ = "partners"

    id: Mapped[str] = mapped_column(primary_key=True)
    certificate_sha256: Mapped[str] = mapped_column(unique=True)
    is_active: Mapped[bool]
    daily_limit: Mapped[int]


class Grant(Base):
    """What a person allowed."""

    __tablename__ = "grants"

    id: Mapped[str] = mapped_column(primary_key=True)
    partner_id: Mapped[str] = mapped_column(ForeignKey("partners.id"))
    subject: Mapped[str] = mapped_column(index=True)
    purpose: Mapped[str]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class Quota(Base):
    """How much a partner has asked on a day."""

    __tablename__ = "quotas"

    partner_id: Mapped[str] = mapped_column(ForeignKey("partners.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    used: Mapped[int]


class AuditEntry(Base):
    """One answer."""

    __tablename__ = "audit_entries"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    partner_id: Mapped[str] = mapped_column(ForeignKey("partners.id"))
    grant_id: Mapped[str] = mapped_column(ForeignKey("grants.id"))
    request_id: Mapped[str]
    token_id: Mapped[str] = mapped_column(unique=True)
    score: Mapped[int]


def open_engine(file: Path) -> sa.Engine:
    """The database, with commits on disk before they return."""
    engine = sa.create_engine(
        f"sqlite:///{file}",
        connect_args={"timeout": BUSY_SECONDS},
        pool_size=CONNECTIONS,
        max_overflow=0,
    )
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "begin", _begin)
    return engine


def _set_up(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None  # SQLAlchemy's own recipe: transactions begin in the event below
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin(connection: sa.Connection) -> None:
    # Every call writes: with the lock from the start, none has to be told later that it was too late.
    connection.exec_driver_sql("BEGIN IMMEDIATE")
