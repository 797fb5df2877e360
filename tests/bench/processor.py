"""Processor time of processes that can't be asked, from /proc."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def cpu_seconds(process: int) -> float:
    """User and system time so far, to 10 ms."""
    return sum(_ticks(process)[:2]) / TICKS_A_SECOND


def family_cpu_seconds(process: int) -> float:
    """The same with its children, those too that have ended and were waited for."""
    used = sum(_ticks(process))
    for child in children(process):
        with suppress(OSError):  # it has just ended
            used += sum(_ticks(child)[:2])
    return used / TICKS_A_SECOND


def children(process: int) -> list[int]:
    """Of its main thread."""
    return [int(each) for each in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def _ticks(process: int) -> tuple[int, ...]:
    """User and system time, its own, then that of children that were waited for."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return tuple(int(each) for each in fields[11:15])
