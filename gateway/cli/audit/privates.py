"""`scoregate audit pull --private`: private parts beside a pulled log, for `scoregate log verify --private`.

    PARTS/parts.jsonl   a line for each part (scoregate/auditing/exports/lines.py), by rising index; 0600

One that was broken off goes on behind the last line that came whole. What was erased has no line.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from gateway.cli.audit.bars import bar
from gateway.cli.console import Admin
from gateway.cli.failures import misconfigured, useless
from scoregate.cli import Output

if TYPE_CHECKING:
    from scoregate.audit.v1 import audit_pb2

PARTS = "parts.jsonl"


def pull_parts(admin: Admin, folder: Path, size: int, *, reason: str) -> int:
    """Bring the private parts of the first ``size`` entries that the folder lacks; returns how many came.

    Raises:
        Stopped: The folder holds other things, or an answer is of no use.
        OSError: The disk refuses.
    """
    from scoregate.audit.v1 import audit_pb2
    from scoregate.auditing.exports.entries import Exported, PartState
    from scoregate.auditing.exports.lines import private_line

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if {each.name for each in folder.iterdir()} - {PARTS}:
        told = f"{folder} holds other things than private parts."
        raise misconfigured("--private", told, "Name a new folder, or that of an earlier pull.")
    came = 0
    opened = os.open(folder / PARTS, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    with os.fdopen(opened, "r+b") as file, bar("Opening", quiet=admin.output is Output.JSON) as told_so_far:
        last = begin = _resume(file)
        asked = audit_pb2.ExportBundleRequest(with_private_parts=True, reason=reason)
        asked.filter.start_index, asked.filter.end_index = begin, size
        while begin < size:
            page: audit_pb2.ExportBundleResponse = admin.audit.ExportBundle(asked)
            for each in page.entries:
                if not last <= each.leaf_index < size:
                    raise useless(f"entry {each.leaf_index:,} is out of its place", "Pull")
                last = each.leaf_index + 1
                if each.private_part_state == audit_pb2.PRIVATE_PART_STATE_OPENED:
                    part = Exported(each.leaf_index, b"", (), PartState.OPENED, each.private_part, each.blind)
                    file.write(private_line(part) + b"\n")
                    came += 1
            file.flush()
            os.fsync(file.fileno())
            told_so_far(page.looked_up_to, size)
            if not page.next_page_token:
                break
            if page.looked_up_to <= begin:
                raise useless("its pages go nowhere", "Pull")
            begin, asked.page_token = page.looked_up_to, page.next_page_token
    return came


def _resume(file: BinaryIO) -> int:
    """Cut off what did not come whole; returns the index to go on with."""
    from scoregate.auditing.exports.lines import MAX_PRIVATE_LINE_BYTES, read_private

    end, following, number = 0, 0, 0
    while (line := file.readline(MAX_PRIVATE_LINE_BYTES + 1)).endswith(b"\n"):
        number += 1
        following = read_private(line[:-1], f"{PARTS}, line {number:,}")[0] + 1
        end += len(line)
    file.seek(end)
    file.truncate()
    return following
