"""The process that abuses, so that it takes no turn from whoever measures. Its orders are a line of stdin.

It says when it has begun, goes on until stdin ends, and then says how many connections it made and how
many frames it sent.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import threading
import time

from tests.prove.hostile_http2.attacks import abuse
from tests.prove.hostile_http2.line import Caller, Watch

SECONDS_TO_BEGIN = 20.0


def main() -> None:
    """Attack over so many connections at once."""
    orders = json.loads(sys.stdin.readline())
    os.nice(19)  # on a machine of two cores its own work must not be what slows the others
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    caller = Caller(**{**orders["caller"], "body": bytes.fromhex(orders["caller"]["body"])})
    watch = Watch(time.monotonic() + orders["seconds"])
    sent: list[int] = []

    def attack() -> None:
        sent.extend(abuse(caller, orders["attack"], watch))

    threads = [threading.Thread(target=attack, daemon=True) for _ in range(orders["connections"])]
    for thread in threads:
        thread.start()
    for _ in threads:
        watch.begun.acquire(timeout=SECONDS_TO_BEGIN)
    print("begun", flush=True)
    sys.stdin.read()
    watch.end()
    for thread in threads:
        thread.join(5)
    print(json.dumps([len(sent), sum(sent)]), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
