"""The commented file that `scoregate init` writes. Pure."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

from pydantic.fields import FieldInfo

from gateway.settings.load import FILE_VARIABLE, settings_by_name, variable_for
from gateway.settings.schema import Settings

_WIDTH = 100
_HEADER = """\
Settings of one Scoregate installation.

Relative paths are taken from {home}. Lines that begin with #name show the defaults: remove the # to change
one. The variable {example} overrides max_queue under [limits], and so on; {file} names another file. The
gateway checks these values at start, then the files and addresses that they name; of each it names every
mistake at once. Then it opens ledger, keys and engine.
"""


def template(home: Path) -> str:
    """Return a TOML file for development that documents every setting and shows its default."""
    header = _HEADER.format(
        home=json.dumps(str(home)), example=variable_for("limits.max_queue"), file=FILE_VARIABLE
    )
    lines = [_comment(paragraph) for paragraph in header.split("\n\n")]
    table = ""
    for name, field in settings_by_name():
        section, _, key = name.rpartition(".")
        if section != table:
            table = section
            lines += ["", _comment(Settings.model_fields[section].annotation.__doc__ or ""), f"[{section}]"]
        lines += ["", _comment(field.description or ""), _assignment(key, field)]
    return "\n".join(lines) + "\n"


def _comment(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), _WIDTH, initial_indent="# ", subsequent_indent="# ")


def _assignment(key: str, field: FieldInfo) -> str:
    if key == "mode":
        return 'mode = "development"'
    value = field.default if isinstance(field.default, int) else json.dumps(str(field.default))
    return f"#{key} = {value}"
