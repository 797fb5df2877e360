"""A witness that is killed at a step of its own: `python -m tests.witness.dying_witness DIR STEP VISITS`."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from scoregate.witness.door import Door
from scoregate.witness.durable import Step
from scoregate.witness.witness import Witness


def main(path: str, step: str, visits: str) -> None:
    seen: Counter[Step] = Counter()

    def reached(at: Step) -> None:
        seen[at] += 1
        if at == step and seen[at] == int(visits):
            os.kill(os.getpid(), signal.SIGKILL)

    witness = Witness.open(Path(path), clock=lambda: datetime.now(UTC))
    witness.reached = reached
    door = Door(witness, "127.0.0.1", 0)
    sys.stdout.write(json.dumps({"url": f"http://127.0.0.1:{door.port}"}, indent=2) + "\n")
    sys.stdout.flush()
    door.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
