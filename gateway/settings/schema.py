"""Every setting, with its unit, range and default. Pure.

The string under a field is its documentation: `scoregate init` writes it into the commented file, and a
mistake in the field quotes it as the remedy. Rules between two fields stand where the later one is declared.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from gateway.settings.fields import Address, AddressField, PathField, Whole, is_encrypted, is_local, split_url

DEVELOPMENT_DOMAIN = "scoregate.local"
LOG_NAME = re.compile(r"[a-z0-9.-]+(/[A-Za-z0-9._~-]+)*")
_ORIGIN = r"://[^\s/?#@]+"
_WEB_ADDRESS = rf"{_ORIGIN}(/[^\s/?#@]+)*$"


class Section(BaseModel):
    """One table of the file."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )


class Listen(Section):
    """Where the doors open."""

    partner: AddressField = Address("127.0.0.1", 8443)
    """The partner door, gRPC over mTLS: HOST:PORT, port 0 to 65535 (0 takes any free one)."""
    admin: AddressField = Address("127.0.0.1", 8444)
    """The admin door, gRPC over mTLS, for operators and compliance: HOST:PORT of its own."""
    http: AddressField = Address("127.0.0.1", 8080)
    """Public keys, health and error help over HTTP: HOST:PORT of its own."""
    pages: AddressField = Address("127.0.0.1", 8081)
    """The consumers' pages over HTTP, of `scoregate serve --pages`: HOST:PORT of its own, behind a
    proxy that ends TLS."""

    @field_validator("admin", "http", "pages")
    @classmethod
    def _own_address(cls, address: Address, info: ValidationInfo) -> Address:
        for name, other in info.data.items():
            if address.port and address.port == other.port and _overlap(address.host, other.host):
                raise PydanticCustomError("taken", "it is taken by listen.{name}", {"name": name})
        return address


def _overlap(host: str, other: str) -> bool:
    return host == other or not {host, other}.isdisjoint({"0.0.0.0", "::"})  # noqa: S104


class Tls(Section):
    """Certificates of the doors."""

    certificate: PathField = Path("pki/server.pem")
    """The gateway's server certificate, PEM, with the serverAuth usage. Both doors present it."""
    key: PathField = Path("pki/server.key")
    """Its key, PEM, unencrypted, mode 0600."""
    server_ca: PathField = Path("pki/server-ca.pem")
    """What partners trust the server certificate by, PEM. Every enrolment hands it out."""
    partner_ca: PathField = Path("pki/partner-ca.pem")
    """The CA certificates that the partner door trusts, PEM; none that the admin door trusts."""
    staff_ca: PathField = Path("pki/staff-ca.pem")
    """The CA certificates that the admin door trusts, PEM; none that the partner door trusts."""
    authorities: PathField = Path("pki")
    """The folder with partner-ca and staff-ca (.key and .pem), which sign enrolments."""


class Database(Section):
    """The ledger."""

    url: str = Field(default="sqlite:///ledger.db", repr=False)
    """sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/NAME."""
    patience_seconds: Whole = Field(default=10, ge=1, le=60)
    """How long a lock or an answer may take before the ledger counts as unavailable, in seconds: 1 to 60."""

    @field_validator("url")
    @classmethod
    def _known_store(cls, url: str) -> str:
        parts = split_url(url)
        if parts.scheme not in ("sqlite", "postgresql+psycopg"):
            raise ValueError("it is for another store than SQLite or PostgreSQL with psycopg")
        if parts.scheme != "sqlite" and len(parts.path) < 2:
            raise ValueError("it names no database")
        if parts.scheme == "sqlite" and (parts.netloc or len(parts.path) < 2 or parts.path == "/:memory:"):
            raise ValueError("it names no file, and a ledger in memory would forget")
        if parts.scheme == "sqlite" and (parts.query or parts.fragment or "\0" in url):
            raise ValueError("it has more than the name of a file")
        return url

    @property
    def file(self) -> Path | None:
        """The file of an SQLite ledger; None for PostgreSQL."""
        parts = split_url(self.url)
        return Path(parts.path[1:]) if parts.scheme == "sqlite" else None


