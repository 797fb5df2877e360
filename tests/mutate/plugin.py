"""A pytest plugin for mutants: they end sooner, and with the same verdict.

What was there when the tests were collected is no garbage: pytest looks for some five times as it ends, to
hear what is raised there, and of a mutant's time that would be two thirds, spent on what the process that it
was forked from has imported. What tests make is still looked at.

Fast tests go first: the first that fails is enough. And a thread that dies fails its test, since warnings are
errors here: whoever waits for that thread need not be waited for.
"""

import gc
import json
import os
import threading
from pathlib import Path

import pytest

STATS = Path("mutmut-stats.json")  # mutmut's own, in the folder where mutants run


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort them by the time that they took when nothing was mutated."""
    seconds = json.loads(STATS.read_text())["duration_by_test"] if STATS.exists() else {}
    items.sort(key=lambda item: seconds.get(item.nodeid, 0.0))


def pytest_collection_finish() -> None:
    """Collect only what is made from here on, and end with the first thread that dies."""
    gc.freeze()
    if "MUTANT_UNDER_TEST" in os.environ and "__mutmut_" in os.environ["MUTANT_UNDER_TEST"]:
        threading.excepthook = lambda _: os._exit(1)
