"""May this checkpoint be cosigned after the latest one, and if not, what does that show?

Pure. The order of the checks is that of C2SP tlog-witness, for the first that fails decides the status: the
old size is over the checkpoint's → it is not the latest's → the root of nothing → the proof or the same root.

What a refused checkpoint shows is another question, for the status follows what the sender said and the
evidence only what the log signed. The log's signature on it was verified before.
"""

from collections.abc import Sequence
from enum import StrEnum

from scoregate.tlog.checkpoint import Checkpoint
from scoregate.tlog.merkle import ProofInvalid, empty_root, verify_consistency
from scoregate.witness.faults import NotConsistent, SizeReversed, SizeStale


class Contradiction(StrEnum):
    """What a refused checkpoint, signed by its log, says of that log beside the latest one."""

    FORK = "fork"  # two roots for one size. The two signatures prove it, whoever sent them
    ROLLBACK = "rollback"  # smaller than what the log had signed before
    UNPROVEN = "unproven"  # larger, and the proof does not hold: a fork, or a sender with a wrong proof


def require_next(
    latest: Checkpoint | None, old_size: int, proof: Sequence[bytes], submitted: Checkpoint
) -> None:
    """Return only if ``submitted`` may be cosigned after ``latest``; None where nothing was cosigned yet.

    Raises:
        SizeReversed: The old size is over that of ``submitted``.
        SizeStale: The old size is not that of ``latest``, or not 0 where there is none.
        NotConsistent: Another root than the same size has, a proof that does not hold or does not belong
            there, or a tree of nothing with a root of something.
    """
    if old_size > submitted.size:
        raise SizeReversed(f"the old size, {old_size}, is over the checkpoint's own, {submitted.size}")
    size = latest.size if latest else 0
    if old_size != size:
        raise SizeStale(size)
    if submitted.size == 0 and submitted.root != empty_root():
        raise NotConsistent("a tree of no entries has the hash of nothing as its root")
    if latest is None or latest.size == 0:
        if proof:
            raise NotConsistent("from size 0 there is nothing to prove, and the proof is empty")
        return
    try:
        verify_consistency(latest.size, submitted.size, proof, latest.root, submitted.root)
    except ProofInvalid as error:
        raise NotConsistent(str(error)) from error


def contradiction(
    latest: Checkpoint | None, size_before: int | None, old_size: int, submitted: Checkpoint
) -> Contradiction | None:
    """Return what ``submitted``, which `require_next` refused, shows of its log; None where that is nothing.

    ``size_before`` was cosigned just before ``latest``; None where nothing was. Whoever names it as the old
    size may only have lost a race: two servers of one log grew it at once, and the larger tree came first.
    That is not put on record.
    """
    if latest is None:
        return None
    if submitted.size == latest.size:
        return None if submitted.root == latest.root else Contradiction.FORK
    if submitted.size < latest.size:
        lost_a_race = old_size == size_before and old_size <= submitted.size
        return None if lost_a_race else Contradiction.ROLLBACK
    # Between trees of nothing and something no proof can fail.
    return Contradiction.UNPROVEN if 0 < latest.size == old_size else None
