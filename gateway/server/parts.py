"""The parts that every service shares, each opened once and found sound, or the start is refused."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import grpc

from consent import register
from consent.keys import KeyFileError
from consent.pairwise import ForeignReference, Pairwise
from gateway import migrations
from gateway.audit.log import keep_pairwise_check, read_head
from gateway.audit.private import Unreadable, Vault
from gateway.audit.tree.steps import Reached, nobody
from gateway.audit.tree.tables import read_origins
from gateway.engine import EmbeddedEngine, EngineDoor, EngineUnavailable, ModelCard, RemoteEngine
from gateway.gate import Gate
from gateway.keys import RingBroken, Signer
from gateway.ledger import Guards, Ledger
from gateway.masters import Masters
from gateway.pki import FileRefused
from gateway.quota.burst import Admission
from gateway.server.housekeeping import tick
from gateway.server.soundness import invalid
from gateway.settings import Settings, read_secret
from gateway.store import Store, StoreUnavailable, open_store
from scoregate.proof.jwk import Algorithm
from scoring.errors import ScoringError
from scoring.service import Engine as Scorer


def wall_clock() -> datetime:
    """Now, UTC."""
    return datetime.now(UTC)


CHECKPOINT_SECONDS = 0.1
"""More rarely, there is so much to write at once that commits wait behind it at the disk."""


@dataclass(frozen=True, slots=True)
class Seams:
    """What tests may put in place of the real thing; never reachable by configuration."""

    clock: Callable[[], datetime] = wall_clock
    engine: EngineDoor | None = None
    guards: Guards | None = None
    reached: Reached = nobody  # is told each step that the published tree takes


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that doors are made of."""

    settings: Settings
    clock: Callable[[], datetime]
    store: Store
    vault: Vault
    masters: Masters
    pairwise: Pairwise
    ledger: Ledger
    gate: Gate
    signer: Signer
    engine: EngineDoor
    model: ModelCard


def open_parts(settings: Settings, seams: Seams, closing: ExitStack) -> Parts:
    """Open them all; ``closing`` closes them.

    Raises:
        SettingsInvalid: One of them can't be used as it is.
    """
    clock = seams.clock
    store = _open_store(settings, closing)
    tick("lines", store.cut_overdue, closing)  # until the ledger has closed
    tick("pages", store.checkpoint, closing, every=CHECKPOINT_SECONDS)
    signer = _open_signer(settings, store)
    vault, pairwise = _open_secrets(settings, store)
    tick("erasures", partial(_follow, store, vault), closing)
    engine = _open_engine(settings, seams, closing)
    model = _model(engine)
    ledger = _open_ledger(settings, seams, store, vault)
    closing.callback(ledger.close)
    admission = Admission(
        max_in_flight=settings.limits.max_in_flight_per_partner,
        monotonic_us=lambda: time.monotonic_ns() // 1_000,
    )
    gate = Gate(store, ledger, admission, clock=clock)
    masters = Masters(settings.secrets.master_key)
    return Parts(settings, clock, store, vault, masters, pairwise, ledger, gate, signer, engine, model)


def _open_store(settings: Settings, closing: ExitStack) -> Store:
    file = settings.database.file
    if file is not None and not file.exists():
        raise invalid("database.url", f"there is no ledger at {file}; restore it from its backup")
    try:
        store = open_store(settings.database.url, patience=settings.database.patience_seconds)
        closing.callback(store.close)
        migrations.require_current(store)
    except (StoreUnavailable, migrations.SchemaMismatch) as error:
        raise invalid("database.url", str(error)) from error
    return store


def _follow(store: Store, vault: Vault) -> None:
    """A process that writes nothing for a while forgets the keys of who was erased, too."""
    with suppress(StoreUnavailable), store.reading() as connection:
        head = read_head(connection)
        vault.follow(head.erasures, head.master_version)


