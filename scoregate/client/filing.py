"""Receipts on disk: one file an answer, named by its entry's index; whole, or not there."""

import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from scoregate.errors import JsonRefused, ReceiptConflict
from scoregate.proof.digest import Json, parse

# What a file of the same answer may lack (the first clients filed no request), or may already have.
_COMPLETED = {"request", "proof"}


def place(folder: Path, receipt: Mapping[str, Json]) -> Path:
    """Return where a receipt lies in its folder."""
    return folder / f"{receipt['leaf_index']}.json"


def file_receipt(folder: Path, receipt: Mapping[str, Json]) -> Path:
    """File a receipt, and return its path. What lies there of the same answer is completed and loses nothing.

    Raises:
        ReceiptConflict: Another receipt lies there under this index.
        OSError: The disk refuses.
    """
    path = place(folder, receipt)
    filed = _filed(path)
    if filed is not None:
        if not _same(filed, receipt):
            raise ReceiptConflict(f"{path} holds another receipt; use one folder for each log")
        receipt = {**filed, **receipt}
        if filed == receipt:
            return path
    path.parent.mkdir(parents=True, exist_ok=True)
    _write_whole(path, json.dumps(receipt).encode())
    return path


def _filed(path: Path) -> dict[str, Json] | None:
    if not path.exists():
        return None
    try:
        found = parse(path.read_bytes())
    except JsonRefused:
        found = None
    return dict(found) if isinstance(found, dict) else {}


def _same(filed: Mapping[str, Json], receipt: Mapping[str, Json]) -> bool:
    mine = receipt.keys() - {"proof"}
    return filed.keys() - _COMPLETED == mine - _COMPLETED and all(
        filed[name] == receipt[name] for name in mine & filed.keys()
    )


def _write_whole(path: Path, content: bytes) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    unfinished = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # From here the content is durable; the name becomes so with the folder.
        unfinished.replace(path)
    except BaseException:
        with suppress(OSError):
            unfinished.unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
