"""A gateway in a process of its own: prints its ports, then serves until a test kills it."""

from __future__ import annotations

import json
import os
import sys

from gateway.server import Gateway
from gateway.settings import load

if __name__ == "__main__":
    gateway = Gateway.start(load({k: v for k, v in os.environ.items() if k.startswith("SCOREGATE_")}))
    print(json.dumps([gateway.partner_port, gateway.admin_port, gateway.http_port]), flush=True)
    sys.stdin.read()
    os._exit(1)  # the test has gone
