"""Signed notes, after C2SP signed-note: a text, an empty line, and a line for each signature.

Pure. Of the signature types this reads Ed25519 (0x01) here and timestamped cosignatures (0x04) in
cosignature.py; lines of any other are kept as they are and believed by nobody.

    This is an example message.                         the text, up to and with its last newline

    — example.com/foo Uw2QOkn8srV1yJGh2VYRlL1T…         em dash, space, key name, space,
                                                        base64(key id, 4 bytes ‖ signature)

A key is written as a vkey, `example.com/foo+530d903a+AekyeRrm56hApGFk…`: its name, its id in hex, and
base64(type, 1 byte ‖ public key). The id is SHA-256(name ‖ newline ‖ type ‖ public key), cut to 4 bytes.

Reading goes in this order: size → UTF-8 → no control characters but newlines → a last newline → the last
empty line parts text from signatures → 1 to 64 signature lines → each has a name and canonical base64.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from scoregate.tlog.faults import LogInvalid
from scoregate.tlog.lines import read_base64, require_characters, write_base64

MAX_NOTE_BYTES = 131_072  # 16 signatures must fit (Format), and each may be nearly 5 kB
MAX_SIGNATURES = 64
KEY_ID_BYTES = 4
PUBLIC_KEY_BYTES = 32  # RFC 8032, 5.1.5
SIGNATURE_BYTES = 64  # RFC 8032, 5.1.6

_DASH = "\u2014 "
_HEX_DIGITS = frozenset("0123456789abcdef")


class NoteInvalid(LogInvalid):
    """Not a signed note, a signature line or a vkey, or a signature that does not hold."""


class KeyKind(IntEnum):
    """The signature types that are understood here, by their identifier byte (Signature types)."""

    ED25519 = 0x01
    COSIGNATURE = 0x04  # timestamped, of checkpoints: C2SP tlog-cosignature


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with the name and the one signature type that it verifies."""

    name: str
    kind: KeyKind
    public: bytes  # 32

    def __post_init__(self) -> None:
        _require_name("vkey", self.name)
        if len(self.public) != PUBLIC_KEY_BYTES:
            raise NoteInvalid(f"vkey: an Ed25519 key has {PUBLIC_KEY_BYTES} bytes, not {len(self.public)}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the key that a vkey spells (Verifier keys).

        Raises:
            NoteInvalid: It spells none, or one of a type that is not understood here.
        """
        name, _, rest = text.partition("+")
        key_id, plus, encoded = rest.partition("+")  # what follows may hold more of these: base64 has them
        if not plus or not encoded:
            raise NoteInvalid("vkey: name+id+key belongs here, all three; copy it whole")
        if len(key_id) != 2 * KEY_ID_BYTES or not _HEX_DIGITS.issuperset(key_id):
            raise NoteInvalid("vkey: its second part, the id, is 8 lower-case hex digits; copy it whole")
        try:
            material = read_base64(encoded)
        except ValueError as error:
            raise NoteInvalid(f"vkey: its third part: {error}; copy it whole") from error
        try:
            kind = KeyKind(int.from_bytes(material[:1]))
        except ValueError as error:
            raise NoteInvalid(
                f"vkey: keys of type 0x{material[:1].hex()} are not understood here, only 0x01 (Ed25519) and"
                " 0x04 (Ed25519 cosignatures); ask for such a vkey"
            ) from error
        key = cls(name, kind, material[1:])
        if key.key_id.hex() != key_id:
            raise NoteInvalid(
                f"vkey: the id {key_id} does not belong to this name and key; copy it whole, from its owner"
            )
        return key

    def __str__(self) -> str:
        material = bytes((self.kind,)) + self.public
        return f"{self.name}+{self.key_id.hex()}+{write_base64(material)}"

    @property
    def key_id(self) -> bytes:
        """The 4 bytes that, beside the name, mark a signature as this key's."""
        material = bytes((self.kind,)) + self.public
        return sha256(self.name.encode() + b"\n" + material).digest()[:KEY_ID_BYTES]

    def require(self, signature: bytes, message: bytes) -> None:
        """Return only if `signature`, of 64 bytes, is this key's over `message`.

        Raises:
            NoteInvalid: It is not.
        """
        try:
            if len(signature) != SIGNATURE_BYTES:
                raise InvalidSignature
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature:
            raise NoteInvalid(
                f"the signature by {self.name}+{self.key_id.hex()} does not hold: the text was changed, or"
                " somebody else signed it. Do not believe any of it, and keep it as evidence"
            ) from None


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line. That it is there says nothing yet: `Note.verified_by` does."""

    name: str
    key_id: bytes  # 4
    signature: bytes  # as the signature type has it; never empty

    def __post_init__(self) -> None:
        _require_name("signature line", self.name)
        if len(self.key_id) != KEY_ID_BYTES or not self.signature:
            raise NoteInvalid("signature line: the base64 holds a key id of 4 bytes and then a signature")

    @classmethod
    def parse(cls, line: str) -> Self:
        """Return the signature that a line spells, given without its newline.

        Raises:
            NoteInvalid: It spells none.
        """
        if not line.startswith(_DASH):
            raise NoteInvalid(f"a signature line begins with an em dash and a space, not {line[:16]!r}")
        name, _, encoded = line[len(_DASH) :].partition(" ")
        try:
            data = read_base64(encoded)
        except ValueError as error:
            raise NoteInvalid(f"signature line of {name[:64]!r}: {error}") from error
        return cls(name, data[:KEY_ID_BYTES], data[KEY_ID_BYTES:])

    @property
    def line(self) -> str:
        """The line, without its newline."""
        return f"{_DASH}{self.name} {write_base64(self.key_id + self.signature)}"

    def claims(self, key: VerifierKey) -> bool:
        """Whether the line says that `key` made it: by its name and its id, both of them (Signatures)."""
        return self.name == key.name and self.key_id == key.key_id


@dataclass(frozen=True, slots=True)
class Note:
    """A text and who is said to have signed it."""

    text: str  # ends with a newline
    signatures: tuple[NoteSignature, ...]  # 1 to 64, in the order of their lines

    def __post_init__(self) -> None:
        _require_text(self.text)
        if not 1 <= len(self.signatures) <= MAX_SIGNATURES:
            raise NoteInvalid(f"a note has 1 to {MAX_SIGNATURES} signatures, not {len(self.signatures)}")

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Return the note that these bytes are. Nobody has verified it yet.

        Raises:
            NoteInvalid: They are none, or `encode` would write them otherwise.
        """
        whole = _require_characters("note", data)
        # The text may hold empty lines of its own: the last one is what parts it from the signatures.
        text, blank, block = whole.rpartition("\n\n")
        if not blank:
            raise NoteInvalid("a note has an empty line between its text and its signatures")
        return cls(text + "\n", _signatures(block))

    def encode(self) -> bytes:
        """Return the bytes of the note."""
        return f"{self.text}\n{encode_signatures(self.signatures).decode()}".encode()

    def with_signatures(self, more: Iterable[NoteSignature]) -> "Note":
        """Return the note with these behind the ones that it has; what is there already is not repeated.

        Raises:
            NoteInvalid: They are too many.
        """
        return Note(self.text, tuple(dict.fromkeys((*self.signatures, *more))))

    def verified_by(self, key: VerifierKey) -> bool:
        """Return whether `key`, of type 0x01, signed this text. False where no line says so.

        Raises:
            NoteInvalid: A line says so and is wrong: nothing in the note is to be believed.
            ValueError: The key is of another type.
        """
        if key.kind is not KeyKind.ED25519:
            raise ValueError(f"{key.name} verifies cosignatures: ask cosignature.cosigned_at")
        found = [each for each in self.signatures if each.claims(key)]
        for each in found:
            key.require(each.signature, self.text.encode())
        return bool(found)


def encode_signatures(signatures: Iterable[NoteSignature]) -> bytes:
    """Return these signatures as lines: what a witness answers with (tlog-witness, add-checkpoint)."""
    return "".join(f"{each.line}\n" for each in signatures).encode()


def decode_signatures(data: bytes) -> tuple[NoteSignature, ...]:
    """Return the 1 to 64 signatures that lines by themselves spell: what a witness answered with.

    Raises:
        NoteInvalid: A line spells none, or there are none or too many.
    """
    return _signatures(_require_characters("signature lines", data))


def sign(text: str, name: str, private: Ed25519PrivateKey) -> NoteSignature:
    """Return this key's signature, of type 0x01, over a text that ends with a newline.

    Raises:
        NoteInvalid: The text can't be a note's, or the name a key's.
    """
    _require_text(text)
    key = verifier_key(name, private, KeyKind.ED25519)
    return NoteSignature(name, key.key_id, private.sign(text.encode()))


def verifier_key(name: str, key: Ed25519PrivateKey | Ed25519PublicKey, kind: KeyKind) -> VerifierKey:
    """Return the public half of a key, under this name and for this signature type.

    Raises:
        NoteInvalid: The name can't be a key's.
    """
    public = key.public_key() if isinstance(key, Ed25519PrivateKey) else key
    return VerifierKey(name, kind, public.public_bytes_raw())


def _signatures(block: str) -> tuple[NoteSignature, ...]:
    lines = block.removesuffix("\n").split("\n")
    if len(lines) > MAX_SIGNATURES:  # before each of them costs anything
        raise NoteInvalid(f"a note has at most {MAX_SIGNATURES} signatures, not {len(lines)}")
    return tuple(map(NoteSignature.parse, lines))


def _require_characters(what: str, data: bytes) -> str:
    if len(data) > MAX_NOTE_BYTES:
        raise NoteInvalid(f"{what}: {len(data):,} bytes are over {MAX_NOTE_BYTES:,}")
    try:
        text = data.decode()
        require_characters(text)
    except UnicodeDecodeError as error:
        raise NoteInvalid(f"{what}: byte {error.start} is not UTF-8") from error
    except ValueError as error:
        raise NoteInvalid(f"{what}: {error}") from error
    if not text.endswith("\n"):
        raise NoteInvalid(f"{what}: the last newline is missing: it broke off, or was cut by an editor")
    return text


def _require_text(text: str) -> None:
    try:
        require_characters(text)
    except ValueError as error:
        raise NoteInvalid(f"text: {error}") from error
    if not text.endswith("\n"):
        raise NoteInvalid("text: it ends with a newline, and this does not")


def _require_name(where: str, name: str) -> None:
    # Unicode's spaces: str.isspace has the same ones as White_Space, and controls are refused with them.
    if not name or "+" in name or any(map(str.isspace, name)):
        raise NoteInvalid(f"{where}: a key's name is not empty, without spaces or plus: {name[:64]!r}")
    try:
        require_characters(name)
    except ValueError as error:
        raise NoteInvalid(f"{where}: the key's name: {error}") from error
