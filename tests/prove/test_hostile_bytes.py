"""Hostile bytes, small: a few hundred inputs for each parser, and every planted hole is found."""

from __future__ import annotations

import os
from contextlib import suppress
from importlib.util import find_spec
from random import Random

import pytest
from google.protobuf.message import DecodeError

from tests.prove.campaign import Stage
from tests.prove.fuzzers import der, mutation
from tests.prove.fuzzers.target import Target
from tests.prove.fuzzers.targets import TARGETS
from tests.prove.hostile_bytes import LAWS, parsers


@pytest.fixture(autouse=True)
def _atheris() -> None:
    if find_spec("atheris") is None:
        if os.environ.get("CI"):
            pytest.fail("atheris is not installed; CI needs it")
        pytest.skip("atheris is not installed: pip install -r requirements/dev.txt")


def test_no_bytes_break_a_parser(stage: Stage) -> None:
    findings = list(parsers(stage))

    assert [finding.evidence for finding in findings if not finding.holds] == []
    assert [finding.law for finding in findings] == list(LAWS.values())


def test_every_target_stands_in_a_row_of_its_room() -> None:
    assert {target.room for target in TARGETS} == set(LAWS)
    assert len({target.name for target in TARGETS}) == len(TARGETS)


@pytest.mark.parametrize("target", [each for each in TARGETS if each.change], ids=lambda each: each.name)
def test_a_mutation_knows_the_format_of_what_it_starts_from(target: Target) -> None:
    assert target.change is not None
    seeds, changed = set(target.seeds()), set[bytes]()
    for seed in seeds:
        for number in range(20):
            with suppress(StopIteration, DecodeError):  # of another format: its bytes are changed then
                changed.add(target.change(seed, Random(number)))  # noqa: S311
    assert changed - seeds or max(map(len, seeds)) < 2  # an empty message has nothing to change


def test_der_is_written_as_it_was_read() -> None:
    data = bytes.fromhex("3009020101a0040402cafe")
    assert der._written(der._read(data)) == data


def test_json_stays_json() -> None:
    for number in range(200):
        changed = mutation.change_json(b'{"a":[1,"b",null],"c":{"d":true}}', Random(number))  # noqa: S311
        assert changed[:1] in b'{["tfn-0123456789'
