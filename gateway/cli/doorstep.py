"""Why the admin door does not answer: looked at from outside, its port first, then TLS both ways.

gRPC tells all of these alike, so after a call that met silence this knocks once more, by itself.
"""

from __future__ import annotations

import re
import socket
import ssl
from typing import TYPE_CHECKING

from gateway.cli.failures import REFUSED, Problem, Stopped, misconfigured

if TYPE_CHECKING:
    from gateway.cli.console import Identity

KNOCK_SECONDS = 3.0
# RFC 6125: the certificate is sound, and of another host. The numbers are OpenSSL's.
OTHER_NAMES = frozenset({62, 64})
_PLACE = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:/\[\]]+)):([0-9]{1,5})", re.ASCII)


def place(address: str) -> tuple[str, int]:
    """The host and the port of an address.

    Raises:
        Stopped: It isn't HOST:PORT.
    """
    found = _PLACE.fullmatch(address)
    if found is None or not 0 < int(found[3]) < 65_536:
        remedy = "Name the admin door as HOST:PORT, such as 127.0.0.1:8444."
        raise misconfigured("--gateway", f"{address!r} has no host and port.", remedy)
    return found[1] or found[2], int(found[3])


def silence(address: str, identity: Identity, *, status: str) -> Stopped:
    """How a command ends whose call to ``address`` nobody answered."""
    return Stopped(REFUSED, [_why(address, identity)], reason=status)


def _why(address: str, identity: Identity) -> Problem:
    try:
        with socket.create_connection(place(address), KNOCK_SECONDS) as wire:
            welcome = _shake_hands(wire, place(address)[0], identity)
        if not welcome:
            told = f"What listens at {address} refuses {identity.certificate}."
            return Problem("--cert", told, "Name a certificate of this gateway's staff, and its admin door.")
    except ssl.SSLEOFError:
        pass  # it hung up: no more is known than before
    except ssl.SSLError as error:
        return _unshaken(error, address, identity)
    except ConnectionRefusedError:
        remedy = "Start `scoregate serve` there, or name the address that it printed."
        return Problem("--gateway", f"Nothing listens at {address}.", remedy)
    except socket.gaierror:
        return Problem("--gateway", f"No address is known for the host in {address}.", "Correct its name.")
    except OSError:
        pass
    return Problem("--gateway", f"No answer from {address}.", "Check that `scoregate serve` runs there.")


def _unshaken(error: ssl.SSLError, address: str, identity: Identity) -> Problem:
    if not isinstance(error, ssl.SSLCertVerificationError):
        return Problem("--gateway", f"{address} doesn't speak TLS.", "Name the admin door, listen.admin.")
    if error.verify_code in OTHER_NAMES:
        told = f"The certificate at {address} is for other hosts."
        return Problem("--gateway", told, "Name the host for which it was issued.")
    told = f"{identity.server_ca} doesn't vouch for the certificate at {address}."
    return Problem("--ca", told, "Name the server-ca.pem that came from this gateway.")


def _shake_hands(wire: socket.socket, host: str, identity: Identity) -> bool:
    """Whether the door has something to say to this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(identity.server_ca)
    context.load_cert_chain(identity.certificate, identity.key)
    context.set_alpn_protocols(["h2"])
    with context.wrap_socket(wire, server_hostname=host) as door:
        # HTTP/2 begins with the server's settings (RFC 9113, 3.4); where our certificate is refused, which is
        # after the handshake (RFC 8446, 4.4.2.4), it hangs up instead.
        return bool(door.recv(1))