def _open_secrets(settings: Settings, store: Store) -> tuple[Vault, Pairwise]:
    """The two secrets, if they are the ones that made what the database holds."""
    pairwise = Pairwise(read_secret(settings.secrets.pairwise_key))
    try:
        with store.reading() as connection:
            vault = Masters(settings.secrets.master_key).open(connection)
        _require_same_pairwise(store, pairwise)
    except FileRefused as error:
        raise invalid("secrets.master_key", f"{error.path} {error.why}; {error.remedy}") from error
    except Unreadable as error:
        raise invalid("secrets.master_key", _FOREIGN.format("sealed the private parts")) from error
    except ForeignReference as error:
        raise invalid("secrets.pairwise_key", _FOREIGN.format("made the subject references")) from error
    except StoreUnavailable as error:
        raise invalid("database.url", str(error)) from error
    return vault, pairwise


def _require_same_pairwise(store: Store, pairwise: Pairwise) -> None:
    with store.reading() as connection:
        kept = read_head(connection).pairwise_check
        if kept is None:  # begun before revision 0002: whatever it has made so far tells
            for grant in register.any_grants(connection):
                pairwise.require_made(grant.subject_ref, grant.partner_id, grant.subject)
    if kept is None:
        with store.writer.begin() as writing:
            kept = keep_pairwise_check(writing, pairwise.check_value)
    pairwise.require_check(kept)


_FOREIGN = "it is not the key that {} in this database; restore the key file that belongs to it"


def _open_signer(settings: Settings, store: Store) -> Signer:
    attestation = settings.attestation
    try:
        signer = Signer(store, attestation.key_folder, algorithm=Algorithm(attestation.algorithm))
    except KeyFileError as error:
        raise invalid("attestation.key_folder", str(error)) from error
    except RingBroken as error:
        raise invalid("database.url", f"{error}; restore it from its backup") from error
    except StoreUnavailable as error:
        raise invalid("database.url", "the log has no head; restore it from its backup") from error
    with store.reading() as connection:
        names = [origin.name for origin in read_origins(connection)]
    now = signer.signing().log_origin
    if names and names[-1] != now:
        raise invalid("database.url", f"its log is called {names[-1]}, and {now}; restore it from its backup")
    began_as = names[0] if names else now
    if began_as != settings.log_origin:
        raise invalid("log_origin", f"the log began as {began_as}; set it to that")
    return signer


def _open_ledger(settings: Settings, seams: Seams, store: Store, vault: Vault) -> Ledger:
    try:
        return Ledger(
            store,
            vault,
            clock=seams.clock,
            max_waiting=settings.limits.max_queue + settings.limits.worker_threads,
            guards=seams.guards,
        )
    except StoreUnavailable as error:
        raise invalid("database.url", str(error)) from error


def _open_engine(settings: Settings, seams: Seams, closing: ExitStack) -> EngineDoor:
    engine = seams.engine
    if engine is None:
        try:
            engine = (
                EmbeddedEngine(Scorer.open(settings.engine.folder))
                if settings.engine.kind == "embedded"
                else RemoteEngine(_engine_channel(settings))
            )
        except ScoringError as error:
            raise invalid("engine.folder", f"{error.problem}; {error.remedy}") from error
    closing.callback(engine.close)
    return engine


def _engine_channel(settings: Settings) -> grpc.Channel:
    engine = settings.engine
    credentials = grpc.ssl_channel_credentials(
        engine.ca.read_bytes(), engine.key.read_bytes(), engine.certificate.read_bytes()
    )
    # An engine that comes back is found within seconds; gRPC's own back-off grows to two minutes.
    options = [("grpc.max_reconnect_backoff_ms", 2_000)]
    return grpc.secure_channel(str(engine.address), credentials, options)


def _model(engine: EngineDoor) -> ModelCard:
    try:
        return engine.model()
    except EngineUnavailable as error:
        raise invalid("engine.address", "the engine does not answer; start it first") from error
