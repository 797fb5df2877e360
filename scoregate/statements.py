"""A saved statement: the file that the client fetches, and its recomputation, offline. Not pure.

    {"checkpoint": "(signed note)", "statement": "(compact JWS)"}
    {"entries": [[17, "(base64)"], [18, "(base64)"], …], "hashes": ["(base64)", …]}
    …

One JSON object a line: the statement with the checkpoint that it rests on, then the partner's own entries
from its first to its last, page by page, each page with one proof for all of its entries (tlog/together.py).
Whoever checks has the issuer's JWK Set and a policy: the log's key, and the witnesses'. The order:

 1. statement     signed by the issuer, and its sums agree with each other (proof/statement.py)
 2. checkpoint    signed by the log, of the size and root that the statement names; witnesses come last
 3. before        it goes on where the statement of the month before ended, if that is there
 4. entries       each page's are in that tree, under these indexes, and are this partner's without a gap
                  (proof/recount.py)
 5. sums          the entries come to what the statement says
 6. receipts      each answer of the month that was filed is among the entries

Memory does not grow with the entries, but for some hundred bytes a charge and 300 a receipt.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scoregate.errors import JsonRefused, VerificationFailed
from scoregate.proof import leaf as leaves
from scoregate.proof import statement as statements
from scoregate.proof.digest import Json, canonical, parse
from scoregate.proof.jwk import VerificationKeys
from scoregate.proof.leaf import LeafInvalid
from scoregate.proof.receipts import Receipt, read_receipts
from scoregate.proof.recount import Recount, ZoneUnknown, day_of
from scoregate.proof.statement import Statement
from scoregate.tlog import merkle, together
from scoregate.tlog.faults import LogDiverged, LogIncomplete, LogInvalid
from scoregate.tlog.lines import read_base64, write_base64
from scoregate.tlog.policy import Judged, Policy

MAX_LINE_BYTES = 32 * 1024 * 1024  # far more than a page has; what a stranger can make us parse
SUFFIX = ".statement"
_ABOUT = "fetch the statement again"


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the partner's entries, and the proof of all of them."""

    entries: tuple[tuple[int, bytes], ...]
    hashes: tuple[bytes, ...]

    def encode(self) -> bytes:
        """Return its line."""
        entries: list[Json] = [[index, write_base64(leaf)] for index, leaf in self.entries]
        return canonical({"entries": entries, "hashes": list(map(write_base64, self.hashes))}) + b"\n"


@dataclass(frozen=True, slots=True)
class Checked:
    """A statement that holds."""

    statement: Statement
    judged: Judged
    previous: Statement | None  # of the month before; None: it was not there
    receipts: int | None  # of the month, each among the entries; None: none were given
    later: int  # receipts of the month that the checkpoint does not cover yet


def head(compact: str, checkpoint: bytes) -> bytes:
    """Return the first line.

    Raises:
        LogInvalid: The checkpoint is no text.
    """
    try:
        return canonical({"checkpoint": checkpoint.decode(), "statement": compact}) + b"\n"
    except (UnicodeDecodeError, JsonRefused) as error:
        raise LogInvalid("the checkpoint is not UTF-8") from error


def place(folder: Path, month: str) -> Path:
    """Return where a month's statement lies in its folder."""
    return folder / f"{month}{SUFFIX}"


