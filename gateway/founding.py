"""Lays an installation's foundation: authorities, keys, the empty ledger, the first operator.

Runs once, by ``scoregate init``. Everything after it goes through the admin door.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from alembic.runtime.migration import MigrationContext
from sqlalchemy.exc import SQLAlchemyError

from consent import keys
from consent.pairwise import Pairwise
from gateway import migrations, pki
from gateway.audit.log import read_head
from gateway.audit.private import Vault
from gateway.audit.tree import signing
from gateway.audit.tree.tables import begin_tree, read_origins
from gateway.keys import begin_log, record_key
from gateway.ledger import Transaction
from gateway.partners import Partner, Role
from gateway.pki import Authority, AuthorityRole
from gateway.quota.contract import Contract
from gateway.registry import add_partner, enroll_certificate
from gateway.settings import Settings, create_secret, secret_versions
from gateway.store import Store, StoreUnavailable, open_store
from scoregate.proof.jwk import Algorithm
from scoregate.tlog.note import VerifierKey

OPERATOR = "operator"
SERVER_DAYS = OPERATOR_DAYS = 397
NO_WITNESSES = b"""\
# Who must have seen a checkpoint of this log: C2SP tlog-policy, without the log's own line. For example
#   witness compliance VKEY http://127.0.0.1:8090
#   quorum compliance
quorum none
"""
LEDGER_ENDS = ("", "-wal", "-shm")  # SQLite's file and its companions


class AlreadyFounded(Exception):
    """There is an installation, or a piece of one; it is left untouched. ``pieces`` names what is there."""

    def __init__(self, pieces: tuple[Path, ...]) -> None:
        super().__init__(", ".join(map(str, pieces)))
        self.pieces = pieces


class DatabaseInUse(Exception):
    """The database holds tables already; it is left untouched."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Where the first operator's certificate lies."""

    certificate: Path
    key: Path
    server_ca: Path


def found(settings: Settings, *, now: datetime) -> Credentials:
    """Make everything that a gateway needs to start, for these settings.

    Raises:
        AlreadyFounded: There are authorities, keys or a ledger already; nothing is touched.
        DatabaseInUse: The database has tables already; nothing is touched.
        FileRefused: A file exists that should not, or can't be written.
        StoreUnavailable: The database can't be opened or written.
        OSError: A folder can't be made.
    """
    _require_free(settings)
    file = settings.database.file
    if file is not None:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)  # it names people; SQLite gives its companions the same mode
    store = open_store(settings.database.url)
    try:
        # Before any key: nobody can have a second go at a database that is in use.
        if revision(store) is not None:
            raise DatabaseInUse
        return _found(settings, store, now)
    except SQLAlchemyError as error:
        raise StoreUnavailable("the database can't be written; check its disk") from error
    finally:
        store.close()


def revision(store: Store) -> str | None:
    """The revision that a database is at; None for one without tables.

    Raises:
        StoreUnavailable: It does not answer.
    """
    with store.reading() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def _require_free(settings: Settings) -> None:
    there = [file for file in _files(settings) if file.exists()]
    for folder in (settings.attestation.key_folder, settings.log.key_folder):
        there += folder.glob("*.pem") if folder.is_dir() else ()
    if there:
        raise AlreadyFounded(tuple(sorted(there)))


def _files(settings: Settings) -> Iterator[Path]:
    """Every file that founding makes, but for the signing keys, whose names are not known before."""
    tls, engine, operator = settings.tls, settings.engine, settings.home / "operator"
    for role in AuthorityRole:
        yield from (tls.authorities / f"{role}-ca.key", tls.authorities / f"{role}-ca.pem")
    yield from (tls.certificate, tls.key, engine.certificate, engine.key)
    yield from (engine.server_certificate, engine.server_key)
    yield from (settings.secrets.pairwise_key, settings.secrets.master_key)
    yield from (path for _, path in secret_versions(settings.secrets.master_key))
    yield from (settings.log.checkpoint, settings.log.policy)
    yield from (operator / name for name in ("operator.pem", "operator.key", "server-ca.pem"))
    if ledger := settings.database.file:
        yield from (ledger.with_name(f"{ledger.name}{end}") for end in LEDGER_ENDS)


