"""`make mutate` itself: what it changes, what it counts, and that nothing unnoticed passes for noticed."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from textwrap import dedent

import pytest
from rich.console import Console

from tests.mutate.__main__ import ROOT, Broken, tried
from tests.mutate.copying import Group, groups, undecorated
from tests.mutate.table import Tried, record
from tests.mutate.verdicts import KILLED, ODD, SURVIVED, TIMEOUT, UNTESTED, Tally, Verdict

ROOM = """
from functools import lru_cache


def is_grown(age: int) -> bool:
    return age >= 18


@lru_cache(maxsize=9)
def doubled(number: int) -> int:
    return number + number


class Door:
    @property
    def width(self) -> int:
        return 5 + 4


def forgotten() -> int:
    return 7
"""
TESTS = """
import room


def test_the_rooms_functions():
    assert room.is_grown(19)
    assert room.doubled(2) == 4
    assert room.Door().width > 0
"""
SETTINGS = """
[tool.mutmut]
source_paths = ["room"]
process_isolation = "forkserver"

[tool.mutmut.groups.room]
modules = ["room/__init__.py"]
tests = ["tests"]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in {
        "room/__init__.py": ROOM,
        "tests/test_room.py": TESTS,
        "pyproject.toml": SETTINGS,
    }.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    (tmp_path / "build").mkdir()
    return tmp_path


def try_all(project: Path, *, again: bool = False) -> Tried:
    [group] = groups(project)
    return tried(group, project, workers=1, again=again, console=Console(quiet=True))


def ends(found: Tried, function: str) -> set[str]:
    return {each.end for each in found.by_module["room/__init__.py"] if f"{function}__" in each.mutant}


def test_what_no_test_notices_is_told_until_one_does(project: Path) -> None:
    found = try_all(project)
    assert ends(found, "is_grown") == {SURVIVED}  # the boundary, which the test stays away from
    assert ends(found, "doubled") == {KILLED}  # behind a cache
    assert ends(found, "width") == {SURVIVED}  # of a property
    assert ends(found, "forgotten") == {UNTESTED}
    diff = (project / "build" / "mutate" / "room.diff").read_text()
    assert "+    return 5 - 4" in diff
    assert "+    return number - number" not in diff

    (project / "tests" / "test_width.py").write_text(
        "import room\n\ndef test_the_width():\n    assert room.Door().width == 9\n"
    )
    once_more = try_all(project, again=True)
    assert ends(once_more, "width") == {KILLED}
    assert ends(once_more, "forgotten") == {UNTESTED}
    assert once_more.total.mutants == found.total.mutants


def test_with_a_test_that_fails_anyway_nothing_is_counted(project: Path) -> None:
    (project / "tests" / "test_room.py").write_text(TESTS.replace("== 4", "== 5"))
    with pytest.raises(Broken, match=r"see build/mutate/room\.log"):
        try_all(project)


def test_decorated_functions_do_the_same_when_they_are_written_out() -> None:
    source = dedent('''
        from contextlib import contextmanager
        from functools import lru_cache

        class Box:
            @property
            def size(self):
                """How many."""
                return 3

            @classmethod
            def new(cls):
                return cls()

        @lru_cache(maxsize=2)
        def twice(number):
            return 2 * number

        @contextmanager
        def opened(name):
            yield name
    ''')
    text = undecorated(source)
    written: dict[str, object] = {}
    exec(compile(text, "<copy>", "exec"), written)  # noqa: S102
    box = written["Box"].new()  # type: ignore[attr-defined]
    assert (box.size, type(box).size.__doc__) == (3, "How many.")
    assert written["twice"](4) == 8  # type: ignore[operator]
    with written["opened"]("a") as name:  # type: ignore[operator]
        assert name == "a"
    assert [line for line in text.splitlines() if line.lstrip().startswith("@")] == ["    @classmethod"]


@pytest.mark.parametrize(
    ("counts", "score", "holds"),
    [
        ({KILLED: 9, SURVIVED: 1}, 90.0, True),
        ({KILLED: 8, TIMEOUT: 1, SURVIVED: 1}, 90.0, True),
        ({KILLED: 899, SURVIVED: 101}, 89.9, False),
        ({KILLED: 9, UNTESTED: 2}, 900 / 11, False),
        ({KILLED: 9, ODD: 2}, 900 / 11, False),
        ({}, 0.0, False),
    ],
)
def test_only_what_a_test_said_no_to_counts(counts: dict[str, int], score: float, holds: bool) -> None:
    found = [Verdict(f"{end} {n}", end) for end, count in counts.items() for n in range(count)]
    assert Tally(Counter(counts)).score == pytest.approx(score)
    assert Tried(Group("room", ("a.py",), ()), {"a.py": found}, 1.0).holds is holds


def test_a_groups_figures_take_the_place_of_its_earlier_ones(tmp_path: Path) -> None:
    path = tmp_path / "mutate.json"
    for name, end in (("b", SURVIVED), ("a", KILLED), ("b", KILLED)):
        record(path, [Tried(Group(name, ("x.py",), ()), {"x.py": [Verdict("m", end)]}, 1.0)], ["a", "b"])
    figures = json.loads(path.read_text())
    assert [(each["group"], each["mutants"], each["killed"], each["score"]) for each in figures] == [
        ("a", 1, 1, 100.0),
        ("b", 1, 1, 100.0),
    ]


def test_every_module_and_every_test_folder_that_a_group_names_is_there() -> None:
    for group in groups(ROOT):
        for name in (*group.modules, *group.tests):
            assert (ROOT / name).exists(), name
