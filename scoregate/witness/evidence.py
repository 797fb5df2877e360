"""What speaks against a log, kept for whoever has to judge it. Not pure.

    evidence/<kind>-<size>-<SHA-256 of the refused note, 16 hex digits>/
      cosigned          the latest note at that time, with the log's signature and this witness's
      submitted         the refused one, with the log's signature
      record.json       what it is, the log, both sizes, when, and the old size and proof that came with it

Each refused note is put on record once. Smaller and unproven ones may come from anybody who kept an old
checkpoint of the log, so there is an end to how many of each kind are kept for each log. A fork takes the
log's key.
"""

import json
import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from scoregate.tlog import files
from scoregate.tlog.checkpoint import Checkpoint
from scoregate.tlog.faults import LogInvalid
from scoregate.tlog.lines import write_base64
from scoregate.tlog.note import Note
from scoregate.witness import durable
from scoregate.witness.faults import FolderSpoilt
from scoregate.witness.folder import MAX_SMALL_FILE_BYTES, Folder
from scoregate.witness.judging import Contradiction
from scoregate.witness.logs import Cosigned, origin_hash
from scoregate.witness.request import Submission

MAX_RECORDS = 100  # of one kind for one log


@dataclass(frozen=True, slots=True)
class Record:
    """One contradiction."""

    name: str  # its folder
    kind: Contradiction
    origin: str
    cosigned_size: int
    submitted_size: int
    at: int  # POSIX seconds: when it was refused


def put_on_record(
    folder: Folder,
    kind: Contradiction,
    latest: Cosigned,
    submission: Submission,
    submitted: Checkpoint,
    signed: Note,
    *,
    at: int,
    reached: durable.Reached = durable.nobody,
) -> Record | None:
    """Keep both notes, durably; None where this was done before, or enough of the kind are kept.

    ``signed`` is the submitted note with no signatures but the log's, and ``submitted`` what it says.

    Raises:
        OSError: The disk refuses.
    """
    origin, note = submitted.origin, signed.encode()
    start = f"{kind}-{origin_hash(origin)[:16]}-"
    path = folder.evidence / f"{start}{submitted.size}-{sha256(note).hexdigest()[:16]}"
    if path.exists() or _count(folder, start) >= MAX_RECORDS:
        return None
    record = Record(path.name, kind, origin, latest.checkpoint.size, submitted.size, at)
    reached(durable.Step.REFUSED)
    durable.write_folder(
        path,
        {
            "cosigned": latest.note.encode(),
            "submitted": note,
            "record.json": _encode(record, submission),
        },
        reached=reached,
    )
    reached(durable.Step.RECORDED)
    return record


def records(folder: Folder) -> list[Record]:
    """Return what is on record, oldest first.

    Raises:
        FolderSpoilt: A record is not what `put_on_record` writes.
        OSError: The disk refuses.
    """
    with os.scandir(folder.evidence) as found:
        paths = [folder.evidence / each.name for each in found if not each.name.startswith(".")]
    return sorted(map(_decode, paths), key=lambda each: (each.at, each.name))


def _count(folder: Folder, start: str) -> int:
    with os.scandir(folder.evidence) as found:
        return sum(each.name.startswith(start) for each in found)


def _encode(record: Record, submission: Submission) -> bytes:
    fields = {
        "kind": record.kind,
        "origin": record.origin,
        "cosigned_size": record.cosigned_size,
        "submitted_size": record.submitted_size,
        "refused_at": record.at,
        "old_size": submission.old_size,
        "proof": [write_base64(each) for each in submission.proof],
    }
    return json.dumps(fields, indent=2).encode() + b"\n"


def _decode(path: Path) -> Record:
    name = str(path / "record.json")
    try:
        fields = json.loads(files.read(path / "record.json", name, MAX_SMALL_FILE_BYTES))
        sizes = fields["cosigned_size"], fields["submitted_size"], fields["refused_at"]
        if not all(type(each) is int for each in sizes) or not isinstance(fields["origin"], str):
            raise TypeError
        return Record(path.name, Contradiction(fields["kind"]), fields["origin"], *sizes)
    except (FileNotFoundError, NotADirectoryError, LogInvalid) as error:
        raise FolderSpoilt(f"{path} is not a record of this witness; move it away") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise FolderSpoilt(f"{name} is not what this witness wrote; move its folder away") from error
