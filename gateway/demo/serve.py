"""The gateway's process in the demo: the settings of its environment, until told to stop or orphaned."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType

from gateway.server import Gateway
from gateway.settings import SettingsInvalid, load


def main() -> int:
    """Serve until SIGTERM, or until whoever started this is gone."""
    ended = threading.Event()

    def end(_: int, __: FrameType | None) -> None:
        ended.set()

    def watch() -> None:
        sys.stdin.buffer.read()
        ended.set()

    signal.signal(signal.SIGTERM, end)
    try:
        gateway = Gateway.start(load(os.environ))
    except SettingsInvalid as error:
        sys.stderr.write(f"{error}\n")
        return 2
    threading.Thread(target=watch, daemon=True).start()
    ended.wait()
    gateway.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
