"""What leaves: an answer shaped by its disclosure, signed, bound to its question, in the log."""

from __future__ import annotations

import hashlib
import json
import urllib.request
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import RFC_4122, UUID

import pytest
from google.protobuf.message import Message

from gateway.journey import CHUNK
from gateway.server import Seams
from scoregate.admin.v1 import operations_admin_pb2
from scoregate.audit.v1 import leaf_pb2
from scoregate.errors import BindingMismatch, SignatureInvalid, ViewMismatch
from scoregate.partner.v1 import receipt_pb2, score_pb2, types_pb2
from scoregate.proof.claims import ScoreClaims, ThresholdClaims
from scoregate.proof.jwk import VerificationKeys
from scoregate.proof.verify import verify_score, verify_threshold
from scoring.service import Engine, Family
from tests.journey.conftest import STORES, new_name
from tests.journey.engines import ScriptedEngine
from tests.journey.rows import ask
from tests.wire import refused
from tests.world import Partner, World, new_uuid

PERIODIC = {"mode": "CONSENT_MODE_PERIODIC"}
NOBODY = "nobody-1"  # without a row in the records


@pytest.fixture(scope="module", params=STORES)
def store(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


def keys_of(partner: Partner) -> receipt_pb2.GetVerificationKeysResponse:
    served: receipt_pb2.GetVerificationKeysResponse = partner.receipts.GetVerificationKeys(
        receipt_pb2.GetVerificationKeysRequest()
    )
    return served


def verified(
    partner: Partner, request: score_pb2.GetScoreRequest, answer: Any, **changes: Any
) -> ScoreClaims:
    served = keys_of(partner)
    expected: dict[str, Any] = {
        "keys": VerificationKeys.from_jwks(served.jwks),
        "issuer": served.issuer,
        "audience": partner.partner_id,
        "now": partner.world.clock(),
    }
    return verify_score(answer, request, **(expected | changes))


def payload(attestation: str) -> dict[str, Any]:
    """What was signed, read without this project's code."""
    middle = attestation.split(".")[1]
    said: dict[str, Any] = json.loads(urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    return said


def scalars(value: Any) -> Iterator[Any]:
    """Every scalar in a message or a JSON value."""
    if isinstance(value, Message):
        for _, found in value.ListFields():
            yield from scalars(found)
    elif isinstance(value, dict):
        yield from scalars(list(value.values()))
    elif isinstance(value, str | bytes | int | float):
        yield value
    else:
        for item in value:
            yield from scalars(item)


# --- shaped by the disclosure


def test_a_score_shows_the_number_its_band_and_its_scale(
    world: World, acme: Partner, engine: ScriptedEngine
) -> None:
    engine.answers(649)
    shown = acme.score(world.consent(acme)).scored
    assert (shown.score, shown.band) == (649, types_pb2.BAND_600_649)
    assert (shown.range_min, shown.range_max) == (350, 950)
    assert not shown.reasons


def test_a_score_is_the_engines_own(world: World, acme: Partner, scorer: Engine) -> None:
    answer = acme.score(world.consent(acme, "uci-00007"), with_reasons=True)
    row, texts = scorer._people.places["uci-00007"], scorer.model().reason_texts
    score, codes = scorer._card.score_row(scorer._people.values[-1][row].tolist(), frozenset())
    assert answer.scored.score == score
    assert [(r.code, r.text) for r in answer.scored.reasons] == [(code, texts[code]) for code in codes]
    assert 1 <= len(codes) <= 4
    assert answer.scored.evaluated_at == "2005-10-06"


@pytest.mark.parametrize(
    ("score", "band"), [(350, "350_549"), (699, "650_699"), (700, "700_950"), (950, "700_950")]
)
def test_the_ends_of_scale_and_bands_are_answered(
    world: World, acme: Partner, engine: ScriptedEngine, score: int, band: str
) -> None:
    engine.answers(score)
    shown = acme.score(world.consent(acme)).scored
    assert (shown.score, shown.band) == (score, types_pb2.Band.Value(f"BAND_{band}"))


def test_event_ids_are_random_uuids_and_no_two_alike(world: World, acme: Partner) -> None:
    consent = world.consent(acme, **PERIODIC)
    told = [acme.score(consent).event_id for _ in range(24)]
    ids = [UUID(text) for text in told]
    assert [str(each) for each in ids] == told
    assert {(each.version, each.variant) for each in ids} == {(4, RFC_4122)}
    assert len({each.int >> shift & 0xFFFF for each in ids for shift in (0, 112)}) > len(ids)


def test_a_band_shows_no_number_in_message_or_attestation(
    world: World, acme: Partner, engine: ScriptedEngine
) -> None:
    engine.answers(612)
    answer = acme.score(world.consent(acme), disclosure="DISCLOSURE_BAND")
    assert not answer.scored.HasField("score")
    assert answer.scored.band == types_pb2.BAND_600_649
    said = payload(answer.attestation)
    assert set(said["result"]["scored"]) == {"band", "range", "model", "evaluated_at", "families"}
    assert not {612, "612"} & set(scalars(answer)) | {612, "612"} & set(scalars(said))


def test_two_people_of_one_band_get_answers_that_differ_in_names_alone(
    world: World, acme: Partner, engine: ScriptedEngine
) -> None:
    names = ("jti", "request_sha256", "consent_id", "consent_sha256", "subject_ref")
    said = []
    for subject, score in (("uci-00001", 601), ("uci-00002", 649)):
        engine.answers(score)
        answer = acme.score(world.consent(acme, subject), disclosure="DISCLOSURE_BAND")
        said.append(
            {claim: value for claim, value in payload(answer.attestation).items() if claim not in names}
        )
    assert said[0] == said[1]


@pytest.mark.parametrize(("score", "reached"), [(599, False), (600, True), (649, True)])
def test_a_threshold_shows_yes_or_no_and_neither_number_nor_band(
    world: World, acme: Partner, engine: ScriptedEngine, score: int, reached: bool
) -> None:
    engine.answers(score)
    request = acme.threshold_query(world.consent(acme, f"uci-{score:05}"), threshold=600)
    answer = acme.scores.CheckThreshold(request)
    assert (answer.answer.threshold, answer.answer.reached) == (600, reached)
    said = payload(answer.attestation)
    assert set(said["result"]["answer"]) == {"threshold", "reached", "model", "evaluated_at", "families"}
    seen = {*scalars(answer), *scalars(said)} - {600}
    assert not seen & {score, str(score), "550_599", "600_649", 350, 950}
    assert acme.spent() == {"day": 1, "month": 1}


def test_a_threshold_answer_verifies_and_only_for_its_own_threshold(world: World, acme: Partner) -> None:
    request = acme.threshold_query(world.consent(acme))
    answer = acme.scores.CheckThreshold(request)
    served = keys_of(acme)
    trusted: dict[str, Any] = {
        "keys": VerificationKeys.from_jwks(served.jwks),
        "issuer": served.issuer,
        "audience": acme.partner_id,
        "now": world.clock(),
    }
    assert isinstance(verify_threshold(answer, request, **trusted), ThresholdClaims)
    request.threshold = 650
    with pytest.raises(BindingMismatch):
        verify_threshold(answer, request, **trusted)


@pytest.mark.parametrize("disclosure", ["DISCLOSURE_SCORE", "DISCLOSURE_BAND"])
def test_reasons_come_only_where_they_are_asked_for(world: World, acme: Partner, disclosure: str) -> None:
    consent = world.consent(acme, "uci-00070", **PERIODIC)
    plain = acme.score(consent, disclosure=disclosure)
    explained = acme.score(consent, disclosure=disclosure, with_reasons=True)
    assert not plain.scored.reasons
    assert "reasons" not in payload(plain.attestation)["result"]["scored"]
    assert 1 <= len(explained.scored.reasons) <= 4
    assert all(reason.code and reason.text for reason in explained.scored.reasons)


@pytest.mark.parametrize(
    ("purpose", "inquiry"),
    [
        ("CREDIT_APPLICATION", "HARD"),
        ("GUARANTOR", "HARD"),
        ("PREQUALIFICATION", "SOFT"),
        ("ACCOUNT_REVIEW", "SOFT"),
        ("COLLECTION", "SOFT"),
        ("DEPOSIT_WAIVER", "SOFT"),
        ("PILOT_STUDY", "SOFT"),
    ],
)
def test_the_inquiry_follows_from_the_purpose(
    world: World, acme: Partner, purpose: str, inquiry: str
) -> None:
    answer = acme.score(world.consent(acme, purpose=f"PURPOSE_{purpose}"), purpose=f"PURPOSE_{purpose}")
    assert types_pb2.InquiryType.Name(answer.inquiry) == f"INQUIRY_TYPE_{inquiry}"
    assert payload(answer.attestation)["inquiry"] == inquiry


# --- no score is not a low score


def test_nobody_is_not_scored_which_costs_nothing_and_uses_nothing_up(
    world: World, acme: Partner, engine: ScriptedEngine
) -> None:
    consent = world.consent(acme, NOBODY)
    with world.entries() as entries:
        answer = acme.score(consent)
    assert answer.not_scored.reason == types_pb2.NOT_SCORED_REASON_NO_DATA
    assert not answer.HasField("scored")
    assert [(e.kind, e.decision, e.reason, e.cost_units, list(e.quota_periods)) for e in entries] == [
        (leaf_pb2.LEAF_KIND_RELEASE, leaf_pb2.DECISION_NOT_SCORED, "NO_DATA", 0, [])
    ]
    assert acme.spent() == {"day": 0, "month": 0}
    engine.answers(700)  # a record has come in
    assert acme.score(consent).scored.score == 700


def test_nobody_costs_a_unit_where_the_contract_says_so(world: World) -> None:
    acme = world.partner(new_name("acme"), charge_not_scored=True)
    consent = world.consent(acme, NOBODY)
    with world.entries() as entries:
        acme.score(consent)
    assert (entries[0].cost_units, len(entries[0].quota_periods)) == (1, 2)
    assert acme.spent() == {"day": 1, "month": 1}
    assert acme.score(consent).HasField("not_scored")  # and even so uses nothing up


def test_not_scored_does_not_count_against_the_frequency(
    world: World, acme: Partner, engine: ScriptedEngine
) -> None:
    consent = world.consent(acme, NOBODY, **PERIODIC, frequency=once_a("DAY"))
    assert acme.score(consent).HasField("not_scored")
    engine.answers(700)
    assert acme.score(consent).HasField("scored")


def once_a(unit: str) -> types_pb2.Frequency:
    return types_pb2.Frequency(uses=1, unit=f"CALENDAR_UNIT_{unit}")


def test_a_threshold_about_nobody_is_neither_yes_nor_no(world: World, acme: Partner) -> None:
    answer = acme.scores.CheckThreshold(acme.threshold_query(world.consent(acme, NOBODY)))
    assert answer.WhichOneof("result") == "not_scored"
    assert set(payload(answer.attestation)["result"]) == {"not_scored"}
    assert acme.spent() == {"day": 0, "month": 0}


def test_not_scored_is_attested_like_a_score(world: World, acme: Partner) -> None:
    request = acme.query(world.consent(acme, NOBODY))
    claims = verified(acme, request, acme.scores.GetScore(request))
    assert claims.result.tag == "not_scored"


# --- provable


def test_the_receipt_holds_the_bytes_of_the_log(world: World, acme: Partner) -> None:
    answer = acme.score(world.consent(acme))
    assert world.leaf_bytes()[answer.receipt.leaf_index] == answer.receipt.leaf
    assert answer.receipt.log_origin == world.settings.log_origin == payload(answer.attestation)["log"]


def test_the_entry_of_an_answer_says_what_was_decided_and_nothing_of_the_person(
    world: World, acme: Partner, engine: ScriptedEngine
) -> None:
    engine.answers(777)
    consent = world.consent(acme)
    answer = acme.score(consent)
    entry = leaf_pb2.Leaf.FromString(answer.receipt.leaf)
    now = world.clock()
    assert (entry.kind, entry.decision) == (leaf_pb2.LEAF_KIND_RELEASE, leaf_pb2.DECISION_SCORED)
    assert (entry.partner_id, entry.method) == (
        acme.partner_id,
        "/scoregate.partner.v1.ScoreService/GetScore",
    )
    assert (entry.purpose, entry.cost_units) == (types_pb2.PURPOSE_CREDIT_APPLICATION, 1)
    assert list(entry.quota_periods) == [f"{now:%Y-%m-%d}", f"{now:%Y-%m}"]
    assert datetime.fromtimestamp(entry.time_micros / 1_000_000, UTC) == now
    assert entry.attestation_sha256 == hashlib.sha256(answer.attestation.encode()).digest()
    hidden = (consent.consent_id, consent.subject_ref, "uci-00001", answer.event_id)
    assert not any(text.encode() in answer.receipt.leaf for text in hidden)
    assert not {777, "777"} & set(scalars(entry))


def test_the_attestation_verifies_against_keys_from_the_door_and_from_http(
    world: World, acme: Partner
) -> None:
    request = acme.query(world.consent(acme))
    answer = acme.scores.GetScore(request)
    url = f"http://127.0.0.1:{world.gateway.http_port}/.well-known/jwks.json"
    with urllib.request.urlopen(url, timeout=5) as page:
        over_http = page.read().decode()
    assert json.loads(over_http) == json.loads(keys_of(acme).jwks)
    for jwks in (over_http, keys_of(acme).jwks):
        claims = verified(acme, request, answer, keys=VerificationKeys.from_jwks(jwks))
        assert claims.jti == answer.event_id


def test_ed25519_signs_by_configuration(new_own_world: Callable[..., World]) -> None:
    world = new_own_world(SCOREGATE_ATTESTATION__ALGORITHM="Ed25519")
    acme = world.partner()
    request = acme.query(world.consent(acme))
    verified(acme, request, acme.scores.GetScore(request))
    assert json.loads(keys_of(acme).jwks)["keys"][0]["crv"] == "Ed25519"


@pytest.mark.parametrize(
    "change",
    [
        {"nonce": "m" * 22},
        {"request_id": new_uuid()},
        {"purpose": "PURPOSE_COLLECTION"},
        {"disclosure": "DISCLOSURE_BAND"},
        {"with_reasons": True},
        {"subject_ref": "somebody-else"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_an_answer_is_bound_to_every_field_of_its_question(
    world: World, acme: Partner, change: dict[str, Any]
) -> None:
    request = acme.query(world.consent(acme))
    answer = acme.scores.GetScore(request)
    assert verified(acme, request, answer).nonce == request.nonce
    other = score_pb2.GetScoreRequest()
    other.CopyFrom(request)
    other.MergeFrom(score_pb2.GetScoreRequest(**change))
    with pytest.raises(BindingMismatch):
        verified(acme, other, answer)


def test_an_answer_to_one_partner_is_none_to_another(world: World, acme: Partner) -> None:
    request = acme.query(world.consent(acme))
    with pytest.raises(BindingMismatch):
        verified(acme, request, acme.scores.GetScore(request), audience="zeta")


def test_an_answer_that_was_touched_is_noticed(world: World, acme: Partner, engine: ScriptedEngine) -> None:
    engine.answers(600)
    request = acme.query(world.consent(acme))
    answer = acme.scores.GetScore(request)
    answer.scored.score = 601
    with pytest.raises(ViewMismatch):
        verified(acme, request, answer)
    head, body, signature = answer.attestation.split(".")
    other = "A" if signature[0] != "A" else "B"
    answer.attestation = ".".join((head, body, other + signature[1:]))
    with pytest.raises(SignatureInvalid):
        verified(acme, request, answer)


def test_a_key_that_another_replica_turned_is_noticed_and_the_answer_signed_again(
    world: World, acme: Partner, engine: ScriptedEngine, scorer: Engine
) -> None:
    published = world.keys()
    consent = world.consent(acme, **PERIODIC)
    acme.score(consent)
    with world.replica(Seams(engine=ScriptedEngine(scorer))) as other:
        other.rotate_keys()
    asked = engine.calls
    request = acme.query(consent)
    answer = acme.scores.GetScore(request)
    verified(acme, request, answer)
    header = json.loads(urlsafe_b64decode(answer.attestation.split(".")[0] + "=="))
    assert header["kid"] == published["NEXT"]
    assert engine.calls == asked + 2  # the first round was thrown away unseen
    assert acme.spent() == {"day": 2, "month": 2}


# --- separable inputs, pairwise people


def test_excluded_families_reach_the_engine_and_never_the_answer(
    world: World, acme: Partner, engine: ScriptedEngine
) -> None:
    consent = world.consent(acme, excluded_families=["INPUT_FAMILY_HISTORY", "INPUT_FAMILY_SOCIAL"])
    answer = acme.score(consent)
    assert engine.queries[-1].excluded == {Family.HISTORY, Family.SOCIAL}
    assert list(answer.scored.families) == [types_pb2.INPUT_FAMILY_CAPACITY]
    assert payload(answer.attestation)["result"]["scored"]["families"] == ["CAPACITY"]


def test_nothing_excluded_rests_on_every_family_of_the_model(world: World, acme: Partner) -> None:
    families = acme.score(world.consent(acme)).scored.families
    assert sorted(families) == [types_pb2.INPUT_FAMILY_HISTORY, types_pb2.INPUT_FAMILY_CAPACITY]


def test_whoever_excluded_all_that_the_model_uses_is_not_scored(world: World, acme: Partner) -> None:
    consent = world.consent(acme, excluded_families=["INPUT_FAMILY_HISTORY", "INPUT_FAMILY_CAPACITY"])
    assert acme.score(consent).not_scored.reason == types_pb2.NOT_SCORED_REASON_THIN_FILE


def test_a_person_has_another_reference_with_every_partner_and_one_with_each(
    world: World, acme: Partner, zeta: Partner
) -> None:
    answers = [p.score(world.consent(p, "uci-00009")) for p in (acme, acme, zeta)]
    refs = [answer.subject_ref for answer in answers]
    assert refs[0] == refs[1] != refs[2]
    assert all("uci" not in ref and "00009" not in ref for ref in refs)


# --- meters


def test_answers_carry_rate_limits_as_initial_metadata(world: World, acme: Partner) -> None:
    headers = ask(acme, acme.query(world.consent(acme))).headers
    assert (
        headers["ratelimit-policy"] == '"burst";q=10000;w=1, "day";q=1000;w=86400, "month";q=10000;w=2592000'
    )
    assert '"day";r=999, "month";r=9999' in headers["ratelimit"]
    assert headers["ratelimit"].startswith('"burst";r=')


def test_refusals_carry_rate_limits_as_initial_metadata(world: World, acme: Partner) -> None:
    failure = refused(ask, acme, acme.query("a" * 26))
    assert '"day";r=1000, "month";r=10000' in failure.initial["ratelimit"]
    assert failure.initial["ratelimit-policy"].startswith('"burst";q=10000;w=1')


# --- batches


def test_a_batch_answers_every_item_in_order_as_get_score_would(
    world: World, acme: Partner, engine: ScriptedEngine
) -> None:
    people = [f"uci-{number:05}" for number in range(1, 2 * CHUNK + 11)]  # three chunks
    consents = [world.consent(acme, subject) for subject in people[:5]]
    shared = world.consent(acme, people[5], **PERIODIC)
    items = [acme.query(consent) for consent in consents] + [acme.query(shared) for _ in people[5:]]
    answer = acme.scores.BatchGetScores(score_pb2.BatchGetScoresRequest(items=items), timeout=30)
    assert [result.request_id for result in answer.results] == [item.request_id for item in items]
    for item, result in zip(items, answer.results, strict=True):
        verified(acme, item, result.answer)
    indexes = [result.answer.receipt.leaf_index for result in answer.results]
    assert indexes == list(range(indexes[0], indexes[0] + len(items)))
    assert acme.spent() == {"day": len(items), "month": len(items)}
    assert engine.calls == 3


def test_one_item_fails_alone(world: World, acme: Partner) -> None:
    consent = world.consent(acme, **PERIODIC)
    items = [acme.query(consent), acme.query("a" * 26), acme.query(consent, purpose="PURPOSE_COLLECTION")]
    with world.entries() as entries:
        results = acme.scores.BatchGetScores(score_pb2.BatchGetScoresRequest(items=items)).results
    assert [result.WhichOneof("outcome") for result in results] == ["answer", "error", "error"]
    reasons = ["CONSENT_NOT_USABLE", "CONSENT_PURPOSE_MISMATCH"]
    assert [result.error.reason for result in results[1:]] == reasons
    assert all(result.error.code == 7 and result.error.remedy for result in results[1:])
    assert [entry.reason for entry in entries] == ["", *reasons]
    assert acme.spent() == {"day": 1, "month": 1}


def test_a_ring_whose_next_key_is_gone_is_not_turned_and_goes_on_signing(own_world: World) -> None:
    acme = own_world.partner()
    folder = own_world.settings.attestation.key_folder
    keys = own_world.operations.ListKeys(operations_admin_pb2.ListKeysRequest()).keys
    [following] = [key.kid for key in keys if key.state == operations_admin_pb2.KEY_STATE_NEXT]
    (folder / f"{following}.pem").rename(folder / "elsewhere.pem")
    request = operations_admin_pb2.RotateKeysRequest(reason="a test")
    assert refused(own_world.operations.RotateKeys, request).reason == "STATE_CONFLICT"
    assert acme.score(own_world.consent(acme)).HasField("scored")
    (folder / "elsewhere.pem").rename(folder / f"{following}.pem")
    assert own_world.operations.RotateKeys(request).keys
    assert acme.score(own_world.consent(acme)).HasField("scored")
