"""The only place where things are wired: settings in, a running gateway out.

Start refuses anything half-configured, naming every mistake. Stop drains: health says
NOT_SERVING first, calls under way finish, then the pools close.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import structlog
import uvicorn
from google.protobuf.internal import api_implementation
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from consent.attest import Attester
from consent.keys import KeyFileError
from consent.pairwise import Pairwise
from gateway import migrations, pki
from gateway.audit.log import Roots
from gateway.audit.private import Vault
from gateway.doors import (
    admin_consents,
    admin_operations,
    admin_partners,
    audit,
    consent,
    receipt,
    score,
    usage,
)
from gateway.doors.door import Frame
from gateway.engine import EmbeddedEngine, EngineDoor, EngineUnavailable, ModelCard, RemoteEngine
from gateway.gate import Gate
from gateway.journey import Journey
from gateway.keys import Signer
from gateway.ledger import Guards, Ledger, LedgerBusy, LedgerUnavailable, Transaction
from gateway.ledger.answers import sweep
from gateway.metrics import TLS_RELOAD_FAILURES
from gateway.pages import public
from gateway.pki.credentials import server_credentials
from gateway.quota.burst import Admission
from gateway.settings import Problem, Settings, SettingsInvalid, check_files, read_secret
from gateway.store import Store, StoreUnavailable, open_store
from scoregate.audit.v1 import leaf_pb2
from scoregate.proof.jwk import Algorithm
from scoring.errors import ScoringError
from scoring.service import Engine as Scorer

log = structlog.get_logger()

PARTNER_SERVICES = (consent.SERVICE, score.SERVICE, usage.SERVICE, receipt.SERVICE)
ADMIN_SERVICES = (audit.SERVICE, admin_partners.SERVICE, admin_consents.SERVICE, admin_operations.SERVICE)

ADMIN_THREADS = 8
"""The admin door's own, so that a flood of queries never keeps a revocation waiting for a thread."""

MAX_REQUEST_BYTES = 1 << 20
MAX_METADATA_BYTES = 8 << 10
TICK = timedelta(seconds=1)
SWEEP_EVERY = 60  # ticks
SWEEP_LIMIT = 1_000


