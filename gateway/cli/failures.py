"""What a failure means to a person at a terminal: a few words, a field, a remedy, an exit code. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
