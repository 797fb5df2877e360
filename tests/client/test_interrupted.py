"""Ctrl-C while the command is still being loaded."""

import signal
import subprocess
import sys

PRESSED = """
import builtins, os, signal
real = builtins.__import__
def load(name, *args, **kwargs):
    if name == "typer":
        os.kill(os.getpid(), signal.SIGINT)
    return real(name, *args, **kwargs)
builtins.__import__ = load
from scoregate.__main__ import main
main()
"""


def test_ctrl_c_while_the_command_loads_is_one_line() -> None:
    ended = subprocess.run([sys.executable, "-c", PRESSED], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (128 + signal.SIGINT, "Interrupted.\n")