class Secrets(Section):
    """Two secrets, each 32 bytes in hexadecimal, mode 0600. Losing them loses data: keep copies apart."""

    pairwise_key: PathField = Path("keys/pairwise.key")
    """The file of the secret behind each partner's references to people."""
    master_key: PathField = Path("keys/master.key")
    """The file of the secret that wraps each person's key. `scoregate keys rotate-master` puts later versions
    beside it."""


class Attestation(Section):
    """How answers are signed."""

    algorithm: Literal["ES256", "Ed25519"] = "ES256"
    """ES256 or Ed25519, for keys made from now on: after a change, the first `scoregate keys rotate` makes
    such a key, and the second lets it sign."""
    life_seconds: Whole = Field(default=86_400, ge=60, le=86_400)
    """How long an answer counts as fresh, in seconds: 60 to 86400. It can be verified for years.

    With less than the default a replay, which repeats the first answer for 24 hours, may come back stale.
    """
    key_folder: PathField = Path("keys/attestation")
    """The folder of signing keys, PEM, each mode 0600."""


class Log(Section):
    """How the audit log is published: its tree, its checkpoints, and the witnesses that see them."""

    key_folder: PathField = Path("keys/log")
    """The folder of the log's own keys, Ed25519, PEM, each mode 0600; one for each name that it has had."""
    checkpoint: PathField = Path("log/checkpoint")
    """The file that keeps the last checkpoint outside the database. Nothing is signed below it, so keep it
    through a restore of the ledger, and let replicas share it."""
    policy: PathField = Path("log/policy")
    """The log's witnesses and their quorum (C2SP tlog-policy, without log lines), each with the address at
    which it takes checkpoints."""
    interval_ms: Whole = Field(default=1_000, ge=100, le=60_000)
    """How often the tree is extended and a checkpoint signed, in milliseconds: 100 to 60000. Whoever reads
    checkpoints learns how many entries each holds."""
    witness_timeout_ms: Whole = Field(default=1_000, ge=50, le=10_000)
    """How long a checkpoint waits for its witnesses before it is published without them, in milliseconds:
    50 to 10000."""


class Engine(Section):
    """What computes scores."""

    kind: Literal["embedded", "remote"] = "embedded"
    """embedded (in this process) or remote (gRPC over mTLS)."""
    folder: PathField = Path("engine")
    """The folder of the trained model, for an embedded engine and for an engine process."""
    address: AddressField = Address("127.0.0.1", 8445)
    """Where a remote engine listens: HOST:PORT."""
    ca: PathField = Path("pki/server-ca.pem")
    """The CA by which gateway and remote engine know each other, PEM."""
    certificate: PathField = Path("pki/gateway.pem")
    """What the gateway shows a remote engine, PEM, with the clientAuth usage."""
    key: PathField = Path("pki/gateway.key")
    """Its key, PEM, unencrypted, mode 0600."""
    server_certificate: PathField = Path("pki/engine.pem")
    """What a remote engine shows the gateway, PEM, with the serverAuth usage."""
    server_key: PathField = Path("pki/engine.key")
    """Its key, PEM, unencrypted, mode 0600."""
    timeout_ms: Whole = Field(default=500, ge=10, le=10_000)
    """How long one question to the engine may take, in milliseconds: 10 to 10000."""


