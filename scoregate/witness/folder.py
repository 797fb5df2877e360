"""A witness's folder: who it is, and where everything lies. Not pure.

    DIR/                mode 0700
      key.pem           Ed25519, PKCS #8 in PEM (RFC 5958), mode 0600
      vkey              its public half with the witness's name, as others pin it
      lock              whoever reads to write holds it
      logs/             a folder for each log, named by the SHA-256 of its origin in hex (`logs`)
      evidence/         a folder for each contradiction (`evidence`)

A copy of it that is older than the original has forgotten what was cosigned since. It must never run: it
could cosign a fork. Who loses the folder makes a new witness, with a new key.
"""

import fcntl
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from scoregate.pem import PARSE_ERRORS
from scoregate.tlog import files
from scoregate.tlog.faults import LogInvalid
from scoregate.tlog.note import KeyKind, NoteInvalid, VerifierKey, verifier_key
from scoregate.witness import durable
from scoregate.witness.faults import FolderSpoilt, WitnessMisconfigured

MAX_SMALL_FILE_BYTES = 64 * 1024

_KEEP = "never copy an older folder over it: make a new witness with `scoregate witness init`"


@dataclass(frozen=True, slots=True)
class Folder:
    """An existing folder. Only its key is not read yet."""

    path: Path
    vkey: VerifierKey  # of type 0x04; its name is the witness's

    @property
    def logs(self) -> Path:
        """What was cosigned."""
        return self.path / "logs"

    @property
    def evidence(self) -> Path:
        """What was refused, and speaks against a log."""
        return self.path / "evidence"

    @classmethod
    def make(cls, path: Path, name: str) -> Self:
        """Make a witness of this name, with a new key. Durable on return.

        What an attempt before this one left half done is completed with the key that it made.

        Raises:
            WitnessMisconfigured: There is a witness already, the name can't be one, or the folder is open
                to others or can't be written.
        """
        try:
            _require_name(name)
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            _require_private(path)
            if (path / "vkey").exists():
                raise WitnessMisconfigured(f"{path} holds a witness already; a new one needs a new folder")
            if not (path / "key.pem").exists():
                durable.write(path / "key.pem", _pem(Ed25519PrivateKey.generate()))
            vkey = verifier_key(name, _read_key(path / "key.pem"), KeyKind.COSIGNATURE)
            made = cls(path, vkey)
            for each in (made.logs, made.evidence):
                durable.make_folder(each)
            # From here the key can't be lost; only now may others be told of it.
            durable.write(path / "vkey", f"{vkey}\n".encode())
            durable.sync(path.absolute().parent)
        except NoteInvalid as error:
            raise WitnessMisconfigured(f"--name: {error}") from error
        except OSError as error:
            raise WitnessMisconfigured(f"{path} can't be written ({error.strerror}); check it") from error
        return made

    @classmethod
    def open(cls, path: Path) -> Self:
        """Return the witness's folder at this path.

        Raises:
            WitnessMisconfigured: There is none, or it is open to others.
            FolderSpoilt: Its vkey is none.
        """
        try:
            text = files.read(path / "vkey", "vkey", MAX_SMALL_FILE_BYTES).decode()
            _require_private(path)
            vkey = VerifierKey.parse(text.removesuffix("\n"))
        except FileNotFoundError as error:
            raise WitnessMisconfigured(
                f"{path} holds no witness; make one with `scoregate witness init {path} --name NAME`"
            ) from error
        except OSError as error:
            raise WitnessMisconfigured(f"{path} can't be read ({error.strerror}); check its owner") from error
        except (UnicodeDecodeError, LogInvalid) as error:
            raise FolderSpoilt(f"{path / 'vkey'} is not what this witness wrote; {_KEEP}") from error
        if vkey.kind is not KeyKind.COSIGNATURE:
            raise FolderSpoilt(f"{path / 'vkey'} is no witness's vkey, of type 0x04; {_KEEP}")
        return cls(path, vkey)

    def key(self) -> Ed25519PrivateKey:
        """Return the key, once it is the one of the vkey.

        Raises:
            WitnessMisconfigured: It is missing, or others may read it.
            FolderSpoilt: It is another one, or none.
        """
        path = self.path / "key.pem"
        try:
            private = _read_key(path)
        except OSError as error:
            raise WitnessMisconfigured(f"{path} can't be read ({error.strerror}); check its owner") from error
        if verifier_key(self.vkey.name, private, KeyKind.COSIGNATURE) != self.vkey:
            raise FolderSpoilt(f"{path} is not the key of {self.vkey}; {_KEEP}")
        return private


@dataclass(slots=True)
class Lock:
    """Whoever holds it is alone with the folder: among the threads that share it, and among processes."""

    path: Path  # of the file
    patience: float = 5.0  # seconds that a thread waits for the others of its process
    _threads: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Wait for it, and hold it.

        Raises:
            TimeoutError: The others of this process wait too long themselves, probably for another one.
            OSError: The file can't be opened.
        """
        if not self._threads.acquire(timeout=self.patience):
            raise TimeoutError(f"{self.path} is held by another process")
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, durable.OWNER_ONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)  # which a process's end lets go, whatever ends it
                yield
            finally:
                os.close(descriptor)
        finally:
            self._threads.release()


def _pem(private: Ed25519PrivateKey) -> bytes:
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _read_key(path: Path) -> Ed25519PrivateKey:
    # Mode and content are of one open file, so that nobody swaps it in between.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
        if mode & ~durable.OWNER_ONLY:
            raise WitnessMisconfigured(f"{path} has mode {mode:04o}, wider than 0600; run `chmod 600 {path}`")
        pem = file.read(MAX_SMALL_FILE_BYTES)
    try:
        private = serialization.load_pem_private_key(pem, password=None)
    except PARSE_ERRORS as error:
        raise FolderSpoilt(f"{path} is not an unencrypted key in PEM; {_KEEP}") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise FolderSpoilt(f"{path} is not an Ed25519 key; {_KEEP}")
    return private


def _require_private(path: Path) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise WitnessMisconfigured(f"{path} has mode {mode:04o}, wider than 0700; run `chmod 700 {path}`")


def _require_name(name: str) -> None:
    if "://" in name:
        raise WitnessMisconfigured("--name: an address without https://, such as witness.example/compliance")
    if not name.isprintable():
        raise WitnessMisconfigured("--name: it will stand in files and on screens: printable letters only")
    VerifierKey(name, KeyKind.COSIGNATURE, bytes(32))  # which knows what else a key's name can be
