"""`python -m tests.prove.simulation SEED`: play one seed again, and say in plain words what happens."""

from __future__ import annotations

import argparse
import sys

from tests.prove.simulation.arms import ARMS, GUARDED, grounds, play_arm


def main() -> None:
    """Exit 1 if a law is broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.prove.simulation", description=__doc__)
    parser.add_argument("seed", type=int)
    parser.add_argument("--without", choices=[arm for arm in ARMS if arm != GUARDED], default=GUARDED)
    chosen = parser.parse_args()
    with grounds() as (ground, folder):
        played = play_arm(ground, folder, chosen.without, chosen.seed)
    print(*played.lines, sep="\n")
    print(f"seed {played.seed}: {len(played.broken)} broken; trace {played.trace}")
    sys.exit(1 if played.broken else 0)


if __name__ == "__main__":
    main()
