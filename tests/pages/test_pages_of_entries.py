"""Who asked: the same ledger that an officer pulls, as the person reads it."""

from __future__ import annotations

import base64
import json
import re

import grpc
import pytest
import sqlalchemy as sa

from gateway.pages.consumer import asked
from gateway.store import open_store
from scoregate.audit.v1 import audit_pb2, leaf_pb2, report_pb2
from scoregate.proof import leaf
from scoregate.proof.personal import verify_receipt
from scoregate.proof.personal_report import verify_report
from scoregate.tlog import merkle
from scoregate.tlog.policy import Policy
from scoregate.tlog.proof import TlogProof
from tests.journey.test_published_log import proof_of, vkey
from tests.pages.browser import text_of
from tests.pages.place import Place
from tests.world import seconds


def test_answers_refusals_and_replays_stand_there_at_once(own_place: Place) -> None:
    acme = own_place.world.partner("acme")
    consent = own_place.world.consent(acme, "uci-00001", mode="CONSENT_MODE_PERIODIC")
    query = acme.query(consent)
    told = acme.scores.GetScore(query).scored.score
    acme.scores.GetScore(query)
    acme.scores.CheckThreshold(acme.threshold_query(consent))
    with pytest.raises(grpc.RpcError):
        acme.score(consent, purpose="PURPOSE_COLLECTION")

    read = text_of(own_place.browser("uci-00001").get("/asked"))

    assert f"Answered: your number, {told}" in read
    assert "The same answer given again" in read
    assert re.search(r"Answered: (yes, you reach|no, you do not reach) 600", read)
    assert "Acme Lending Ltd Refused: they asked for another purpose than you allowed" in read
    assert "You said yes to Acme Lending Ltd Credit application recorded for you by our staff" in read
    assert "The time zone is UTC." in read
    assert f"entry {own_place.world.log_size() - 1} " in read
    assert read.index("Refused") < read.index("Answered: your number")  # the newest first


def test_each_entry_can_be_proved_by_whoever_it_is_about_and_read_by_nobody_else(own_place: Place) -> None:
    acme = own_place.world.partner("acme")
    answer = acme.score(own_place.world.consent(acme, "uci-00001"))
    mine, other = own_place.browser("uci-00001"), own_place.browser("uci-00002")
    path = f"/asked/{answer.receipt.leaf_index}"

    receipt = mine.get(f"{path}/receipt.json").json()

    data = base64.b64decode(receipt["leaf"])
    assert data == answer.receipt.leaf == mine.get(f"{path}/leaf").content
    part, blind = base64.b64decode(receipt["private_part"]), base64.b64decode(receipt["blind"])
    assert leaf.commit(part, blind) == leaf.decode(data).commitment
    assert leaf_pb2.PrivatePart.FromString(part).score == answer.scored.score
    missing = other.get("/asked/999999")
    for address in (path, f"{path}/leaf", f"{path}/receipt.json", f"{path}/proof"):
        seen = other.get(address)
        assert (seen.status_code, text_of(seen)) == (404, text_of(missing))
    assert answer.receipt.log_origin == receipt["log_origin"]


def test_each_entry_has_a_proof_that_stands_alone_once_it_is_published(own_place: Place) -> None:
    acme = own_place.world.partner("acme")
    answer = acme.score(own_place.world.consent(acme, "uci-00001"))
    browser, path = own_place.browser("uci-00001"), f"/asked/{answer.receipt.leaf_index}"
    early = browser.get(f"{path}/proof")
    if early.status_code != 200:  # the second in which it is published may be over already
        assert (early.status_code, "The proof is not there yet" in text_of(early)) == (503, True)
        assert "proof" not in browser.get(f"{path}/receipt.json").json()

    proof_of(acme, answer.receipt.leaf_index)

    proof = TlogProof.decode(browser.get(f"{path}/proof").content)
    policy = Policy.of([vkey(own_place.world)])
    assert proof.index == answer.receipt.leaf_index
    proof.require(merkle.leaf_hash(answer.receipt.leaf), policy)
    assert browser.get(f"{path}/receipt.json").json()["proof"] == proof.encode()


