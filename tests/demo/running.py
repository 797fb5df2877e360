"""`make demo` as a person runs it, and what is left of it afterwards."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DEMO = (sys.executable, "-m", "gateway.demo")
PROMISED_SECONDS = 60


@dataclass(frozen=True)
class Ended:
    code: int
    text: str
    seconds: float
    errors: str


def environment(tmp: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(tmp), "COLUMNS": "100", "PYTHONPATH": str(ROOT), **more}


def run(*command: str, tmp: Path, **more: str) -> Ended:
    began = time.monotonic()
    process = subprocess.run(
        command,
        cwd=tmp,
        env=environment(tmp, **more),
        capture_output=True,
        timeout=3 * PROMISED_SECONDS,
        check=False,
    )
    seconds = time.monotonic() - began
    return Ended(process.returncode, process.stdout.decode(), seconds, process.stderr.decode())


def processes(text: str) -> set[int]:
    """Of every gateway, of the pages and of the witness."""
    found = re.findall(r"process (\d+)", text)
    assert found, text
    return set(map(int, found))


def is_running(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True
