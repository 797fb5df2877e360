"""Private parts, to open the commitments of a log with, and what entries then owe to people.

Whoever may read private parts is given them as lines of JSON, in files `*.jsonl` of one folder; in each
file the indexes rise:

    {"index": 7, "part": "(base64 of a scoregate.audit.v1.PrivatePart)", "blind": "(base64, 32 bytes)"}

A part opens the commitment of the entry at its index (leaf.py), or the log or the part was changed. Every
entry with a commitment needs one: whom an entry is about, nobody can say without. Only an entry that a later
REDACTED entry lists needs none, and must have none: what was erased is nowhere. With all the others open:

 1. no score goes out, nor goes out again, under a consent after the entry that revoked or paused it;
 2. none goes out about a person whose file is frozen, but for reviews (ACCOUNT_REVIEW) under a consent that
    was there before the freeze, and under one that was given while the person lifted the freeze for it.

Not pure: it reads the files, a line at a time. It keeps some 150 bytes a consent, and a frozen person's, and
a bit for each entry.
No message names a person or a consent: indexes lead to both.
"""

import heapq
import json
from collections.abc import Generator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from google.protobuf.message import DecodeError

from scoregate.audit.v1 import leaf_pb2
from scoregate.partner.v1 import types_pb2
from scoregate.proof import leaf
from scoregate.tlog.faults import LogDiverged, LogIncomplete, LogInvalid
from scoregate.tlog.lines import read_base64

MAX_LINE_BYTES = 64 * 1024

LIFTED = "CONSUMER_DECISION_LIFTING_THE_FREEZE_FOR_THIS_PARTNER"
"""The reason of a CONSENT_GRANTED entry by which a person lifted their freeze for one lender."""

_MEMBERS = {"index", "part", "blind"}
_STOPS = {leaf_pb2.LEAF_KIND_CONSENT_REVOKED: "revoked", leaf_pb2.LEAF_KIND_CONSENT_PAUSED: "paused"}
_RELEASES = {leaf_pb2.LEAF_KIND_RELEASE, leaf_pb2.LEAF_KIND_REPLAY}


@dataclass(frozen=True, slots=True, order=True)
class Opening:
    """One line."""

    index: int
    where: str  # file and line, for messages
    part: bytes
    blind: bytes


