"""The engine behind gRPC: the same answers, for the gateway alone, and calm about everything else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from made_cards import card, characteristic

from scoregate.engine.v1 import engine_pb2, engine_pb2_grpc
from scoring.errors import ListenRefused
from scoring.population import Population
from scoring.records import EPOCHS
from scoring.remote import MAX_REQUEST_BYTES, SERVICE, ServerTls, Serving, client_identity, serve
from scoring.service import Engine, Family, NotScored, Query, Scored
from scoring.train import SUNSET
from tests.pki_support import of_an_unknown_version

LAST = EPOCHS[-1]
TODAY = date(2026, 11, 23)
GATEWAY = "spiffe://scoregate.test/gateway/one"
SECONDS = 10


@pytest.fixture(scope="module")
def serving(engine: Engine) -> Iterator[Serving]:
    started = serve(engine, "127.0.0.1:0", today=lambda: TODAY)
    yield started
    started.server.stop(None).wait()


@pytest.fixture(scope="module")
def channel(serving: Serving) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{serving.port}") as opened:
        yield opened


@pytest.fixture(scope="module")
def stub(channel: grpc.Channel) -> engine_pb2_grpc.EngineServiceStub:
    return engine_pb2_grpc.EngineServiceStub(channel)  # type: ignore[no-untyped-call]


def as_sent(outcome: Scored | NotScored) -> engine_pb2.SubjectOutcome:
    """What the contract says an outcome looks like, by its numbers."""
    sent = engine_pb2.SubjectOutcome(subject=outcome.subject, epoch=outcome.epoch.isoformat())
    if isinstance(outcome, NotScored):
        sent.not_scored = outcome.reason.value  # type: ignore[assignment]
        return sent
    sent.score.score = outcome.score
    sent.score.model = outcome.model
    sent.score.reason_codes.extend(outcome.reason_codes)
    sent.score.families.extend(family.value for family in outcome.families)  # type: ignore[misc]
    return sent


@pytest.mark.parametrize("as_of", [EPOCHS[0], EPOCHS[3], LAST])
def test_remote_and_embedded_agree(
    engine: Engine, stub: engine_pb2_grpc.EngineServiceStub, as_of: date
) -> None:
    out = [frozenset[Family](), frozenset({Family.HISTORY}), frozenset({Family.CAPACITY, Family.SOCIAL})]
    asked = [Query(f"uci-{n * 31:05d}", out[n % 3]) for n in range(1000)]
    request = engine_pb2.ScoreRequest(as_of=as_of.isoformat())
    for query in asked:
        request.queries.add(subject=query.subject, excluded_families=[f.value for f in query.excluded])
    told = stub.Score(request, timeout=SECONDS)
    assert list(told.outcomes) == [as_sent(outcome) for outcome in engine.score(asked, as_of=as_of)]


@pytest.mark.parametrize("subject", ["uci-00001", "uci-00003", "nobody"])
@pytest.mark.parametrize("as_of", [EPOCHS[0], LAST])
def test_remote_and_embedded_explain_alike(
    engine: Engine, stub: engine_pb2_grpc.EngineServiceStub, subject: str, as_of: date
) -> None:
    told = stub.Explain(engine_pb2.ExplainRequest(subject=subject, as_of=as_of.isoformat()), timeout=SECONDS)
    found = engine.explain(subject, as_of=as_of)
    assert [(each.epoch, each.WhichOneof("outcome")) for each in told.epochs] == [
        (each.epoch.isoformat(), "not_scored" if each.score is None else "score") for each in found.epochs
    ]
    assert [each.score or each.not_scored for each in told.epochs] == [
        each.score or each.not_scored for each in found.epochs
    ]
    assert [(each.code, each.family, each.points) for each in told.contributions] == [
        (each.code, each.family.value, each.points) for each in found.contributions
    ]


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({}, "subject: 1 to 64 characters"),
        ({"subject": "x" * 65}, "subject: 1 to 64 characters"),
        ({"subject": "a", "as_of": "yesterday"}, "as_of"),
    ],
)
def test_a_bad_wish_for_an_explanation_names_its_field(
    channel: grpc.Channel, asked: dict[str, str], names: str
) -> None:
    body = engine_pb2.ExplainRequest(**asked).SerializeToString()
    status, message = refusal(channel, body, "Explain")
    assert status is grpc.StatusCode.INVALID_ARGUMENT
    assert names in message


def test_a_day_that_cannot_be_scored_is_not_explained_either(channel: grpc.Channel) -> None:
    body = engine_pb2.ExplainRequest(subject="uci-00001", as_of="1999-01-01").SerializeToString()
    assert refusal(channel, body, "Explain")[0] is grpc.StatusCode.FAILED_PRECONDITION


def test_without_a_day_it_is_today(stub: engine_pb2_grpc.EngineServiceStub) -> None:
    request = engine_pb2.ScoreRequest(queries=[engine_pb2.SubjectQuery(subject="uci-00003")])
    assert stub.Score(request, timeout=SECONDS).outcomes[0].epoch == LAST.isoformat()


def test_the_model_is_described(engine: Engine, stub: engine_pb2_grpc.EngineServiceStub) -> None:
    told, model = stub.GetModel(engine_pb2.GetModelRequest(), timeout=SECONDS), engine.model()
    assert (told.model, told.artefact_sha256) == (model.name, model.artefact_sha256)
    assert told.training_data_sha256 == model.training_data_sha256
    assert (told.sunset, told.latest_epoch) == (model.sunset.isoformat(), model.latest_epoch.isoformat())
    assert dict(told.reason_texts) == dict(model.reason_texts)


def send(channel: grpc.Channel, body: bytes, method: str = "Score") -> bytes:
    """Exactly these bytes, and the answer's."""
    call: Any = channel.unary_unary(f"/{SERVICE}/{method}")
    answer: bytes = call(body, timeout=SECONDS)
    return answer


