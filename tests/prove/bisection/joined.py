"""Two lenders lay what they hold side by side: does anything say who is the same person?

They compare every text and byte string of answers, attestations and events, the entries that events name,
and when these happened. They do not guess: whoever freezes their file is frozen to all their lenders in one
moment, the entries of it stand side by side in the log, and a lender who asks all the time sees the refusals.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from google.protobuf.message import Message

from scoregate.partner.v1 import consent_pb2
from tests.prove.bisection.attack import Held

SHORTEST = 16  # characters or bytes: shorter ones are words and dates, which many share


def matches(held: Mapping[str, Mapping[str, Sequence[Held]]]) -> list[str]:
    """A line for each value that two lenders hold of one person each, and of nobody else."""
    named = {lender: _of_one_person(of_people) for lender, of_people in held.items()}
    found = []
    for one, other in combinations(named, 2):
        for value in named[one].keys() & named[other].keys():
            found.append(f"{one}'s {named[one][value]} is {other}'s {named[other][value]} by {value!r}")
    return found


def _of_one_person(of_people: Mapping[str, Sequence[Held]]) -> dict[str | bytes, str]:
    whose = defaultdict[str | bytes, set[str]](set)
    for subject, things in of_people.items():
        for thing in things:
            for value in _values(thing):
                if len(value) >= SHORTEST:
                    whose[value].add(subject)
    return {value: next(iter(subjects)) for value, subjects in whose.items() if len(subjects) == 1}


def _values(thing: Held) -> Iterator[str | bytes]:
    yield from _scalars(thing)
    if isinstance(thing, consent_pb2.ConsentEvent):
        yield f"the log's entry {thing.log_index}"
        yield f"the instant {thing.time.ToJsonString()}"
    else:
        yield from _scalars(_claims(thing.attestation))


def _claims(attestation: str) -> Any:
    middle = attestation.split(".")[1]
    return json.loads(urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))


def _scalars(value: Any) -> Iterator[str | bytes]:
    """Every text and byte string in a message or a JSON value."""
    if isinstance(value, Message):
        for _, found in value.ListFields():
            yield from _scalars(found)
    elif isinstance(value, Mapping):
        yield from _scalars(list(value.values()))
    elif isinstance(value, str | bytes):
        yield value
    elif not isinstance(value, int | float | bool | None):
        for item in value:
            yield from _scalars(item)
