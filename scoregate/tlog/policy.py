"""Whom to believe about a log, after C2SP tlog-policy: its keys, the witnesses', and how many of those.

Pure. A policy is a file of lines; empty ones, and those that begin with #, say nothing:

    log <vkey> [<url>]
    witness <name> <vkey> [<url>]
    group <name> all|any|<k> <name>...
    quorum <name>|none

A group has witnessed a checkpoint when k of its members have. A line names only what lines before it
defined, no name is a member twice, and no public key is a log's twice or a witness's twice; so every
witness counts once. Names are bytes: those that are not UTF-8 stand here as `surrogateescape` has them.

Judging goes in this order: the note's form → a listed log's signature → the text is a checkpoint → its
origin is the log's → every cosignature by a listed witness holds → the quorum.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Self

from scoregate.errors import ScoregateError
from scoregate.tlog.checkpoint import Checkpoint, CheckpointInvalid
from scoregate.tlog.cosignature import cosigned_at
from scoregate.tlog.faults import LogIncomplete, printable
from scoregate.tlog.lines import read_decimal
from scoregate.tlog.note import KeyKind, Note, NoteInvalid, VerifierKey

MAX_POLICY_BYTES = 262_144  # some hundred lines for each of logs, witnesses and groups; 32 are to be had

_NONE = "none"
_EVERY = "every witness"  # no key's name has a space
_FORBIDDEN = re.compile(rb"[^\t\n\x20-\x7e\x80-\xff]")  # Character set
_ITEM = re.compile(rb"[^ \t]+")


class PolicyInvalid(ScoregateError):
    """Not a policy. `line` is the first one that is wrong, from 1; None where it is the whole."""

    def __init__(self, problem: str, *, line: int | None = None) -> None:
        super().__init__(printable(problem if line is None else f"policy line {line}: {problem}"))
        self.line = line


class QuorumMissing(LogIncomplete):
    """Too few witnesses cosigned. `missing` names those that the quorum counts and that did not."""

    def __init__(self, missing: tuple[str, ...], cosigned: Iterable[str]) -> None:
        have = ", ".join(cosigned) or "nobody"
        super().__init__(
            f"the checkpoint lacks witnesses: cosigned by {have}, not by {', '.join(missing)}."
            " Get a later checkpoint; if they stay away, ask the log's operator and theirs"
        )
        self.missing = missing


@dataclass(frozen=True, slots=True)
class LogKey:
    """A log that is believed. Its key's name is its origin."""

    vkey: VerifierKey  # of type 0x01
    url: str | None


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness that counts, by the name that this policy gives it."""

    name: str
    key: VerifierKey  # of type 0x04
    url: str | None


@dataclass(frozen=True, slots=True)
class Group:
    """Witnesses and groups, of which `threshold` have to have witnessed a checkpoint."""

    name: str
    threshold: int  # 1 to the number of members
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """A checkpoint that a policy accepts, and what it was accepted for."""

    checkpoint: Checkpoint
    note: Note
    log: VerifierKey
    cosigned: Mapping[str, int]  # name of a witness in the policy: POSIX seconds


@dataclass(frozen=True, slots=True)
class Policy:
    """The logs, the witnesses and the rule. `parse` and `of` make one that keeps the specification."""

    logs: tuple[LogKey, ...]
    witnesses: Mapping[str, Witness]
    groups: Mapping[str, Group]  # after the groups that it names
    quorum: str | None  # a witness or a group; None asks for no cosignature

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Return the policy that a file's bytes spell.

        Raises:
            PolicyInvalid: They spell none; `line` says where.
        """
        if len(data) > MAX_POLICY_BYTES:
            raise PolicyInvalid(f"a policy has at most {MAX_POLICY_BYTES:,} bytes, not {len(data):,}")
        *lines, rest = data.split(b"\n")
        if rest:
            raise PolicyInvalid("its newline is missing", line=len(lines) + 1)
        draft = _Draft()
        for number, line in enumerate(lines, 1):
            try:
                draft.read(line)
            except (ValueError, NoteInvalid) as error:
                raise PolicyInvalid(str(error), line=number) from error
        if not draft.decided:
            raise PolicyInvalid("the policy has no quorum; `quorum none` asks for no witness")
        return cls(*draft.parts())

    @classmethod
    def of(cls, keys: Iterable[VerifierKey]) -> Self:
        """Return the policy that believes these logs, and asks for a cosignature by each of these witnesses.

        Which they are is in each key's type; a witness goes by its key's name.

        Raises:
            PolicyInvalid: No log among them, a key or a witness's name twice.
        """
        draft = _Draft()
        try:
            for key in keys:
                if key.kind is KeyKind.ED25519:
                    draft.add_log(key, None)
                else:
                    draft.add_witness(key.name, key, None)
            if draft.witnesses:
                draft.add_group(_EVERY, "all", tuple(draft.witnesses))
            draft.decide(_EVERY if draft.witnesses else _NONE)
        except ValueError as error:
            raise PolicyInvalid(f"vkeys: {error}") from error
        if not draft.logs:
            raise PolicyInvalid("vkeys: a log's is missing, of type 0x01; ask the log's operator for it")
        return cls(*draft.parts())

    def judge(self, data: bytes) -> Judged:
        """Return the checkpoint in this signed note, if this policy accepts it.

        Raises:
            NoteInvalid: Not a signed note; a listed log's or witness's signature does not hold.
            CheckpointInvalid: No listed log signed it, it is no checkpoint, or it is of another origin.
            QuorumMissing: Too few witnesses cosigned it.
        """
        note = Note.decode(data)
        signers = [each.vkey for each in self.logs if note.verified_by(each.vkey)]
        if not signers:
            known = ", ".join(str(each.vkey) for each in self.logs) or "no log at all"
            raise CheckpointInvalid(f"no log that is believed signed this checkpoint; believed: {known}")
        checkpoint = Checkpoint.decode(note.text)
        for log in signers:
            if log.name == checkpoint.origin:
                break
        else:
            raise CheckpointInvalid(
                f"checkpoint origin: {checkpoint.origin[:64]!r}, where the signature is of the log"
                f" {signers[0].name}"
            )
        cosigned = {
            name: at
            for name, witness in self.witnesses.items()
            if (at := cosigned_at(note, witness.key)) is not None
        }
        self._require_quorum(cosigned)
        return Judged(checkpoint, note, log, MappingProxyType(cosigned))

    def _require_quorum(self, cosigned: Mapping[str, int]) -> None:
        if self.quorum is None:
            return
        witnessed = set(cosigned)
        for group in self.groups.values():
            if len(witnessed.intersection(group.members)) >= group.threshold:
                witnessed.add(group.name)
        if self.quorum in witnessed:
            return
        counted = {self.quorum}
        for group in reversed(list(self.groups.values())):
            if group.name in counted:
                counted.update(group.members)
        raise QuorumMissing(
            tuple(name for name in self.witnesses if name in counted and name not in cosigned), cosigned
        )