def check(
    file: Path,
    *,
    keys: VerificationKeys,
    policy: Policy,
    issuer: str | None = None,
    partner_id: str | None = None,
    receipts: Path | None = None,
    previous: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Checked:
    """Return what the statement in a file says, only if all of it holds.

    ``issuer`` and ``partner_id`` are compared where they are given. ``previous``: the statement of the month
    before; where none is named, the file of that month beside this one, if it is there.

    Raises:
        VerificationFailed: The statement itself, or the one before.
        LogInvalid: An entry, a proof, or a signature over the checkpoint.
        LogDiverged: The entries don't come to what the statement says; it is of another issuer, partner or
            checkpoint; a receipt is not in it; or the statement before ends elsewhere.
        LogIncomplete: Entries, witnesses or files are missing.
    """
    try:
        with file.open("rb") as lines:
            return _check(
                _objects(lines, file.name),
                keys=keys,
                policy=policy,
                names=(issuer, partner_id),
                receipts=receipts,
                previous=lambda month: _previous(file, previous, month, keys),
                progress=progress or _nothing,
            )
    except OSError as error:
        raise LogIncomplete(f"{error.filename or file} can't be read: {error.strerror}") from error
    except ZoneUnknown as error:
        raise LogIncomplete(str(error)) from error


def _check(
    lines: Iterator[dict[str, Any]],
    *,
    keys: VerificationKeys,
    policy: Policy,
    names: tuple[str | None, str | None],
    receipts: Path | None,
    previous: Callable[[str], Statement | None],
    progress: Callable[[int, int], None],
) -> Checked:
    compact, note = _head(next(lines, {}))
    said = statements.verify(compact, keys)  # 1
    for what, wanted, found in zip(("issuer", "partner"), names, (said.issuer, said.partner_id), strict=True):
        if wanted is not None and wanted != found:
            raise LogDiverged(f"the statement is of the {what} {found}, not {wanted}")
    judged = replace(policy, quorum=None).judge(note)  # 2
    seen = judged.checkpoint
    if (seen.origin, seen.size, seen.root.hex()) != (said.origin, said.tree_size, said.root_hash):
        raise LogDiverged("the checkpoint is not the one that the statement names")
    before = previous(said.month)  # 3
    if before is not None:
        _require_going_on(before, said)
        before = before if before.is_final else None  # with a provisional one nothing was compared
    filed = [] if receipts is None else _of_month(read_receipts(receipts, said.origin, policy), said)
    awaited = {receipt.leaf_index: receipt for receipt in filed if receipt.leaf_index < said.tree_size}
    recount, done, span = Recount(said), 0, said.last_sequence - said.first_sequence + 1
    for line in lines:
        page = _page(line)
        _require_in(page, said, seen.root)  # 4
        for index, entry in page.entries:
            recount.add(index, entry)
            receipt = awaited.pop(index, None)
            if receipt is not None and receipt.leaf_hash != merkle.leaf_hash(entry):
                raise LogDiverged(
                    f"receipt {receipt.name} holds another entry {index:,} than the log", index=index
                )
        done += len(page.entries)
        progress(done, span)
    recount.finish()  # 5
    if awaited:  # 6
        missing = awaited[min(awaited)]
        raise LogDiverged(
            f"receipt {missing.name} is of this month, and its entry {missing.leaf_index:,} is not among the"
            " statement's",
            index=missing.leaf_index,
        )
    judged = policy.judge(note)
    later = sum(receipt.leaf_index >= said.tree_size for receipt in filed)
    return Checked(said, judged, before, None if receipts is None else len(filed) - later, later)


def _require_in(page: Page, said: Statement, root: bytes) -> None:
    hashed = [(index, merkle.leaf_hash(entry)) for index, entry in page.entries]
    try:
        together.verify(hashed, said.tree_size, page.hashes, root)
    except merkle.ProofInvalid as error:
        index = hashed[0][0] if hashed else None
        raise LogInvalid(
            f"a page of entries is not in the log's tree: {error}; {_ABOUT}", index=index
        ) from error


def _of_month(filed: Iterable[Receipt], said: Statement) -> list[Receipt]:
    """Those that this statement must hold: the partner's own, of the month."""
    found = []
    for receipt in filed:
        leaf = leaves.decode(receipt.entry)
        try:
            day = day_of(leaf, said.time_zone)
        except LeafInvalid as error:
            raise LogInvalid(f"receipt {receipt.name}: {error}", index=receipt.leaf_index) from error
        if leaf.partner_id == said.partner_id and day[:7] == said.month:
            found.append(receipt)
    return found


def _require_going_on(before: Statement, said: Statement) -> None:
    if (before.issuer, before.partner_id) != (said.issuer, said.partner_id):
        raise LogDiverged("the statement before is of another issuer or partner")
    if before.month >= said.month:
        raise LogDiverged(f"the statement before is of {before.month}, which is not before {said.month}")
    if not before.is_final:
        return  # more entries of its month came after it
    if said.first_sequence > before.last_sequence + 1:
        if before.time_zone != said.time_zone:
            raise LogIncomplete(
                f"the statement of {before.month} is in another time zone, and ends before this one begins;"
                " ask the operator for what came between"
            )
        raise LogDiverged(
            f"the statement of {before.month} ends with entry number {before.last_sequence:,} of the partner,"
            f" and this one begins with {said.first_sequence:,}: some are in neither"
        )


def said_in(path: Path, keys: VerificationKeys) -> Statement:
    """Return what a saved statement says, signed by one of these keys; its entries are not looked at.

    Raises:
        VerificationFailed, LogInvalid, LogIncomplete: It is none.
        OSError: There is no such file, or the disk refuses.
    """
    with path.open("rb") as lines:
        compact, _ = _head(next(_objects(lines, path.name), {}))
    return statements.verify(compact, keys)


def _previous(file: Path, named: Path | None, month: str, keys: VerificationKeys) -> Statement | None:
    path = named or place(file.parent, _month_before(month))
    if named is None and not path.is_file():
        return None
    try:
        return said_in(path, keys)
    except VerificationFailed as error:
        raise LogInvalid(f"{path.name}: {error}") from error


def _month_before(month: str) -> str:
    year, number = map(int, month.split("-"))
    return f"{year:04}-{number - 1:02}" if number > 1 else f"{year - 1:04}-12"


# --- the file's form


def _objects(lines: Any, name: str) -> Iterator[dict[str, Any]]:
    number = 0
    while line := lines.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > MAX_LINE_BYTES:
            raise LogInvalid(f"{name}, line {number}: more than {MAX_LINE_BYTES:,} bytes")
        if not line.endswith(b"\n"):
            raise LogIncomplete(f"{name} breaks off in line {number}; {_ABOUT}")
        try:
            value = parse(line)
        except JsonRefused as error:
            raise LogInvalid(f"{name}, line {number}: {error}") from error
        if not isinstance(value, dict):
            raise LogInvalid(f"{name}, line {number} is not a JSON object")
        yield value


def _head(value: dict[str, Any]) -> tuple[str, bytes]:
    if value.keys() != {"checkpoint", "statement"}:
        raise LogInvalid("the file does not begin with a statement and its checkpoint; name a saved one")
    compact, note = value["statement"], value["checkpoint"]
    if not isinstance(compact, str) or not isinstance(note, str):
        raise LogInvalid("statement or checkpoint is not text")
    return compact, note.encode(errors="surrogatepass")


def _page(value: dict[str, Any]) -> Page:
    if value.keys() != {"entries", "hashes"}:
        raise LogInvalid("a page has entries and hashes, and nothing else")
    try:
        entries = tuple((_index(index), read_base64(leaf)) for index, leaf in value["entries"])
        hashes = tuple(map(read_base64, value["hashes"]))
    except (TypeError, ValueError, AttributeError) as error:
        raise LogInvalid("a page's entries are not [index, base64], or its hashes no base64") from error
    return Page(entries, hashes)


def _index(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError
    return value


def _nothing(_done: int, _all: int) -> None:
    pass
