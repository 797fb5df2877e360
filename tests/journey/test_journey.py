"""One query, end to end: over a real channel, into a real database, with the real engine."""

from __future__ import annotations

from tests.world import World


def test_a_consented_query_gets_a_signed_recorded_score(world: World) -> None:
    acme = world.partner()
    consent = world.consent(acme)
    response = acme.score(consent)
    print(response)
    assert 350 <= response.scored.score <= 950
    leaves = world.leaves()
    assert leaves[response.receipt.leaf_index].SerializeToString(deterministic=True) == response.receipt.leaf
    assert acme.spent() == {"day": 1, "month": 1}
