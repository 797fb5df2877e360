"""Whether what was counted really happened: every answer released, signed and in the log, once.

Reads the ledger's database from outside the gateway, between the rounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypeAlias

from consent import keyring, keys
from gateway.audit.log import read_head, read_leaves
from gateway.store import Store
from scoregate.audit.v1 import leaf_pb2
from scoregate.errors import ScoregateError
from scoregate.partner.v1 import score_pb2
from scoregate.proof import leaf
from scoregate.proof.jwk import VerificationKeys
from scoregate.proof.verify import verify_score
from tests.bench.failed import BenchFailed
from tests.bench.installation import Installation
from tests.bench.turn import Turn

Pair: TypeAlias = tuple[score_pb2.GetScoreRequest, score_pb2.GetScoreResponse]
Answers: TypeAlias = Sequence[tuple[int, bytes, bytes]]

COUNTED = leaf_pb2.LEAF_KIND_COUNTED_REFUSALS
OWN_LOOK = leaf_pb2.LEAF_KIND_SELF_INQUIRY  # somebody reads their own score meanwhile


class Auditor:
    """Follows the log, turn by turn."""

    def __init__(self, store: Store, installation: Installation) -> None:
        self._store = store
        self._installation = installation
        with store.reading() as connection:
            self._size = read_head(connection).size
            self._uncounted = 0  # refused calls whose count is not in the log yet
            published = keys.jwks(key.public_jwk for key in keyring.published(connection))
        self._keys = VerificationKeys.from_jwks(published)

    def require_singles(self, turn: Turn) -> None:
        """Return only if every answer of a GetScore turn is a release of its own.

        Raises:
            BenchFailed: Anything else was counted.
        """
        self._require(_singles(turn.answers), turn.refused)

    def require_batches(self, turn: Turn) -> None:
        """The same of a BatchGetScores turn, item by item."""
        self._require(_batches(turn.answers), turn.refused)

    def require_both(self, turn: Turn, batches: Answers) -> None:
        """The same of a GetScore turn beside which batches were answered."""
        self._require([*_singles(turn.answers), *_batches(batches)], turn.refused)

    def _require(self, pairs: Sequence[tuple[int, Pair]], refused: int = 0) -> None:
        for _, (_, response) in pairs:
            if response.WhichOneof("result") != "scored":
                raise BenchFailed("An answer held no score.")
        self._require_log_grew_by([response.receipt.leaf_index for _, (_, response) in pairs], refused)
        lender, pair = pairs[-1]
        self._verify(self._installation.lenders[lender].partner_id, *pair)

    def _require_log_grew_by(self, indexes: Sequence[int], refused: int) -> None:
        with self._store.reading() as connection:
            begin, end = self._size, read_head(connection).size
            leaves = [leaf.decode(data) for data in read_leaves(connection, begin, end)]
        # Calls that came while their caller had too many under way are counted, a second at a time.
        counted = [n for n, each in enumerate(leaves, begin) if each.kind == COUNTED]
        if sum(leaves[n - begin].count for n in counted) > refused + self._uncounted:
            raise BenchFailed("The log counts calls as refused that were not.")
        self._uncounted += refused - sum(leaves[n - begin].count for n in counted)
        looks = [n for n, each in enumerate(leaves, begin) if each.kind == OWN_LOOK]
        if any(each.kind not in {COUNTED, OWN_LOOK, leaf_pb2.LEAF_KIND_RELEASE} for each in leaves):
            raise BenchFailed("The log holds something else than releases: calls were refused or repeated.")
        if sorted([*indexes, *counted, *looks]) != list(range(begin, end)):
            raise BenchFailed("The log did not grow by exactly one release for each answer.")
        self._size = end

    def _verify(
        self, partner_id: str, request: score_pb2.GetScoreRequest, response: score_pb2.GetScoreResponse
    ) -> None:
        try:
            verify_score(
                response,
                request,
                keys=self._keys,
                issuer=self._installation.settings.issuer,
                audience=partner_id,
                now=datetime.now(UTC),
            )
        except ScoregateError as error:
            raise BenchFailed(f"An answer does not verify: {error}") from error


def _singles(answers: Answers) -> list[tuple[int, Pair]]:
    return [
        (n, (score_pb2.GetScoreRequest.FromString(body), score_pb2.GetScoreResponse.FromString(came)))
        for n, body, came in answers
    ]


def _batches(answers: Answers) -> list[tuple[int, Pair]]:
    return [(n, pair) for n, body, came in answers for pair in _items(body, came)]


def _items(body: bytes, came: bytes) -> list[Pair]:
    asked = score_pb2.BatchGetScoresRequest.FromString(body).items
    results = score_pb2.BatchGetScoresResponse.FromString(came).results
    if [item.request_id for item in asked] != [result.request_id for result in results]:
        raise BenchFailed("A batch was not answered item by item, in order.")
    refused = {result.error.reason for result in results if result.WhichOneof("outcome") == "error"}
    if refused:
        raise BenchFailed(f"Items of a batch were refused: {', '.join(sorted(refused))}.")
    return [(item, result.answer) for item, result in zip(asked, results, strict=True)]