@dataclass(slots=True)
class _Draft:
    """A policy while its lines are read. Problems are ValueErrors, for whoever knows the line."""

    logs: list[LogKey] = field(default_factory=list)
    witnesses: dict[str, Witness] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    members: set[str] = field(default_factory=set)
    quorum: str | None = None
    decided: bool = False

    def parts(
        self,
    ) -> tuple[tuple[LogKey, ...], Mapping[str, Witness], Mapping[str, Group], str | None]:
        return tuple(self.logs), MappingProxyType(self.witnesses), MappingProxyType(self.groups), self.quorum

    def read(self, line: bytes) -> None:
        if found := _FORBIDDEN.search(line):
            raise ValueError(f"byte 0x{found[0].hex()} is a control character; lines end with 0x0a alone")
        match [item.decode(errors="surrogateescape") for item in _ITEM.findall(line)]:
            case []:
                pass
            case [first, *_] if first.startswith("#"):
                pass
            case ["log", vkey, *url] if len(url) <= 1:
                self.add_log(VerifierKey.parse(vkey), url[0] if url else None)
            case ["witness", name, vkey, *url] if len(url) <= 1:
                self.add_witness(name, VerifierKey.parse(vkey), url[0] if url else None)
            case ["group", name, threshold, *members] if members:
                self.add_group(name, threshold, tuple(members))
            case ["quorum", name]:
                self.decide(name)
            case _:
                raise ValueError(
                    "`log <vkey> [<url>]`, `witness <name> <vkey> [<url>]`,"
                    " `group <name> all|any|<k> <name>...` or `quorum <name>` belongs here;"
                    " a comment has a line of its own"
                )

    def add_log(self, key: VerifierKey, url: str | None) -> None:
        if key.kind is not KeyKind.ED25519:
            raise ValueError(f"{key.name} is a witness's vkey, of type 0x04; a log's is of type 0x01")
        if any(each.vkey.public == key.public for each in self.logs):
            raise ValueError(f"the log {key.name} has a public key that was given before; give it once")
        self.logs.append(LogKey(key, url))

    def add_witness(self, name: str, key: VerifierKey, url: str | None) -> None:
        self._require_new(name)
        if key.kind is not KeyKind.COSIGNATURE:
            raise ValueError(f"{key.name} is no witness's vkey, of type 0x04; ask the witness for that one")
        if any(each.key.public == key.public for each in self.witnesses.values()):
            raise ValueError(f"the witness {name} has a public key that was given before; give it once")
        self.witnesses[name] = Witness(name, key, url)

    def add_group(self, name: str, threshold: str, members: tuple[str, ...]) -> None:
        self._require_new(name)
        for member in members:
            self._require_defined(member)
            if member in self.members:
                raise ValueError(
                    f"{member} is a member already; a name is one only once, in all groups together"
                )
            self.members.add(member)
        least = {"any": 1, "all": len(members)}.get(threshold)
        least = read_decimal(threshold) if least is None else least
        if not 1 <= least <= len(members):
            raise ValueError(f"{least} of {len(members)} members; from 1 to all of them can be asked for")
        self.groups[name] = Group(name, least, members)

    def decide(self, name: str) -> None:
        if self.decided:
            raise ValueError("a second quorum; a policy has one")
        if name != _NONE:
            self._require_defined(name)
            self.quorum = name
        self.decided = True

    def _require_new(self, name: str) -> None:
        if name == _NONE or name in self.witnesses or name in self.groups:
            raise ValueError(
                f"the name {name} is taken; witnesses and groups share their names, and none is one"
            )

    def _require_defined(self, name: str) -> None:
        if name not in self.witnesses and name not in self.groups:
            raise ValueError(f"no line before this one defines {name}")