def refusal(channel: grpc.Channel, body: bytes, method: str = "Score") -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        send(channel, body, method)
    return caught.value.code(), caught.value.details() or ""


def request(*subjects: str, as_of: str = "", excluded: tuple[int, ...] = ()) -> bytes:
    queries = [engine_pb2.SubjectQuery(subject=each, excluded_families=excluded) for each in subjects]  # type: ignore[arg-type]
    return engine_pb2.ScoreRequest(queries=queries, as_of=as_of).SerializeToString()


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (b"\xff", "the body"),
        (request("a")[:-1], "the body"),
        (b"\x0a\x80\x80\x80\x80\x10", "the body"),
        (b"\x0a\x03\x0a\x01\xff", "the body"),
        (request(), "queries: 1 to 1,000, not 0"),
        (request(*["a"] * 1001), "queries: 1 to 1,000, not 1,001"),
        (request("a", ""), "queries[1].subject: 1 to 64 characters"),
        (request("x" * 65), "queries[0].subject: 1 to 64 characters"),
        (request("a", excluded=(0,)), "queries[0].excluded_families"),
        (request("a", excluded=(1, 99)), "queries[0].excluded_families"),
        (request("", "y" * 65), "queries[0].subject: 1 to 64 characters; queries[1].subject"),
        (request(*[""] * 12), "; and 2 more"),
        *(
            (request("a", as_of=day), "as_of")
            for day in ("yesterday", "20051006", "2005-13-01", "2005-10-06T00:00")
        ),
    ],
)
def test_a_bad_request_names_its_field(channel: grpc.Channel, body: bytes, names: str) -> None:
    status, message = refusal(channel, body)
    assert status is grpc.StatusCode.INVALID_ARGUMENT
    assert names in message


def test_get_model_takes_no_rubbish(channel: grpc.Channel) -> None:
    assert refusal(channel, b"\xff", "GetModel")[0] is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("subject", ["x" * 64, "人" * 64, "\x00"])
def test_any_text_up_to_64_characters_is_a_subject(channel: grpc.Channel, subject: str) -> None:
    told = engine_pb2.ScoreResponse.FromString(send(channel, request(subject)))
    assert told.outcomes[0].subject == subject


