"""How the line formats of C2SP spell characters, numbers and bytes; the only forms that are read here.

Pure. Each value has exactly one spelling, so what is read and written again has the same bytes. Errors are
`ValueError`s that say what belongs there; whoever calls knows the part's name.
"""

import binascii
import re

MAX_NUMBER = 2**63 - 1  # of leaves, of an index, of POSIX seconds

_FORBIDDEN = re.compile(r"[\x00-\x09\x0b-\x1f\ud800-\udfff]")


def require_characters(text: str) -> None:
    """Return only if `text` has a form in UTF-8 and no control character but newlines (signed-note, Format).

    Raises:
        ValueError: It has another; the message names it and where it is.
    """
    for at, each in enumerate(text):
        if (each < " " and each != "\n") or "\ud800" <= each <= "\udfff":
            raise ValueError(
                f"character {at} is U+{ord(each):04X}, which is not allowed; newlines are U+000A alone"
            )


def read_decimal(text: str) -> int:
    """Return the number from 0 to 2^63 - 1 that ASCII digits spell, without leading zeros.

    Raises:
        ValueError: They spell none, another, or spell it in another way.
    """
    if not (text.isascii() and text.isdigit()):
        raise ValueError("a number in the digits 0 to 9 belongs here")
    if text.startswith("0") and text != "0":
        raise ValueError("a number has no leading zeros")
    if len(text) > 19 or int(text) > MAX_NUMBER:
        raise ValueError("a number is at most 2^63 - 1")
    return int(text)


def read_base64(text: str) -> bytes:
    """Return the bytes that base64 spells (RFC 4648, section 4): padded, and with unused bits 0.

    Raises:
        ValueError: It is anything else.
    """
    try:
        data = binascii.a2b_base64(text)
    except (binascii.Error, ValueError):
        data = b""
    if write_base64(data) != text:
        raise ValueError("canonical base64 belongs here: padded, unused bits 0, nothing before or after it")
    return data


def write_base64(data: bytes) -> str:
    """Return the base64 of these bytes (RFC 4648, section 4)."""
    return binascii.b2a_base64(data, newline=False).decode()