class Pages(Section):
    """The consumers' pages, and how people sign in to them."""

    url: str = Field(default="http://127.0.0.1:8081", pattern=f"^https?{_ORIGIN}$")
    """Where people reach the pages, as invitations name it: scheme, name and port alone, as the pages know no
    path before their own; https in production."""
    provider: str = Field(default="", pattern=f"^(https?{_WEB_ADDRESS[:-1]})?$")
    """The issuer of the OpenID provider that people sign in with. Empty: development's own, which production
    refuses."""
    client_id: str = Field(default="scoregate", min_length=1, max_length=255)
    """By what name the provider knows this installation."""
    client_secret: PathField = Path("keys/provider.secret")
    """The file of the secret that the provider gave it, mode 0600; needed with a provider."""
    subject_claim: str = Field(default="sub", min_length=1, max_length=64)
    """The claim that holds the operator's own subject id of a person."""
    name_claim: str = Field(default="name", min_length=1, max_length=64)
    """The claim that holds a person's name, where a lender has named whom it expects."""
    document_claim: str = Field(default="document_number", min_length=1, max_length=64)
    """The claim that holds the number of their identity document."""
    phone_claim: str = Field(default="phone_number", min_length=1, max_length=64)
    """The claim that holds their phone number."""
    phone_region: str = Field(default="CN", pattern="^[A-Z]{2}$")
    """The country of phone numbers that name none: two letters (ISO 3166)."""
    time_zone: str = Field(default="UTC", max_length=64)
    """The zone in which the pages show times: an IANA name such as Asia/Shanghai."""
    session_minutes: Whole = Field(default=30, ge=5, le=720)
    """After how long people sign in anew, in minutes: 5 to 720."""
    entries_per_hour: Whole = Field(default=120, ge=10, le=1_000_000)
    """How many looks at their own score one person has in an hour in each process, and how many forms that
    stop nobody: 10 to 1000000. Each may leave an entry in the log."""

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            return ZoneInfo(name).key
        except (KeyError, ValueError, OSError) as error:  # ZoneInfoNotFoundError is a KeyError
            raise ValueError("there is no such time zone") from error


class Retention(Section):
    """For how long what entries say about people is kept, by the entry's purpose, in days from its time.

    Entries themselves stay. An open dispute holds all that is about its person, a consent that runs what
    concerns it.
    """

    credit_application_days: Whole = Field(default=1_826, ge=30, le=3_653)
    """CREDIT_APPLICATION, in days: 30 to 3653."""
    prequalification_days: Whole = Field(default=730, ge=30, le=3_653)
    """PREQUALIFICATION, in days: 30 to 3653."""
    account_review_days: Whole = Field(default=730, ge=30, le=3_653)
    """ACCOUNT_REVIEW, in days: 30 to 3653."""
    collection_days: Whole = Field(default=1_826, ge=30, le=3_653)
    """COLLECTION, in days: 30 to 3653."""
    guarantor_days: Whole = Field(default=1_826, ge=30, le=3_653)
    """GUARANTOR, in days: 30 to 3653."""
    deposit_waiver_days: Whole = Field(default=730, ge=30, le=3_653)
    """DEPOSIT_WAIVER, in days: 30 to 3653."""
    pilot_study_days: Whole = Field(default=365, ge=30, le=3_653)
    """PILOT_STUDY, in days: 30 to 3653."""
    consumer_self_days: Whole = Field(default=365, ge=30, le=3_653)
    """CONSUMER_SELF, in days: 30 to 3653."""
    other_days: Whole = Field(default=1_826, ge=30, le=3_653)
    """What has no purpose (freezes, disputes, officers' reads), in days: 30 to 3653."""
    backup_days: Whole = Field(default=35, ge=1, le=400)
    """After how many days backups of the database, and archived write-ahead logs, are destroyed: 1 to 400.

    The gateway can't do that: operators promise it, for so long what was erased may live on there.
    """


class Limits(Section):
    """What one process takes on."""

    worker_threads: Whole = Field(default=32, ge=2, le=512)
    """Threads that answer batches and whatever is no score query: 2 to 512."""
    max_in_flight_per_partner: Whole = Field(default=16, ge=1, le=511)
    """Calls of one partner under way at once: 1 to 511, and fewer than worker_threads."""
    max_queue: Whole = Field(default=256, ge=1, le=10_000)
    """Calls under way beyond worker_threads: 1 to 10000; further ones are refused."""
    default_deadline_ms: Whole = Field(default=10_000, ge=100, le=60_000)
    """The deadline of a call that sets none, in milliseconds: 100 to 60000."""
    max_connection_age_seconds: Whole = Field(default=1_800, ge=10, le=86_400)
    """When a connection must be made anew, in seconds: 10 to 86400."""

    drain_seconds: Whole = Field(default=0, ge=0, le=60)
    """How long a stopping gateway says NOT_SERVING before it takes no more calls, in seconds: 0 to 60.

    Longer than the balancer in front needs to notice.
    """

    @field_validator("max_in_flight_per_partner")
    @classmethod
    def _leave_threads_for_others(cls, cap: int, info: ValidationInfo) -> int:
        threads = info.data.get("worker_threads", cap + 1)  # absent when it is wrong itself
        if cap >= threads:
            raise PydanticCustomError(
                "share", "one partner could hold all of the {threads} worker_threads", {"threads": threads}
            )
        return cap


