"""The rule by itself: which checkpoint may follow, why another may not, and what that shows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoregate.tlog.checkpoint import Checkpoint
from scoregate.tlog.merkle import empty_root
from scoregate.witness.faults import NotConsistent, NotCosigned, SizeReversed, SizeStale
from scoregate.witness.judging import Contradiction, contradiction, require_next
from tests.witness.made_log import MOST, ORIGIN, MadeLog

LOG = MadeLog()
FORK = LOG.forked(at=5)  # alike up to 5 entries
NOTHING = Checkpoint(ORIGIN, 0, empty_root())
SOMETHING_OF_NOTHING = Checkpoint(ORIGIN, 0, bytes(32))
SIZES = st.integers(0, MOST)


def latest(size: int) -> Checkpoint:
    return LOG.checkpoint(size)


@given(SIZES, SIZES)
def test_a_tree_that_grew_may_follow_with_its_proof(one: int, other: int) -> None:
    old, size = sorted((one, other))
    require_next(latest(old), old, LOG.proof(old, size), latest(size))


@given(SIZES)
def test_the_first_one_may_have_any_size(size: int) -> None:
    require_next(None, 0, (), latest(size))


@given(SIZES.filter(lambda size: size > 5), SIZES.filter(lambda size: size > 5), st.data())
def test_no_proof_leads_to_another_history(one: int, other: int, data: st.DataObject) -> None:
    old, size = sorted((one, other))
    proof = data.draw(st.sampled_from([LOG.proof(old, size), FORK.proof(old, size), []]))
    with pytest.raises(NotConsistent):
        require_next(latest(old), old, proof, FORK.checkpoint(size))


@given(st.integers(1, MOST - 1), st.data())
def test_a_proof_with_any_bit_changed_shows_nothing(old: int, data: st.DataObject) -> None:
    size = data.draw(st.integers(old + 1, MOST))
    proof = LOG.proof(old, size)
    at = data.draw(st.integers(0, len(proof) - 1))
    bit = data.draw(st.integers(0, 255))
    proof[at] = (int.from_bytes(proof[at]) ^ (1 << bit)).to_bytes(32)
    with pytest.raises(NotConsistent):
        require_next(latest(old), old, proof, latest(size))


REFUSED: dict[str, tuple[Checkpoint | None, int, list[bytes], Checkpoint, type[NotCosigned]]] = {
    "old over the checkpoint's own": (latest(8), 8, [], latest(7), SizeReversed),
    "old over it, and nothing cosigned yet": (None, 8, [], latest(7), SizeReversed),
    "old below the latest": (latest(8), 7, LOG.proof(7, 9), latest(9), SizeStale),
    "old over the latest": (latest(8), 9, LOG.proof(9, 12), latest(12), SizeStale),
    "old 0 where something was cosigned": (latest(8), 0, [], latest(9), SizeStale),
    "old 1 where nothing was": (None, 1, LOG.proof(1, 9), latest(9), SizeStale),
    "nothing with the root of something": (None, 0, [], SOMETHING_OF_NOTHING, NotConsistent),
    "the same after nothing": (NOTHING, 0, [], SOMETHING_OF_NOTHING, NotConsistent),
    "a proof from nothing": (None, 0, LOG.proof(1, 9), latest(9), NotConsistent),
    "a proof from a tree of nothing": (NOTHING, 0, LOG.proof(1, 9), latest(9), NotConsistent),
    "no proof": (latest(8), 8, [], latest(9), NotConsistent),
    "half a proof": (latest(7), 7, LOG.proof(7, 9)[:-1], latest(9), NotConsistent),
    "more than the proof": (latest(7), 7, [*LOG.proof(7, 9), bytes(32)], latest(9), NotConsistent),
    "the proof of another size": (latest(7), 7, LOG.proof(7, 10), latest(9), NotConsistent),
    "another root for the same size": (latest(8), 8, [], FORK.checkpoint(8), NotConsistent),
    "a proof where nothing was added": (latest(8), 8, LOG.proof(7, 8), latest(8), NotConsistent),
}


@pytest.mark.parametrize(
    ("before", "old", "proof", "submitted", "kind"), REFUSED.values(), ids=REFUSED.keys()
)
def test_nothing_else_may_follow(
    before: Checkpoint | None, old: int, proof: list[bytes], submitted: Checkpoint, kind: type[NotCosigned]
) -> None:
    with pytest.raises(NotCosigned) as raised:
        require_next(before, old, proof, submitted)
    assert type(raised.value) is kind


TOLD = {
    "old over the checkpoint's own": "the old size, 8, is over the checkpoint's own, 7",
    "old below the latest": "the size that was cosigned last is 8",
    "nothing with the root of something": "a tree of no entries has the hash of nothing as its root",
    "a proof from nothing": "from size 0 there is nothing to prove, and the proof is empty",
    "another root for the same size": "two different roots for the same size 8",
}


@pytest.mark.parametrize(("name", "words"), TOLD.items(), ids=TOLD.keys())
def test_a_refusal_says_why(name: str, words: str) -> None:
    before, old, proof, submitted, _ = REFUSED[name]
    with pytest.raises(NotCosigned) as raised:
        require_next(before, old, proof, submitted)
    assert str(raised.value) == words


@pytest.mark.parametrize(("before", "size"), [(None, 0), (NOTHING, 0), (latest(8), 8)])
def test_a_stale_size_is_told_which_one_is_the_latest(before: Checkpoint | None, size: int) -> None:
    with pytest.raises(SizeStale) as raised:
        require_next(before, size + 1, (), latest(12))
    assert raised.value.size == size


F, R, U = Contradiction
SHOWN: dict[str, tuple[Checkpoint | None, int | None, int, Checkpoint, Contradiction | None]] = {
    "nothing was cosigned": (None, None, 9, latest(8), None),
    "the same again": (latest(8), 5, 3, latest(8), None),
    "another root for the same size": (latest(8), 5, 8, FORK.checkpoint(8), F),
    "the same, whatever old size it came with": (latest(8), 5, 0, FORK.checkpoint(8), F),
    "the same, from who lost a race": (latest(8), 5, 5, FORK.checkpoint(8), F),
    "nothing with the root of something": (NOTHING, None, 0, SOMETHING_OF_NOTHING, F),
    "smaller": (latest(8), 5, 8, latest(7), R),
    "smaller, from 0": (latest(8), 5, 0, latest(7), R),
    "smaller, from a size that was not cosigned": (latest(8), 5, 6, latest(7), R),
    "smaller, and there was only one": (latest(8), None, 0, latest(7), R),
    "smaller than what came before": (latest(8), 5, 5, latest(4), R),
    "who lost a race": (latest(8), 5, 5, latest(7), None),
    "who lost a race with nothing new": (latest(8), 5, 5, latest(5), None),
    "who lost the first race": (latest(8), 0, 0, latest(7), None),
    "larger and not proven": (latest(8), 5, 8, FORK.checkpoint(9), U),
    "larger, from another size": (latest(8), 5, 7, FORK.checkpoint(9), None),
    "larger than a single entry, and not proven": (
        latest(1),
        None,
        1,
        MadeLog().forked(at=0).checkpoint(9),
        U,
    ),
    "larger than nothing": (NOTHING, None, 0, latest(9), None),
}


@pytest.mark.parametrize(
    ("before", "size_before", "old", "submitted", "kind"), SHOWN.values(), ids=SHOWN.keys()
)
def test_what_a_refused_checkpoint_shows(
    before: Checkpoint | None,
    size_before: int | None,
    old: int,
    submitted: Checkpoint,
    kind: Contradiction | None,
) -> None:
    assert contradiction(before, size_before, old, submitted) is kind


@given(
    st.lists(
        st.tuples(st.sampled_from([LOG, FORK, LOG.forked(at=20)]), SIZES, SIZES, st.booleans()), max_size=30
    )
)
def test_whatever_comes_in_whatever_order_what_is_cosigned_is_one_history(
    steps: list[tuple[MadeLog, int, int, bool]],
) -> None:
    now: Checkpoint | None = None
    cosigned: list[Checkpoint] = []
    for log, old, size, honest in steps:
        claimed = (now.size if now else 0) if honest else old
        try:
            require_next(now, claimed, log.proof(claimed, size), log.checkpoint(size))
        except NotCosigned:
            continue
        now = log.checkpoint(size)
        cosigned.append(now)
    sizes = [each.size for each in cosigned]
    assert sizes == sorted(sizes)
    assert len({each.size for each in cosigned}) == len({(each.size, each.root) for each in cosigned})
    if cosigned:
        whole = next(
            each for each in (LOG, FORK, LOG.forked(at=20)) if each.checkpoint(sizes[-1]) == cosigned[-1]
        )
        assert all(whole.checkpoint(each.size) == each for each in cosigned if each.size)
