"""TLS for the doors, read again when its files change. Knows gRPC and files.

gRPC asks before each new handshake whether there are other certificates; a connection that stands goes on as
it began.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import grpc

from gateway.pki.files import FileRefused, read_pair, read_trust

# Modification time in ns, inode and size; None while the file is missing.
_Stamp = tuple[int, int, int] | None


def server_credentials(
    certificate: Path, key: Path, client_ca: Path, *, on_problem: Callable[[FileRefused], None]
) -> grpc.ServerCredentials:
    """Return credentials that serve ``certificate`` and require client certificates signed by ``client_ca``.

    A change of any of the files takes effect with the next connection. While the files are broken or don't
    fit each other the last good ones stay in use, and ``on_problem`` hears of it once per change.

    Raises:
        FileRefused: The files can't be used to begin with.
    """
    files = _ServedFiles(certificate, key, client_ca, on_problem)
    return grpc.dynamic_ssl_server_credentials(
        files.load(),
        files.fetch,  # type: ignore[arg-type]  # None means "no change"; the stub doesn't know
        require_client_authentication=True,
    )


class _ServedFiles:
    """The files behind one door, and which version of them is being served."""

    def __init__(
        self, certificate: Path, key: Path, client_ca: Path, on_problem: Callable[[FileRefused], None]
    ) -> None:
        self._certificate, self._key, self._client_ca = certificate, key, client_ca
        self._on_problem = on_problem
        self._lock = threading.Lock()  # protects the two lines below; gRPC asks from several threads
        self._served: tuple[_Stamp, ...] = ()
        self._refused: tuple[_Stamp, ...] = ()

    def fetch(self) -> grpc.ServerCertificateConfiguration | None:
        """Return the files' new content, or None to go on with what is served."""
        with self._lock:
            seen = self._stamps()
            if seen == self._served:
                return None
            try:
                return self.load()
            except FileRefused as refusal:
                if seen != self._refused:
                    self._refused = seen
                    self._on_problem(refusal)
                return None

    def load(self) -> grpc.ServerCertificateConfiguration:
        # Stamped before it is read: a change in between is noticed at the next connection.
        seen = self._stamps()
        pair = read_pair(self._certificate, self._key, usage="serverAuth")
        trust = read_trust(self._client_ca)
        configuration = grpc.ssl_server_certificate_configuration(
            [(pair.key_pem, pair.chain_pem)], root_certificates=trust.pem
        )
        self._served = seen
        return configuration

    def _stamps(self) -> tuple[_Stamp, ...]:
        return tuple(_stamp(path) for path in (self._certificate, self._key, self._client_ca))


def _stamp(path: Path) -> _Stamp:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size
