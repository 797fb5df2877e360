"""Forged, replayed and swapped forms, over HTTP: each has everything right but one thing."""

from __future__ import annotations

from functools import partial

import grpc
import pytest

from gateway.server.pages import RESIDENTS
from scoregate.audit.v1 import leaf_pb2
from scoregate.partner.v1 import consent_pb2
from tests.pages.attacking import (
    ACTIONS,
    ADA,
    CHEN,
    CLEO,
    DEE,
    FIELDS,
    NOWHERE,
    ON,
    arrive,
    invitation,
    lender,
    raw,
    refused,
    same,
    sent,
    state_of,
    token_for,
)
from tests.pages.browser import Browser, forms, text_of
from tests.pages.place import Place
from tests.world import Partner, new_uuid, terms


@pytest.mark.parametrize("action", ACTIONS)
def test_no_form_is_taken_without_the_token_of_its_own_page_and_session(
    place: Place, ada: Browser, bo: Browser, victim: dict[str, str], action: str
) -> None:
    path = ACTIONS[action].format(**victim)
    fields = FIELDS.get(action, [])
    elsewhere = arrive(place, ADA)  # the same person, on another device
    wrong = {
        "none": [],
        "empty": [("token", "")],
        "of another path": [("token", token_for(ada, "/freeze/never"))],
        "of this path with a query": [("token", token_for(ada, f"{path}?"))],
        "of another person": [("token", token_for(bo, path))],
        "of another device": [("token", token_for(elsewhere, path))],
        "cut": [("token", token_for(ada, path)[:-1])],
        "not ASCII": [("token", "é" * 43)],
        "zeroes": [("token", "\x00" * 43)],
    }
    for given in wrong.values():
        refused(place, partial(ada.post, path, [*given, *fields]))
    assert ada.get("/consents").url.path == "/consents"  # still signed in


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "none"},
        {"sec_fetch_site": "", "origin": "{own}"},
        {"sec_fetch_site": "cross-site", "origin": "{own}"},
    ],
    ids=str,
)
def test_a_form_from_elsewhere_is_refused_with_the_right_token(
    place: Place, ada: Browser, victim: dict[str, str], action: str, headers: dict[str, str]
) -> None:
    path = ACTIONS[action].format(**victim)
    given = {name: text.format(own=place.url) for name, text in headers.items()}
    refused(place, lambda: sent(ada, path, *FIELDS.get(action, []), **given))


@pytest.mark.parametrize(
    "origin", ["null", "https://evil.example", "{own}.evil.example", "{own}0", "https{own}", "{own}/"]
)
def test_a_browser_that_knows_no_fetch_metadata_is_asked_for_its_origin(
    place: Place, ada: Browser, origin: str
) -> None:
    body = f"token={token_for(ada, '/freeze/on')}"
    refused(place, partial(raw, ada, "/freeze/on", body, origin=origin.format(own=place.url)))


def test_a_form_of_before_signing_in_anew_is_not_taken(place: Place) -> None:
    browser = arrive(place, CLEO)
    page = browser.get("/freeze")
    browser.sign_in(CLEO)
    refused(place, lambda: browser.press(page, "/freeze/on"))


def test_a_form_of_a_session_that_has_ended_is_not_taken(place: Place) -> None:
    browser = arrive(place, CLEO)
    page = browser.get("/freeze")
    kept = browser.cookies["scoregate"]
    browser.press(page, "/logout")
    browser.cookies.set("scoregate", kept, domain="127.0.0.1", path="/")
    with place.world.entries() as entries:
        response = browser.press(page, "/freeze/on")
    assert response.status_code == 403
    assert "You are not signed in any more" in response.text
    assert entries == []


def test_an_answer_is_given_once_and_no_replay_turns_it(place: Place) -> None:
    asker, browser = lender(place), arrive(place, CLEO)
    for first, then, state in (("deny", "allow", "REJECTED"), ("allow", "deny", "APPROVED")):
        handle = asker.invite().handle
        page = browser.get(f"/i/{handle}")
        assert browser.press(page, f"/{first}").url.path == f"/i/{handle}/done"
        given = invitation(asker, handle).consent_id
        refused(place, partial(browser.press, page, f"/{then}"), 409)
        # The same yes again is shown what it came to; nobody can tell whose no a no was.
        refused(place, partial(browser.press, page, f"/{first}"), 200 if first == "allow" else 409)
        assert (state_of(asker, handle), invitation(asker, handle).consent_id) == (state, given)


def test_a_change_of_a_consent_that_has_ended_is_not_replayed(place: Place) -> None:
    asker, browser = lender(place), arrive(place, CLEO)
    consent_id = place.world.consent(asker, CLEO).consent_id
    page = browser.get(f"/consents/{consent_id}")
    browser.press(page, "/pause")
    browser.press(browser.get(f"/consents/{consent_id}"), "/revoke")
    for change in ("pause", "resume"):
        refused(place, partial(sent, browser, f"/consents/{consent_id}/{change}"), 409)


# --- a swapped partner, handle or person


def test_a_form_for_one_invitation_answers_no_other(place: Place) -> None:
    shown, hidden = lender(place), lender(place)
    browser = arrive(place, CLEO)
    wanted, other = shown.invite().handle, hidden.invite().handle
    (form,) = [each for each in forms(browser.get(f"/i/{wanted}")) if each.name == "allow"]
    refused(place, lambda: browser.post(f"/i/{other}/allow", form.fields))
    assert (state_of(shown, wanted), state_of(hidden, other)) == ("PENDING", "PENDING")


