"""Whoever measures others' latency must not be held up themself."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

SWITCH_SECONDS = 0.0005  # so long may another thread keep this one waiting


@contextmanager
def undisturbed() -> Iterator[None]:
    """No collector of garbage in this process meanwhile, and a thread that has work soon gets its turn."""
    before = sys.getswitchinterval()
    gc.collect()
    gc.disable()
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
        gc.enable()
