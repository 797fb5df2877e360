"""The engine as a gRPC process of its own: the server's half of scoregate.engine.v1.

Bodies are parsed here and not by grpcio, so that a malformed one is INVALID_ARGUMENT; each message names the
field and holds no personal data; an unforeseen error is INTERNAL with a fixed text.

Whoever may call this door gets anybody's score, with no consent asked. So without TLS it listens on loopback
only, and with TLS it answers one client identity: the gateway's.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import grpc
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from google.protobuf.message import DecodeError, Message

from scoregate.engine.v1 import engine_pb2
from scoregate.pem import PARSE_ERRORS
from scoring.errors import EpochMissing, ListenRefused, ModelSunset
from scoring.service import Engine, EpochOutcome, Family, NotScored, Query, Scored

SERVICE = "scoregate.engine.v1.EngineService"
MOST_QUERIES = 1000
MOST_SUBJECT_CHARACTERS = 64
MAX_REQUEST_BYTES = 1024 * 1024

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_LOOPBACK = re.compile(r"(127\.0\.0\.1|localhost|\[::1\]):[0-9]{1,5}")
_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_REQUEST_BYTES),
    ("grpc.max_metadata_size", 8192),
    ("grpc.absolute_max_metadata_size", 8192),
    ("grpc.compression_enabled_algorithms_bitset", 1),
    ("grpc.so_reuseport", 0),
)
_FAMILIES = frozenset(family.value for family in Family)
_log = logging.getLogger(__name__)
Request = TypeVar("Request", bound=Message)


@dataclass(frozen=True, slots=True)
class ServerTls:
    """How the engine's door proves itself, and whom it answers."""

    certificate: Path  # PEM, the chain
    key: Path  # PEM; readable by its owner only
    client_ca: Path  # PEM; signs the gateway's client certificate
    client_uri: str  # the gateway's identity: its certificate's one URI name


@dataclass(frozen=True, slots=True)
class Serving:
    """A started server and the port it took."""

    server: grpc.Server
    port: int


class _Refused(Exception):
    """The call gets this status and message."""

    def __init__(self, status: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class EngineServicer:
    """The contract's calls on an engine: raw bytes in, messages out."""

    def __init__(self, engine: Engine, *, today: Callable[[], date], client_uri: str | None) -> None:
        """`client_uri` is the one identity that is answered; None answers everybody, for loopback only."""
        self._engine = engine
        self._today = today
        self._client_uri = client_uri

    def handlers(self) -> grpc.GenericRpcHandler:
        """What a grpc.Server takes."""
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "Score": self._method(self._score),
                "Explain": self._method(self._explain),
                "GetModel": self._method(self._get_model),
            },
        )

    def _method(self, call: Callable[[bytes], Message]) -> grpc.RpcMethodHandler[bytes, Message]:
        def answer(body: bytes, context: grpc.ServicerContext) -> Message:
            try:
                self._require_client(context)
                return call(body)
            except _Refused as refused:
                context.abort(refused.status, refused.message)
            except Exception as error:
                # The kind alone: a traceback's last line may quote a subject.
                _log.error("engine call failed: %s", type(error).__name__)
                context.abort(grpc.StatusCode.INTERNAL, "The engine failed; its log names the kind.")

        return grpc.unary_unary_rpc_method_handler(
            answer, request_deserializer=None, response_serializer=lambda reply: reply.SerializeToString()
        )

    def _require_client(self, context: grpc.ServicerContext) -> None:
        if self._client_uri is None:
            return
        certificates = list(context.auth_context().get("x509_pem_cert", ()))
        if len(certificates) != 1 or client_identity(certificates[0]) != self._client_uri:
            raise _Refused(
                grpc.StatusCode.UNAUTHENTICATED,
                "The client certificate is not the gateway's. Present one for client authentication "
                "whose only URI name is the identity that this engine was told to answer.",
            )

    def _score(self, body: bytes) -> Message:
        request = _parse(engine_pb2.ScoreRequest(), body)
        queries, as_of = _queries(request), _as_of(request.as_of, self._today)
        try:
            outcomes = self._engine.score(queries, as_of=as_of)
        except (ModelSunset, EpochMissing) as error:
            raise _Refused(grpc.StatusCode.FAILED_PRECONDITION, str(error)) from error
        return engine_pb2.ScoreResponse(outcomes=[_outcome(each) for each in outcomes])

    def _explain(self, body: bytes) -> Message:
        request = _parse(engine_pb2.ExplainRequest(), body)
        if not 1 <= len(request.subject) <= MOST_SUBJECT_CHARACTERS:
            raise _invalid([f"subject: 1 to {MOST_SUBJECT_CHARACTERS} characters"])
        as_of = _as_of(request.as_of, self._today)
        try:
            found = self._engine.explain(request.subject, as_of=as_of)
        except (ModelSunset, EpochMissing) as error:
            raise _Refused(grpc.StatusCode.FAILED_PRECONDITION, str(error)) from error
        return engine_pb2.ExplainResponse(
            epochs=[_explained(each) for each in found.epochs],
            contributions=[
                engine_pb2.Contribution(
                    code=each.code, family=f"INPUT_FAMILY_{each.family.name}", points=each.points
                )
                for each in found.contributions
            ],
        )

    def _get_model(self, body: bytes) -> Message:
        _parse(engine_pb2.GetModelRequest(), body)
        model = self._engine.model()
        return engine_pb2.GetModelResponse(
            model=model.name,
            artefact_sha256=model.artefact_sha256,
            training_data_sha256=model.training_data_sha256,
            sunset=model.sunset.isoformat(),
            latest_epoch=model.latest_epoch.isoformat(),
            reason_texts=dict(model.reason_texts),
        )


