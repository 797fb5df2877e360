"""Subject references: stable for one partner, unlinkable across two."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.pairwise import Pairwise

PAIRWISE = Pairwise(bytes(range(32)))
IDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=64)


def test_the_bytes_are_pinned() -> None:
    # A change here would orphan every reference that partners hold: it needs a new version.
    assert PAIRWISE.reference("acme", "uci-00001") == GOLDEN


GOLDEN = "s1-fdy4c2q3trlcesc6lqrwoceurm"


@given(IDS, IDS, IDS, IDS)
def test_only_the_same_pair_gives_the_same_reference(a: str, b: str, c: str, d: str) -> None:
    assert (PAIRWISE.reference(a, b) == PAIRWISE.reference(c, d)) == ((a, b) == (c, d))


def test_the_boundary_between_partner_and_person_counts() -> None:
    assert PAIRWISE.reference("ab", "c") != PAIRWISE.reference("a", "bc")


def test_another_secret_gives_other_references() -> None:
    assert Pairwise(bytes(32)).reference("acme", "p") != PAIRWISE.reference("acme", "p")


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_a_secret_of_another_length_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="32 needed"):
        Pairwise(bytes(size))


def test_the_secret_is_never_shown() -> None:
    assert repr(bytes(range(32)))[3:20] not in repr(PAIRWISE)