def _found(settings: Settings, store: Store, now: datetime) -> Credentials:
    folder = settings.home / "operator"
    for private in (settings.secrets.pairwise_key.parent, settings.secrets.master_key.parent, folder):
        private.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings.engine.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    staff, server = _authorities(settings, now)
    pairwise = Pairwise(create_secret(settings.secrets.pairwise_key))
    master = create_secret(settings.secrets.master_key)
    credentials = Credentials(folder / "operator.pem", folder / "operator.key", folder / "server-ca.pem")
    key_pem, csr_pem = pki.new_key_and_request(OPERATOR)
    certificate_pem = staff.sign_request(
        csr_pem,
        spiffe_uri=pki.spiffe_uri(settings.trust_domain, "staff", OPERATOR),
        now=now,
        days=OPERATOR_DAYS,
    )
    pki.create_private(credentials.key, key_pem)
    pki.create_public(credentials.certificate, certificate_pem)
    pki.create_public(credentials.server_ca, server.certificate_pem)
    migrations.upgrade(store)
    _begin(settings, store, Vault(master), pairwise, certificate_pem, now)
    return credentials


def publish(settings: Settings, origin: str) -> VerifierKey:
    """Make what a log needs to be published under its first name; returns the key that signs for it.

    Raises:
        FileRefused: A file exists that should not, or can't be written.
        OSError: A folder can't be made.
    """
    for folder in {settings.log.checkpoint.parent, settings.log.policy.parent}:
        folder.mkdir(parents=True, exist_ok=True)
    if not settings.log.policy.exists():
        pki.create_public(settings.log.policy, NO_WITNESSES)
    return signing.create(settings.log.key_folder, origin).verifier


def publish_what_is_there(store: Store, settings: Settings) -> None:
    """Let a log of before revision 0011 be published, under the name that it has.

    Raises:
        FileRefused, OSError: As in ``publish``; nothing is changed.
        StoreUnavailable: The database does not answer.
    """
    with store.reading() as connection:
        if read_origins(connection):
            return
        origin = read_head(connection).origin
    key = publish(settings, origin)
    with store.writer.begin() as connection:
        begin_tree(connection, key)


def _authorities(settings: Settings, now: datetime) -> tuple[Authority, Authority]:
    """The three CAs, and every certificate that the server CA signs: (staff CA, server CA)."""
    folder = settings.tls.authorities
    server = pki.create_authority(folder, AuthorityRole.SERVER, now=now)
    pki.create_authority(folder, AuthorityRole.PARTNER, now=now)
    staff = pki.create_authority(folder, AuthorityRole.STAFF, now=now)
    names = [settings.listen.partner.host, settings.listen.admin.host]
    _serve_with(server, settings.tls.certificate, settings.tls.key, names, now)
    engine = settings.engine
    _serve_with(server, engine.server_certificate, engine.server_key, [engine.address.host], now)
    key_pem, csr_pem = pki.new_key_and_request("gateway")
    uri = pki.spiffe_uri(settings.trust_domain, "gateway", "gateway")
    pki.create_private(engine.key, key_pem)
    pki.create_public(
        engine.certificate, server.sign_request(csr_pem, spiffe_uri=uri, now=now, days=SERVER_DAYS)
    )
    return staff, server


def _serve_with(server: Authority, certificate: Path, key: Path, names: list[str], now: datetime) -> None:
    certificate_pem, key_pem = server.issue_server(names, now=now, days=SERVER_DAYS)
    pki.create_private(key, key_pem)
    pki.create_public(certificate, certificate_pem)


def _begin(
    settings: Settings,
    store: Store,
    vault: Vault,
    pairwise: Pairwise,
    certificate_pem: bytes,
    now: datetime,
) -> None:
    algorithm = Algorithm(settings.attestation.algorithm)
    current, following = (keys.generate(settings.attestation.key_folder, algorithm) for _ in range(2))
    operator = Partner(OPERATOR, "The operator", Role.OPERATOR, False, Contract(), OPERATOR)
    with store.writer.begin() as connection:
        begin_log(
            connection,
            current,
            following,
            origin=settings.log_origin,
            pairwise_check=pairwise.check_value,
            now=now,
        )
        begin_tree(connection, publish(settings, settings.log_origin))
        tx = Transaction(connection, lambda: now, vault)
        record_key(tx, current.kid, "current", actor="gateway")
        record_key(tx, following.kid, "next", actor="gateway")
        add_partner(tx, operator, actor="gateway")
        enroll_certificate(tx, OPERATOR, certificate_pem, actor="gateway")
        tx.flush()
