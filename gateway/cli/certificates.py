"""A partner's folder: the key it makes, the request that leaves it, the certificate that comes back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli.failures import misconfigured

if TYPE_CHECKING:
    from gateway.cli.console import Admin
    from scoregate.admin.v1 import partner_admin_pb2 as pb

MAX_REQUEST_BYTES = 16 << 10
KEY, REQUEST, CERTIFICATE, SERVER_CA = "key.pem", "request.csr", "certificate.pem", "server-ca.pem"


def make_request(partner_id: str, out: Path) -> tuple[Path, Path]:
    """Write a new key and its request; returns where they lie."""
    from gateway.pki import create_private, create_public, new_key_and_request

    key, csr = out / KEY, out / REQUEST
    with _folder(out):
        _require_new(key, csr)
        key_pem, csr_pem = new_key_and_request(partner_id)
        create_private(key, key_pem)
        create_public(csr, csr_pem)
    return key, csr


def sign(admin: Admin, partner_id: str, csr: Path, out: Path, *, days: int) -> str:
    """Have a request signed and keep what comes back; returns the fingerprint. 0 days mean the default."""
    from gateway.pki import FileRefused, create_public
    from gateway.pki.request import read_request
    from scoregate.admin.v1 import partner_admin_pb2 as pb

    csr_pem = _read(csr)
    read_request(csr_pem.encode())  # here already: a key that was taken for a request goes nowhere
    _require_name(csr, csr_pem, partner_id)
    asked = pb.EnrollPartnerRequest(partner_id=partner_id, csr_pem=csr_pem, valid_days=days)
    with _folder(out):  # before the gateway signs what could not be kept
        _require_new(out / CERTIFICATE, out / SERVER_CA)
        enrolled: pb.EnrollPartnerResponse = admin.partners.EnrollPartner(asked)
        try:
            create_public(out / CERTIFICATE, enrolled.certificate_pem.encode())
            create_public(out / SERVER_CA, enrolled.server_ca_pem.encode())
        except FileRefused as error:
            remedy = f"It was issued all the same: revoke {enrolled.fingerprint}, and enroll again."
            raise misconfigured("--out", f"{error.path} {error.why}.", remedy) from error
    return enrolled.fingerprint


def _read(csr: Path) -> str:
    try:
        with csr.open("rb") as file:
            return file.read(MAX_REQUEST_BYTES + 1).decode()
    except OSError as error:
        raise misconfigured("--csr", f"{csr} can't be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        remedy = "Give the request.csr that `scoregate partner request` made."
        raise misconfigured("--csr", f"{csr} is not a request in PEM.", remedy) from error


def _require_name(csr: Path, csr_pem: str, partner_id: str) -> None:
    """A request that names somebody else is another caller's key, about to be let in as this one."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    names = x509.load_pem_x509_csr(csr_pem.encode()).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if any(name.value != partner_id for name in names):
        remedy = f"Take the request that {partner_id} made: `scoregate partner request {partner_id}`."
        raise misconfigured("--csr", f"{csr} names somebody else than {partner_id}.", remedy)


@contextmanager
def _folder(out: Path) -> Iterator[None]:
    """A folder for what is about to be written; when nothing is, folders made for it go again."""
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    try:
        out.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise misconfigured("--out", f"{out} can't be made ({error.strerror}).") from error
    try:
        yield
    except BaseException:
        for folder in made:
            with suppress(OSError):  # it holds something
                folder.rmdir()
        raise


def _require_new(*files: Path) -> None:
    for file in files:
        if file.exists():
            raise misconfigured("--out", f"{file} exists.", "Move it away, or name another folder.")
