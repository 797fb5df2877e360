"""Does the person who comes back from the consumer's pages come from your own invitation? Pure.

The pages send them to the return address with two parameters, `handle` and `state`. Anybody can make such a
link; only the state that was kept in the person's session tells yours (RFC 9700, 4.7). What was decided is
never in it: ask the gateway with `Client.invitation(handle)`.
"""

import hmac
import re
from urllib.parse import parse_qsl, urlsplit

from scoregate.errors import ClientMisconfigured, ReturnRefused

_STATE = re.compile(r"[A-Za-z0-9_-]{8,128}")
_HANDLE = re.compile(r"[a-z2-7]{26}")


def returned(url: str, expected_state: str) -> str:
    """Return the handle of the invitation from which somebody comes back.

    Args:
        url: What they opened, or the part behind its "?".
        expected_state: The `return_state` that you kept in their session; let it be used once.

    Raises:
        ReturnRefused: Another state, or not the two parameters that the pages send, each once.
        ClientMisconfigured: What was expected is no state, as where a session holds none.
    """
    if not isinstance(expected_state, str) or not _STATE.fullmatch(expected_state):
        raise ClientMisconfigured(
            "expected_state: give the return_state of the invitation, 8 to 128 characters of base64url; "
            "a session without one did not begin there"
        )
    found = _parameters(url)
    names = sorted(name for name, _ in found)
    if names != ["handle", "state"]:
        raise ReturnRefused("the way back must name a handle and a state, once each, and nothing else")
    said = dict(found)
    # Compared as bytes: text that is not ASCII has no comparison in constant time.
    same = hmac.compare_digest(said["state"].encode(errors="replace"), expected_state.encode())
    if not same or not _HANDLE.fullmatch(said["handle"]):
        raise ReturnRefused(
            "the way back is not of this session's invitation; send the person a new invitation"
        )
    return said["handle"]


def _parameters(url: str) -> list[tuple[str, str]]:
    try:
        query = urlsplit(url).query if "?" in url else url
        return parse_qsl(query, keep_blank_values=True, strict_parsing=True, max_num_fields=2)
    except ValueError:  # in one of its ways: no pairs, too many of them, brackets that are no host
        return []