@pytest.mark.parametrize(
    ("as_of", "names"),
    [
        (SUNSET + timedelta(days=1), "Train or install a newer model"),
        (EPOCHS[0] - timedelta(days=1), "Ask as of 2005-05-06"),
    ],
)
def test_a_day_that_cannot_be_scored_is_a_failed_precondition(
    channel: grpc.Channel, as_of: date, names: str
) -> None:
    status, message = refusal(channel, request("uci-00001", as_of=as_of.isoformat()))
    assert status is grpc.StatusCode.FAILED_PRECONDITION
    assert names in message


def test_an_unknown_method_and_an_oversize_body_never_reach_the_engine(channel: grpc.Channel) -> None:
    assert refusal(channel, b"", "Score2")[0] is grpc.StatusCode.UNIMPLEMENTED
    assert refusal(channel, b"\x00" * (MAX_REQUEST_BYTES + 1))[0] is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_compressed_body_is_refused(serving: Serving) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{serving.port}", compression=grpc.Compression.Gzip) as zipping:
        assert refusal(zipping, request(*["a" * 60] * 500))[0] is grpc.StatusCode.UNIMPLEMENTED


def test_an_unforeseen_failure_says_nothing_of_the_person() -> None:
    broken = Population({"ann": 5}, (b"\x09" * 9,) * 2, (np.zeros((1, 1), dtype=np.int32),) * 2)
    started = serve(Engine(card(characteristic(0)), "00" * 32, broken), "127.0.0.1:0", today=lambda: TODAY)
    with grpc.insecure_channel(f"127.0.0.1:{started.port}") as opened:
        status, message = refusal(opened, request("ann"))
    started.server.stop(None).wait()
    assert (status, message) == (grpc.StatusCode.INTERNAL, "The engine failed; its log names the kind.")


@dataclass(frozen=True, slots=True)
class Issuer:
    """A CA that signs whatever a test wants."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def new(cls) -> Issuer:
        key = ec.generate_private_key(ec.SECP256R1())
        return cls(key, _certificate("ca", key, key, "ca", (x509.BasicConstraints(ca=True, path_length=0),)))

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def issue(self, names: list[x509.GeneralName], uses: list[x509.ObjectIdentifier]) -> tuple[bytes, bytes]:
        """Certificate and key, PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        extensions: list[x509.ExtensionType] = [x509.SubjectAlternativeName(names)]
        if uses:
            extensions.append(x509.ExtendedKeyUsage(uses))
        made = _certificate("leaf", key, self.key, "ca", extensions)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return made.public_bytes(Encoding.PEM), private


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    issuer: str,
    extensions: Sequence[x509.ExtensionType],
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    return builder.sign(signer, hashes.SHA256())


CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH


def uri(text: str) -> x509.GeneralName:
    return x509.UniformResourceIdentifier(text)


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer.new()


