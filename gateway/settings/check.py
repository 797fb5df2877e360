"""What the settings point to: files, keys, certificates and addresses, looked at before a door opens.

Not pure: reads files, and binds ports of its own for a moment. Half-configured security refuses to start,
and every mistake is named at once.
"""

from __future__ import annotations

import shlex
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from cryptography import x509

from gateway.pki.authority import AuthorityRole, development_issuer, development_role, load_authority
from gateway.pki.files import (
    RESTORE,
    FileRefused,
    TlsUsage,
    read_certificates,
    read_key,
    read_pair,
    read_private,
    read_public,
    read_trust,
    require_current,
    require_private_folder,
)
from gateway.settings.fields import Address
from gateway.settings.load import HOME_VARIABLE, Problem
from gateway.settings.schema import Settings
from gateway.settings.secret import read_secret, secret_versions
from scoregate.tlog.policy import Policy, PolicyInvalid

_NEVER_HAD = "an installation of before there was one gets it by `scoregate upgrade`"
# Why no other file can take the place of one that was lost.
_IRREPLACEABLE = {
    "tls.authorities": "a new CA would lock out everybody whose certificate this one signed",
    "secrets.pairwise_key": "partners' references to people come from it, and a new one changes them all",
    "secrets.master_key": "each person's records are sealed with it, and no other opens them",
    "attestation.key_folder": "partners hold the public halves of its keys, and believe no others",
    "log.key_folder": f"whoever verifies the log believes no other key; {_NEVER_HAD}",
    "log.checkpoint": f"nothing may be signed below it; {_NEVER_HAD}",
    "log.policy": _NEVER_HAD,
}


def check_files(settings: Settings, *, now: datetime) -> list[Problem]:
    """Return what stops the gateway from starting with these settings; an empty list lets it start.

    Looked at: the doors' addresses, certificate, key and authorities, the authorities that sign enrolments,
    the secrets, the signing keys, the log's witnesses, the engine's folder or certificates, the
    ledger's folder.
    """
    if not settings.home.is_dir():
        remedy = f"Set {HOME_VARIABLE} to the installation's folder, or restore that from your copy."
        return [Problem("home", f"there is no folder {settings.home}", remedy)]
    look = _Look(now, production=settings.mode == "production")
    for door, address in settings.listen:
        look.at_address(f"listen.{door}", address)
    look.at_pair("tls.certificate", settings.tls.certificate, "tls.key", settings.tls.key, "serverAuth")
    look.at_trust("tls.server_ca", settings.tls.server_ca, AuthorityRole.SERVER)
    look.at_doors(settings)
    look.at_secrets(settings)
    look.at_signing_keys("attestation.key_folder", settings.attestation.key_folder)
    look.at_signing_keys("log.key_folder", settings.log.key_folder)
    look.at_folder("log.checkpoint", settings.log.checkpoint.parent, _remedy("log.checkpoint"))
    look.at_policy(settings.log.policy)
    if settings.engine.kind == "embedded":
        look.at_engine(settings.engine.folder)
    else:
        engine = settings.engine
        look.at_trust("engine.ca", engine.ca, AuthorityRole.SERVER)
        look.at_pair("engine.certificate", engine.certificate, "engine.key", engine.key, "clientAuth")
    if settings.database.file is not None:
        look.at_folder("database.url", settings.database.file.parent, _remedy("database.url"))
    return look.problems


def check_engine_files(settings: Settings, *, now: datetime) -> list[Problem]:
    """Return what stops an engine process of its own from starting with these settings."""
    engine = settings.engine
    look = _Look(now, production=settings.mode == "production")
    look.at_address("engine.address", engine.address)
    look.at_engine(engine.folder)
    look.at_trust("engine.ca", engine.ca, AuthorityRole.SERVER)
    look.at_pair(
        "engine.server_certificate",
        engine.server_certificate,
        "engine.server_key",
        engine.server_key,
        "serverAuth",
    )
    return look.problems


def _remedy(field: str, what: str = RESTORE) -> str:
    why = _IRREPLACEABLE.get(field) if what == RESTORE else None
    return f"{what[:1].upper()}{what[1:]}{f': {why}' if why else ''}."


def _is_here(host: str) -> bool:
    """Whether this machine can listen at ``host``; whether a port is free there is another question."""
    with suppress(OSError, UnicodeError):  # nobody knows the name
        for family, kind, _, _, place in socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM):
            with suppress(OSError), socket.socket(family, kind) as probe:
                probe.bind(place)
                return True
    return False


