"""A log of plain texts, made by hand from the specifications: no code of ours has a part in its bytes.

RFC 6962, 2.1 (the recursive definition), C2SP tlog-tiles, signed-note and tlog-checkpoint.
"""

from base64 import b64encode
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

NAME = "fruit.example/log"
SECRET = Ed25519PrivateKey.from_private_bytes(sha256(b"fruit").digest())
_KEY = b"\x01" + SECRET.public_key().public_bytes_raw()
_ID = sha256(NAME.encode() + b"\n" + _KEY).digest()[:4]
VKEY = f"{NAME}+{_ID.hex()}+{b64encode(_KEY).decode()}"


def texts(count: int) -> list[bytes]:
    return [f"{number}. a piece of fruit, weighing {number % 97} g".encode() for number in range(count)]


def mth(hashes: list[bytes]) -> bytes:
    """The Merkle Tree Hash, as RFC 6962 defines it."""
    if len(hashes) <= 1:
        return hashes[0] if hashes else sha256().digest()
    k = 1
    while 2 * k < len(hashes):
        k *= 2
    return sha256(b"\x01" + mth(hashes[:k]) + mth(hashes[k:])).digest()


def checkpoint(size: int, root: bytes) -> bytes:
    text = f"{NAME}\n{size}\n{b64encode(root).decode()}\n"
    signature = b64encode(_ID + SECRET.sign(text.encode())).decode()
    return f"{text}\n— {NAME} {signature}\n".encode()


def _name(number: int) -> str:
    digits = f"{number:d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    return "/".join([f"x{group}" for group in groups[:-1]] + groups[-1:])


def write(folder: Path, entries: list[bytes]) -> Path:
    """Lay the log out as C2SP tlog-tiles says."""
    hashes = [sha256(b"\x00" + entry).digest() for entry in entries]
    level, row = 0, hashes
    _tiles(folder / "tile" / "entries", [len(each).to_bytes(2, "big") + each for each in entries])
    while row:
        _tiles(folder / "tile" / str(level), row)
        row = [mth(row[at : at + 256]) for at in range(0, len(row) - 255, 256)]
        level += 1
    (folder / "checkpoint").write_bytes(checkpoint(len(entries), mth(hashes)))
    return folder


def _tiles(folder: Path, items: list[bytes]) -> None:
    for at in range(0, len(items), 256):
        piece = items[at : at + 256]
        partial = f".p/{len(piece)}" if len(piece) < 256 else ""
        path = folder / f"{_name(at // 256)}{partial}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(piece))
