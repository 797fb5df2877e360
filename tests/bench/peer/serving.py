"""The peer's process: uvicorn, mutual TLS with the gateway's own certificates, the same core."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import uvicorn
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from uvicorn.protocols.http.h11_impl import H11Protocol

from gateway.settings import Settings
from scoring.service import Engine
from tests.bench.peer.house import KEY_ID
from tests.bench.peer.service import create_app
from tests.bench.peer.tables import open_engine
from tests.bench.servers import attend

KEEP_ALIVE_SECONDS = 75

App = Callable[[Any, Any, Any], Awaitable[None]]


class CertifiedProtocol(H11Protocol):
    """HTTP/1.1 that tells its application the client certificate, which uvicorn keeps to itself."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        certificate = transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
        self.app = _told(self.app, hashlib.sha256(certificate).hexdigest())


def _told(app: App, certificate_sha256: str) -> App:
    async def told(scope: Any, receive: Any, send: Any) -> None:
        scope["client_certificate_sha256"] = certificate_sha256
        await app(scope, receive, send)

    return told


def peer(pipe: Connection, settings: Settings, database: Path, signing_key: bytes) -> None:
    """The whole service, on asyncio and h11, as `pip install fastapi uvicorn` brings them."""
    key: Any = load_pem_private_key(signing_key, None)
    app = create_app(open_engine(database), Engine.open(settings.engine.folder), key, KEY_ID)
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        http=CertifiedProtocol,
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        ssl_certfile=settings.tls.certificate,
        ssl_keyfile=settings.tls.key,
        ssl_ca_certs=str(settings.tls.partner_ca),
        ssl_cert_reqs=ssl.CERT_REQUIRED,
    )
    asyncio.run(_serve(uvicorn.Server(config), pipe))


async def _serve(server: uvicorn.Server, pipe: Connection) -> None:
    serving = asyncio.create_task(server.serve())
    while not server.started:
        if serving.done():
            break
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    await asyncio.to_thread(attend, pipe, port)
    server.should_exit = True
    await serving