def test_fields_that_the_page_does_not_have_change_nothing_of_what_it_said(place: Place) -> None:
    shown, hidden = lender(place), lender(place)
    browser = arrive(place, CLEO)
    excluded = ["INPUT_FAMILY_SOCIAL"]
    wanted, other = shown.invite(excluded_families=excluded).handle, hidden.invite().handle
    more = [
        *(("handle", other), ("partner_id", hidden.partner_id), ("subject", ADA), ("SOCIAL", "on")),
        *(("lift", "on"), ("disclosures", "SCORE"), ("valid_for", "99999999"), ("HISTORY", "off")),
        *(("excluded", "HISTORY"), ("consent_id", NOWHERE), ("token", "")),
    ]
    path = f"/i/{wanted}/allow"
    # The first of two tokens is not the one that counts, nor does a second turn the form into ours.
    refused(place, lambda: sent(browser, path, *ON, *more))
    done = browser.post(path, [*ON, *more, ("token", token_for(browser, path))])
    assert done.url.path == f"/i/{wanted}/done"
    assert state_of(hidden, other) == "PENDING"
    consent_id = invitation(shown, wanted).consent_id
    found = shown.consents.GetConsent(consent_pb2.GetConsentRequest(consent_id=consent_id)).consent
    agreed = invitation(shown, wanted).terms
    assert list(found.terms.excluded_families) == list(agreed.excluded_families)
    assert found.terms.disclosures == agreed.disclosures
    assert arrive(place, ADA).get(f"/consents/{consent_id}").status_code == 404
    # No freeze was there to be lifted, so a later one stops this consent too.
    browser.press(browser.get("/freeze"), "/freeze/on")
    with pytest.raises(grpc.RpcError, match="The person froze their file"):
        shown.score(consent_id)
    browser.press(browser.get("/freeze"), "/freeze/off")
    assert shown.score(consent_id).attestation


def test_a_consent_of_somebody_else_looks_like_none_in_every_way(place: Place, ada: Browser) -> None:
    foreign = place.world.consent(lender(place), CHEN).consent_id
    with place.world.entries() as entries:
        for rest in ("", "/receipt", "/unknown"):
            same(
                ada.get(f"/consents/{foreign}{rest}"), ada.get(f"/consents/{NOWHERE}{rest}"), foreign, NOWHERE
            )
        for rest in ("pause", "resume", "revoke", "unknown"):
            paths = [f"/consents/{each}/{rest}" for each in (foreign, NOWHERE)]
            same(*(sent(ada, path) for path in paths), foreign, NOWHERE)
        older = [ada.get(f"/consents?before={each}") for each in (foreign, NOWHERE)]
        assert text_of(older[0]) == text_of(older[1])
    assert entries == []


def test_an_entry_about_somebody_else_looks_like_none(place: Place, ada: Browser) -> None:
    asker = lender(place)
    asker.score(place.world.consent(asker, CHEN))
    index = place.world.log_size() - 1
    leaf = place.world.leaves()[index]
    while leaf.kind != leaf_pb2.LEAF_KIND_RELEASE:
        index -= 1
        leaf = place.world.leaves()[index]
    own = arrive(place, CHEN)
    for rest in ("", "/leaf", "/receipt.json"):
        assert own.get(f"/asked/{index}{rest}").status_code == 200
        none = "99999999"
        same(
            ada.get(f"/asked/{index}{rest}"),
            ada.get(f"/asked/{none}{rest}"),
            f"asked/{index}",
            f"asked/{none}",
        )


def test_an_invitation_that_somebody_else_answered_looks_like_none(place: Place, bo: Browser) -> None:
    asker, browser = lender(place), arrive(place, CLEO)
    for answer in ("allow", "deny"):
        handle = asker.invite().handle
        browser.press(browser.get(f"/i/{handle}"), f"/{answer}")
        state = state_of(asker, handle)
        with place.world.entries() as entries:
            same(bo.get(f"/i/{handle}"), bo.get(f"/i/{NOWHERE}"), handle, NOWHERE)
            if answer == "allow":
                same(bo.get(f"/i/{handle}/done"), bo.get(f"/i/{NOWHERE}/done"), handle, NOWHERE)
        assert (entries, state_of(asker, handle)) == ([], state)


def named(asker: Partner) -> str:
    """The handle of an invitation that names Ada."""
    expected = consent_pb2.IdentityToMatch(name=RESIDENTS[0][1], document_number=RESIDENTS[0][2])
    request = consent_pb2.CreateConsentInvitationRequest(
        request_id=new_uuid(), terms=terms(), identity=expected
    )
    return str(asker.consents.CreateConsentInvitation(request).invitation.handle)


def test_an_invitation_for_a_named_person_ends_at_anybody_else(place: Place, bo: Browser) -> None:
    asker = lender(place)
    opened, answered, denied = (named(asker) for _ in range(3))
    assert sent(bo, f"/i/{opened}/read").status_code == 404
    assert sent(bo, f"/i/{answered}/allow", *ON).status_code == 404
    assert sent(bo, f"/i/{denied}/deny").status_code == 404
    for handle in (opened, answered):
        assert state_of(asker, handle) == "IDENTITY_MISMATCH"
    assert state_of(asker, denied) != "REJECTED"
    owner = arrive(place, ADA)
    assert owner.get(f"/i/{opened}").status_code == 404
    assert sent(owner, f"/i/{opened}/allow", *ON).status_code == 409


def test_what_a_named_person_answered_is_told_to_nobody_else(place: Place) -> None:
    asker, owner, other = lender(place), arrive(place, ADA), arrive(place, DEE)
    handle = named(asker)
    told = sent(owner, f"/i/{handle}/deny").url.raw_path.decode()
    assert owner.get(told).status_code == 200
    # Not even with the very address that its owner was led to.
    same(other.get(told), other.get(told.replace(handle, NOWHERE)), handle, NOWHERE)
