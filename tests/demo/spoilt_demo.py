"""The demo, with a pulled log that somebody changed before it is verified: `spoilt_demo.py FOLDER`."""

from __future__ import annotations

import sys
from hashlib import sha256
from pathlib import Path

from gateway.demo.auditing import flip_bit
from gateway.demo.page import standard_page
from gateway.demo.stage import Stage
from gateway.demo.story import perform


def spoil(log: Path) -> None:
    flip_bit(log, sha256(stage.answer.attestation.encode()).digest())


stage = Stage(Path(sys.argv[1]), people=2, after_pull=spoil)
sys.exit(0 if perform(stage, standard_page()) else 1)
