"""Recomputes a whole log from its first byte, and believes nothing that it reads.

Pure but for its source (sources.py). Any log of C2SP tlog-tiles will do; of our own, every entry is held to
its format and its place, too. The order:

 1. checkpoint    its form; signed by a log that is believed, where keys are given (policy.py)
 2. accepted      it goes on from the checkpoint that was accepted last: never smaller, never beside it
 3. entries       bundle after bundle: each leaf's form (leaf.py), its place (history.py), its hash; each
                  receipt's entry; each private part (openings.py)
 4. hash tiles    of every level, partial ones too: the hashes that follow from the entries
 5. roots         over as many entries as the accepted checkpoint, and a receipt's, had; then over all
 6. witnesses     the policy's quorum: last, for whoever waits for witnesses wants to hear of a fork first

The first fault in the order of the log is the one reported. Memory does not grow with the log, but for four
bytes an entry, about 300 bytes a receipt, and what openings.py keeps.

That an entry is no leaf of ours makes the log invalid. Whether a log is ours is never guessed from what it
holds: whoever could spoil its first entry, or keeps a log that breaks our rules, would choose how closely
it is looked at. So a log of another kind is announced (`foreign`), and is checked as bytes alone.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from scoregate.audit.v1 import leaf_pb2
from scoregate.auditing.held import Held
from scoregate.auditing.history import History
from scoregate.auditing.openings import Openings
from scoregate.auditing.walk import Due, Walk
from scoregate.proof.receipts import read_receipts
from scoregate.tlog.checkpoint import Checkpoint
from scoregate.tlog.faults import LogIncomplete
from scoregate.tlog.note import MAX_NOTE_BYTES, Note
from scoregate.tlog.policy import Judged, Policy
from scoregate.tlog.sources import CHECKPOINT, EARLIER_FORM, Source


@dataclass(frozen=True, slots=True)
class Report:
    """What was checked, and held."""

    checkpoint: Checkpoint
    note: bytes  # the checkpoint as it was signed
    judged: Judged | None  # by whom; None: no key was given, and no signature looked at
    foreign: bool  # entries were checked as bytes alone; what follows from leaves is 0 then
    since: int | None  # entries of the checkpoint that was accepted before; None: there was none
    bundles: int
    tiles: int  # hash tiles
    partners: int
    releases: int
    replays: int
    units: int  # contract units spent
    receipts: int | None  # None: none were given
    requests: int | None  # receipts whose question was recomputed; older ones name none
    opened: int | None  # private parts that open their entry's commitment; None: none were given
    erased: int | None  # entries whose private parts were redacted; None: none were given
    first_micros: int  # time of the first entry since 1970; 0 in an empty log
    last_micros: int  # time of the last entry since 1970; 0 in an empty log


def read_checkpoint(source: Source) -> bytes:
    """Return the checkpoint's bytes.

    Raises:
        LogIncomplete: There is none.
        LogInvalid: It is longer than any, or no file.
    """
    data = source.read(CHECKPOINT, MAX_NOTE_BYTES)
    if data is None and source.read(EARLIER_FORM, MAX_NOTE_BYTES) is not None:
        raise LogIncomplete(
            f"{CHECKPOINT} is missing, and {EARLIER_FORM} is what an earlier scoregate pulled: nobody signed"
            " it. Keep this folder, and pull the log into a new one"
        )
    if data is None:
        raise LogIncomplete(f"{CHECKPOINT} is missing; {source.again}, or name the place that holds it")
    return data


def verify(
    source: Source,
    *,
    policy: Policy | None = None,
    accepted: Checkpoint | None = None,
    receipts: Path | None = None,
    openings: Openings | None = None,
    foreign: bool = False,
    progress: Callable[[int, int], None] | None = None,
    taken: Callable[[int, bytes], None] | None = None,
) -> Report:
    """Recompute the log in `source`, and return only if all of it holds.

    Args:
        source: Where it lies.
        policy: The keys that are believed. None: no signature is looked at.
        accepted: What was accepted last: this log must go on from there.
        receipts: A folder of them; each must have its entry, and the tree that it was shown. Not of a
            foreign log.
        openings: Private parts; each must open its entry. Not of a foreign log.
        foreign: The log is not ours: its entries are bytes.
        progress: Called as (entries so far, all) after each bundle.
        taken: Called as (index, entry) for each entry as it is read. Whether the log that holds it is whole,
            the end shows.

    Raises:
        LogInvalid: Bytes are wrong, a signature, or what an entry records was forbidden.
        LogDiverged: The checkpoint, the accepted one, a hash tile, a receipt or a private part disagrees
            with the entries.
        LogRolledBack: It is smaller than what was accepted.
        LogIncomplete: Files, entries, private parts or witnesses are missing.
    """
    data = read_checkpoint(source)
    judged = None if policy is None else replace(policy, quorum=None).judge(data)
    checkpoint = Checkpoint.decode(Note.decode(data).text) if judged is None else judged.checkpoint
    if accepted is not None:
        _require_going_on(accepted, checkpoint, policy)
    awaited = [] if receipts is None else read_receipts(receipts, checkpoint.origin, policy)
    due = [Due(each.shown, f"receipt {each.name}") for each in awaited if each.shown is not None]
    if accepted is not None:
        due.append(Due(accepted, "the checkpoint that was accepted before"))
    held = Held(source, checkpoint.size, foreign=foreign)
    walk = Walk(held, None if foreign else History(), awaited, openings, due)
    walk.go(checkpoint.root, progress or _nothing, taken)
    if policy is not None:
        judged = policy.judge(data)
    history = walk.history or History()
    return Report(
        checkpoint=checkpoint,
        note=data,
        judged=judged,
        foreign=foreign,
        since=None if accepted is None else accepted.size,
        bundles=walk.bundles,
        tiles=held.tiles,
        partners=history.partners,
        releases=history.kinds[leaf_pb2.LEAF_KIND_RELEASE],
        replays=history.kinds[leaf_pb2.LEAF_KIND_REPLAY],
        units=history.units,
        receipts=None if receipts is None else len(awaited),
        requests=None if receipts is None else sum(receipt.names_request for receipt in awaited),
        opened=None if openings is None else openings.opened,
        erased=None if openings is None else openings.erased,
        first_micros=history.first_micros,
        last_micros=history.last_micros,
    )


def _nothing(_done: int, _all: int) -> None:
    pass


def _require_going_on(accepted: Checkpoint, checkpoint: Checkpoint, policy: Policy | None) -> None:
    # A log that goes on under another name is believed where the keys of both are: it is one tree.
    believed = policy is not None and accepted.origin in {log.vkey.name for log in policy.logs}
    before = replace(accepted, origin=checkpoint.origin) if believed else accepted
    before.require_successor(checkpoint)