def serve(
    engine: Engine,
    address: str,
    *,
    tls: ServerTls | None = None,
    today: Callable[[], date] = lambda: datetime.now(UTC).date(),
) -> Serving:
    """Start answering at "host:port"; port 0 takes a free one. Stop it with `server.stop(grace)`.

    Raises:
        ListenRefused: Not loopback and no TLS, a certificate file unusable, or the address taken.
    """
    if tls is None and not _LOOPBACK.fullmatch(address):
        raise ListenRefused(
            f"Without TLS the engine listens on loopback only, not at {address}",
            "Listen at 127.0.0.1, or give it certificate, key, client CA and the gateway's identity",
        )
    servicer = EngineServicer(engine, today=today, client_uri=tls.client_uri if tls else None)
    server = grpc.server(
        # Scoring holds the interpreter lock: more threads would only wait for each other.
        ThreadPoolExecutor(max_workers=4, thread_name_prefix="engine"),
        options=_OPTIONS,
        maximum_concurrent_rpcs=128,
    )
    server.add_generic_rpc_handlers((servicer.handlers(),))
    credentials = _credentials(tls) if tls else None
    try:
        port = (
            server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
        )
    except RuntimeError as error:
        raise ListenRefused(
            f"The engine cannot listen at {address}",
            "Free the port, or check that the PEM files belong together",
        ) from error
    server.start()
    return Serving(server, port)


def _credentials(tls: ServerTls) -> grpc.ServerCredentials:
    try:
        if tls.key.stat().st_mode & 0o077:
            raise ListenRefused(
                f"{tls.key.name} can be read by others than its owner", "Set its mode to 0600"
            )
        chain = [(tls.key.read_bytes(), tls.certificate.read_bytes())]
        roots = tls.client_ca.read_bytes()
    except OSError as error:
        name = Path(str(error.filename)).name
        raise ListenRefused(
            f"{name} cannot be read ({error.strerror})", "Check the engine's TLS paths"
        ) from error
    return grpc.ssl_server_credentials(chain, root_certificates=roots, require_client_auth=True)


@lru_cache(maxsize=16)
def client_identity(pem: bytes) -> str | None:
    """The one URI name of a certificate made for client authentication; None for any other."""
    try:
        extensions = x509.load_pem_x509_certificate(pem).extensions
        uses = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, *PARSE_ERRORS):
        return None
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    return uris[0] if len(uris) == 1 and ExtendedKeyUsageOID.CLIENT_AUTH in uses else None


def _parse(message: Request, body: bytes) -> Request:
    try:
        message.ParseFromString(body)
    except DecodeError as error:
        raise _invalid(["the body: not a message of this method"]) from error
    return message


def _queries(request: engine_pb2.ScoreRequest) -> list[Query]:
    wrong = []
    if not 1 <= len(request.queries) <= MOST_QUERIES:
        raise _invalid([f"queries: 1 to {MOST_QUERIES:,}, not {len(request.queries):,}"])
    for n, query in enumerate(request.queries):
        if not 1 <= len(query.subject) <= MOST_SUBJECT_CHARACTERS:
            wrong.append(f"queries[{n}].subject: 1 to {MOST_SUBJECT_CHARACTERS} characters")
        if not _FAMILIES.issuperset(query.excluded_families):
            wrong.append(f"queries[{n}].excluded_families: only families of the contract, never UNSPECIFIED")
    if wrong:
        raise _invalid(wrong)
    return [
        Query(query.subject, frozenset(map(Family, query.excluded_families))) for query in request.queries
    ]


def _as_of(day: str, today: Callable[[], date]) -> date:
    if not day:
        return today()
    try:
        if _DAY.fullmatch(day):
            return date.fromisoformat(day)
    except ValueError:
        pass
    raise _invalid(["as_of: empty, or a day such as 2005-10-06"])


def _invalid(wrong: list[str]) -> _Refused:
    more = f"; and {len(wrong) - 10} more" if len(wrong) > 10 else ""
    return _Refused(grpc.StatusCode.INVALID_ARGUMENT, "; ".join(wrong[:10]) + more)


def _outcome(outcome: Scored | NotScored) -> engine_pb2.SubjectOutcome:
    epoch = outcome.epoch.isoformat()
    if isinstance(outcome, NotScored):
        return engine_pb2.SubjectOutcome(
            subject=outcome.subject, epoch=epoch, not_scored=f"NOT_SCORED_REASON_{outcome.reason.name}"
        )
    return engine_pb2.SubjectOutcome(
        subject=outcome.subject,
        epoch=epoch,
        score=engine_pb2.EngineScore(
            score=outcome.score,
            reason_codes=outcome.reason_codes,
            families=[f"INPUT_FAMILY_{family.name}" for family in outcome.families],
            model=outcome.model,
        ),
    )


def _explained(outcome: EpochOutcome) -> engine_pb2.ExplainedEpoch:
    epoch = outcome.epoch.isoformat()
    if outcome.not_scored is not None:
        return engine_pb2.ExplainedEpoch(
            epoch=epoch, not_scored=f"NOT_SCORED_REASON_{outcome.not_scored.name}"
        )
    return engine_pb2.ExplainedEpoch(epoch=epoch, score=outcome.score)