def wall_clock() -> datetime:
    """Now, UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Seams:
    """What tests may put in place of the real thing; never reachable by configuration."""

    clock: Callable[[], datetime] = wall_clock
    engine: EngineDoor | None = None
    guards: Guards | None = None


class Gateway:
    """A running gateway. ``start`` returns one; ``stop`` drains it."""

    def __init__(self, settings: Settings, seams: Seams | None = None) -> None:
        self._seams = seams or Seams()
        self._settings = settings
        self._serving = False
        self._closing = ExitStack()
        self._stopped = threading.Event()
        self.health = health.HealthServicer()
        self._doors: tuple[grpc.Server, ...] = ()
        self.partner_port = self.admin_port = self.http_port = 0

    @classmethod
    def start(cls, settings: Settings, seams: Seams | None = None) -> Gateway:
        """Open the doors.

        Raises:
            SettingsInvalid: Something is missing or half-configured; every mistake is named.
        """
        gateway = cls(settings, seams)
        try:
            gateway._open()
        except BaseException:
            gateway._closing.close()
            raise
        return gateway

    def stop(self, grace: timedelta = timedelta(seconds=5)) -> None:
        """Drain and close: health first, then calls under way, then the ledger."""
        if self._stopped.is_set():
            return
        self._stopped.set()
        self._serving = False
        self.health.enter_graceful_shutdown()
        waits = [door.stop(grace.total_seconds()) for door in self._doors]
        for wait in waits:
            wait.wait()
        self._closing.close()

    def wait(self) -> None:
        """Return once ``stop`` was called."""
        self._stopped.wait()

    def _open(self) -> None:
        settings, clock = self._settings, self._seams.clock
        require_sound(settings, now=clock())
        store = self._open_store()
        vault = Vault(read_secret(settings.secrets.master_key))
        ledger = Ledger(
            store,
            vault,
            clock=clock,
            linger=timedelta(milliseconds=settings.limits.linger_ms),
            max_waiting=settings.limits.max_queue + settings.limits.worker_threads,
            guards=self._seams.guards,
        )
        self._closing.callback(ledger.close)
        engine = self._open_engine()
        admission = Admission(
            max_in_flight=settings.limits.max_in_flight_per_partner,
            monotonic_us=lambda: time.monotonic_ns() // 1_000,
        )
        gate = Gate(store, ledger, admission, clock=clock)
        signer = self._open_signer(store)
        frame = Frame(
            gate,
            help_url=f"{settings.public_url}/errors",
            default_deadline=timedelta(milliseconds=settings.limits.default_deadline_ms),
        )
        usage_door = usage.UsageDoor(store, gate, clock=clock)
        model = self._begin_with_model(engine, ledger)
        partner_services = self._partner_services(
            frame, model, store, ledger, vault, engine, gate, signer, usage_door
        )
        admin_services = self._admin_services(frame, store, ledger, engine, signer, usage_door)
        self._serve(partner_services, admin_services)
        self._serve_http(signer)
        self._tick(gate, ledger)
        self._serving = True

    def _open_store(self) -> Store:
        try:
            store = open_store(self._settings.database.url)
            self._closing.callback(store.close)
            migrations.require_current(store)
        except (StoreUnavailable, migrations.SchemaMismatch) as error:
            raise _invalid("database.url", str(error)) from error
        return store

    def _open_engine(self) -> EngineDoor:
        settings = self._settings.engine
        engine = self._seams.engine
        if engine is None:
            try:
                engine = (
                    EmbeddedEngine(Scorer.open(settings.folder))
                    if settings.kind == "embedded"
                    else RemoteEngine(_engine_channel(self._settings))
                )
            except ScoringError as error:
                raise _invalid("engine.folder", f"{error.problem}; {error.remedy}") from error
        self._closing.callback(engine.close)
        return engine

    def _open_signer(self, store: Store) -> Signer:
        settings = self._settings.attestation
        try:
            return Signer(
                store,
                settings.key_folder,
                algorithm=Algorithm(settings.algorithm),
                clock=self._seams.clock,
            )
        except KeyFileError as error:
            raise _invalid("attestation.key_folder", str(error)) from error

    def _begin_with_model(self, engine: EngineDoor, ledger: Ledger) -> ModelCard:
        try:
            model = engine.model()
            ledger.change(lambda tx: _record_model(tx, model))
        except EngineUnavailable as error:
            raise _invalid("engine.address", "the engine does not answer; start it first") from error
        except LedgerUnavailable as error:
            raise _invalid(
                "database.url", "the ledger can't be written; check the disk and the database"
            ) from error
        return model

    def _partner_services(
        self,
        frame: Frame,
        model: ModelCard,
        store: Store,
        ledger: Ledger,
        vault: Vault,
        engine: EngineDoor,
        gate: Gate,
        signer: Signer,
        usage_door: usage.UsageDoor,
    ) -> list[grpc.GenericRpcHandler]:
        settings, clock = self._settings, self._seams.clock
        journey = Journey(
            gate=gate,
            store=store,
            ledger=ledger,
            vault=vault,
            engine=engine,
            model=model,
            attester=Attester(settings.issuer, timedelta(seconds=settings.attestation.life_seconds)),
            signer=signer,
            clock=clock,
            engine_timeout=timedelta(milliseconds=settings.engine.timeout_ms),
        )
        return [
            score.ScoreDoor(journey).service(frame),
            consent.ConsentDoor(store, ledger, clock=clock).service(frame),
            usage_door.service(frame),
            receipt.ReceiptDoor(signer, issuer=settings.issuer).service(frame),
        ]

    def _admin_services(
        self,
        frame: Frame,
        store: Store,
        ledger: Ledger,
        engine: EngineDoor,
        signer: Signer,
        usage_door: usage.UsageDoor,
    ) -> list[grpc.GenericRpcHandler]:
        settings, clock = self._settings, self._seams.clock
        folder = settings.tls.authorities
        pairwise = Pairwise(read_secret(settings.secrets.pairwise_key))
        cursor_secret = read_secret(settings.secrets.master_key)
        partners_door = admin_partners.PartnerAdminDoor(
            store,
            ledger,
            authorities={
                "partner": pki.load_authority(folder, pki.AuthorityRole.PARTNER),
                "staff": pki.load_authority(folder, pki.AuthorityRole.STAFF),
            },
            server_ca_pem=settings.engine.ca.read_bytes(),
            trust_domain=settings.trust_domain,
            clock=clock,
        )
        return [
            audit.AuditDoor(store, ledger, Roots(store), cursor_secret=cursor_secret).service(frame),
            partners_door.service(frame),
            admin_consents.ConsentAdminDoor(store, ledger, pairwise, clock=clock).service(frame),
            admin_operations.OperationsAdminDoor(store, ledger, signer, usage_door, engine).service(frame),
        ]

    def _serve(
        self, partner_services: list[grpc.GenericRpcHandler], admin_services: list[grpc.GenericRpcHandler]
    ) -> None:
        settings = self._settings
        threads, waiting = settings.limits.worker_threads, settings.limits.max_queue
        partner = self._door(partner_services, PARTNER_SERVICES, threads, waiting)
        admin = self._door(admin_services, ADMIN_SERVICES, ADMIN_THREADS, waiting)
        self._doors = (partner, admin)
        self.partner_port = self._bind(
            partner, "listen.partner", str(settings.listen.partner), settings.tls.partner_ca
        )
        self.admin_port = self._bind(admin, "listen.admin", str(settings.listen.admin), settings.tls.staff_ca)
        for door in self._doors:
            door.start()
            self._closing.callback(_close, door)
        for name in ("", *PARTNER_SERVICES, *ADMIN_SERVICES):
            self.health.set(name, health_pb2.HealthCheckResponse.SERVING)

    def _door(
        self, services: list[grpc.GenericRpcHandler], names: tuple[str, ...], threads: int, waiting: int
    ) -> grpc.Server:
        pool = ThreadPoolExecutor(threads, thread_name_prefix="call")
        self._closing.callback(pool.shutdown)
        door = grpc.server(
            pool,
            handlers=services,
            options=channel_arguments(self._settings),
            maximum_concurrent_rpcs=threads + waiting,
        )
        health_pb2_grpc.add_HealthServicer_to_server(self.health, door)
        if self._settings.mode == "development":
            reflection.enable_server_reflection((*names, health.SERVICE_NAME, reflection.SERVICE_NAME), door)
        return door

    def _bind(self, door: grpc.Server, field: str, address: str, client_ca: Path) -> int:
        tls = self._settings.tls
        credentials = server_credentials(tls.certificate, tls.key, client_ca, on_problem=_report_tls_problem)
        try:
            return door.add_secure_port(address, credentials)
        except RuntimeError as error:
            raise _taken(field, address) from error

    def _serve_http(self, signer: Signer) -> None:
        address = self._settings.listen.http
        app = public.application(
            signer.jwks,
            is_serving=lambda: self._serving,
            metrics=address.host in {"127.0.0.1", "::1", "localhost"},
        )
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off"))
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        try:
            # It listens from here on: nobody who was told of the address finds it closed.
            listening = socket.create_server((address.host, address.port), family=family)
        except OSError as error:
            raise _taken("listen.http", str(address)) from error
        self.http_port = listening.getsockname()[1]
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listening]}, name="http", daemon=True
        )
        thread.start()

        def stop() -> None:
            server.should_exit = True
            thread.join()
            listening.close()

        self._closing.callback(stop)

    def _tick(self, gate: Gate, ledger: Ledger) -> None:
        ended = threading.Event()

        def run() -> None:
            ticks = 0
            while not ended.wait(TICK.total_seconds()):
                ticks += 1
                housekeep(gate, ledger, with_sweep=ticks % SWEEP_EVERY == 0)
            housekeep(gate, ledger, with_sweep=False)

        thread = threading.Thread(target=run, name="ticker", daemon=True)
        thread.start()

        def stop() -> None:
            ended.set()
            thread.join()

        self._closing.callback(stop)


def _close(door: grpc.Server) -> None:
    door.stop(0).wait()


def housekeep(gate: Gate, ledger: Ledger, *, with_sweep: bool) -> None:
    """Record what was turned away; now and then delete answers that have expired."""
    try:
        gate.flush()
        if with_sweep:
            ledger.change(_sweep)
    except (LedgerUnavailable, LedgerBusy):
        log.warning("housekeeping put off: the ledger can't be written")


def _record_model(tx: Transaction, model: ModelCard) -> None:
    leaf = leaf_pb2.Leaf(
        kind=leaf_pb2.LEAF_KIND_MODEL_CHANGED,
        object_id=model.artefact_sha256.hex(),
        reason=model.model,
        actor="gateway",
    )
    tx.append(leaf)


def _sweep(tx: Transaction) -> int:
    return sweep(tx.connection, now=tx.now, limit=SWEEP_LIMIT)


def require_sound(settings: Settings, *, now: datetime) -> None:
    """Return only if a gateway can start with these settings.

    Raises:
        SettingsInvalid: Every mistake, named.
    """
    problems = check_files(settings, now=now)
    if api_implementation.Type() != "upb":
        problems.append(
            Problem(
                "protobuf",
                "runs without its C implementation",
                "Unset PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION.",
            )
        )
    if problems:
        raise SettingsInvalid(problems)


def channel_arguments(settings: Settings) -> list[tuple[str, int]]:
    """Limits that grpcio enforces before any code of ours runs."""
    age = settings.limits.max_connection_age_seconds
    return [
        ("grpc.max_receive_message_length", MAX_REQUEST_BYTES),
        ("grpc.max_send_message_length", 8 << 20),  # a batch of 1,000 attested answers
        ("grpc.max_metadata_size", MAX_METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", MAX_METADATA_BYTES),
        ("grpc.compression_enabled_algorithms_bitset", 1),  # identity only: no compression bombs
        ("grpc.max_concurrent_streams", 100),
        ("grpc.max_connection_age_ms", age * 1_000),
        ("grpc.max_connection_age_grace_ms", 30_000),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 30_000),
        ("grpc.so_reuseport", 0),  # a second gateway on the same port is a mistake, not a replica
    ]


def _engine_channel(settings: Settings) -> grpc.Channel:
    engine = settings.engine
    credentials = grpc.ssl_channel_credentials(
        engine.ca.read_bytes(), engine.key.read_bytes(), engine.certificate.read_bytes()
    )
    return grpc.secure_channel(str(engine.address), credentials)


def _report_tls_problem(problem: pki.FileRefused) -> None:
    TLS_RELOAD_FAILURES.inc()
    log.error("certificate not reloaded; the old one stays", path=str(problem.path), why=problem.why)


def _invalid(field: str, problem: str) -> SettingsInvalid:
    what, _, remedy = problem.partition("; ")
    return SettingsInvalid(
        [Problem(field, what, f"{remedy[:1].upper()}{remedy[1:]}." if remedy else "See its setting.")]
    )


def _taken(field: str, address: str) -> SettingsInvalid:
    return _invalid(field, f"can't listen on {address}; free it, or choose another port")
