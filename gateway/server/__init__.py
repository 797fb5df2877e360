"""The only place where things are wired: settings in, a running gateway out.

Start refuses anything half-configured, naming every mistake. Stop drains: health says
NOT_SERVING first, calls under way finish, then the pools close.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import grpc
from grpc_health.v1 import health, health_pb2

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
from gateway.journey import Journey, record_model
from gateway.keys import Signer
from gateway.ledger import Guards, Ledger, LedgerUnavailable
from gateway.pages import public
from gateway.quota.burst import Admission
from gateway.server.housekeeping import housekeep, keep_house
from gateway.server.listening import bind, channel_arguments, new_door, serve_pages
from gateway.server.soundness import invalid, require_sound
from gateway.settings import Settings, read_secret
from gateway.store import Store, StoreUnavailable, open_store
from scoregate.proof.jwk import Algorithm
from scoring.errors import ScoringError
from scoring.service import Engine as Scorer

PARTNER_SERVICES = (consent.SERVICE, score.SERVICE, usage.SERVICE, receipt.SERVICE)
ADMIN_SERVICES = (audit.SERVICE, admin_partners.SERVICE, admin_consents.SERVICE, admin_operations.SERVICE)

ADMIN_THREADS = 8
"""The admin door's own, so that a flood of queries never keeps a revocation waiting for a thread."""


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
        # Balancers look at health; calls that they still send meanwhile are answered.
        time.sleep(self._settings.limits.drain_seconds)
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
        model = _model(engine)
        partner_services = self._partner_services(
            frame, model, store, ledger, vault, engine, gate, signer, usage_door
        )
        admin_services = self._admin_services(frame, store, ledger, engine, signer, usage_door)
        self._bind(frame, partner_services, admin_services)
        self._serve_http(signer)
        # The model in use is an entry before the first answer; a start that fails leaves none.
        self._record(ledger, model)
        self._serve()
        keep_house(gate, ledger, frame, self._closing)
        self._serving = True

    def _open_store(self) -> Store:
        file = self._settings.database.file
        if file is not None and not file.exists():
            raise invalid("database.url", f"there is no ledger at {file}; restore it from its backup")
        try:
            store = open_store(self._settings.database.url)
            self._closing.callback(store.close)
            migrations.require_current(store)
        except (StoreUnavailable, migrations.SchemaMismatch) as error:
            raise invalid("database.url", str(error)) from error
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
                raise invalid("engine.folder", f"{error.problem}; {error.remedy}") from error
        self._closing.callback(engine.close)
        return engine

    def _open_signer(self, store: Store) -> Signer:
        settings = self._settings.attestation
        try:
            signer = Signer(
                store,
                settings.key_folder,
                algorithm=Algorithm(settings.algorithm),
            )
        except KeyFileError as error:
            raise invalid("attestation.key_folder", str(error)) from error
        except StoreUnavailable as error:
            raise invalid("database.url", "the log has no head; restore it from its backup") from error
        began_as = signer.signing().log_origin
        if began_as != self._settings.log_origin:
            raise invalid("log_origin", f"the log began as {began_as}; set it to that")
        return signer

    def _record(self, ledger: Ledger, model: ModelCard) -> None:
        try:
            ledger.change(lambda tx: record_model(tx, model))
        except LedgerUnavailable as error:
            raise invalid(
                "database.url", "the ledger can't be written; check the disk and the database"
            ) from error

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
            server_ca_pem=settings.tls.server_ca.read_bytes(),
            trust_domain=settings.trust_domain,
            clock=clock,
        )
        return [
            audit.AuditDoor(store, ledger, Roots(store), cursor_secret=cursor_secret).service(frame),
            partners_door.service(frame),
            admin_consents.ConsentAdminDoor(store, ledger, pairwise, clock=clock).service(frame),
            admin_operations.OperationsAdminDoor(store, ledger, signer, usage_door, engine).service(frame),
        ]

    def _bind(
        self,
        frame: Frame,
        partner_services: list[grpc.GenericRpcHandler],
        admin_services: list[grpc.GenericRpcHandler],
    ) -> None:
        settings = self._settings
        partner = self._new_door(frame, partner_services, PARTNER_SERVICES, settings.limits.worker_threads)
        admin = self._new_door(frame, admin_services, ADMIN_SERVICES, ADMIN_THREADS)
        self._doors = (partner, admin)
        tls, listen = settings.tls, settings.listen
        self.partner_port = bind(partner, settings, "listen.partner", listen.partner, tls.partner_ca)
        self.admin_port = bind(admin, settings, "listen.admin", listen.admin, tls.staff_ca)

    def _serve(self) -> None:
        for door in self._doors:
            door.start()
            self._closing.callback(_close, door)
        for name in ("", *PARTNER_SERVICES, *ADMIN_SERVICES):
            self.health.set(name, health_pb2.HealthCheckResponse.SERVING)

    def _new_door(
        self,
        frame: Frame,
        services: list[grpc.GenericRpcHandler],
        names: tuple[str, ...],
        threads: int,
    ) -> grpc.Server:
        return new_door(
            self._settings,
            services,
            names,
            frame=frame,
            threads=threads,
            health_service=self.health,
            closing=self._closing,
        )

    def _serve_http(self, signer: Signer) -> None:
        address = self._settings.listen.http
        pages = public.application(
            signer.jwks,
            is_serving=lambda: self._serving,
            metrics=address.host in {"127.0.0.1", "::1", "localhost"},
        )
        self.http_port = serve_pages(pages, address, self._closing)


def _model(engine: EngineDoor) -> ModelCard:
    try:
        return engine.model()
    except EngineUnavailable as error:
        raise invalid("engine.address", "the engine does not answer; start it first") from error


def _engine_channel(settings: Settings) -> grpc.Channel:
    engine = settings.engine
    credentials = grpc.ssl_channel_credentials(
        engine.ca.read_bytes(), engine.key.read_bytes(), engine.certificate.read_bytes()
    )
    # An engine that comes back is found within seconds; gRPC's own back-off grows to two minutes.
    options = [("grpc.max_reconnect_backoff_ms", 2_000)]
    return grpc.secure_channel(str(engine.address), credentials, options)


def _close(door: grpc.Server) -> None:
    door.stop(0).wait()


__all__ = ["Gateway", "Seams", "channel_arguments", "housekeep", "require_sound", "wall_clock"]
