"""U+0000 and every other odd text, in every text field of the contract, on both stores."""

from __future__ import annotations

from typing import Any

import pytest

from tests.journey.conftest import STORES, Channels
from tests.journey.contract import METHODS, Method, by_name
from tests.journey.rows import require_explained
from tests.journey.samples import put, samples, text_fields, token
from tests.wire import Failure, outcome, refused, send
from tests.world import World


@pytest.fixture(scope="module", params=STORES)
def store(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


ODD_TEXTS = {
    "U+0000": "\x00",
    "U+0000 inside": "abc\x00def",
    "newline": "abc\ndef",
    "escape": "\x1b[2J",
    "delete": "\x7f",
    "right to left": "abc\u202edef",
    "line separator": "\u2028",
    "byte order mark": "\ufeffabc",
    "noncharacter": "\uffff",
    "private use": "\U000f0000",
    "too long": "x" * 100_000,
}


TEXT_FIELDS = [
    pytest.param(path, name, id=f"{path.rpartition('/')[2]}.{name}")
    for path, sample in samples().items()
    for name, _, _ in text_fields(sample)
]


@pytest.mark.parametrize(("path", "name"), TEXT_FIELDS)
def test_odd_text_is_refused_by_the_name_of_its_field(
    world: World, channels: Channels, path: str, name: str
) -> None:
    channel, partner_id = channels[path]
    with world.entries() as entries:
        for odd in ODD_TEXTS.values():
            request = samples()[path]
            ((holder, field),) = ((holder, field) for at, holder, field in text_fields(request) if at == name)
            put(holder, field, odd)
            failure = refused(send, channel, path, request.SerializeToString())
            require_explained(failure, "FIELD_INVALID", failure.request_id)
            assert failure.violations == (name,)
    told = [(entry.partner_id, entry.method, entry.reason, entry.cost_units) for entry in entries]
    assert told == [(partner_id, path, "FIELD_INVALID", 0)] * len(ODD_TEXTS)


PAGED = [method for method in METHODS if "page_token" in method.request.DESCRIPTOR.fields_by_name]


@pytest.mark.parametrize("position", ["\x00", "a\x00b", "\u202e", "1" * 80, "-1", "1.5", "nobody", "٣"])
@pytest.mark.parametrize("method", PAGED, ids=by_name)
def test_a_made_up_page_token_is_refused_or_harmless(
    world: World, channels: Channels, method: Method, position: str
) -> None:
    request: Any = samples()[method.path]
    request.page_token = token(position)
    result = outcome(send, channels[method.path][0], method.path, request.SerializeToString())
    if isinstance(result, Failure):
        require_explained(result, "FIELD_INVALID")
        assert result.violations == ("page_token",)
