"""The logs that a witness trusts, and the latest checkpoint of each. Not pure.

    logs/<SHA-256 of the origin, hex>/
      keys              the log's vkeys, one a line; the first comes with `trust`
      checkpoint        the latest, with the log's signature and this witness's; none where none was cosigned
      before            the one of a smaller size that came before it

Both notes are read as suspiciously as a stranger's: one that this witness did not cosign stops the log.
"""

import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from scoregate.tlog import files
from scoregate.tlog.checkpoint import Checkpoint, CheckpointInvalid
from scoregate.tlog.cosignature import cosigned_at
from scoregate.tlog.faults import LogInvalid
from scoregate.tlog.note import MAX_NOTE_BYTES, KeyKind, Note, NoteInvalid, VerifierKey
from scoregate.witness import durable
from scoregate.witness.faults import FolderSpoilt, WitnessMisconfigured
from scoregate.witness.folder import MAX_SMALL_FILE_BYTES, Folder

MAX_KEYS = 16


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A checkpoint that this witness cosigned, and when."""

    checkpoint: Checkpoint
    note: Note
    at: int  # POSIX seconds


def origin_hash(origin: str) -> str:
    """Return the name by which an origin goes in paths (tlog-witness, Monitor Retrieval Mechanism)."""
    return sha256(origin.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Log:
    """One log's files. Whoever reads the notes to write, or to show them, holds the folder's lock."""

    path: Path
    witness: VerifierKey

    @classmethod
    def of(cls, folder: Folder, origin: str) -> "Log":
        """Return the files of the log of this origin, whether there are any or not."""
        return cls(folder.logs / origin_hash(origin), folder.vkey)

    def keys(self) -> tuple[VerifierKey, ...]:
        """Return the keys that are trusted for this log; none where the log is not known.

        Raises:
            FolderSpoilt: The file is not what `trust` writes.
            OSError: The disk refuses.
        """
        path = self.path / "keys"
        try:
            lines = files.read(path, str(path), MAX_SMALL_FILE_BYTES).decode().splitlines()
            keys = tuple(map(VerifierKey.parse, lines))
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except (UnicodeDecodeError, LogInvalid) as error:
            raise FolderSpoilt(f"{path} is not one vkey a line") from error
        for key in keys:
            if key.kind is not KeyKind.ED25519 or origin_hash(key.name) != self.path.name:
                raise FolderSpoilt(f"{path} holds a vkey that is not this log's")
        return keys

    def trust(self, key: VerifierKey, *, beside: bool) -> bool:
        """Trust this key for the log that its name is; return whether that is new. Durable on return.

        ``beside``: although another key is trusted for it already.

        Raises:
            WitnessMisconfigured: Not a log's key, or another one is trusted already.
            FolderSpoilt: The file of its keys is not what this writes.
            OSError: The disk refuses.
        """
        if key.kind is not KeyKind.ED25519:
            raise WitnessMisconfigured(
                f"VKEY: {key.name} is a witness's, of type 0x04; a log's is of type 0x01"
            )
        trusted = self.keys()
        if key in trusted:
            return False
        if trusted and not beside:
            raise WitnessMisconfigured(
                f"another key is trusted for {key.name}: {trusted[-1]}. Ask the log's operator over another"
                " channel; if it has a new one, repeat this with --new-key"
            )
        if len(trusted) == MAX_KEYS:
            raise WitnessMisconfigured(
                f"{MAX_KEYS} keys are trusted for {key.name}; take some out of its file"
            )
        durable.make_folder(self.path)
        durable.write(self.path / "keys", "".join(f"{each}\n" for each in (*trusted, key)).encode())
        return True

    def latest(self) -> Cosigned | None:
        """Return what was cosigned last; None where nothing was.

        Raises:
            FolderSpoilt: The note is not one that this witness cosigned for this log.
            OSError: The disk refuses.
        """
        return self._read("checkpoint")

    def size_before(self) -> int | None:
        """Return the size that was cosigned before the latest one; None where there is none.

        Raises:
            FolderSpoilt, OSError: As `latest`.
        """
        before = self._read("before")
        return before.checkpoint.size if before else None

    def keep(self, note: Note, latest: Cosigned | None, *, reached: durable.Reached) -> None:
        """Make this note, which the caller judged, the latest one after ``latest``. Durable on return.

        Raises:
            NotDurable: The disk refuses when the note is in its place already.
            OSError: The disk refuses; ``latest`` is still the latest.
        """
        if latest and latest.checkpoint.size < Checkpoint.decode(note.text).size:
            # A crash behind this makes a lost race look like a rollback, once. It hides nothing.
            durable.write(self.path / "before", latest.note.encode())
            reached(durable.Step.REMEMBERED)
        durable.write(self.path / "checkpoint", note.encode(), reached=reached)
        reached(durable.Step.DURABLE)

    def sync(self) -> None:
        """Let the latest note outlive a power cut, whoever put it there.

        Raises:
            OSError: The disk refuses.
        """
        durable.sync(self.path / "checkpoint")
        durable.sync(self.path)

    def _read(self, name: str) -> Cosigned | None:
        path = self.path / name
        try:
            note = Note.decode(files.read(path, str(path), MAX_NOTE_BYTES))
            at = cosigned_at(note, self.witness)
            checkpoint = Checkpoint.decode(note.text)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (NoteInvalid, CheckpointInvalid, LogInvalid) as error:
            raise FolderSpoilt(f"{path} is not what this witness wrote: {error}") from error
        if at is None or origin_hash(checkpoint.origin) != self.path.name:
            raise FolderSpoilt(f"{path} is not a checkpoint that this witness cosigned for this log")
        return Cosigned(checkpoint, note, at)


def all_logs(folder: Folder) -> list[Log]:
    """Return the logs that were ever trusted, by the name of their folder.

    Raises:
        OSError: The disk refuses.
    """
    with os.scandir(folder.logs) as found:
        names = sorted(each.name for each in found if each.is_dir() and not each.name.startswith("."))
    return [Log(folder.logs / name, folder.vkey) for name in names]
