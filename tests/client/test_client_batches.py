"""Many questions go in batches; each has one outcome, in order, and fails alone."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from typing import Any

import grpc
import pytest

from scoregate.client import Client, ScoreAnswer, ScoreQuery
from scoregate.errors import (
    AttestationMalformed,
    BindingMismatch,
    ClientMisconfigured,
    ConsentRefused,
    InvalidRequest,
    QuotaExhausted,
    Refused,
    Unavailable,
    Violation,
)
from scoregate.partner.v1 import score_pb2
from scoregate.reasons import REASONS
from scoregate.words import Disclosure, Purpose
from tests.client.scripted_gateway import ScriptedGateway, refuse, say, spoiled, truly

CONSENT = "mfrggzdfmztwq2lknnwg23tpob"
APPLICATION = Purpose.CREDIT_APPLICATION


def queries(count: int) -> list[ScoreQuery]:
    return [ScoreQuery(CONSENT, APPLICATION) for _ in range(count)]


def test_two_hundred_and_fifty_questions_go_in_three_batches_and_come_back_in_order(
    client: Client, gateway: ScriptedGateway
) -> None:
    asked = queries(250)
    steps: list[int] = []
    found = list(client.scores(asked, progress=steps.append))
    assert [outcome.request_id for outcome in found] == [query.request_id for query in asked]
    assert all(isinstance(outcome, ScoreAnswer) for outcome in found)
    assert [len(request.items) for request in gateway.requests] == [100, 100, 50]
    assert steps == [100, 200, 250]


@pytest.mark.parametrize(("count", "size", "sizes"), [
    (0, 100, []), (1, 100, [1]), (100, 100, [100]), (101, 100, [100, 1]), (4, 1, [1, 1, 1, 1]),
    (1000, 1000, [1000]),
])  # fmt: skip
def test_batches_are_as_large_as_allowed(
    client: Client, gateway: ScriptedGateway, count: int, size: int, sizes: list[int]
) -> None:
    assert len(list(client.scores(queries(count), batch_size=size))) == count
    assert [len(request.items) for request in gateway.requests] == sizes


@pytest.mark.parametrize("size", [0, -1, 1001])
def test_a_batch_size_outside_the_contract_is_refused_at_once(client: Client, size: int) -> None:
    with pytest.raises(ClientMisconfigured, match="batch_size"):
        client.scores([], batch_size=size)


def test_questions_are_read_only_as_the_batches_go(client: Client, gateway: ScriptedGateway) -> None:
    read: list[int] = []

    def endless() -> Iterator[ScoreQuery]:
        while True:
            read.append(1)
            yield ScoreQuery(CONSENT, APPLICATION)

    outcomes = client.scores(endless(), batch_size=10)
    assert read == []
    next(outcomes)
    assert len(read) == 10
    assert len(gateway.requests) == 1


def failing(item_error: score_pb2.ItemError) -> Any:
    def second_fails(request: Any, context: Any) -> Any:
        response = truly(request, context)
        response.results[1].error.CopyFrom(item_error)
        return response

    return second_fails


def test_an_item_is_refused_alone(client: Client, gateway: ScriptedGateway) -> None:
    gateway.script(failing(score_pb2.ItemError(
        code=grpc.StatusCode.PERMISSION_DENIED.value[0], reason="CONSENT_REVOKED", message="m", remedy="r"
    )))  # fmt: skip
    asked = queries(3)
    first, second, third = client.scores(asked)
    assert isinstance(first, ScoreAnswer)
    assert isinstance(third, ScoreAnswer)
    assert type(second) is ConsentRefused
    assert second.status == "PERMISSION_DENIED"
    assert second.reason is REASONS["CONSENT_REVOKED"]
    assert (second.request_id, second.nonce) == (asked[1].request_id, asked[1].nonce)


def test_an_items_violations_are_named(client: Client, gateway: ScriptedGateway) -> None:
    gateway.script(failing(score_pb2.ItemError(
        code=3,
        reason="FIELD_INVALID",
        field_violations=[score_pb2.FieldViolation(field="nonce", description="must be longer")],
    )))  # fmt: skip
    _, refused, _ = client.scores(queries(3))
    assert type(refused) is InvalidRequest
    assert refused.violations == (Violation("nonce", "must be longer"),)


def test_an_item_refused_by_a_newer_gateway_is_told_as_it_came(
    client: Client, gateway: ScriptedGateway
) -> None:
    gateway.script(failing(score_pb2.ItemError(code=99, reason="NEW_REASON", message="Something new.")))
    _, refused, _ = client.scores(queries(3))
    assert isinstance(refused, Refused)
    assert (refused.code, refused.status, refused.reason) == ("NEW_REASON", "UNKNOWN", None)
    assert "Something new." in str(refused)


def test_quota_that_runs_out_midway_leaves_the_answers_before_it(
    client: Client, gateway: ScriptedGateway
) -> None:
    def run_out(request: Any, context: Any) -> Any:
        response = truly(request, context)
        for result in response.results[5:]:
            result.error.CopyFrom(score_pb2.ItemError(code=8, reason="DAILY_QUOTA_EXHAUSTED"))
        return response

    gateway.script(run_out)
    kinds = [type(outcome) for outcome in client.scores(queries(8))]
    assert kinds == [ScoreAnswer] * 5 + [QuotaExhausted] * 3


def test_a_batch_does_not_say_which_answers_are_repeats(client: Client) -> None:
    (found,) = client.scores(queries(1))
    assert isinstance(found, ScoreAnswer)
    assert found.replayed is None


def test_items_may_ask_for_unlike_things(client: Client) -> None:
    number, band = client.scores(
        [
            ScoreQuery(CONSENT, "COLLECTION", with_reasons=True),
            ScoreQuery(CONSENT, APPLICATION, Disclosure.BAND),
        ]
    )
    assert isinstance(number, ScoreAnswer)
    assert isinstance(band, ScoreAnswer)
    assert (number.score, len(number.reasons)) == (712, 2)
    assert (band.score, band.reasons) == (None, ())


@pytest.mark.parametrize(
    "shuffle",
    [
        lambda it: it.results.pop(),
        lambda it: it.results.add(),
        lambda it: it.results.reverse(),
        lambda it: it.ClearField("results"),
        lambda it: setattr(it.results[0], "request_id", it.results[1].request_id),
    ],
)
def test_outcomes_that_are_not_one_for_each_item_in_order_are_refused(
    client: Client, gateway: ScriptedGateway, shuffle: Any
) -> None:
    gateway.script(spoiled(shuffle))
    with pytest.raises(BindingMismatch, match="request_id"):
        next(client.scores(queries(3)))


def test_two_answers_swapped_under_the_right_ids_are_refused(
    client: Client, gateway: ScriptedGateway
) -> None:
    def swap(it: Any) -> None:
        first, second = it.results[0].answer.SerializeToString(), it.results[1].answer.SerializeToString()
        it.results[0].answer.ParseFromString(second)
        it.results[1].answer.ParseFromString(first)

    gateway.script(spoiled(swap))
    with pytest.raises(BindingMismatch, match="nonce"):
        next(client.scores(queries(3)))


def test_an_item_without_outcome_is_refused(client: Client, gateway: ScriptedGateway) -> None:
    asked = queries(1)
    gateway.script(
        say(
            score_pb2.BatchGetScoresResponse(
                results=[score_pb2.BatchGetScoresResult(request_id=asked[0].request_id)]
            )
        )
    )
    with pytest.raises(AttestationMalformed, match="neither") as error:
        next(client.scores(asked))
    assert error.value.request_id == asked[0].request_id


def test_a_batch_that_fails_whole_can_be_asked_again_with_the_same_questions(
    client: Client, gateway: ScriptedGateway
) -> None:
    asked = queries(25)
    gateway.script(truly, refuse(grpc.StatusCode.UNAVAILABLE, "AUDIT_UNAVAILABLE", pushback="-1"))
    outcomes = client.scores(asked, batch_size=10, timeout=timedelta(seconds=3))
    done = list(islice(outcomes, 10))
    with pytest.raises(Unavailable):
        next(outcomes)
    done.extend(client.scores(asked[len(done) :], batch_size=10))
    assert [outcome.request_id for outcome in done] == [query.request_id for query in asked]
    assert gateway.requests[1] == gateway.requests[2]