class _Look:
    """One walk over the files, collecting what is wrong."""

    def __init__(self, now: datetime, *, production: bool) -> None:
        self.now = now
        self.production = production
        self.problems: list[Problem] = []

    @contextmanager
    def noting(self, field: str) -> Iterator[None]:
        try:
            yield
        except FileRefused as refusal:
            problem = f"{refusal.path} {refusal.why}"
            self.problems.append(Problem(field, problem, _remedy(field, refusal.remedy)))

    def at_address(self, field: str, address: Address) -> None:
        if not _is_here(address.host):
            remedy = "Name one of its own, such as 127.0.0.1, or 0.0.0.0 for all of them."
            self.problems.append(Problem(field, f"{address.host} is no address of this machine", remedy))

    def at_folder(self, field: str, folder: Path, remedy: str) -> None:
        if not folder.is_dir():
            self.problems.append(Problem(field, f"there is no folder {folder}", remedy))

    def at_engine(self, folder: Path) -> None:
        remedy = f"Run `scoregate engine train --out {shlex.quote(str(folder))}`, or correct the path."
        self.at_folder("engine.folder", folder, remedy)

    def at_pair(
        self, certificate_field: str, certificate: Path, key_field: str, key: Path, usage: TlsUsage
    ) -> None:
        found = len(self.problems)
        with self.noting(key_field):
            read_key(key)
        with self.noting(certificate_field):
            read_certificates(certificate)
        if len(self.problems) > found:
            return
        with self.noting(certificate_field):
            leaf = read_pair(certificate, key, usage=usage).leaf
            require_current(certificate, leaf, now=self.now)
            if self.production and development_issuer(leaf):
                raise FileRefused(certificate, "is signed by a development CA", "use a CA of your own")

    def at_trust(self, field: str, path: Path, role: AuthorityRole) -> tuple[x509.Certificate, ...]:
        """Return the authorities in a file, none if one of them is refused."""
        accepted: tuple[x509.Certificate, ...] = ()
        with self.noting(field):
            trusted = read_trust(path).certificates
            for certificate in trusted:
                require_current(path, certificate, now=self.now)
                of = development_role(certificate)
                if of not in (None, role):
                    raise FileRefused(path, f"is the {of} CA", f"name the {role} CA here")
                if of and self.production:
                    raise FileRefused(path, "is a development CA", "use a CA of your own")
            accepted = trusted
        return accepted

    def at_doors(self, settings: Settings) -> None:
        tls = settings.tls
        doors = {
            AuthorityRole.PARTNER: self.at_trust("tls.partner_ca", tls.partner_ca, AuthorityRole.PARTNER),
            AuthorityRole.STAFF: self.at_trust("tls.staff_ca", tls.staff_ca, AuthorityRole.STAFF),
        }
        partner_keys, staff_keys = ([c.public_key() for c in trusted] for trusted in doors.values())
        if any(key in staff_keys for key in partner_keys):
            remedy = "Give each door a CA of its own."
            self.problems.append(Problem("tls.staff_ca", "the partner door trusts the same CA", remedy))
        for role, trusted in doors.items():
            with self.noting("tls.authorities"):
                authority = load_authority(tls.authorities, role)
                if trusted and authority.certificate not in trusted:
                    why = f"holds a {role} CA that tls.{role}_ca doesn't list"
                    raise FileRefused(tls.authorities, why, "list it there, or what it signs is refused")

    def at_secrets(self, settings: Settings) -> None:
        found: list[bytes] = []
        files = [("pairwise_key", settings.secrets.pairwise_key)]
        master = settings.secrets.master_key
        # Of the master key those versions that are there: which of them are needed, the ledger knows.
        versions = [path for _, path in secret_versions(master)] or [master]
        for field, path in (*files, *(("master_key", path) for path in versions)):
            with self.noting(f"secrets.{field}"):
                found.append(read_secret(path))
        if len(found) != len(set(found)):
            remedy = "Restore both from your copies: no other opens what was made with them."
            self.problems.append(Problem("secrets.master_key", "it equals secrets.pairwise_key", remedy))

    def at_policy(self, path: Path) -> None:
        with self.noting("log.policy"):
            try:
                Policy.parse(read_public(path))
            except PolicyInvalid as error:
                raise FileRefused(path, f"can't be used ({error})", "correct it there") from error

    def at_signing_keys(self, field: str, folder: Path) -> None:
        with self.noting(field):
            require_private_folder(folder)
        keys = 0
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            with self.noting(field):
                if path.is_file() and b"PRIVATE KEY" in read_public(path):
                    keys += 1
                    read_private(path)
        if folder.is_dir() and not keys:
            self.problems.append(Problem(field, f"{folder} holds no key", _remedy(field)))
