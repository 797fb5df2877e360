"""A gateway over real mTLS that answers truly, unless a test scripts something else."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from typing import Any

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2

from scoregate.client import Clock
from scoregate.partner.v1 import consent_pb2, receipt_pb2, score_pb2, usage_pb2
from tests.attestation.made_answers import ISSUER, JWKS, NOW, ORIGIN, answer, claims_for

Context = grpc.ServicerContext
Step = Callable[[Any, Context], Any]
ACME_URI = "spiffe://scoregate.example/partner/acme"


class Authority:
    """A certificate authority for one test run."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        builder = self._builder(self._name, self._key).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        self.pem = builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)
        self.server_pair = self.issue(
            [x509.DNSName("localhost"), x509.IPAddress(IPv4Address("127.0.0.1"))],
            ExtendedKeyUsageOID.SERVER_AUTH,
        )
        self.client_pair = self.issue([x509.UniformResourceIdentifier(ACME_URI)])

    def issue(
        self, names: list[x509.GeneralName], usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.CLIENT_AUTH
    ) -> tuple[bytes, bytes]:
        """A certificate with these alternative names, and its key; both PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
        builder = self._builder(subject, key).add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM), pem

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(hours=1))
        )


@dataclass
class FrozenTime:
    """Time that moves only when somebody sleeps; pauses are recorded."""

    instant: datetime = NOW
    seconds: float = 1000.0
    chance: float = 0.5
    pauses: list[float] = field(default_factory=list)

    @property
    def clock(self) -> Clock:
        return Clock(
            now=lambda: self.instant,
            monotonic=lambda: self.seconds,
            sleep=self._sleep,
            chance=lambda: self.chance,
        )

    def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.seconds += seconds


class ScriptedGateway:
    """Serves the partner contract. Steps that were scripted are taken first, one a call."""

    def __init__(
        self,
        authority: Authority,
        port: int = 0,
        *,
        pair: tuple[bytes, bytes] | None = None,
        options: Sequence[tuple[str, int]] = (),
    ) -> None:
        self.requests: list[Any] = []
        self._steps: list[Step] = []
        self._server = grpc.server(ThreadPoolExecutor(4), options=options)
        for file in (score_pb2, consent_pb2, receipt_pb2, usage_pb2):
            for service in file.DESCRIPTOR.services_by_name.values():
                handlers = {method.name: self._handler(method.input_type) for method in service.methods}
                generic = grpc.method_handlers_generic_handler(service.full_name, handlers)
                self._server.add_generic_rpc_handlers((generic,))
        certificate, key = pair or authority.server_pair
        credentials = grpc.ssl_server_credentials(
            [(key, certificate)], authority.pem, require_client_auth=True
        )
        self.port = self._server.add_secure_port(f"localhost:{port}", credentials)
        self.target = f"localhost:{self.port}"
        self._server.start()

    def stop(self) -> None:
        self._server.stop(None).wait()

    def forget(self) -> None:
        self.requests.clear()
        self._steps.clear()

    def script(self, *steps: Step) -> None:
        """Take these steps for the next calls, whatever they ask."""
        self._steps.extend(steps)

    def _handler(self, input_type: Any) -> "grpc.RpcMethodHandler[Any, Any]":
        return grpc.unary_unary_rpc_method_handler(
            self._serve,
            request_deserializer=GetMessageClass(input_type).FromString,
            response_serializer=lambda it: it if isinstance(it, bytes) else it.SerializeToString(),
        )

    def _serve(self, request: Any, context: Context) -> Any:
        self.requests.append(request)
        step = self._steps.pop(0) if self._steps else truly
        return step(request, context)


# Steps.


def truly(request: Any, context: Context) -> Any:
    """The true answer."""
    if isinstance(request, score_pb2.GetScoreRequest | score_pb2.CheckThresholdRequest):
        return answer(claims_for(request))
    if isinstance(request, score_pb2.BatchGetScoresRequest):
        return score_pb2.BatchGetScoresResponse(
            results=[
                score_pb2.BatchGetScoresResult(request_id=item.request_id, answer=answer(claims_for(item)))
                for item in request.items
            ]
        )
    if isinstance(request, receipt_pb2.GetVerificationKeysRequest):
        return receipt_pb2.GetVerificationKeysResponse(issuer=ISSUER, jwks=JWKS, log_origin=ORIGIN)
    if isinstance(request, usage_pb2.ListQuotaUsageRequest):
        return usage_pb2.ListQuotaUsageResponse()
    if isinstance(request, consent_pb2.ListConsentsRequest):
        return consent_pb2.ListConsentsResponse()
    raise AssertionError(f"nothing scripted for {type(request).__name__}")


def say(message: Message | bytes) -> Step:
    """This response, or these bytes, whatever was asked."""
    return lambda request, context: message


def spoiled(spoil: Callable[[Any], object]) -> Step:
    """The true answer, changed on its way."""

    def step(request: Any, context: Context) -> Any:
        response = truly(request, context)
        spoil(response)
        return response

    return step


def claiming(**changes: Any) -> Step:
    """A truly signed and logged answer with other claims."""
    return lambda request, context: answer(claims_for(request, **changes))


def refuse(
    status: grpc.StatusCode,
    code: str = "",
    *details: Message,
    domain: str = "scoregate",
    pushback: str | None = None,
    text: str = "No.",
) -> Step:
    """A refusal as the gateway sends it; without a code, a bare status."""

    def step(request: Any, context: Context) -> Any:
        trailers: list[tuple[str, str | bytes]] = (
            [] if pushback is None else [("grpc-retry-pushback-ms", pushback)]
        )
        if code:
            whole = status_pb2.Status(code=status.value[0], message=text)
            info = error_details_pb2.ErrorInfo(
                reason=code, domain=domain, metadata={"request_id": "logged-1"}
            )
            for detail in (info, *details):
                whole.details.add().Pack(detail)
            trailers.append(("grpc-status-details-bin", whole.SerializeToString()))
        context.set_trailing_metadata(tuple(trailers))
        context.abort(status, text)

    return step


def wait(milliseconds: int) -> error_details_pb2.RetryInfo:
    """RetryInfo."""
    return error_details_pb2.RetryInfo(
        retry_delay=Duration(nanos=milliseconds % 1000 * 1_000_000, seconds=milliseconds // 1000)
    )
