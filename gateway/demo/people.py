"""Those who act in the story with a key of their own: the operator, the lenders, the officer.

Everybody speaks over mTLS with the very code that a partner installs.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from gateway import pki
from scoregate.admin.v1 import (
    consent_admin_pb2,
    consent_admin_pb2_grpc,
    operations_admin_pb2,
    operations_admin_pb2_grpc,
    partner_admin_pb2,
    partner_admin_pb2_grpc,
)
from scoregate.client import Client, Clock, Consent, ScoreAnswer, ThresholdAnswer, identity
from scoregate.client.connection import Connection
from scoregate.proof import leaf

TIMEOUT = timedelta(seconds=20)
REASON = "the demo's story"
RETURN_ADDRESS = "https://lender.example/back"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Where somebody keeps certificate and key, and the authority of the gateway."""

    certificate: Path
    key: Path
    server_ca: Path

    @property
    def fingerprint(self) -> str:
        """The certificate's SHA-256."""
        return pki.parse_peer(self.certificate.read_bytes()).fingerprint

    def connect(self, address: str) -> Connection:
        """Open a connection to one of the gateway's doors."""
        channel = identity.credentials(self.certificate, self.key, self.server_ca)
        return Connection(address, channel, timeout=TIMEOUT, clock=Clock())


class Operator:
    """Keeps the registry, and brings the yes of people who came to a counter, through the admin door."""

    def __init__(self, door: Connection) -> None:
        self._door = door
        channel = door.channel
        self._partners = partner_admin_pb2_grpc.PartnerAdminServiceStub(channel)  # type: ignore[no-untyped-call]
        self._people = consent_admin_pb2_grpc.ConsentAdminServiceStub(channel)  # type: ignore[no-untyped-call]
        self._meters = operations_admin_pb2_grpc.OperationsAdminServiceStub(channel)  # type: ignore[no-untyped-call]

    def _ask(self, method: Any, request: Any) -> Any:
        return self._door.call(method, request).message

    def add(
        self, partner_id: str, legal_name: str, role: str, contract: partner_admin_pb2.Contract | None = None
    ) -> None:
        """Register a partner; raises Refused like everything here."""
        partner = partner_admin_pb2.Partner(
            partner_id=partner_id, legal_name=legal_name, role=f"ROLE_{role}", contract=contract
        )
        self._ask(self._partners.AddPartner, partner_admin_pb2.AddPartnerRequest(partner=partner))

    def enroll(self, partner_id: str, folder: Path) -> Credentials:
        """Have the request in ``folder`` signed, and put the certificate beside it."""
        csr_pem = (folder / f"{partner_id}.csr").read_text()
        request = partner_admin_pb2.EnrollPartnerRequest(partner_id=partner_id, csr_pem=csr_pem)
        enrolled = self._ask(self._partners.EnrollPartner, request)
        made = Credentials(
            folder / f"{partner_id}.pem", folder / f"{partner_id}.key", folder / "server-ca.pem"
        )
        pki.create_public(made.certificate, enrolled.certificate_pem.encode())
        pki.create_public(made.server_ca, enrolled.server_ca_pem.encode())
        return made

    def allow(self, handle: str, subject: str) -> Consent:
        """Record a person's yes."""
        request = consent_admin_pb2.AllowInvitationRequest(handle=handle, subject=subject)
        return Consent.of(self._ask(self._people.AllowInvitation, request).consent)

    def suspend(self, partner_id: str) -> None:
        """Stop a partner."""
        request = partner_admin_pb2.SuspendPartnerRequest(partner_id=partner_id, reason=REASON)
        self._ask(self._partners.SuspendPartner, request)

    def resume(self, partner_id: str) -> None:
        """Let a partner in again."""
        request = partner_admin_pb2.ResumePartnerRequest(partner_id=partner_id, reason=REASON)
        self._ask(self._partners.ResumePartner, request)

    def revoke(self, fingerprint: str) -> None:
        """Refuse a certificate from now on."""
        request = partner_admin_pb2.RevokeCertificateRequest(fingerprint=fingerprint, reason=REASON)
        self._ask(self._partners.RevokeCertificate, request)

    def set_contract(self, partner_id: str, contract: partner_admin_pb2.Contract) -> None:
        """Replace a partner's contract."""
        request = partner_admin_pb2.SetContractRequest(
            partner_id=partner_id, contract=contract, reason=REASON
        )
        self._ask(self._partners.SetContract, request)

    def model(self) -> tuple[str, str]:
        """Return the model that the gateway uses, and the SHA-256 of its scorecard."""
        found = self._ask(self._meters.GetActiveModel, operations_admin_pb2.GetActiveModelRequest())
        return found.model, found.artefact_sha256

    def units(self, partner_id: str) -> int:
        """Return the contract units that a partner has spent this month."""
        request = operations_admin_pb2.GetPartnerUsageRequest(partner_id=partner_id)
        usages = self._ask(self._meters.GetPartnerUsage, request).usages
        return int(next(usage.used for usage in usages if usage.limit_name == "month"))


class Lender:
    """A lender with a certificate, who asks through the verifying client and files every receipt."""

    def __init__(self, partner_id: str, folder: Path, credentials: Credentials, client: Client) -> None:
        self.partner_id = partner_id
        self.folder = folder
        self.credentials = credentials
        self.client = client
        self.answers = 0  # filed
        self.units = 0  # that they cost, by their receipts

    @property
    def receipts(self) -> Path:
        """Where it files receipts."""
        return self.folder / "receipts"

    @property
    def jwks(self) -> Path:
        """The issuer's public keys, as it pinned them."""
        return self.folder / "issuer.jwks"

    def file(self, answer: ScoreAnswer | ThresholdAnswer) -> None:
        """File an answer's receipt."""
        answer.save(self.receipts)
        self.answers += 1
        self.units += leaf.decode(answer.receipt.leaf).cost_units

    def keep(self, answer: ScoreAnswer) -> Path:
        """Complete an answer's receipt with its proof, once a witness has seen it; return the file."""
        return self.client.keep(answer, self.receipts)


def contract(**changes: int) -> partner_admin_pb2.Contract:
    """Return a lender's contract: 5,000 units a day, 50,000 a month, thresholds 600 and 650."""
    agreed = partner_admin_pb2.Contract(
        daily_units=5_000,
        monthly_units=50_000,
        calls_per_second=5_000,
        burst_calls=5_000,
        thresholds=[600, 650],
    )
    agreed.return_addresses[:] = [RETURN_ADDRESS]
    for name, limit in changes.items():
        setattr(agreed, name, limit)
    return agreed


def make_key(folder: Path, name: str) -> None:
    """Make a key, and a request for a certificate; the key stays in ``folder``."""
    folder.mkdir(mode=0o700)
    key_pem, csr_pem = pki.new_key_and_request(name)
    pki.create_private(folder / f"{name}.key", key_pem)
    pki.create_public(folder / f"{name}.csr", csr_pem)
