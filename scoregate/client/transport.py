"""What is wrong where no gateway answered, read from grpc-core's own words.

Pure. Source: what grpc-core 1.85 writes into a call's details; no status tells these apart. Words that a
later release writes otherwise cost nothing but the particular advice: then the general one is given.
"""

from dataclasses import dataclass

CALLS_EXCEEDED = "Concurrent RPC limit exceeded!"  # how grpcio's server refuses what its queue can't take
AGAIN = "Repeat with the same request id and nonce."


@dataclass(frozen=True, slots=True)
class Trouble:
    """One kind of trouble on the way to a gateway."""

    words: str  # what grpc-core says of it
    remedy: str
    lasts: bool = False  # until somebody mends it; trying again can't


# The first whose words are found holds.
_TROUBLES = (
    Trouble(
        "Hostname Verification Check failed",
        "The gateway's certificate does not name this host: give the address that the operator told you.",
        lasts=True,
    ),
    Trouble(
        "WRONG_VERSION_NUMBER",
        "This port does not speak TLS: give the port of the gateway's partner door.",
        lasts=True,
    ),
    Trouble(
        "missing selected ALPN",
        "This port does not speak gRPC: give the port of the gateway's partner door.",
        lasts=True,
    ),
    Trouble(
        "Tls handshake failed",
        "TLS refuses the certificates: check that server_ca is the server-ca.pem that came with yours, that "
        "neither has expired, and the address.",
        lasts=True,
    ),
    Trouble("errors resolving", f"Check the address: its host has no entry. {AGAIN}"),
    Trouble(
        "Connection refused", f"Nobody listens there: check the address, or wait for the gateway. {AGAIN}"
    ),
    Trouble(
        "Socket closed",
        "The gateway hung up. If it always does, it does not know your certificate's authority, or the port "
        f"is another door's. {AGAIN}",
    ),
    Trouble(
        "RST_STREAM with error code 7",  # REFUSED_STREAM (RFC 9113, 8.7)
        f"The gateway took no further call on this connection: keep fewer in flight. {AGAIN}",
    ),
    Trouble(CALLS_EXCEEDED, f"The gateway is full: keep fewer calls in flight. {AGAIN}"),
)


def trouble(text: str) -> Trouble | None:
    """Return the trouble that a call's details speak of; None when they speak of none that is known."""
    return next((each for each in _TROUBLES if each.words in text), None)