class Openings:
    """The private parts in a folder, held against the entries in the order of the log. For one pass.

    Raises:
        LogIncomplete: The folder holds none, or can't be read; here or in any method.
    """

    def __init__(self, folder: Path) -> None:
        files = sorted(folder.glob("*.jsonl"))
        if not files:
            raise LogIncomplete(f"{folder} holds no private parts (*.jsonl); name the folder that does")
        self.opened = 0
        self.erased = 0  # entries that were redacted
        self._passed_over = False  # whether any part was missing so far
        self._missing = bytearray()  # a bit for each entry: it has a commitment, and no part is there
        self._promises = Promises()
        self._readers = list(map(_read, files))
        self._lines = heapq.merge(*self._readers)
        self._next: Opening | None = None
        self._begun = False

    def take(self, index: int, entry: leaf_pb2.Leaf) -> None:
        """Open the next entry.

        Raises:
            LogInvalid: A line is none, or what the entry records was forbidden.
            LogDiverged: The part does not open the entry's commitment, or there is nothing to open; or it
                redacts an entry whose part is there.
            LogIncomplete: A redaction has a commitment, and no part is there.
        """
        try:
            self._take(index, entry)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the files; nothing can be taken any more."""
        for reader in self._readers:
            reader.close()

    def _take(self, index: int, entry: leaf_pb2.Leaf) -> None:
        if not self._begun:
            self._begun, self._next = True, next(self._lines, None)
        opening = self._next
        if index % 8 == 0:
            self._missing.append(0)
        if opening is None or opening.index != index:
            self._pass_over(index, entry)
            return
        part = _open(opening, entry)
        self._next = next(self._lines, None)
        if self._next is not None and self._next.index == index:
            raise LogInvalid(f"{self._next.where}: entry {index:,} has a part already", index=index)
        self.opened += 1
        if entry.kind == leaf_pb2.LEAF_KIND_REDACTED:
            self._redact(index, entry, part)
        elif part.redacted:
            raise LogInvalid(f"entry {index:,} lists entries, and redacts none", index=index)
        self._promises.append(index, entry, part, is_whole=not self._passed_over)

    def finish(self, size: int) -> None:
        """Return only if no line is left, and no entry without its part, now that all entries were taken.

        Raises:
            LogIncomplete: A line is for an entry beyond the log; or a part is missing that was not redacted.
        """
        for place, bits in enumerate(self._missing):
            if bits:
                index = place * 8 + (bits & -bits).bit_length() - 1
                raise LogIncomplete(
                    f"no private part of entry {index:,} is there to open it with, and it was not redacted",
                    index=index,
                )
        if self._next is not None:
            raise LogIncomplete(
                f"{self._next.where} is for entry {self._next.index:,}, and the log has {size:,}", index=size
            )

    def _pass_over(self, index: int, entry: leaf_pb2.Leaf) -> None:
        if entry.commitment:
            if (
                entry.kind == leaf_pb2.LEAF_KIND_REDACTED
            ):  # nothing excuses it, and what it lists is not known
                raise LogIncomplete(
                    f"no private part of entry {index:,} is there, which redacts", index=index
                )
            self._passed_over = True
            self._missing[index // 8] |= 1 << index % 8
        elif entry.kind in _RELEASES:
            raise LogInvalid(f"entry {index:,} releases a score, and commits to nobody", index=index)

    def _redact(self, index: int, entry: leaf_pb2.Leaf, part: leaf_pb2.PrivatePart) -> None:
        """Excuse the entries that it lists from having parts."""
        if entry.count != len(part.redacted):
            raise LogInvalid(
                f"entry {index:,} redacts {entry.count:,} entries, and lists {len(part.redacted):,}",
                index=index,
            )
        at = 0
        for place, gap in enumerate(part.redacted):
            at += gap
            if at >= index or (place and not gap):
                raise LogInvalid(f"entry {index:,} lists what is no earlier entry, or one twice", index=index)
            bit = 1 << at % 8
            if not self._missing[at // 8] & bit:
                raise LogDiverged(
                    f"entry {index:,} redacts entry {at:,}, whose private part is there, or of which nothing"
                    " was to be redacted: destroy what was kept of erased entries",
                    index=index,
                )
            self._missing[at // 8] ^= bit
            self.erased += 1


class Promises:
    """What the entries so far promise to people. Pure."""

    def __init__(self) -> None:
        self._granted: dict[bytes, int] = {}  # consent: the entry that granted it
        self._stopped: dict[bytes, int] = {}  # consent: the entry that revoked or paused it
        self._frozen: dict[bytes, int] = {}  # person: the entry that froze their file
        self._lifted: dict[bytes, int] = {}  # consent: the freeze that was lifted for it

    def append(
        self, index: int, entry: leaf_pb2.Leaf, part: leaf_pb2.PrivatePart, *, is_whole: bool = True
    ) -> None:
        """Take in the next entry that is about somebody.

        ``is_whole``: no part before it is missing. Else a consent may have been there before its person's
        freeze, or one that the freeze was lifted for, and the entry that would say so is erased.

        Raises:
            LogInvalid: It released what was to be refused.
        """
        kind, consent, person = entry.kind, _short(part.consent_id), _short(part.subject)
        if kind in _RELEASES:
            self._require_allowed(index, entry, consent, person, is_whole)
        elif kind == leaf_pb2.LEAF_KIND_CONSENT_GRANTED:
            self._granted[consent] = index
            if entry.reason == LIFTED and person in self._frozen:
                self._lifted[consent] = self._frozen[person]
        elif kind in _STOPS:
            self._stopped.setdefault(consent, index)
        elif kind == leaf_pb2.LEAF_KIND_CONSENT_RESUMED:
            self._stopped.pop(consent, None)
        elif kind == leaf_pb2.LEAF_KIND_SUBJECT_FROZEN:
            # One freeze has an entry for each partner whom it concerns; it began with the first.
            self._frozen.setdefault(person, index)
        elif kind == leaf_pb2.LEAF_KIND_SUBJECT_UNFROZEN:
            self._frozen.pop(person, None)

    def _require_allowed(
        self, index: int, entry: leaf_pb2.Leaf, consent: bytes, person: bytes, is_whole: bool
    ) -> None:
        if consent in self._stopped:
            stop = self._stopped[consent]
            raise LogInvalid(
                f"entry {index:,} released a score under a consent that entry {stop:,} had stopped",
                index=index,
            )
        frozen = self._frozen.get(person)
        if frozen is None or self._lifted.get(consent) == frozen:
            return
        if consent not in self._granted and not is_whole:
            return
        if entry.purpose == types_pb2.PURPOSE_ACCOUNT_REVIEW and self._granted.get(consent, frozen) < frozen:
            return
        raise LogInvalid(
            f"entry {index:,} released a score of a person whose file entry {frozen:,} had frozen",
            index=index,
        )


def _short(name: str) -> bytes:
    # Half a digest keeps names apart as well, in half the memory, and holds nobody's name.
    return sha256(name.encode()).digest()[:16]


def _open(opening: Opening, entry: leaf_pb2.Leaf) -> leaf_pb2.PrivatePart:
    index, where = opening.index, opening.where
    if not entry.commitment:
        raise LogDiverged(f"{where}: entry {index:,} has no commitment to open", index=index)
    try:
        leaf.open_commitment(entry.commitment, opening.part, opening.blind)
    except leaf.CommitmentInvalid as error:
        raise LogDiverged(f"{where}: entry {index:,}: {error}", index=index) from error
    try:
        return leaf_pb2.PrivatePart.FromString(opening.part)
    except DecodeError as error:
        raise LogInvalid(
            f"{where}: entry {index:,} commits to what is no private part", index=index
        ) from error


def _read(path: Path) -> Generator[Opening, None, None]:
    last = -1
    try:
        with path.open("rb") as file:
            number = 0
            while line := file.readline(MAX_LINE_BYTES + 1):
                number += 1
                opening = _parse(line, f"{path.name}, line {number:,}")
                if opening.index <= last:
                    raise LogInvalid(f"{opening.where}: indexes rise from line to line", index=opening.index)
                last = opening.index
                yield opening
    except OSError as error:
        raise LogIncomplete(f"{path} can't be read: {error.strerror}") from error


def _parse(line: bytes, where: str) -> Opening:
    if len(line) > MAX_LINE_BYTES:
        raise LogInvalid(f"{where} has more than {MAX_LINE_BYTES:,} bytes")
    try:
        members = json.loads(line)
        if not isinstance(members, dict) or members.keys() != _MEMBERS:
            raise ValueError("index, part and blind belong here")
        index = members["index"]
        if type(index) is not int or index < 0:
            raise ValueError("index is no index")
        return Opening(index, where, _bytes(members, "part"), _bytes(members, "blind"))
    except (ValueError, RecursionError) as error:
        raise LogInvalid(f"{where} is no private part: {_plain(error)}") from error


def _bytes(members: dict[str, object], name: str) -> bytes:
    text = members[name]
    try:
        return read_base64(text if isinstance(text, str) else "?")
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _plain(error: Exception) -> str:
    # What json says quotes nothing of the line, but a recursion's words would mean nothing to anybody.
    return (
        "not JSON"
        if isinstance(error, json.JSONDecodeError | UnicodeDecodeError | RecursionError)
        else str(error)
    )
