"""The engine: one outcome for each question, from what was known by then."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_cards import card, characteristic, families

from scoregate.partner.v1 import types_pb2
from scoring.artefact import digest
from scoring.features import FEATURES, measure
from scoring.population import Population
from scoring.records import EPOCHS
from scoring.service import (
    Engine,
    EpochMissing,
    Family,
    ModelSunset,
    NotScored,
    NotScoredReason,
    Query,
    Scored,
)
from scoring.train import SUNSET, Training

LAST = EPOCHS[-1]
DAY = timedelta(days=1)

subjects = st.integers(0, 30_020).map("uci-{:05d}".format) | st.text(max_size=64)
queries = st.builds(Query, subjects, families)


@given(st.lists(queries, min_size=16, max_size=60), st.sampled_from(EPOCHS))
def test_asking_one_by_one_or_all_at_once_is_the_same(
    engine: Engine, asked: list[Query], as_of: date
) -> None:
    singly = [outcome for query in asked for outcome in engine.score([query], as_of=as_of)]
    assert engine.score(asked, as_of=as_of) == singly
    assert [outcome.subject for outcome in singly] == [query.subject for query in asked]


def test_all_30000_agree_one_by_one_and_at_once(engine: Engine, training: Training) -> None:
    asked = [Query(subject) for subject in training.records.subjects]
    assert engine.score(asked, as_of=LAST) == [engine.score([query], as_of=LAST)[0] for query in asked]


@settings(max_examples=20)
@given(st.integers(0, 29_999), families, st.sampled_from(EPOCHS[1:]))
def test_a_score_is_the_cards_on_the_values_known_then(
    engine: Engine, training: Training, row: int, excluded: frozenset[Family], epoch: date
) -> None:
    subject = training.records.subjects[row]
    [outcome] = engine.score([Query(subject, excluded)], as_of=epoch)
    if isinstance(outcome, Scored):
        values = measure(training.records.as_of(epoch))[row].tolist()
        assert (outcome.score, outcome.reason_codes) == training.scorecard.score_row(values, excluded)


def test_the_first_people_keep_their_answers(engine: Engine) -> None:
    asked = [Query(f"uci-0000{n}") for n in range(1, 5)]
    told = [
        (each.score, each.reason_codes)
        for each in engine.score(asked, as_of=LAST)
        if isinstance(each, Scored)
    ]
    assert told == [
        (455, ("H01", "H05", "H03", "C01")),
        (568, ("H02", "H03", "H05", "H04")),
        (648, ("H05", "C01", "H04")),
        (631, ("H05", "C01", "C02", "H04")),
    ]


@pytest.mark.parametrize(
    ("as_of", "epoch"),
    [
        (EPOCHS[0], EPOCHS[0]),
        (EPOCHS[1] - DAY, EPOCHS[0]),
        (EPOCHS[1], EPOCHS[1]),
        (LAST - DAY, EPOCHS[-2]),
        (LAST, LAST),
        (LAST + DAY, LAST),
        (SUNSET, LAST),
    ],
)
def test_the_newest_epoch_not_after_the_day_is_used(engine: Engine, as_of: date, epoch: date) -> None:
    assert {each.epoch for each in engine.score([Query("uci-00003"), Query("nobody")], as_of=as_of)} == {
        epoch
    }


def test_the_day_after_the_sunset_nobody_is_scored(engine: Engine) -> None:
    with pytest.raises(ModelSunset, match=f"may not be used after {SUNSET}"):
        engine.score([Query("uci-00001")], as_of=SUNSET + DAY)


def test_before_the_first_epoch_nothing_was_known(engine: Engine) -> None:
    with pytest.raises(EpochMissing, match=f"Ask as of {EPOCHS[0]}"):
        engine.score([Query("uci-00001")], as_of=EPOCHS[0] - DAY)


@pytest.mark.parametrize(
    "subject",
    [
        "",
        "uci-00000",
        "uci-30001",
        "uci-1",
        "UCI-00001",
        "uci-00001 ",
        "uci-00001\x00",
        "\ud800",
        "人",
        "x" * 9999,
    ],
)
def test_somebody_without_a_record_is_no_data(engine: Engine, subject: str) -> None:
    assert engine.score([Query(subject)], as_of=LAST) == [NotScored(subject, LAST, NotScoredReason.NO_DATA)]


def test_everybody_is_a_thin_file_when_one_month_is_known(engine: Engine, training: Training) -> None:
    outcomes = engine.score([Query(subject) for subject in training.records.subjects], as_of=EPOCHS[0])
    assert {type(each) for each in outcomes} == {NotScored}
    assert {each.reason for each in outcomes if isinstance(each, NotScored)} == {NotScoredReason.THIN_FILE}


def test_at_the_last_epoch_897_are_thin_files(engine: Engine, training: Training) -> None:
    outcomes = engine.score([Query(subject) for subject in training.records.subjects], as_of=LAST)
    assert sum(isinstance(each, NotScored) for each in outcomes) == 897


@pytest.mark.parametrize(("months", "scored"), [(0, False), (1, False), (2, True), (3, True)])
def test_a_file_is_thin_below_the_cards_minimum(months: int, scored: bool) -> None:
    made = card(characteristic(0))
    people = Population({"a": 0}, (bytes([months]),) * 2, (np.zeros((1, 1), dtype=np.int32),) * 2)
    [outcome] = Engine(made, "00" * 32, people).score([Query("a")], as_of=made.epochs[-1])
    assert isinstance(outcome, Scored) is scored


def test_no_answers_to_no_questions(engine: Engine) -> None:
    assert engine.score([], as_of=LAST) == []


@given(
    st.integers(1, 30_000), st.frozensets(st.sampled_from([Family.BEHAVIOUR, Family.IDENTITY, Family.SOCIAL]))
)
def test_leaving_out_what_the_model_does_not_use_changes_nothing(
    engine: Engine, number: int, excluded: frozenset[Family]
) -> None:
    subject = f"uci-{number:05d}"
    assert engine.score([Query(subject, excluded)], as_of=LAST) == engine.score([Query(subject)], as_of=LAST)


def test_families_left_out_are_not_listed_and_give_no_reason(engine: Engine, training: Training) -> None:
    codes = {each.reason_code for each in FEATURES if each.family is Family.HISTORY}
    excluded = frozenset({Family.HISTORY})
    for each in engine.score([Query(s, excluded) for s in training.records.subjects[:500]], as_of=LAST):
        if isinstance(each, Scored):
            assert each.families == (Family.CAPACITY,)
            assert not codes.intersection(each.reason_codes)


def test_a_score_that_would_rest_on_nothing_is_none(engine: Engine) -> None:
    everything = Query("uci-00001", frozenset({Family.HISTORY, Family.CAPACITY}))
    assert engine.score([everything], as_of=LAST) == [NotScored("uci-00001", LAST, NotScoredReason.THIN_FILE)]


def test_the_model_says_what_it_is(engine: Engine, training: Training) -> None:
    model = engine.model()
    assert model.name == f"uci-card@{training.scorecard.version}"
    assert model.artefact_sha256.hex() == digest(training.artefact)
    assert model.training_data_sha256.hex() == training.records.sha256
    assert (model.sunset, model.latest_epoch) == (SUNSET, LAST)
    assert list(model.reason_texts) == ["H01", "H02", "H03", "H04", "H05", "H06", "C01", "C02"]


def test_every_answer_names_the_model(engine: Engine) -> None:
    [outcome] = engine.score([Query("uci-00003")], as_of=LAST)
    assert isinstance(outcome, Scored)
    assert outcome.model == engine.model().name


def test_another_model_is_another_name(training: Training) -> None:
    other = replace(training.scorecard, version="1.00000000")
    people = Population({}, (b"",) * 6, (np.zeros((0, 8), dtype=np.int32),) * 6)
    assert Engine(other, "00" * 32, people).model().name == "uci-card@1.00000000"


@pytest.mark.parametrize(
    ("ours", "contract", "prefix"),
    [
        (Family, types_pb2.InputFamily, "INPUT_FAMILY_"),
        (NotScoredReason, types_pb2.NotScoredReason, "NOT_SCORED_REASON_"),
    ],
)
def test_our_words_are_the_contracts(
    ours: type[Family] | type[NotScoredReason], contract: object, prefix: str
) -> None:
    theirs = dict(contract.items())  # type: ignore[attr-defined]
    assert theirs.pop(f"{prefix}UNSPECIFIED") == 0
    assert {f"{prefix}{word.name}": word.value for word in ours} == theirs


# --- explanations


@given(subjects, st.sampled_from(EPOCHS))
def test_every_explained_epoch_is_what_was_scored_then(engine: Engine, subject: str, as_of: date) -> None:
    found = engine.explain(subject, as_of=as_of)
    assert [each.epoch for each in found.epochs] == [day for day in reversed(EPOCHS) if day <= as_of]
    for each in found.epochs:
        [outcome] = engine.score([Query(subject)], as_of=each.epoch)
        if isinstance(outcome, Scored):
            assert (each.score, each.not_scored) == (outcome.score, None)
        else:
            assert (each.score, each.not_scored) == (None, outcome.reason)


@given(st.integers(1, 30_000))
def test_contributions_make_the_newest_score_and_stand_by_weight(
    engine: Engine, training: Training, number: int
) -> None:
    card, found = training.scorecard, engine.explain(f"uci-{number:05d}", as_of=LAST)
    newest = found.epochs[0].score
    if newest is None:
        assert found.contributions == ()
        return
    averages = sum(each.average_points for each in card.characteristics)
    total = card.base_points + averages + sum(each.points for each in found.contributions)
    assert newest == min(max(total, 350), 950)
    weights = [abs(each.points) for each in found.contributions]
    assert weights == sorted(weights, reverse=True)
    families = {each.reason_code: each.family for each in card.characteristics}
    assert {each.code: each.family for each in found.contributions} == families


def test_the_first_person_reads_what_lowers_the_score(engine: Engine) -> None:
    found = engine.explain("uci-00001", as_of=LAST)
    [outcome] = engine.score([Query("uci-00001")], as_of=LAST)
    assert isinstance(outcome, Scored)
    assert found.epochs[0].score == outcome.score == 455
    lowering = [each.code for each in found.contributions if each.points < 0]
    assert tuple(lowering[:4]) == outcome.reason_codes


def test_no_more_epochs_are_explained_than_asked_for(engine: Engine) -> None:
    assert len(engine.explain("uci-00003", as_of=LAST, epochs=2).epochs) == 2
    assert len(engine.explain("uci-00003", as_of=LAST).epochs) == len(EPOCHS)


def test_nobody_and_a_thin_file_are_explained_without_contributions(engine: Engine) -> None:
    nobody = engine.explain("nobody", as_of=LAST)
    assert {each.not_scored for each in nobody.epochs} == {NotScoredReason.NO_DATA}
    thin = engine.explain("uci-00003", as_of=EPOCHS[0])
    assert [each.not_scored for each in thin.epochs] == [NotScoredReason.THIN_FILE]
    assert nobody.contributions == thin.contributions == ()


@pytest.mark.parametrize(("as_of", "error"), [(SUNSET + DAY, ModelSunset), (EPOCHS[0] - DAY, EpochMissing)])
def test_a_day_that_can_not_be_scored_is_not_explained(
    engine: Engine, as_of: date, error: type[Exception]
) -> None:
    with pytest.raises(error):
        engine.explain("uci-00003", as_of=as_of)
