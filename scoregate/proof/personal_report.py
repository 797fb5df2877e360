"""Reports of what the log holds about one person: a year's, which they download, and an officer's.

Both are one JSON object. A subject access report, as `scoregate audit report` writes it:

    {"log_origin": "...", "subject": "...", "since": "2026-01-01T00:00:00.000000Z", "until": "...",
     "opening": {...}, "entries": [{...}, ...]}

`opening` is the entry that the officer left by asking: it shows who asked, when, and for which period. A
person's own report of a year has `year`, `time_zone`, `made_at`, `name` and `issuer` instead of the three in
the middle. Each entry, the newest first, has what it says (`personal.SAID`) beside what shows it
(`personal.PROVING`).

Pure. Every word of an entry is derived anew from its leaf and private part; every entry opens its commitment,
is about the person and in the period, and lies in the tree of the one checkpoint that all of them share. What
no entry can show is told apart (`Checked.own_words`), and so is this: that no entry was left out. Whoever has
the log's entries and every private part can say that, and nobody else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from scoregate.audit.v1 import leaf_pb2
from scoregate.errors import ClaimInvalid
from scoregate.proof import shapes
from scoregate.proof.digest import Json, spell_instant
from scoregate.proof.personal import PROVING, SAID, Entry, Judge, Told, require_members, text
from scoregate.tlog.faults import LogIncomplete, LogInvalid
from scoregate.tlog.policy import Judged, Policy

MAX_REPORT_BYTES = 256 << 20  # some 100,000 entries; what a stranger can make us parse

METHOD = "/scoregate.audit.v1.AuditService/GetSubjectAccessReport"
REASON = "SUBJECT_ACCESS_REPORT"
AN_INSTANT = timedelta(microseconds=1)
"""A report that is opened at an instant may tell of what was written in it before, and of nothing later."""

_LINE = SAID | PROVING
_ACCESS = frozenset({"log_origin", "subject", "since", "until", "opening", "entries"})
_OWN_WORDS = ("name", "issuer", "made_at")
_YEAR = frozenset({"log_origin", "subject", "year", "time_zone", "entries", *_OWN_WORDS})


def period_reason(since: datetime, until: datetime) -> str:
    """Return how the entry that opens a report names its period."""
    return f"{REASON} {spell_instant('since', since)} {spell_instant('until', until)}"


@dataclass(frozen=True, slots=True)
class Checked:
    """A report that holds."""

    log_origin: str
    subject: str
    since: datetime  # inclusive
    until: datetime  # exclusive
    opening: Told | None  # None: the person's own report of a year
    entries: tuple[Told, ...]  # the newest first
    judged: Judged | None  # None: a report without entries, of which there is nothing to show
    unchecked: int  # signature lines of keys that the policy does not name
    own_words: Mapping[str, str]  # what no entry shows


def is_report(members: Mapping[str, Json]) -> bool:
    """Whether a file with these members is meant to be one of both."""
    return "entries" in members


def verify_report(members: Mapping[str, Json], policy: Policy) -> Checked:
    """Return what a report says, only if all of it holds.

    Raises:
        LogInvalid: A member or a word that does not follow from leaf and private part, an opening, a proof,
            or a signature over the checkpoint.
        LogDiverged: The checkpoint is of another log.
        LogIncomplete: Proofs or private parts are missing, or too few witnesses cosigned.
    """
    is_access = "opening" in members
    allowed = _ACCESS if is_access else _YEAR
    require_members(members, allowed, allowed, "the report")
    since, until = _period(members) if is_access else _year(members)
    entries = _entries(members["entries"])
    opening = _opening(members, since, until, entries) if is_access else None
    subject, log_origin = (text(members, name, "the report") for name in ("subject", "log_origin"))
    shown = [*([] if opening is None else [opening]), *entries]
    for each in entries:
        if not since <= each.told.at < until:
            raise _wrong(each, "lies outside the report's period")
    for each in shown:
        if each.part is not None and each.part.subject != subject:
            raise _wrong(each, "is about somebody else")
    judge = Judge(policy)
    judged = _judged(judge, shown, log_origin)
    return Checked(
        log_origin=log_origin,
        subject=subject,
        since=since,
        until=until,
        opening=None if opening is None else opening.told,
        entries=tuple(each.told for each in entries),
        judged=judged,
        unchecked=0 if judged is None else judge.unchecked(judged),
        own_words={} if is_access else {name: text(members, name, "the report") for name in _OWN_WORDS},
    )


def _period(members: Mapping[str, Json]) -> tuple[datetime, datetime]:
    try:
        return shapes.instant("since", members["since"]), shapes.instant("until", members["until"])
    except ClaimInvalid as error:
        raise LogInvalid(f"the report: {error}") from error


def _year(members: Mapping[str, Json]) -> tuple[datetime, datetime]:
    year = members["year"]
    if type(year) is not int or not 1970 <= year < 9999:
        raise LogInvalid("the report: year is none")
    try:
        zone = ZoneInfo(text(members, "time_zone", "the report"))
    except (ValueError, OSError, KeyError) as error:  # as the library refuses what is no name of its own
        raise LogInvalid("the report: time_zone is none that is known here") from error
    begin, end = (datetime(each, 1, 1, tzinfo=zone).astimezone(UTC) for each in (year, year + 1))
    return begin, end


def _entries(lines: Json) -> list[Entry]:
    if not isinstance(lines, list):
        raise LogInvalid("the report: entries is not a list")
    found = [_entry(line, f"entry {place} of the report") for place, line in enumerate(lines, 1)]
    for later, earlier in pairwise(found):
        if earlier.leaf_index >= later.leaf_index:
            raise _wrong(earlier, "does not stand where it belongs: the newest come first, each once")
    return found


def _entry(line: Json, whose: str) -> Entry:
    if not isinstance(line, dict):
        raise LogInvalid(f"{whose} is not a JSON object")
    require_members(line, _LINE - {"proof"}, _LINE, whose)
    entry = Entry.decode(line["leaf_index"], line, whose)
    for name, derived in entry.told.plain().items():
        if type(line[name]) is not type(derived) or line[name] != derived:
            raise _wrong(entry, f"says something else in {name} than its leaf and private part")
    return entry


def _opening(
    members: Mapping[str, Json], since: datetime, until: datetime, entries: Sequence[Entry]
) -> Entry:
    opening = _entry(members["opening"], "the opening")
    found = opening.leaf
    is_one = found.kind == leaf_pb2.LEAF_KIND_OFFICER_READ and found.method == METHOD
    if not is_one or found.reason != period_reason(since, until):
        raise _wrong(opening, "does not record that this report was opened, for this period")
    is_later = since < until and until - AN_INSTANT <= opening.told.at
    if not is_later or (entries and entries[0].leaf_index >= opening.leaf_index):
        raise _wrong(opening, "is older than what the report tells of")
    return opening


def _judged(judge: Judge, shown: Sequence[Entry], log_origin: str) -> Judged | None:
    """Hold every proof, all with one checkpoint; what is missing is told last, for it may only be early."""
    judged = None
    for each in shown:
        if each.proof is None:
            continue
        found = judge.require(each, log_origin)
        if judged is not None and found.note != judged.note:
            raise _wrong(each, "is proved by another checkpoint than those before it")
        judged = found
    for each in shown:
        if each.lacks:
            raise LogIncomplete(f"entry {each.leaf_index:,} lacks {each.lacks}", index=each.leaf_index)
    return judged


def _wrong(entry: Entry, what: str) -> LogInvalid:
    return LogInvalid(f"entry {entry.leaf_index:,} {what}", index=entry.leaf_index)
