"""Certificates: three small authorities, what they sign, and who a caller's certificate says it is.

``files`` guards what lies on disk, ``authority`` signs, ``request`` judges a PKCS #10 request before it is
signed, ``peer`` reads the certificate of a caller. ``credentials`` is the one part that knows gRPC; import it
by its own name.

    server CA  -> the gateway's and the engine's server certificates, and the gateway's own towards the engine
    partner CA -> PARTNER and PILOT; the partner door trusts it alone
    staff CA   -> OPERATOR and COMPLIANCE; the admin door trusts it alone

Sources: RFC 5280 (certificates), RFC 2986 (PKCS #10), SPIFFE-ID and X.509-SVID (one URI SAN).
"""

from gateway.pki.authority import Authority, AuthorityRole, create_authority, load_authority
from gateway.pki.files import FileRefused, create_private, create_public, read_private
from gateway.pki.peer import (
    CertificateExpired,
    CertificateIdentityInvalid,
    CertificateMissing,
    CertificateRefused,
    CertificateUsageInvalid,
    PeerCertificate,
    PeerIdentity,
    fingerprint,
    identify,
    parse_peer,
)
from gateway.pki.request import RequestRefused, new_key_and_request
from gateway.pki.spiffe import PARTNER_ID, RolePath, SpiffeInvalid, spiffe_uri

__all__ = [
    "PARTNER_ID",
    "Authority",
    "AuthorityRole",
    "CertificateExpired",
    "CertificateIdentityInvalid",
    "CertificateMissing",
    "CertificateRefused",
    "CertificateUsageInvalid",
    "FileRefused",
    "PeerCertificate",
    "PeerIdentity",
    "RequestRefused",
    "RolePath",
    "SpiffeInvalid",
    "create_authority",
    "create_private",
    "create_public",
    "fingerprint",
    "identify",
    "load_authority",
    "new_key_and_request",
    "parse_peer",
    "read_private",
    "spiffe_uri",
]
