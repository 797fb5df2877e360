"""Which addresses a contract may send people back to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.doors.invitation import is_return_address

LONGEST = "https://a.example/" + "x" * (255 - len("https://a.example/"))


@pytest.mark.parametrize("development", [True, False])
@pytest.mark.parametrize(
    "address",
    [
        "https://a.example",
        "https://a.example/",
        "https://a.example:8443/a/b%20c/~d(e)",
        "https://127.0.0.1/back",
        "https://[::1]:65535/back",
        LONGEST,
    ],
)
def test_https_is_good_everywhere(address: str, development: bool) -> None:
    assert is_return_address(address, development=development)


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:9000/back", "http://localhost/", "http://[::1]:1", "http://localhost"]
)
def test_plain_http_is_for_this_machine_and_for_development(address: str) -> None:
    assert is_return_address(address, development=True)
    assert not is_return_address(address, development=False)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "back",
        "//a.example/",
        "https:///back",
        "https://",
        "HTTPS://a.example/",
        "ftp://a.example/",
        "javascript:alert(1)",
        "data:text/html,x",
        "http://a.example/",
        "http://127.0.0.1.evil.example/",
        "http://localhost.evil.example/",
        "http://localhost@evil.example/",
        "https://user@a.example/",
        "https://user:secret@a.example/",
        "https://a.example:443@evil.example/",
        "https://a.example\\@evil.example/",
        "https://a.example/back?x=1",
        "https://a.example/back?",
        "https://a.example/back#x",
        "https://a.example/back#",
        "https://a.example:0/",
        "https://a.example:65536/",
        "https://a.example:/",
        "https://a.example:443443/",
        "https://a.example/a b",
        "https://a.example/\n",
        "https://a.example/\r\nSet-Cookie: x",
        "https://a.example\n",
        " https://a.example/",
        "https://a.example/\x00",
        "https://a.example/<x>",
        'https://a.example/"x"',
        "https://a.example/;script-src",
        "https://ａ.example/",
        "https://bank\u202e.example/",
        "https://王.example/",
        "https://.a.example/",
        "https://-/",
        LONGEST + "x",
    ],
)
@pytest.mark.parametrize("development", [True, False])
def test_whatever_could_be_read_as_two_addresses_or_none_is_refused(address: str, development: bool) -> None:
    assert not is_return_address(address, development=development)


@given(st.text(), st.booleans())
def test_no_text_is_both_good_and_odd(path: str, development: bool) -> None:
    address = f"https://a.example/{path}"
    if is_return_address(address, development=development):
        assert address.isascii()
        assert address.isprintable()
        assert not set(address) & set("?#\\<>\"';, ")