@pytest.fixture(scope="module")
def paths(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> ServerTls:
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = issuer.issue([x509.DNSName("localhost")], [SERVER])
    (folder / "engine.pem").write_bytes(certificate)
    (folder / "engine.key").write_bytes(key)
    (folder / "engine.key").chmod(0o600)
    (folder / "ca.pem").write_bytes(issuer.pem)
    return ServerTls(folder / "engine.pem", folder / "engine.key", folder / "ca.pem", GATEWAY)


@pytest.fixture(scope="module")
def mutual(engine: Engine, paths: ServerTls) -> Iterator[Serving]:
    started = serve(engine, "127.0.0.1:0", tls=paths, today=lambda: TODAY)
    yield started
    started.server.stop(None).wait()


def ask(serving: Serving, issuer: Issuer, pair: tuple[bytes, bytes] | None) -> grpc.StatusCode:
    certificate, key = pair or (None, None)
    credentials = grpc.ssl_channel_credentials(issuer.pem, key, certificate)
    with grpc.secure_channel(f"localhost:{serving.port}", credentials) as opened:
        try:
            send(opened, b"", "GetModel")
        except grpc.RpcError as error:
            return error.code()
    return grpc.StatusCode.OK


def test_the_gateways_certificate_is_answered(mutual: Serving, issuer: Issuer) -> None:
    assert ask(mutual, issuer, issuer.issue([uri(GATEWAY)], [CLIENT])) is grpc.StatusCode.OK


@pytest.mark.parametrize(
    ("names", "uses"),
    [
        ([uri("spiffe://scoregate.test/partner/acme")], [CLIENT]),
        ([uri(GATEWAY + "/x")], [CLIENT]),
        ([uri(GATEWAY.upper())], [CLIENT]),
        ([uri(GATEWAY), uri("spiffe://scoregate.test/partner/acme")], [CLIENT]),
        ([x509.DNSName("localhost")], [CLIENT]),
    ],
    ids=["a partner", "longer", "other case", "two names", "no URI"],
)
def test_anybody_else_of_the_same_authority_is_refused(
    mutual: Serving, issuer: Issuer, names: list[x509.GeneralName], uses: list[x509.ObjectIdentifier]
) -> None:
    assert ask(mutual, issuer, issuer.issue(names, uses)) is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize(
    "uses",
    [[SERVER], [ExtendedKeyUsageOID.EMAIL_PROTECTION], [ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE], []],
    ids=["server", "mail", "any", "none"],
)
def test_a_certificate_for_another_use_is_no_client(
    mutual: Serving, issuer: Issuer, uses: list[x509.ObjectIdentifier]
) -> None:
    # grpcio ends some of these handshakes itself; those that it lets through are ours to refuse.
    refused = {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNAVAILABLE}
    pair = issuer.issue([uri(GATEWAY)], uses)
    assert ask(mutual, issuer, pair) in refused
    assert client_identity(pair[0]) is None


def test_a_certificate_that_can_not_be_read_is_nobodys(issuer: Issuer) -> None:
    certificate, _ = issuer.issue([uri(GATEWAY)], [CLIENT])
    assert client_identity(certificate) == GATEWAY
    assert client_identity(of_an_unknown_version(certificate)) is None


def test_no_certificate_and_one_of_a_stranger_get_no_connection(mutual: Serving, issuer: Issuer) -> None:
    assert ask(mutual, issuer, None) is grpc.StatusCode.UNAVAILABLE
    stranger = Issuer.new().issue([uri(GATEWAY)], [CLIENT])
    assert ask(mutual, issuer, stranger) is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    "address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:8445", "127.0.0.1.example:1", "engine:8445", ":0", ""]
)
def test_without_tls_only_loopback_listens(engine: Engine, address: str) -> None:
    with pytest.raises(ListenRefused, match="loopback"):
        serve(engine, address)


def test_a_key_that_others_can_read_is_refused(engine: Engine, paths: ServerTls, tmp_path: Path) -> None:
    wide = tmp_path / "wide.key"
    wide.write_bytes(paths.key.read_bytes())
    wide.chmod(0o640)
    with pytest.raises(ListenRefused, match="0600"):
        serve(engine, "127.0.0.1:0", tls=replace(paths, key=wide))


def test_an_absent_file_is_named(engine: Engine, paths: ServerTls, tmp_path: Path) -> None:
    with pytest.raises(ListenRefused, match=r"none\.pem cannot be read"):
        serve(engine, "127.0.0.1:0", tls=replace(paths, client_ca=tmp_path / "none.pem"))


@pytest.mark.parametrize("field", ["certificate", "key", "client_ca"])
def test_rubbish_for_a_pem_file_never_listens(
    engine: Engine, paths: ServerTls, tmp_path: Path, field: str
) -> None:
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_bytes(b"rubbish")
    rubbish.chmod(0o600)
    with pytest.raises(ListenRefused):
        serve(engine, "127.0.0.1:0", tls=replace(paths, **{field: rubbish}))  # type: ignore[arg-type]


def test_a_certificate_of_another_key_never_listens(
    engine: Engine, paths: ServerTls, issuer: Issuer, tmp_path: Path
) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes(issuer.issue([x509.DNSName("localhost")], [SERVER])[0])
    with pytest.raises(ListenRefused):
        serve(engine, "127.0.0.1:0", tls=replace(paths, certificate=other))


def test_a_port_that_another_engine_took_is_named(engine: Engine, serving: Serving) -> None:
    with pytest.raises(ListenRefused, match="Free the port"):
        serve(engine, f"127.0.0.1:{serving.port}")
