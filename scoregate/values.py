"""Values of which a gateway makes some thirty for every query.

A frozen dataclass sets its fields one by one through ``object.__setattr__``: it takes about three times
as long to make as a plain one, which came to some four percent of a query's processor time. What is
decorated here is frozen to mypy, and plain to Python. Whatever leaves the project's own code, as
the client's answers do, stays a dataclass that is frozen for everybody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def value(cls: type[T]) -> type[T]:
    """Make a dataclass of slots that compares and hashes by its fields; mypy lets nobody set one."""
    return dataclass(slots=True, unsafe_hash=True)(cls)
