"""The witness itself: one sequence from a submission's bytes to a cosignature, and what monitors read.

Not pure: it reads and writes the folder, and asks the clock that it was given.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from scoregate.instants import micros
from scoregate.tlog.checkpoint import Checkpoint, CheckpointInvalid
from scoregate.tlog.cosignature import cosign
from scoregate.tlog.faults import printable
from scoregate.tlog.note import Note, NoteInvalid, VerifierKey, encode_signatures
from scoregate.witness import durable, evidence
from scoregate.witness.durable import NotDurable, Step
from scoregate.witness.faults import LogUnknown, NotCosigned, RequestMalformed, SignatureRefused
from scoregate.witness.folder import Folder, Lock
from scoregate.witness.judging import contradiction, require_next
from scoregate.witness.logs import Cosigned, Log, all_logs
from scoregate.witness.request import Submission

Tell = Callable[[str], None]


def tell_nobody(_: str) -> None:
    """Nobody is told."""


@dataclass(slots=True)
class Witness:
    """One that works on a folder. Several may, in any number of threads and processes."""

    folder: Folder
    key: Ed25519PrivateKey = field(repr=False)
    clock: Callable[[], datetime]
    lock: Callable[[], AbstractContextManager[None]]
    tell: Tell = tell_nobody  # what whoever keeps the witness should know: a line of text
    reached: durable.Reached = durable.nobody
    _durable: dict[Path, Note] = field(
        default_factory=dict
    )  # by the log's folder: what a power cut can't take
    _unsure: set[Path] = field(
        default_factory=set
    )  # folders of logs whose latest note has its place, and may lose it in a power cut

    @classmethod
    def open(cls, path: Path, *, clock: Callable[[], datetime], tell: Tell = tell_nobody) -> "Witness":
        """Return the witness of this folder, once what it will build on is durable.

        Raises:
            WitnessMisconfigured: There is none, or others may read it.
            FolderSpoilt: A file in it is not what this witness wrote.
            OSError: The disk refuses.
        """
        folder = Folder.open(path)
        witness = cls(folder, folder.key(), clock, Lock(folder.path / "lock"), tell)
        with witness.lock():
            for log in all_logs(folder):
                log.keys()
                witness._latest(log)
        return witness

    def add_checkpoint(self, data: bytes) -> bytes:
        """Return the cosignature line for what this request submits. Its checkpoint is durable on return.

        Raises:
            NotCosigned: By kind, why not.
            FolderSpoilt: The files of this log are not what this witness wrote.
            OSError: The disk, or the wait for others, refuses.
        """
        # 1. Read it, and know the log that it says it is of.
        submission = Submission.decode(data)
        log = Log.of(self.folder, submission.origin)
        keys = log.keys()
        if not keys:
            raise LogUnknown("no key is trusted for this log; add it with `scoregate witness trust`")
        # 2. No word of the text counts before a trusted key has signed it. From here on it is the log's.
        signed = _signed(submission.note, keys)
        submitted = _checkpoint(signed)
        with self.lock():
            # 3. Alone with the folder: what is read now is still so when it is replaced.
            latest = self._latest(log)
            tree = latest.checkpoint if latest else None
            try:
                require_next(tree, submission.old_size, submission.proof, submitted)
            except NotCosigned:
                if latest:
                    self._put_on_record(log, latest, submission, submitted, signed)
                raise
            self.reached(Step.JUDGED)
            # 4. Sign it, at a time that is not before the latest.
            at = max(self._now(), latest.at if latest else 1)
            line = cosign(signed.text, self.folder.vkey.name, self.key, at=at)
            # 5. Keep it. Nobody else comes to see the cosignature before it is durable.
            if not (
                latest and latest.at == at and latest.note.text == signed.text
            ):  # else it is this very line
                self._keep(log, signed.with_signatures([line]), latest)
        # 6. A crash from here on costs the log a repeat: 409 tells it the size, and then it gets its line.
        return encode_signatures([line])

    def checkpoint(self, origin_hash: str) -> bytes | None:
        """Return the latest note of the log with this hash, cosigned; None where there is none.

        Raises:
            FolderSpoilt: The note is not one that this witness cosigned.
            OSError: The disk, or the wait for others, refuses.
        """
        # Without the lock it could be one that is in its place and not durable yet.
        with self.lock():
            latest = self._latest(Log(self.folder.logs / origin_hash, self.folder.vkey))
        return latest.note.encode() if latest else None

    def _latest(self, log: Log) -> Cosigned | None:
        latest = log.latest()
        if latest and log.path in self._unsure:
            # Nothing is built on it before it is written anew: after a sync that failed, another one of the
            # same pages may succeed and have kept nothing.
            self._keep(log, latest.note, latest)
            self._unsure.discard(log.path)
        if latest and self._durable.get(log.path) != latest.note:
            # Another process put it there, and may have died before it was durable.
            log.sync()
            self._durable[log.path] = latest.note
        return latest

    def _keep(self, log: Log, note: Note, latest: Cosigned | None) -> None:
        try:
            log.keep(note, latest, reached=self.reached)
        except NotDurable:
            self._unsure.add(log.path)
            raise
        self._durable[log.path] = note

    def _now(self) -> int:
        return micros(self.clock()) // 1_000_000

    def _put_on_record(
        self, log: Log, latest: Cosigned, submission: Submission, submitted: Checkpoint, signed: Note
    ) -> None:
        kind = contradiction(latest.checkpoint, log.size_before(), submission.old_size, submitted)
        if kind is None:
            return
        sizes = f"size {submitted.size:,} where {latest.checkpoint.size:,} was cosigned"
        told = f"{kind}, {submitted.origin} at {sizes}"
        try:
            record = evidence.put_on_record(
                self.folder, kind, latest, submission, submitted, signed, at=self._now(), reached=self.reached
            )
        except OSError as error:  # it is refused all the same
            self.tell(printable(f"Refused, and NOT on record ({error}): {told}."))
        else:
            if record:
                path = self.folder.evidence / record.name
                self.tell(printable(f"Refused, and on record: {told}. Both notes are in {path}"))


def _signed(data: bytes, keys: tuple[VerifierKey, ...]) -> Note:
    """The note with the trusted signatures alone: others', or in our own name, are not kept or shown."""
    try:
        note = Note.decode(data)
        signers = [key for key in keys if note.verified_by(key)]
    except NoteInvalid as error:
        raise SignatureRefused(str(error)) from error
    kept = [next(each for each in note.signatures if each.claims(key)) for key in signers]
    if not kept:
        raise SignatureRefused("no key that is trusted for this log has signed the checkpoint")
    return Note(note.text, tuple(kept))


def _checkpoint(signed: Note) -> Checkpoint:
    try:
        return Checkpoint.decode(signed.text)
    except CheckpointInvalid as error:
        raise RequestMalformed(str(error)) from error
