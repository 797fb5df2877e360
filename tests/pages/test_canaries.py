"""Nothing of a person is in a log line or an address."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote

import httpx
import structlog

from gateway.server.pages import RESIDENTS
from gateway.settings import Settings
from tests.pages.attacking import ADA, arrive, invitation, lender, sent
from tests.pages.place import open_place
from tests.world import settings_for


def test_nothing_of_a_person_is_in_a_log_line_or_an_address(tmp_path: Path, engine_folder: Path) -> None:
    settings = settings_for(tmp_path, f"sqlite:///{tmp_path}/ledger.db", engine_folder)
    seen: list[httpx.Response] = []
    with structlog.testing.capture_logs() as lines, open_place(settings) as place:
        browser = arrive(place)
        browser._client.event_hooks["response"] = [seen.append]
        asker = lender(place)
        handle = asker.invite(mode="CONSENT_MODE_PERIODIC").handle
        browser.sign_in(ADA, then=f"/i/{handle}")
        browser.press(browser.get(f"/i/{handle}"), "/allow")
        consent_id = invitation(asker, handle).consent_id
        score = asker.score(consent_id).scored.score
        words = "CANARYWORDS"
        sent(browser, "/wrong/tell", ("kind", "REVIEW"), ("words", words))
        for path in ("/score", "/consents", f"/consents/{consent_id}", "/asked", "/asked/report", "/wrong"):
            assert browser.get(path).status_code == 200
        browser.get("/i/nothing")
        browser.press(browser.get("/freeze"), "/freeze/on")
        refused_once = browser.press(browser.get(f"/consents/{consent_id}"), "/revoke")
        assert refused_once.status_code == 200
        # And when something fails that nobody thought of: its report names no person either.
        break_table(settings, "disputes")
        assert browser.get("/wrong").status_code in (500, 503)
        break_table(settings, "grants")
        assert browser.get("/consents").status_code in (500, 503)
        browser.get(f"/consents/{consent_id}")
        place.pages.stop()
    canaries = [*RESIDENTS[0], words, str(score), *RESIDENTS[0][3].split()[1:]]
    told = [f"{line} {line.get('exc_info', '')!r} {line.get('exc_info', '')}" for line in lines]
    assert "page not served" in str(told) or "unexpected failure on a page" in str(told)
    addresses = [str(each.url) for each in seen]
    addresses += [each.headers.get("location", "") for each in seen]
    for each in seen:
        if each.headers.get("content-type", "").startswith("text/html"):
            addresses += re.findall(r'(?:href|action|src)="([^"]*)"', each.text)
    for canary in canaries:
        lost = re.compile(rf"(?<![\w.]){re.escape(canary)}(?!\w)")
        assert not [line for line in told if lost.search(line)], canary
        assert not [address for address in addresses if lost.search(unquote(address))], canary


def break_table(settings: Settings, name: str) -> None:
    """Take a table away under the running pages."""
    assert settings.database.file
    with closing(sqlite3.connect(settings.database.file)) as connection, connection:
        connection.execute(f"ALTER TABLE {name} RENAME TO {name}_gone")
