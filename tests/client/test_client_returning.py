"""The way back from the consumer's pages: believed only with the state of one's own session."""

from __future__ import annotations

from typing import Any

import pytest

from scoregate.client import returned
from scoregate.errors import ClientMisconfigured, ReturnRefused

HANDLE, STATE = "mfrggzdfmztwq2lknnwg23tpob", "k3J_-9xQ2mP7"
QUERY = f"handle={HANDLE}&state={STATE}"


@pytest.mark.parametrize(
    "url",
    [
        f"https://lender.example/back?{QUERY}",
        f"https://lender.example/back?state={STATE}&handle={HANDLE}",
        f"/back?{QUERY}",
        QUERY,
    ],
)
def test_ones_own_way_back_names_its_invitation(url: str) -> None:
    assert returned(url, STATE) == HANDLE


@pytest.mark.parametrize(
    "query",
    [
        "",
        f"handle={HANDLE}",
        f"state={STATE}",
        f"handle={HANDLE}&state={STATE}x",
        f"handle={HANDLE}&state={STATE[:-1]}",
        f"handle={HANDLE}&state=",
        f"handle={HANDLE}&state={STATE.lower()}",
        f"handle={HANDLE}&state=%F0%9F%98%80%ED%A0%80",
        f"handle={HANDLE}&state={STATE}%00",
        f"handle={HANDLE[:-1]}&state={STATE}",
        f"handle={HANDLE[:-1]}1&state={STATE}",
        f"handle={HANDLE.upper()}&state={STATE}",
        f"handle={HANDLE}%0A&state={STATE}",
        f"{QUERY}&state={STATE}",
        f"{QUERY}&state=another-state",
        f"{QUERY}&handle={HANDLE}",
        f"{QUERY}&approved=true",
        f"{QUERY}&",
        "handle",
        "&".join(["a=b"] * 9_999),
    ],
)
def test_any_difference_is_refused_without_being_quoted(query: str) -> None:
    for url in (f"https://lender.example/back?{query}", query):
        with pytest.raises(ReturnRefused) as refused:
            returned(url, STATE)
        assert STATE[:-1] not in str(refused.value)
        assert HANDLE[:-1] not in str(refused.value)


@pytest.mark.parametrize("url", ["https://[x?a=b", "https://[::1?handle=x", "\ud800", "?\ud800=1"])
def test_what_is_no_address_is_refused_too(url: str) -> None:
    with pytest.raises(ReturnRefused):
        returned(url, STATE)


@pytest.mark.parametrize(
    "expected", ["", "short", "x" * 129, "with space", STATE + "\n", None, b"bytes-of-it"]
)
def test_a_session_without_a_state_lets_nobody_in(expected: Any) -> None:
    with pytest.raises(ClientMisconfigured, match=r"^expected_state: "):
        returned(f"handle={HANDLE}&state={expected}", expected)
    with pytest.raises(ClientMisconfigured, match=r"^expected_state: "):
        returned(f"handle={HANDLE}&state=", expected)