class Settings(BaseSettings):
    """Everything an installation was told. As loaded, paths are absolute; nothing changes afterwards."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True
    )

    home: Path
    """The folder of all state, from which the other paths are taken. Only SCOREGATE_HOME sets it."""
    mode: Literal["development", "production"] = "production"
    """development (reflection, a banner, names under scoregate.local) or production, which refuses these."""
    trust_domain: str = Field(default=DEVELOPMENT_DOMAIN, pattern=r"^[a-z0-9._-]{1,255}$")
    """The SPIFFE trust domain in every client certificate: 1 to 255 of a-z, 0-9, '.', '_' and '-'."""
    issuer: str = Field(default=f"https://{DEVELOPMENT_DOMAIN}", pattern="^https" + _WEB_ADDRESS)
    """Who signs answers: an https address without a slash at its end."""
    log_origin: str = Field(
        default=f"{DEVELOPMENT_DOMAIN}/log/2026h2",
        max_length=255,
        pattern=f"^{LOG_NAME.pattern}$",
    )
    """The name under which the audit log began: host and path without a scheme, at most 255 characters."""
    public_url: str = Field(default="http://127.0.0.1:8080", pattern="^https?" + _WEB_ADDRESS)
    """Where public keys and error help are reached: an address without a slash at its end; https in
    production."""
    listen: Listen = Listen()
    tls: Tls = Tls()
    database: Database = Database()
    secrets: Secrets = Secrets()
    attestation: Attestation = Attestation()
    log: Log = Log()
    engine: Engine = Engine()
    pages: Pages = Pages()
    retention: Retention = Retention()
    limits: Limits = Limits()

    @classmethod
    def settings_customise_sources(cls, *_: Any, **sources: Any) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read nothing from the environment of the process; ``load`` is given one."""
        return (sources["init_settings"],)

    @property
    def reflection(self) -> bool:
        """Whether the doors describe themselves: in development only, so no setting can leave it on."""
        return self.mode == "development"

    @field_validator("trust_domain", "issuer", "log_origin")
    @classmethod
    def _names_of_its_own(cls, name: str, info: ValidationInfo) -> str:
        if info.data.get("mode") == "production" and DEVELOPMENT_DOMAIN in name:
            raise ValueError("production refuses the names of development")
        return name

    @field_validator("public_url")
    @classmethod
    def _https_in_production(cls, url: str, info: ValidationInfo) -> str:
        if info.data.get("mode") == "production" and not url.startswith("https:"):
            raise ValueError("production refuses plain http")
        return url

    @field_validator("pages")
    @classmethod
    def _pages_over_https_in_production(cls, pages: Pages, info: ValidationInfo) -> Pages:
        # Whoever decides must be who they say they are, and see what was sent.
        for name in ("url", "provider"):
            if info.data.get("mode") == "production" and getattr(pages, name).startswith("http:"):
                raise PydanticCustomError(
                    "plain",
                    "production refuses plain http",
                    {"field": f"pages.{name}", "remedy": "Name an https address."},
                )
        return pages

    @field_validator("database")
    @classmethod
    def _encrypted_in_production(cls, database: Database, info: ValidationInfo) -> Database:
        # Without sslmode the driver falls back to plain text when the server offers nothing better.
        exposed = database.file is None and not (is_local(database.url) or is_encrypted(database.url))
        if info.data.get("mode") == "production" and exposed:
            raise PydanticCustomError(
                "plain",
                "production refuses a database over the network without TLS",
                {"field": "database.url", "remedy": "Add ?sslmode=verify-full (or verify-ca, require)."},
            )
        return database
