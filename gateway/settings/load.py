"""Reading the settings: the file, then the environment over it, then every mistake at once.

Not pure: reads one file. Source: TOML 1.0. No message quotes a database address or the value of an unknown
name, for either may be a secret.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import InitSettingsSource

from gateway.settings.schema import Database, Section, Settings

PREFIX = "SCOREGATE_"
HOME_VARIABLE, FILE_VARIABLE = "SCOREGATE_HOME", "SCOREGATE_CONFIG"
DEFAULT_HOME = ".scoregate"
FILE_NAME = "scoregate.toml"

SHOWN_CHARACTERS = 80
# How tomllib begins when a name is given twice.
_GIVEN_TWICE = ("Cannot declare", "Cannot mutate", "Cannot redefine", "Cannot overwrite")

# What pydantic calls a mistake, in our words; the braces are filled from its context.
_SAID = {
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "it isn't a whole number"),
    "int_parsing_size": "it has too many digits",
    "greater_than_equal": "it is less than {ge}",
    "less_than_equal": "it is more than {le}",
    "literal_error": "it is not {expected}",
    "path_type": "it isn't a path",
    "string_type": "it isn't text",
    "string_too_long": "it has more than {max_length} characters",
    "string_pattern_mismatch": "it has another form",  # the pattern itself helps few
    "value_error": "{error}",  # our own validators
}

_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: the setting, what is wrong with it, and what to do."""

    field: str  # dotted, such as "limits.max_queue"; or the name of a variable or a file
    problem: str
    remedy: str


class SettingsInvalid(Exception):
    """The settings can't be used. ``str()`` lists every mistake with its remedy.

    It quotes what was given, so print it with markup off.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        count = len(self.problems)
        lines = [f"{count} {'mistake' if count == 1 else 'mistakes'} in the settings:"]
        for problem in self.problems:
            lines += [f"  {problem.field}: {problem.problem}", f"      {problem.remedy}"]
        super().__init__("\n".join(lines))


def load(environ: Mapping[str, str], *, home: Path | None = None) -> Settings:
    """Return the settings of the installation in ``home`` (else ``SCOREGATE_HOME``, else ``.scoregate``).

    The file is ``SCOREGATE_CONFIG`` or ``<home>/scoregate.toml``; ``SCOREGATE_LIMITS__MAX_QUEUE`` stands for
    ``max_queue`` under ``[limits]`` and wins over the file. Paths in the result are absolute.

    Raises:
        SettingsInvalid: A name is unknown, a value is out of range, two values contradict each other, or the
            file can't be read. Every mistake is in it.
    """
    home = (home or Path(environ.get(HOME_VARIABLE) or DEFAULT_HOME)).absolute()
    file = Path(environ.get(FILE_VARIABLE) or home / FILE_NAME).absolute()
    problems: list[Problem] = []
    given = _Given(file.name)
    given.take_environment(environ, problems)
    if given.take_file(file, problems):
        settings = _validate(given, home, problems)
        if settings is not None and not problems:
            return _anchor(settings, home)
    raise SettingsInvalid(problems)


class _Given:
    """What the file and the environment say, and which of them said it."""

    def __init__(self, file_name: str) -> None:
        self.file_name = file_name
        self.variables: dict[str, str] = {}  # dotted name -> the variable that gave it
        self.from_environment: dict[str, Any] = {}
        self.from_file: dict[str, Any] = {}

    def take_environment(self, environ: Mapping[str, str], problems: list[Problem]) -> None:
        known = dict(settings_by_name())
        for variable in sorted(environ):
            if not variable.upper().startswith(PREFIX) or variable in (HOME_VARIABLE, FILE_VARIABLE):
                continue
            name = variable[len(PREFIX) :].lower().replace("__", ".")
            if name in _sections():
                problems.append(
                    Problem(variable, "it names a table", f"Add a setting, as in {variable}__NAME.")
                )
                continue
            if name not in known or variable != variable_for(name):
                nearest = _nearest(name, known)
                problems.append(_unknown(variable, nearest and variable_for(nearest)))
                continue
            section, _, key = name.rpartition(".")
            table = self.from_environment.setdefault(section, {}) if section else self.from_environment
            table[key] = environ[variable]
            self.variables[name] = variable

    def take_file(self, file: Path, problems: list[Problem]) -> bool:
        """Read the file; False if there is nothing to validate."""
        try:
            self.from_file = _parse(file.read_bytes())
        except OSError as error:
            remedy = f"Correct the path, or name another file in {FILE_VARIABLE}."
            if isinstance(error, FileNotFoundError):
                remedy = (
                    f"Name your installation's folder in {HOME_VARIABLE}, or its file in {FILE_VARIABLE}. "
                    "Run `scoregate init` for a new one."
                )
            problems.append(Problem(str(file), f"can't be read ({error.strerror})", remedy))
            return False
        except _NotToml as error:
            problems.append(Problem(str(file), str(error), "Correct the file there, or take it from a copy."))
            return False
        if self.from_file.pop("home", None) is not None:
            problems.append(Problem("home", "the file can't set it", f"Set {HOME_VARIABLE} instead."))
        return True

    def source(self, name: str) -> str | None:
        """Return who gave the setting ``name``: a variable, the file, or None when nobody did."""
        if name in self.variables:
            return self.variables[name]
        value: Any = self.from_file
        for key in name.split("."):
            if not isinstance(value, dict) or key not in value:
                return None
            value = value[key]
        return self.file_name


class _NotToml(Exception):
    """The file isn't TOML; the text says where."""


