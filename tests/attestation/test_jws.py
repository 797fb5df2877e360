"""A signature is accepted in one form only, and only from the key that its header names."""

import hmac
import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jws as other
from joserfc.jwk import ECKey, OKPKey

from consent.keys import SigningKey, jwks
from scoregate.errors import AttestationMalformed, KeyUnknown, SignatureInvalid
from scoregate.proof import jws
from scoregate.proof.jwk import Algorithm, VerificationKeys
from scoregate.words import Mark
from tests.attestation.made_answers import (
    KEY,
    KEYS,
    P256_ORDER,
    claims_for,
    score_request,
    signing_key,
    spell,
    threshold_request,
    unspell,
)

VECTORS = Path(__file__).parents[1] / "vectors" / "attestation"
TYP = "score-attestation+jwt"
PAYLOAD = b'{"answer":42}'
ED_KEY = signing_key(Algorithm.ED25519, seed=2)
BOTH = VerificationKeys.from_jwks(jwks([KEY.public_jwk, ED_KEY.public_jwk]))


def sign(key: SigningKey = KEY, payload: bytes = PAYLOAD, typ: str = TYP) -> str:
    return jws.sign(payload, typ=typ, kid=key.kid, algorithm=key.algorithm, private=key.private)


def signed_with_header(header: bytes, key: SigningKey = KEY) -> str:
    """A true signature over any header at all."""
    assert isinstance(key.private, ec.EllipticCurvePrivateKey)
    signing_input = f"{spell(header)}.{spell(PAYLOAD)}"
    r, s = decode_dss_signature(key.private.sign(signing_input.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{signing_input}.{spell(r.to_bytes(32) + s.to_bytes(32))}"


@pytest.mark.parametrize("key", [KEY, ED_KEY], ids=["ES256", "Ed25519"])
def test_what_was_signed_is_returned(key: SigningKey) -> None:
    assert jws.verify(sign(key), typ=TYP, keys=BOTH) == PAYLOAD


@settings(max_examples=25)
@given(payload=st.binary(max_size=2000), key=st.sampled_from([KEY, ED_KEY]))
def test_any_payload_comes_back_whole(payload: bytes, key: SigningKey) -> None:
    assert jws.verify(sign(key, payload), typ=TYP, keys=BOTH) == payload


@pytest.mark.parametrize("key", [KEY, ED_KEY], ids=["ES256", "Ed25519"])
def test_an_independent_library_accepts_our_signatures(key: SigningKey) -> None:
    kind: Any = ECKey if key.algorithm is Algorithm.ES256 else OKPKey
    public = kind.import_key(json.loads(key.public_jwk))
    found = other.deserialize_compact(sign(key), public, algorithms=[key.algorithm.value])
    assert found.payload == PAYLOAD
    assert found.headers() == {"alg": key.algorithm, "kid": key.kid, "typ": TYP}


@pytest.mark.parametrize("key", [KEY, ED_KEY], ids=["ES256", "Ed25519"])
def test_we_accept_the_signatures_of_an_independent_library(key: SigningKey) -> None:
    pem = key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    kind: Any = ECKey if key.algorithm is Algorithm.ES256 else OKPKey
    header = {"alg": key.algorithm.value, "kid": key.kid, "typ": TYP}
    compact = other.serialize_compact(header, PAYLOAD, kind.import_key(pem), algorithms=[key.algorithm.value])
    assert jws.verify(compact, typ=TYP, keys=BOTH) == PAYLOAD


@pytest.mark.parametrize(
    ("name", "key", "marks"),
    [
        ("score-es256.jws", KEY, ()),
        ("threshold-ed25519.jws", ED_KEY, ()),
        ("marked-score-es256.jws", KEY, (Mark.DISPUTED, Mark.UNDER_REVIEW)),
    ],
    ids=["ES256", "Ed25519", "marked"],
)
def test_signing_the_vectors_claims_gives_the_vectors_bytes(
    name: str, key: SigningKey, marks: tuple[Mark, ...]
) -> None:
    request = score_request(with_reasons=True) if "score" in name else threshold_request()
    claims = claims_for(request, marks=marks)
    assert sign(key, claims.encode(), claims.typ) == (VECTORS / name).read_text().strip()


# RFC vectors.


def test_rfc_7515_a3_holds() -> None:
    public = ec.EllipticCurvePublicNumbers(
        int.from_bytes(unspell("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU")),
        int.from_bytes(unspell("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0")),
        ec.SECP256R1(),
    ).public_key()
    signing_input = (
        b"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
        b"cGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
    )
    signature = unspell(
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
    )
    jws.require_signature(public, signature, signing_input)
    with pytest.raises(SignatureInvalid):
        jws.require_signature(public, signature, signing_input + b"A")


def test_rfc_8037_a4_and_a5_hold() -> None:
    signing_input = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
    signature = unspell(
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    )
    private = Ed25519PrivateKey.from_private_bytes(unspell("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"))
    assert private.sign(signing_input) == signature
    public = Ed25519PublicKey.from_public_bytes(unspell("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"))
    jws.require_signature(public, signature, signing_input)
    with pytest.raises(SignatureInvalid):
        jws.require_signature(public, signature, signing_input + b"A")


# Tampering.


@pytest.mark.parametrize("key", [KEY, ED_KEY], ids=["ES256", "Ed25519"])
def test_no_single_changed_character_is_accepted(key: SigningKey) -> None:
    compact = sign(key)
    for place, letter in enumerate(compact):
        for swapped in ("A" if letter != "A" else "B", ".", "=", "é"):
            if swapped != letter:
                spoiled = compact[:place] + swapped + compact[place + 1 :]
                with pytest.raises((AttestationMalformed, KeyUnknown, SignatureInvalid)):
                    jws.verify(spoiled, typ=TYP, keys=BOTH)


@pytest.mark.parametrize("part", [1, 2])
def test_no_single_flipped_bit_of_payload_or_signature_is_accepted(part: int) -> None:
    parts = sign().split(".")
    raw = unspell(parts[part])
    for bit in range(len(raw) * 8):
        flipped = bytearray(raw)
        flipped[bit // 8] ^= 1 << bit % 8
        spoiled = ".".join([*parts[:part], spell(bytes(flipped)), *parts[part + 1 :]])
        with pytest.raises(SignatureInvalid):
            jws.verify(spoiled, typ=TYP, keys=KEYS)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text + "=",
        lambda text: text + "\n",
        lambda text: " " + text,
        lambda text: text + ".",
        lambda text: "." + text,
        lambda text: text.replace(".", "..", 1),
        lambda text: text.rsplit(".", 1)[0],
        lambda text: text.rsplit(".", 1)[0] + ".",
        lambda text: text + "A",
        lambda text: text.rsplit(".", 1)[0] + "." + spell(unspell(text.rsplit(".", 1)[1]) + b"\0"),
        lambda text: text.rsplit(".", 1)[0] + "." + spell(unspell(text.rsplit(".", 1)[1])[:63]),
        lambda text: text.replace("e", "\u0435", 1),
        lambda text: "",
        lambda text: "..",
        lambda text: json.dumps({"payload": text.split(".")[1], "signature": text.split(".")[2]}),
    ],
)
def test_other_spellings_of_a_true_signature_are_refused(spoil: Callable[[str], str]) -> None:
    with pytest.raises(AttestationMalformed):
        jws.verify(spoil(sign()), typ=TYP, keys=KEYS)


def test_the_last_letter_has_one_spelling_although_four_decode_alike() -> None:
    compact = sign()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    place = alphabet.index(compact[-1])  # 64 bytes end on a letter that carries two bits
    twins = [alphabet[place ^ loose] for loose in range(1, 16)]
    assert {unspell(compact.split(".")[2][:-1] + twin) for twin in twins} == {unspell(compact.split(".")[2])}
    for twin in twins:
        with pytest.raises(AttestationMalformed, match="signature"):
            jws.verify(compact[:-1] + twin, typ=TYP, keys=KEYS)


def test_the_size_is_capped_before_anything_is_decoded() -> None:
    with pytest.raises(AttestationMalformed, match="16384"):
        jws.verify("A" * 16_385, typ=TYP, keys=KEYS)
    with pytest.raises(AttestationMalformed, match="three parts"):
        jws.verify("A" * 16_384, typ=TYP, keys=KEYS)


def test_a_der_signature_is_refused() -> None:
    head, payload, _ = sign().split(".")
    assert isinstance(KEY.private, ec.EllipticCurvePrivateKey)
    der = KEY.private.sign(f"{head}.{payload}".encode(), ec.ECDSA(hashes.SHA256()))
    with pytest.raises(AttestationMalformed, match="64 bytes"):
        jws.verify(f"{head}.{payload}.{spell(der)}", typ=TYP, keys=KEYS)


def test_the_high_s_twin_of_an_es256_signature_is_a_signature_too() -> None:
    # RFC 7518 asks for no low S. The leaf binds the exact characters, so the twin has no receipt.
    head, payload, signature = sign().split(".")
    r, s = unspell(signature)[:32], int.from_bytes(unspell(signature)[32:])
    twin = spell(r + (P256_ORDER - s).to_bytes(32))
    assert jws.verify(f"{head}.{payload}.{twin}", typ=TYP, keys=KEYS) == PAYLOAD


@pytest.mark.parametrize("r", [0, 1, P256_ORDER - 1, P256_ORDER, 2**256 - 1])
@pytest.mark.parametrize("s", [0, 1, P256_ORDER - 1, P256_ORDER, 2**256 - 1])
def test_degenerate_es256_signatures_are_refused(r: int, s: int) -> None:
    head, payload, _ = sign().split(".")
    with pytest.raises(SignatureInvalid):
        jws.verify(f"{head}.{payload}.{spell(r.to_bytes(32) + s.to_bytes(32))}", typ=TYP, keys=KEYS)


def test_a_truly_signed_odd_header_would_pass_but_for_its_header() -> None:
    plain = json.dumps({"alg": "ES256", "kid": KEY.kid, "typ": TYP}).encode()
    assert jws.verify(signed_with_header(plain), typ=TYP, keys=KEYS) == PAYLOAD


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"alg": "none"}, "alg"),
        ({"alg": "None"}, "alg"),
        ({"alg": "HS256"}, "alg"),
        ({"alg": "es256"}, "alg"),
        ({"alg": "ES384"}, "alg"),
        ({"alg": "EdDSA"}, "alg"),
        ({"alg": ["ES256"]}, "alg"),
        ({"alg": None}, "alg"),
        ({"alg": "Ed25519"}, "alg"),
        ({"kid": None}, "kid"),
        ({"kid": 1}, "kid"),
        ({"typ": None}, "typ"),
        ({"typ": "JWT"}, "typ"),
        ({"typ": "application/" + TYP}, "typ"),
        ({"typ": TYP.upper()}, "typ"),
        ({"typ": "threshold-attestation+jwt"}, "typ"),
        ({"crit": ["exp"]}, "beside"),
        ({"crit": []}, "beside"),
        ({"b64": False, "crit": ["b64"]}, "beside"),
        ({"jwk": json.loads(KEY.public_jwk)}, "beside"),
        ({"jku": "https://evil.example/keys"}, "beside"),
        ({"x5c": []}, "beside"),
        ({"zip": "DEF"}, "beside"),
    ],
)
def test_a_truly_signed_header_that_we_do_not_write_is_refused(changes: dict[str, Any], named: str) -> None:
    header = {"alg": "ES256", "kid": KEY.kid, "typ": TYP} | changes
    with pytest.raises(AttestationMalformed, match=named):
        jws.verify(signed_with_header(json.dumps(header).encode()), typ=TYP, keys=BOTH)


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"[]",
        b"null",
        b'"ES256"',
        b"{",
        b"\xff\xfe",
        b"[" * 5000,
        b'{"alg":"ES256","alg":"ES256","kid":"' + KEY.kid.encode() + b'","typ":"' + TYP.encode() + b'"}',
        b'{"alg":"none","alg":"ES256","kid":"' + KEY.kid.encode() + b'","typ":"' + TYP.encode() + b'"}',
        b'{"alg":"ES256","kid":"' + KEY.kid.encode() + b'","typ":"' + TYP.encode() + b'","n":1.5}',
        b"{}",
    ],
)
def test_a_header_that_is_not_one_plain_object_is_refused(header: bytes) -> None:
    with pytest.raises(AttestationMalformed):
        jws.verify(signed_with_header(header), typ=TYP, keys=KEYS)


