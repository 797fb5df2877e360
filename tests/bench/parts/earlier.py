"""What an earlier revision runs for the bench, every module but this file its own.

``python -P earlier.py found FOLDER`` founds an installation and writes FOLDER/callers.json. ``serve FOLDER
CORE`` serves it until it reads "stop", and answers other lines with the processor seconds that it has used.
"""

from __future__ import annotations

import base64
import json
import os
import pickle
import sys
import time
from pathlib import Path


def found(folder: Path) -> None:
    """An engine, lenders and consents."""
    from scoring import store
    from scoring.train import train
    from tests.bench import installation

    made = train()
    (folder / "engine").mkdir()
    store.write(folder / "engine", made.artefact, made.population)
    founded = installation.found(folder / "home", folder / "engine")
    (folder / "founded.pickle").write_bytes(pickle.dumps(founded))
    lenders = [
        {
            "partner_id": lender.partner_id,
            "certificate": base64.b64encode(lender.certificate).decode(),
            "key": base64.b64encode(lender.key).decode(),
            "consent_ids": lender.consent_ids,
        }
        for lender in founded.lenders
    ]
    callers = {"server_ca": base64.b64encode(founded.server_ca).decode(), "lenders": lenders}
    (folder / "callers.json").write_text(json.dumps(callers))


def serve(folder: Path, core: int) -> None:
    """The whole gateway, on one core."""
    from gateway.server import Gateway

    os.sched_setaffinity(0, {core})  # before gRPC starts its threads, which inherit it
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever else is printed is no answer
    founded = pickle.loads((folder / "founded.pickle").read_bytes())  # noqa: S301 - written a moment ago
    started = Gateway.start(founded.settings)
    try:
        print(started.partner_port, file=answers)
        for line in sys.stdin:
            if line == "stop\n":
                break
            print(time.process_time(), file=answers)
    finally:
        started.stop()


if __name__ == "__main__":
    if sys.argv[1] == "found":
        found(Path(sys.argv[2]))
    else:
        serve(Path(sys.argv[2]), int(sys.argv[3]))
