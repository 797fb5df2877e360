"""What entries owe each other: time, sequences, replays, costs."""

from collections.abc import Callable
from typing import Any

import pytest

from scoregate.audit.v1 import leaf_pb2
from scoregate.auditing.history import History
from scoregate.proof.leaf import LeafInvalid

MakeLeaf = Callable[..., leaf_pb2.Leaf]
RELEASE = {"kind": leaf_pb2.LEAF_KIND_RELEASE, "attestation_sha256": bytes(32)}
REPLAY = {"kind": leaf_pb2.LEAF_KIND_REPLAY}


def fed(leaves: list[leaf_pb2.Leaf]) -> History:
    history = History()
    for each in leaves:
        history.append(each)
    return history


def test_a_log_that_keeps_every_rule_is_taken_in_and_counted(log: Any) -> None:
    history = fed(log.leaves)
    assert history.size == 300
    assert history.partners == 3
    assert history.kinds[leaf_pb2.LEAF_KIND_RELEASE] == history.units == len(log.attestations)
    assert history.first_micros == log.leaves[0].time_micros
    assert history.last_micros == log.leaves[-1].time_micros


def test_nothing_was_fed_yet() -> None:
    history = History()
    assert (history.size, history.partners, history.units) == (0, 0, 0)
    assert (history.first_micros, history.last_micros) == (0, 0)


def test_the_same_microsecond_twice_is_fine_and_one_earlier_is_not(make_leaf: MakeLeaf) -> None:
    history = fed([make_leaf(time_micros=10), make_leaf(time_micros=10)])
    with pytest.raises(LeafInvalid, match="goes back by 1 µs") as caught:
        history.append(make_leaf(time_micros=9))
    assert caught.value.field == "time_micros"


def test_each_partner_counts_for_itself_from_one(make_leaf: MakeLeaf) -> None:
    history = fed(
        [
            make_leaf(partner_id=partner, partner_sequence=number)
            for partner, number in [("a", 1), ("b", 1), ("a", 2), ("b", 2), ("a", 3)]
        ]
    )
    assert history.partners == 2


@pytest.mark.parametrize(("first", "second"), [(0, 0), (2, 3), (1, 1), (1, 3)])
def test_a_gap_a_repeat_and_another_beginning_are_refused(
    make_leaf: MakeLeaf, first: int, second: int
) -> None:
    leaves = [make_leaf(partner_id="acme", partner_sequence=number) for number in (first, second)]
    with pytest.raises(LeafInvalid) as caught:
        fed(leaves)
    assert caught.value.field == "partner_sequence"


def test_a_replay_repeats_a_release_to_its_own_partner_any_number_of_times(make_leaf: MakeLeaf) -> None:
    history = fed(
        [
            make_leaf(partner_id="a", partner_sequence=1, **RELEASE),
            make_leaf(partner_id="a", partner_sequence=2, refers_to=0, **REPLAY),
            make_leaf(partner_id="a", partner_sequence=3, refers_to=0, **REPLAY),
        ]
    )
    assert history.kinds[leaf_pb2.LEAF_KIND_REPLAY] == 2


@pytest.mark.parametrize(
    "refers_to",
    [
        pytest.param(None, id="nothing"),
        pytest.param(1, id="another partner's release"),
        pytest.param(2, id="an entry that is no release"),
        pytest.param(3, id="itself"),
        pytest.param(4, id="a later entry"),
        pytest.param(2**64 - 1, id="far beyond the log"),
    ],
)
def test_a_replay_of_anything_else_is_refused(make_leaf: MakeLeaf, refers_to: int | None) -> None:
    history = fed(
        [
            make_leaf(partner_id="a", partner_sequence=1, **RELEASE),
            make_leaf(partner_id="b", partner_sequence=1, **RELEASE),
            make_leaf(partner_id="a", partner_sequence=2),
        ]
    )
    fields = {} if refers_to is None else {"refers_to": refers_to}
    with pytest.raises(LeafInvalid) as caught:
        history.append(make_leaf(partner_id="a", partner_sequence=3, **REPLAY, **fields))
    assert caught.value.field == "refers_to"


def test_index_zero_is_a_reference_and_not_an_absence(make_leaf: MakeLeaf) -> None:
    history = fed([make_leaf(), make_leaf(partner_id="a", partner_sequence=1, **RELEASE)])
    with pytest.raises(LeafInvalid, match="is 0, which is no earlier release"):
        history.append(make_leaf(partner_id="a", partner_sequence=2, refers_to=0, **REPLAY))


def test_a_partnerless_replay_is_refused(make_leaf: MakeLeaf) -> None:
    for first in (make_leaf(), make_leaf(partner_id="a", partner_sequence=1, **RELEASE)):
        history = fed([first])
        with pytest.raises(LeafInvalid) as caught:
            history.append(make_leaf(refers_to=0, **REPLAY))
        assert caught.value.field == "refers_to"


@pytest.mark.parametrize("kind", [kind for kind in leaf_pb2.LeafKind.values() if kind > 1])
def test_only_a_release_costs_units(make_leaf: MakeLeaf, kind: int) -> None:
    history = fed([make_leaf(partner_id="a", partner_sequence=1, cost_units=3, **RELEASE)])
    with pytest.raises(LeafInvalid) as caught:
        history.append(make_leaf(kind=kind, partner_id="a", partner_sequence=2, refers_to=0, cost_units=1))
    assert caught.value.field == "cost_units"
    assert history.units == 3


def test_a_free_release_is_a_release(make_leaf: MakeLeaf) -> None:
    assert fed([make_leaf(partner_id="a", partner_sequence=1, **RELEASE)]).units == 0


def test_a_release_names_its_partner_and_its_attestation(make_leaf: MakeLeaf) -> None:
    with pytest.raises(LeafInvalid) as caught:
        fed([make_leaf(**RELEASE)])
    assert caught.value.field == "partner_id"
    with pytest.raises(LeafInvalid) as caught:
        fed([make_leaf(kind=leaf_pb2.LEAF_KIND_RELEASE, partner_id="a", partner_sequence=1)])
    assert caught.value.field == "attestation_sha256"
