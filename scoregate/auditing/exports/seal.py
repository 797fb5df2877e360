"""What stands beside an export's entries: the checkpoint, the signed manifest, the keys of that time. Pure.

Where a form has no place of its own for these, they are one line of canonical JSON (RFC 8785):

    {"checkpoint": "…", "jwks": "…", "manifest": "(compact JWS)", "policy": "…"}

Whoever verifies believes the keys that they were given over another channel: those in here say which were
in force when it was exported, and the manifest names their digests.
"""

from dataclasses import dataclass
from typing import Self

from scoregate.errors import JsonRefused
from scoregate.proof import digest
from scoregate.proof.jwk import MAX_JWKS_CHARACTERS
from scoregate.proof.jws import MAX_COMPACT_CHARACTERS
from scoregate.tlog.faults import LogInvalid
from scoregate.tlog.note import MAX_NOTE_BYTES
from scoregate.tlog.policy import MAX_POLICY_BYTES

LIMITS = {
    "checkpoint": MAX_NOTE_BYTES,
    "jwks": MAX_JWKS_CHARACTERS,
    "manifest": MAX_COMPACT_CHARACTERS,
    "policy": MAX_POLICY_BYTES,
}
"""Most bytes of each member."""

MAX_SEAL_BYTES = 2 * sum(LIMITS.values())  # escaped, a newline takes two characters


@dataclass(frozen=True, slots=True)
class Seal:
    """The members, as bytes."""

    checkpoint: bytes
    jwks: bytes
    manifest: bytes
    policy: bytes

    def encode(self) -> bytes:
        """Return the line, without its end.

        Raises:
            JsonRefused: A member is not UTF-8.
        """
        try:
            return digest.canonical({name: getattr(self, name).decode() for name in LIMITS})
        except UnicodeDecodeError as error:
            raise JsonRefused("a member is not UTF-8 text") from error

    @classmethod
    def decode(cls, data: bytes, where: str) -> Self:
        """Return the seal that these bytes, and no others, are the form of.

        Raises:
            LogInvalid: They are of none.
        """
        try:
            members = digest.parse(data)
        except JsonRefused as error:
            raise LogInvalid(f"{where} is no seal of an export: {error}") from error
        if not isinstance(members, dict) or members.keys() != LIMITS.keys():
            raise LogInvalid(f"{where} is no seal of an export: {', '.join(LIMITS)} belong there")
        found = {}
        for name, limit in LIMITS.items():
            text = members[name]
            if not isinstance(text, str) or len(text) > limit:
                raise LogInvalid(f"{where}: {name} must be a text of at most {limit:,} characters")
            try:
                found[name] = text.encode()
            except UnicodeEncodeError as error:
                raise LogInvalid(f"{where}: {name} is no text") from error
        made = cls(**found)
        if made.encode() != data:
            raise LogInvalid(f"{where} is not in the one form that an export has")
        return made
