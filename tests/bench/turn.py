"""What one arm did in one round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Turn:
    """One arm's calls in one round; every one of them was answered, or is counted as refused."""

    seconds: float
    server_cpu_seconds: float  # of the server and of its database's processes
    answers: Sequence[tuple[int, bytes, bytes]]  # lender, what was asked, what came
    database_cpu_seconds: float = 0.0  # of that, the database's processes'
    refused: int = 0  # calls that came while their lender had too many under way