def test_what_a_person_downloads_holds_offline(own_place: Place) -> None:
    world = own_place.world
    acme = world.partner("acme")
    consent = world.consent(acme, "uci-00001", mode="CONSENT_MODE_PERIODIC")
    answers = [acme.score(consent) for _ in range(3)]
    last = answers[-1].receipt.leaf_index
    proof_of(acme, last)
    browser, policy = own_place.browser("uci-00001"), Policy.of([vkey(world)])

    receipt = verify_receipt(browser.get(f"/asked/{last}/receipt.json").json(), policy)
    report = verify_report(browser.get("/asked/report.json").json(), policy)

    assert (receipt.subject, receipt.told.score) == ("uci-00001", answers[-1].scored.score)
    assert [each.leaf_index for each in report.entries] == [
        *(answer.receipt.leaf_index for answer in reversed(answers)),
        *(index for index in (each.leaf_index for each in report.entries) if index < last - 2),
    ]
    assert {each.legal_name for each in report.entries} == {"Acme Lending Ltd"}


@pytest.mark.parametrize(
    ("tag", "words"),
    [
        ("en", "A compliance officer drew up a report of who asked about you"),
        ("zh-Hans", "一位合规人员制作了一份报告，列出谁查询过您"),
    ],
)
def test_a_person_sees_that_an_officer_drew_a_report_of_them(own_place: Place, tag: str, words: str) -> None:
    _, audit = own_place.world.officer()
    audit.GetSubjectAccessReport(report_pb2.GetSubjectAccessReportRequest(subject="uci-00001"))
    browser = own_place.browser("uci-00001", **{"accept-language": tag})
    page = browser.get("/asked")
    assert words in text_of(page)
    index = re.findall(r'href="/asked/(\d+)"', page.text)[0]
    for path in (f"/asked/{index}", "/asked/report"):
        read = text_of(browser.get(path))
        assert words in read
        assert "SUBJECT_ACCESS_REPORT" not in read
    assert words not in text_of(own_place.browser("uci-00002").get("/asked"))


@pytest.mark.parametrize(
    ("tag", "words"),
    [
        (
            "en",
            (
                "A compliance officer took a copy of entries about you",
                "by Officer Lending Ltd",
                "with what was answered about you",
                "reason given: complaint 41",
            ),
        ),
        (
            "zh-Hans",
            (
                "一位合规人员导出了与您有关的记录",
                "由Officer Lending Ltd",
                "包含关于您的答复内容",
                "所给理由：complaint 41",
            ),
        ),
    ],
)
def test_a_person_sees_who_took_a_copy_and_why(own_place: Place, tag: str, words: tuple[str, ...]) -> None:
    world = own_place.world
    acme = world.partner("acme")
    proof_of(acme, acme.score(world.consent(acme, "uci-00001")).receipt.leaf_index)
    _, audit = world.officer()
    asked_for = audit_pb2.EntryFilter(subject="uci-00001")
    request = audit_pb2.ExportBundleRequest(filter=asked_for, with_private_parts=True, reason="complaint 41")
    audit.ExportBundle(request)
    browser = own_place.browser("uci-00001", **{"accept-language": tag})
    index = re.findall(r'href="/asked/(\d+)"', browser.get("/asked").text)[0]
    for path in ("/asked", f"/asked/{index}", "/asked/report"):
        read = browser.get(path)
        assert all(each in text_of(read) for each in words), path


@pytest.mark.parametrize(
    "path",
    [
        "/asked/x",
        "/asked/" + "9" * 5_000,
        "/asked?before=x",
        "/asked?before=-1",
        "/asked/report?year=1999",
        "/asked/report?year=x",
    ],
)
def test_addresses_that_mean_nothing_are_pages_that_are_not_there(place: Place, path: str) -> None:
    assert place.browser("uci-00001").get(path).status_code == 404


def test_the_report_of_a_year_holds_all_of_it_and_nothing_of_another(
    own_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asked, "CHUNK", 2)
    monkeypatch.setattr(asked, "REPORT_PAGE", 2)
    world = own_place.world
    acme = world.partner("acme")
    consent = world.consent(
        acme, "uci-00001", mode="CONSENT_MODE_PERIODIC", valid_for=seconds(3 * 366 * 86_400)
    )
    before = [acme.score(consent).receipt.leaf_index for _ in range(3)]
    world.clock.move(days=(366 - world.clock().timetuple().tm_yday) + 1)
    world.restart()
    acme.connect()
    after = [acme.score(consent).receipt.leaf_index for _ in range(3)]
    browser = own_place.browser("uci-00001")
    year = world.clock().year

    reports = [json.loads(browser.get(f"/asked/report.json?year={each}").text) for each in (year - 1, year)]

    found = [[entry["leaf_index"] for entry in report["entries"]] for report in reports]
    assert set(before) <= set(found[0])
    assert set(after) <= set(found[1])
    assert not set(found[0]) & set(found[1])
    assert all(indexes == sorted(indexes, reverse=True) for indexes in found)
    printed = browser.get(f"/asked/report?year={year}")
    assert "The report goes on" in text_of(printed)
    goes_on = re.search(r"/asked/report\?year=\d+&amp;before=\d+", printed.text)
    assert goes_on
    assert str(after[0]) in text_of(browser.get(goes_on[0].replace("&amp;", "&")))


