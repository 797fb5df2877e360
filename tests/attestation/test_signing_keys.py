"""A signing key is kept for its owner alone, and only the right one is opened."""

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from consent import keys
from consent.keys import (
    KeyFileError,
    KeyFileInvalid,
    KeyFileMissing,
    KeyFileTooOpen,
    KeyFileUnwritable,
    SigningKey,
)
from scoregate.proof import jws
from scoregate.proof.jwk import Algorithm, VerificationKeys


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def key(folder: Path) -> SigningKey:
    return keys.generate(folder, Algorithm.ES256)


def file_of(folder: Path, key: SigningKey) -> Path:
    return folder / f"{key.kid}.pem"


@pytest.mark.parametrize("algorithm", Algorithm)
def test_a_new_key_opens_again_and_signs_what_its_public_half_verifies(
    folder: Path, algorithm: Algorithm
) -> None:
    made = keys.generate(folder, algorithm)
    opened = keys.load(folder, made.kid)
    assert (opened.kid, opened.algorithm, opened.public_jwk) == (made.kid, algorithm, made.public_jwk)
    compact = jws.sign(b"{}", typ="t", kid=opened.kid, algorithm=opened.algorithm, private=opened.private)
    trusted = VerificationKeys.from_jwks(keys.jwks([made.public_jwk]))
    assert jws.verify(compact, typ="t", keys=trusted) == b"{}"


def test_file_and_folder_are_the_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        made = keys.generate(tmp_path / "keys", Algorithm.ES256)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    assert stat.S_IMODE(file_of(tmp_path / "keys", made).stat().st_mode) == 0o600


def test_two_keys_lie_side_by_side(folder: Path) -> None:
    one, two = (keys.generate(folder, Algorithm.ES256) for _ in range(2))
    assert one.kid != two.kid
    assert {path.name for path in folder.iterdir()} == {f"{one.kid}.pem", f"{two.kid}.pem"}


def test_the_private_half_is_not_printed(key: SigningKey) -> None:
    assert "private" not in repr(key)
    assert '"d"' not in key.public_jwk


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620, 0o602, 0o601, 0o610, 0o644, 0o777])
def test_a_key_that_others_may_touch_is_refused(folder: Path, key: SigningKey, mode: int) -> None:
    file_of(folder, key).chmod(mode)
    with pytest.raises(KeyFileTooOpen, match="chmod 600") as error:
        keys.load(folder, key.kid)
    assert error.value.path == file_of(folder, key)
    file_of(folder, key).chmod(0o600)
    assert keys.load(folder, key.kid).kid == key.kid


def test_a_key_that_even_its_owner_may_only_read_is_fine(folder: Path, key: SigningKey) -> None:
    file_of(folder, key).chmod(0o400)
    assert keys.load(folder, key.kid).kid == key.kid


@pytest.mark.parametrize("mode", [0o750, 0o701, 0o755])
def test_a_folder_that_others_may_enter_is_refused(folder: Path, key: SigningKey, mode: int) -> None:
    folder.chmod(mode)
    with pytest.raises(KeyFileTooOpen, match="chmod 700"):
        keys.load(folder, key.kid)
    with pytest.raises(KeyFileTooOpen, match="chmod 700"):
        keys.generate(folder, Algorithm.ES256)


def test_a_missing_key_is_missing(folder: Path, key: SigningKey) -> None:
    file_of(folder, key).unlink()
    with pytest.raises(KeyFileMissing, match="restore it"):
        keys.load(folder, key.kid)
    with pytest.raises(KeyFileMissing):
        keys.load(folder / "nowhere", key.kid)


@pytest.mark.parametrize(
    "kid", ["", ".", "..", "../" + "a" * 40, "a" * 42, "a" * 44, "a" * 42 + "/", "a" * 42 + "\0"]
)
def test_a_name_that_cannot_be_a_kid_opens_nothing(folder: Path, kid: str) -> None:
    folder.mkdir(mode=0o700)
    with pytest.raises(KeyFileMissing):
        keys.load(folder, kid)


def test_a_key_under_another_name_is_refused(folder: Path, key: SigningKey) -> None:
    other = keys.generate(folder, Algorithm.ES256)
    file_of(folder, other).replace(file_of(folder, key))
    with pytest.raises(KeyFileInvalid, match=other.kid):
        keys.load(folder, key.kid)


def pem(private: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey) -> bytes:
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


CORRUPT: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda good: b"",
    "cut off": lambda good: good[: len(good) // 2],
    "one letter": lambda good: good.replace(good[60:61], b"!", 1),
    "not a key": lambda good: b"hello\n",
    "binary": lambda good: bytes(range(256)) * 20,
    "certificate": lambda good: good.replace(b"PRIVATE KEY", b"CERTIFICATE"),
    "P-384": lambda good: pem(ec.generate_private_key(ec.SECP384R1())),
    "RSA": lambda good: pem(rsa.generate_private_key(65537, 2048)),
    "locked": lambda good: ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    ),
}


@pytest.mark.parametrize("case", CORRUPT)
def test_a_file_that_is_not_a_usable_key_is_refused(folder: Path, key: SigningKey, case: str) -> None:
    path = file_of(folder, key)
    path.write_bytes(CORRUPT[case](path.read_bytes()))
    with pytest.raises(KeyFileInvalid) as error:
        keys.load(folder, key.kid)
    assert error.value.path == path
    assert "BEGIN" not in str(error.value)


def test_what_is_not_a_plain_file_is_refused(folder: Path, key: SigningKey, tmp_path: Path) -> None:
    path = file_of(folder, key)
    path.rename(tmp_path / "elsewhere.pem")
    path.symlink_to(tmp_path / "elsewhere.pem")
    with pytest.raises(KeyFileInvalid, match="plain file"):
        keys.load(folder, key.kid)
    path.unlink()
    path.mkdir(mode=0o700)
    with pytest.raises(KeyFileInvalid, match="plain file"):
        keys.load(folder, key.kid)
    path.rmdir()
    os.mkfifo(path, 0o600)
    with pytest.raises(KeyFileInvalid):
        keys.load(folder, key.kid)


def test_a_key_that_cannot_be_kept_is_not_made(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("a file where the folder should be")
    with pytest.raises(KeyFileUnwritable, match="folder"):
        keys.generate(tmp_path / "keys", Algorithm.ES256)


def test_every_refusal_names_the_file_and_is_one_family(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    with pytest.raises(KeyFileError) as error:
        keys.load(folder, "a" * 43)
    assert str(folder / ("a" * 43 + ".pem")) in str(error.value)


def test_a_set_keeps_the_order_that_it_is_given(folder: Path) -> None:
    made = [keys.generate(folder, algorithm) for algorithm in (Algorithm.ED25519, Algorithm.ES256)]
    kids = [entry["kid"] for entry in json.loads(keys.jwks([key.public_jwk for key in made]))["keys"]]
    assert kids == [key.kid for key in made]
