"""What reading PEM and DER can end in. Pure."""

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

PARSE_ERRORS = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What the parsers of `cryptography` raise on bytes that they can't take; not all of them are ValueErrors."""