@pytest.mark.parametrize("member", ["alg", "kid", "typ"])
def test_a_header_without_one_of_its_members_is_refused(member: str) -> None:
    header = {"alg": "ES256", "kid": KEY.kid, "typ": TYP}
    del header[member]
    with pytest.raises(AttestationMalformed, match=member):
        jws.verify(signed_with_header(json.dumps(header).encode()), typ=TYP, keys=KEYS)


UNSPELT = "not base64url without padding, in its one canonical spelling"


def odd(**changes: Any) -> str:
    return signed_with_header(json.dumps({"alg": "ES256", "kid": KEY.kid, "typ": TYP} | changes).encode())


@pytest.mark.parametrize(
    ("compact", "told"),
    [
        ("a.b", f"a {TYP} has three parts joined by dots"),
        (".".join(["!", spell(PAYLOAD), "AA"]), f"header: {UNSPELT}"),
        (".".join([sign().split(".")[0], "!", "AA"]), f"payload: {UNSPELT}"),
        (".".join([*sign().split(".")[:2], "!"]), f"signature: {UNSPELT}"),
        (signed_with_header(b"[]"), "the header is not a JSON object"),
        (odd(alg="none"), "header alg: only ES256 and Ed25519 are accepted"),
        (odd(kid=None), "header kid: the thumbprint of the signing key is missing"),
        (odd(crit=[]), "the header has members beside alg, kid and typ; no extension is understood"),
    ],
)
def test_what_is_wrong_with_an_attestation_is_said_in_a_sentence(compact: str, told: str) -> None:
    with pytest.raises(AttestationMalformed) as error:
        jws.verify(compact, typ=TYP, keys=BOTH)
    assert str(error.value) == told


