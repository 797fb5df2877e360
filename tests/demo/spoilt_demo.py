"""The demo, with something that somebody changed before it is verified: `spoilt_demo.py log|file FOLDER`."""

from __future__ import annotations

import sys
from hashlib import sha256
from pathlib import Path

from gateway.demo.auditing import flip_bit
from gateway.demo.page import standard_page
from gateway.demo.stage import Stage
from gateway.demo.story import perform
from gateway.demo.vouching import flip_byte


def nothing(_: Path) -> None:
    """Leave it as it is."""


def spoil_log(log: Path) -> None:
    """Change the entry of the borrower's answer, in what compliance pulled."""
    flip_bit(log, sha256(stage.answer.attestation.encode()).digest())


def spoil_file(kept: Path) -> None:
    """Change the proof in what the lender kept."""
    flip_byte(kept, kept)


what, folder = sys.argv[1:]
stage = Stage(
    Path(folder),
    people=2,
    after_pull=spoil_log if what == "log" else nothing,
    after_keep=spoil_file if what == "file" else nothing,
)
sys.exit(0 if perform(stage, standard_page()) else 1)
