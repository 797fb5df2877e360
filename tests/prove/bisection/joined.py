"""Two lenders lay what they hold side by side: does anything say who is the same person?"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from google.protobuf.message import Message

from tests.prove.bisection.attack import Answer

SHORTEST = 16  # characters or bytes: shorter ones are words and dates, which many share


def matches(held: Mapping[str, Mapping[str, Sequence[Answer]]]) -> list[str]:
    """A line for each value that two lenders hold of one person each, and of nobody else."""
    named = {lender: _of_one_person(of_people) for lender, of_people in held.items()}
    found = []
    for one, other in combinations(named, 2):
        for value in named[one].keys() & named[other].keys():
            found.append(f"{one}'s {named[one][value]} is {other}'s {named[other][value]} by {value!r}")
    return found


def _of_one_person(of_people: Mapping[str, Sequence[Answer]]) -> dict[str | bytes, str]:
    whose = defaultdict[str | bytes, set[str]](set)
    for subject, answers in of_people.items():
        for answer in answers:
            for value in (*_scalars(answer), *_scalars(_claims(answer.attestation))):
                if len(value) >= SHORTEST:
                    whose[value].add(subject)
    return {value: next(iter(subjects)) for value, subjects in whose.items() if len(subjects) == 1}


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
