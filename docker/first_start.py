"""Founds the installation in SCOREGATE_HOME and trains its engine, unless that was done before.

The container's first service runs it at every start; on a volume that is in use it changes nothing.
What `scoregate` says on the way is what the operator reads in this service's log.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

# What each command writes last: with it there, the command has finished once.
STEPS = (
    ("scoregate.toml", ("init",)),
    ("engine/engine.json", ("engine", "train")),
)


def main() -> int:
    """Run the steps that were not finished; returns the exit code of the first that fails."""
    home = Path(os.environ["SCOREGATE_HOME"])
    command = Path(sys.executable).with_name("scoregate")
    for written_last, arguments in STEPS:
        if not (home / written_last).exists():
            code = subprocess.run([command, *arguments], check=False).returncode  # noqa: S603
            if code:
                return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