def test_a_header_that_is_no_json_says_where() -> None:
    with pytest.raises(AttestationMalformed, match=r"^header: \w+"):
        jws.verify(signed_with_header(b"{"), typ=TYP, keys=KEYS)


def test_a_signature_that_does_not_hold_says_what_to_do() -> None:
    forged = sign().rsplit(".", 1)[0] + "." + spell(bytes(64))
    with pytest.raises(SignatureInvalid) as error:
        jws.verify(forged, typ=TYP, keys=KEYS)
    assert str(error.value) == "the signature does not hold; do not use this answer"


def test_an_unsigned_token_is_refused_whatever_it_says() -> None:
    header = spell(json.dumps({"alg": "none", "kid": KEY.kid, "typ": TYP}).encode())
    for signature in ("", spell(bytes(64))):
        with pytest.raises(AttestationMalformed, match="alg"):
            jws.verify(f"{header}.{spell(PAYLOAD)}.{signature}", typ=TYP, keys=KEYS)


def test_an_hmac_under_the_public_key_is_refused() -> None:
    header = spell(json.dumps({"alg": "HS256", "kid": KEY.kid, "typ": TYP}).encode())
    signing_input = f"{header}.{spell(PAYLOAD)}"
    mac = hmac.digest(KEY.public_jwk.encode(), signing_input.encode(), sha256)
    with pytest.raises(AttestationMalformed, match="alg"):
        jws.verify(f"{signing_input}.{spell(mac)}", typ=TYP, keys=KEYS)


def test_a_key_that_is_not_trusted_is_named() -> None:
    stranger = signing_key(seed=9)
    with pytest.raises(KeyUnknown, match=stranger.kid):
        jws.verify(sign(stranger), typ=TYP, keys=KEYS)


def test_a_strangers_signature_under_a_trusted_name_is_refused() -> None:
    stranger = signing_key(seed=9)
    forged = jws.sign(PAYLOAD, typ=TYP, kid=KEY.kid, algorithm=Algorithm.ES256, private=stranger.private)
    with pytest.raises(SignatureInvalid):
        jws.verify(forged, typ=TYP, keys=KEYS)


@given(st.text(st.characters(codec="ascii"), max_size=200) | st.text(max_size=50))
def test_no_text_crashes_the_verifier(text: str) -> None:
    with pytest.raises((AttestationMalformed, KeyUnknown, SignatureInvalid)):
        jws.verify(text, typ=TYP, keys=KEYS)
