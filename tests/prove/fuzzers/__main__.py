"""Shows one input again: `python -m tests.prove.fuzzers TARGET FILE`. What breaks the law is raised."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from scoring import store
from scoring.train import train
from tests.prove.fuzzers.target import Place
from tests.prove.fuzzers.targets import BY_NAME


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.prove.fuzzers", description=__doc__)
    parser.add_argument("target", choices=list(BY_NAME))
    parser.add_argument("file", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, engine_folder = Path(name), Path(name) / "engine"
        training = train()
        store.write(engine_folder, training.artefact, training.population)
        taken = BY_NAME[chosen.target].open(Place(folder, engine_folder))(chosen.file.read_bytes())
    print("taken" if taken else "refused, as documented")


if __name__ == "__main__":
    main()
