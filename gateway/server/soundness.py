"""Is everything there that a gateway needs? Half-configured security refuses to start."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from google.protobuf.internal import api_implementation

from gateway.settings import Problem, Settings, SettingsInvalid, check_files


def require_sound(settings: Settings, *, now: datetime, also: Iterable[Problem] = ()) -> None:
    """Return only if a gateway can start with these settings; ``also`` are problems that were found before.

    Raises:
        SettingsInvalid: Every mistake, named.
    """
    problems = [*check_files(settings, now=now), *also]
    if api_implementation.Type() != "upb":
        problems.append(
            Problem(
                "protobuf",
                "runs without its C implementation",
                "Unset PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION.",
            )
        )
    if problems:
        raise SettingsInvalid(problems)


def invalid(field: str, problem: str) -> SettingsInvalid:
    """One mistake; ``problem`` is "what is wrong; what to do"."""
    what, _, remedy = problem.partition("; ")
    return SettingsInvalid(
        [Problem(field, what, f"{remedy[:1].upper()}{remedy[1:]}." if remedy else "See its setting.")]
    )
