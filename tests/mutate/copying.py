"""The copy of the project in which one group of modules is mutated.

mutmut leaves every function alone that has a decorator, but for class and static methods. Here the usual
ones are written as what they are short for, so that what they wrap is mutated too::

    @property                       def remaining__plain(self): ...
    def remaining(self): ...        remaining = property(remaining__plain)

Caches are left out: what a test finds cached looks as if the test had not come by.
"""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import libcst as cst

WRAPPING = ("property", "contextmanager")
"""Decorators that do the same when they are called after the function is made."""

CACHING = ("cache", "lru_cache")
"""Decorators without which a function does the same, only slower."""

_BYTECODE = shutil.ignore_patterns("__pycache__")
_SLOW_TESTS = shutil.ignore_patterns("__pycache__", "prove", "bench", "demo", "cli", "client", "journey")


@dataclass(frozen=True, slots=True)
class Group:
    """Modules whose mutants are counted together, and the tests that meet them."""

    name: str
    modules: tuple[str, ...]
    tests: tuple[str, ...]


def groups(root: Path) -> list[Group]:
    """The groups that pyproject.toml names, in its order."""
    table = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["mutmut"]["groups"]
    return [Group(name, tuple(each["modules"]), tuple(each["tests"])) for name, each in table.items()]


def copy(root: Path, folder: Path, group: Group) -> None:
    """Put what the group's tests need into ``folder``; what an earlier copy has of it is replaced."""
    settings = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["mutmut"]
    for room in settings["source_paths"]:
        shutil.copytree(root / room, folder / room, ignore=_BYTECODE, dirs_exist_ok=True)
    shutil.copytree(root / "tests", folder / "tests", ignore=_SLOW_TESTS, dirs_exist_ok=True)
    for module in group.modules:
        file = folder / module
        file.write_text(undecorated(file.read_text()))
    (folder / "pyproject.toml").write_text(_settings((root / "pyproject.toml").read_text(), group))


def _settings(text: str, group: Group) -> str:
    begin, table, end = text.partition("[tool.mutmut]\n")
    lists = {"only_mutate": group.modules, "pytest_add_cli_args_test_selection": group.tests}
    return begin + table + "".join(f"{name} = {_array(values)}\n" for name, values in lists.items()) + end


def _array(values: Sequence[str]) -> str:
    return "[" + ", ".join(f'"{value}"' for value in values) + "]"


def undecorated(source: str) -> str:
    """The same module, its functions' usual decorators called and no longer put in front."""
    return cst.parse_module(source).visit(_Undecorate()).code


class _Undecorate(cst.CSTTransformer):
    def leave_FunctionDef(  # libcst's own spelling
        self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef
    ) -> Any:
        if len(original_node.decorators) != 1:
            return updated_node
        decorator = original_node.decorators[0].decorator
        if _named(decorator) in CACHING:
            return updated_node.with_changes(decorators=[])
        if _named(decorator) not in WRAPPING:
            return updated_node
        name = updated_node.name.value
        plain = updated_node.with_changes(name=cst.Name(f"{name}__plain"), decorators=[])
        call = cst.Call(decorator, [cst.Arg(cst.Name(f"{name}__plain"))])
        made = cst.Assign([cst.AssignTarget(cst.Name(name))], call)
        return cst.FlattenSentinel([plain, cst.SimpleStatementLine([made])])


def _named(decorator: cst.BaseExpression) -> str:
    called = decorator.func if isinstance(decorator, cst.Call) else decorator
    return called.value if isinstance(called, cst.Name) else ""