def _parse(content: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(content.decode())
    except UnicodeDecodeError as error:
        raise _NotToml(f"{_place(content[: error.start].decode())}: not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        what = str(error).removesuffix(")")
        message, _, where = what.rpartition(" (at ")
        place = where if where.startswith("line") else _place(content.decode())
        raise _NotToml(f"{place}: {_said(message)}") from None
    except (ValueError, RecursionError):
        raise _NotToml("a number is too long or the nesting too deep") from None


def _said(message: str) -> str:
    """The library's words, but ours for a name that is given twice: there it shows a Python tuple."""
    if not message.startswith(_GIVEN_TWICE):
        return f"{message[:1].lower()}{message[1:]}"
    table = ".".join(re.findall(r"'([^']*)'", message))
    return f"{f'the table [{table}]' if table else 'this name'} was given before"


def _place(text_before: str) -> str:
    last_line = text_before.rpartition("\n")[2]
    return f"line {text_before.count(chr(10)) + 1}, column {len(last_line) + 1}"


def _validate(given: _Given, home: Path, problems: list[Problem]) -> Settings | None:
    layers = (given.from_environment, given.from_file, {"home": home})  # the first to say something wins
    sources = tuple(InitSettingsSource(Settings, layer) for layer in layers)
    try:
        return Settings(_build_sources=(sources, {}))  # type: ignore[call-arg]  # mypy sees fields only
    except ValidationError as error:
        problems += [_explain(detail, given) for detail in error.errors(include_url=False)]
        return None


def _explain(detail: ErrorDetails, given: _Given) -> Problem:
    context = detail.get("ctx", {})
    name = str(context.get("field", ".".join(map(str, detail["loc"]))))
    if detail["type"] == "extra_forbidden":
        return _unknown(name, _nearest(name, [*dict(settings_by_name()), *_sections()]))
    if name in _sections():
        return Problem(name, "is a table, not a value", f"Write [{name}] and its settings below it.")
    source = given.source(name)
    shown = _shown(name, _given_for(name, detail))
    told = f"{shown} in {source}" if source else f"left at {shown}"
    message = _SAID[detail["type"]].format(**context) if detail["type"] in _SAID else detail["msg"]
    remedy = context.get("remedy", f"Give {name.rpartition('.')[2]}: {_description(name)}")
    return Problem(name, f"{told}; {message}", str(remedy))


def _given_for(name: str, detail: ErrorDetails) -> object:
    """What was given for a setting, or its default; a whole table may have been looked at for one of them."""
    whole, loc = detail["input"], ".".join(map(str, detail["loc"]))
    if name == loc or not name.startswith(f"{loc}."):
        return whole
    key = name.removeprefix(f"{loc}.")
    default = dict(settings_by_name())[name].default
    return whole.get(key, default) if isinstance(whole, Mapping) else getattr(whole, key, default)


def _shown(name: str, value: object) -> str:
    if name.startswith("database."):
        return "the address"
    text = re.sub(r"//[^/@\s]*@", "//***@", repr(value))
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


def _unknown(name: str, nearest: str | None) -> Problem:
    remedy = (
        f"Did you mean {nearest}?" if nearest else "Remove it; `scoregate init` writes a file of all names."
    )
    return Problem(name, "there is no such setting", remedy)


def _nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like this one; the same name in another table comes first."""
    names = list(known)
    same = [each for each in names if each.rpartition(".")[2] == name.rpartition(".")[2]]
    near = difflib.get_close_matches(name, same or names, n=1, cutoff=0 if same else 0.6)
    return next(iter(near), None)


def variable_for(name: str) -> str:
    """Return the variable of a setting: ``limits.max_queue`` is ``SCOREGATE_LIMITS__MAX_QUEUE``."""
    return PREFIX + name.upper().replace(".", "__")


def settings_by_name() -> Iterator[tuple[str, FieldInfo]]:
    """Yield every setting that may be given, by its dotted name, in the order of the file."""
    for name, field in Settings.model_fields.items():
        if name in _sections():
            yield from ((f"{name}.{key}", inner) for key, inner in _sections()[name].model_fields.items())
        elif name != "home":
            yield name, field


def _sections() -> dict[str, type[Section]]:
    fields = Settings.model_fields.items()
    return {
        name: field.annotation
        for name, field in fields
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
    }


def _description(name: str) -> str:
    return " ".join((dict(settings_by_name())[name].description or "").split())


def _anchor(model: _Model, home: Path) -> _Model:
    """Return ``model`` with its relative paths taken from ``home``."""
    changes: dict[str, Any] = {}
    for name, value in model:
        if isinstance(value, BaseModel):
            changes[name] = _anchor(value, home)
        elif isinstance(value, Path):
            changes[name] = home / value
    if isinstance(model, Database) and model.file is not None:
        changes["url"] = f"sqlite:///{home / model.file}"
    return model.model_copy(update=changes)
