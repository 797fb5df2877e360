"""A JWK Set is trusted only if every key in it is what its name says."""

import json
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey, KeySet, OKPKey

from consent.keys import jwks
from scoregate.errors import KeysInvalid, KeyUnknown
from scoregate.proof.jwk import Algorithm, VerificationKeys, thumbprint
from tests.attestation.made_answers import KEY, signing_key

VECTORS = Path(__file__).parents[1] / "vectors" / "attestation"
ED_KEY = signing_key(Algorithm.ED25519, seed=2)
EC: dict[str, Any] = json.loads(KEY.public_jwk)
OKP: dict[str, Any] = json.loads(ED_KEY.public_jwk)


def load(*keys: Any) -> VerificationKeys:
    return VerificationKeys.from_jwks(json.dumps({"keys": list(keys)}))


def test_the_vector_is_read_and_written_alike() -> None:
    text = (VECTORS / "jwks.json").read_text().strip()
    assert jwks([KEY.public_jwk, ED_KEY.public_jwk]) == text
    assert set(VerificationKeys.from_jwks(text).by_kid) == {KEY.kid, ED_KEY.kid}


def test_thumbprints_are_those_of_the_rfc_and_of_an_independent_library() -> None:
    # RFC 8037, A.3
    jwk = {"crv": "Ed25519", "kty": "OKP", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    assert thumbprint(jwk) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    assert KEY.kid == ECKey.import_key(EC).thumbprint()
    assert ED_KEY.kid == OKPKey.import_key(OKP).thumbprint()


def test_an_independent_library_reads_our_set() -> None:
    found = KeySet.import_key_set(json.loads(jwks([KEY.public_jwk, ED_KEY.public_jwk])))
    assert [key.kid for key in found.keys] == [KEY.kid, ED_KEY.kid]


def test_each_key_verifies_with_its_own_algorithm_only() -> None:
    keys = load(EC, OKP)
    assert keys.find(KEY.kid).algorithm is Algorithm.ES256
    assert keys.find(ED_KEY.kid).algorithm is Algorithm.ED25519


def test_a_key_that_is_not_there_is_named_in_the_error() -> None:
    with pytest.raises(KeyUnknown, match="nobody"):
        load(EC).find("nobody")


def test_keys_of_kinds_that_are_not_used_here_are_passed_over() -> None:
    rsa = {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "r"}
    p384 = {"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA", "kid": "p"}
    assert set(load(rsa, EC, p384, {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"}).by_kid) == {KEY.kid}


def test_members_that_are_not_understood_are_passed_over() -> None:
    assert set(load(EC | {"x5t": "abc", "note": "hello"}).by_kid) == {KEY.kid}


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        (EC | {"kid": ED_KEY.kid}, "kid"),
        (EC | {"kid": "key-1"}, "kid"),
        ({name: value for name, value in EC.items() if name != "kid"}, "kid"),
        (EC | {"alg": "ES384"}, "alg"),
        (EC | {"alg": "Ed25519"}, "alg"),
        (OKP | {"alg": "EdDSA"}, "alg"),
        (EC | {"use": "enc"}, "use"),
        (EC | {"d": "AAAA"}, "private"),
        (EC | {"x": EC["y"]}, "curve"),
        (EC | {"x": EC["x"] + "="}, "x"),
        (EC | {"x": EC["x"][:-1]}, "x"),
        (EC | {"y": "A" * 44}, "y"),
        (EC | {"y": None}, "y"),
        ({name: value for name, value in EC.items() if name != "y"}, "y"),
        (OKP | {"x": "AAAA"}, "x"),
        (OKP | {"x": 5}, "x"),
        ("key", "object"),
        (None, "object"),
    ],
)
def test_a_key_that_is_not_what_it_says_spoils_the_set(entry: Any, named: str) -> None:
    with pytest.raises(KeysInvalid, match=named):
        load(entry)


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "null", '{"keys":{}}', '{"keys":[]}', '{"keys":null}', "x" * 262_145,
     '{"keys":[],"keys":[]}', KEY.public_jwk, '{"keys":[{"kty":"RSA"}]}', "[" * 100_000],
)  # fmt: skip
def test_what_is_not_a_set_with_a_usable_key_is_refused(text: str) -> None:
    with pytest.raises(KeysInvalid):
        VerificationKeys.from_jwks(text)


def test_the_same_key_twice_is_refused() -> None:
    with pytest.raises(KeysInvalid, match="twice"):
        load(EC, EC)


def test_a_set_that_no_client_would_accept_is_not_published() -> None:
    with pytest.raises(KeysInvalid, match="private"):
        jwks([json.dumps(EC | {"d": "AAAA"})])
    with pytest.raises(KeysInvalid):
        jwks([])