@pytest.mark.parametrize("tag", ["en", "zh-Hans"])
def test_no_machines_word_is_left_to_a_person(own_place: Place, tag: str) -> None:
    """Codes are for machines: the report as JSON has them, and no page."""
    world, acme = own_place.world, own_place.world.partner("acme")
    consent = world.consent(acme, "uci-00001")
    acme.score(consent)
    for change in ({}, {"purpose": "PURPOSE_COLLECTION"}, {"disclosure": "DISCLOSURE_BAND"}):
        with pytest.raises(grpc.RpcError):
            acme.score(consent, **change)
    world.freeze("uci-00001")
    world.dispute("uci-00001")
    browser = own_place.browser("uci-00001", **{"accept-language": tag})
    indexes = re.findall(r'href="/asked/(\d+)"', browser.get("/asked").text)
    assert indexes
    for path in ("/asked", "/asked/report", *(f"/asked/{each}" for each in indexes)):
        read = text_of(browser.get(path))
        assert not re.findall(r"[A-Z]{3,}_[A-Z_]+", read), path
    reasons = {each["reason"] for each in browser.get("/asked/report.json").json()["entries"]}
    assert "CONSENT_CONSUMED" in reasons


def test_what_a_person_does_is_not_told_of_a_lender(own_place: Place) -> None:
    world = own_place.world
    for partner_id in ("acme", "bravo"):
        world.consent(world.partner(partner_id), "uci-00001", mode="CONSENT_MODE_PERIODIC")
    browser = own_place.browser("uci-00001")
    browser.press(browser.get("/freeze"), "/freeze/on")
    page = browser.get("/asked")
    links = [
        " ".join(re.sub(r"<[^>]*>", " ", each).split())
        for each in re.findall(r"<a href=\"/asked/\d+\">(.*?)</a>", page.text, re.S)
    ]
    assert links[:2] == ["You froze your file"] * 2
    read = text_of(page)
    for name in ("Acme Lending Ltd", "Bravo Lending Ltd"):
        assert f"{name} can see this" in read
    index = re.findall(r'href="/asked/(\d+)"', page.text)[0]
    assert "<h1>You froze your file" in " ".join(
        browser.get(f"/asked/{index}").text.replace("\n", "").split()
    )


def test_a_report_names_whom_it_is_about_who_makes_it_and_the_log(own_place: Place) -> None:
    world = own_place.world
    world.consent(world.partner("acme"), "uci-00001")
    browser = own_place.browser("uci-00001")
    read, plain = text_of(browser.get("/asked/report")), browser.get("/asked/report.json").json()
    settings = world.settings
    named = {
        "subject": "uci-00001",
        "name": "Ada Example",
        "issuer": settings.issuer,
        "log_origin": settings.log_origin,
    }
    assert {name: plain[name] for name in named} == named
    assert plain["time_zone"] == "UTC"
    for each in named.values():
        assert each in read
    assert "UNSPECIFIED" not in str(plain)


def test_a_person_of_whom_nothing_is_known_reads_so(place: Place) -> None:
    assert "Nobody has asked for your score." in text_of(place.browser("nobody-yet").get("/asked"))


def test_what_can_not_be_opened_is_said_on_a_page(own_place: Place) -> None:
    """A person's key that can't be unwrapped: a report that breaks off half-way is told by nobody."""
    world = own_place.world
    world.consent(world.partner("acme"), "uci-00001")
    store = open_store(world.settings.database.url)
    with store.writer.begin() as connection:
        connection.execute(sa.text("UPDATE data_keys SET wrapped = :wrapped"), {"wrapped": bytes(40)})
    store.close()
    browser = own_place.browser("uci-00001")
    for path in ("/asked", "/asked/report", "/asked/report.json", "/asked/0"):
        answer = browser.get(path)
        assert answer.status_code == 500
        assert "Something went wrong on our side" in text_of(answer)
