"""A token that opens what an address shows to few, as a file of its own: who holds it may read. Not pure.

Source: RFC 6750, 2.1, "Authorization Request Header Field".
"""

import os
import re
import stat
from pathlib import Path

MAX_TOKEN_BYTES = 4_096
PREFIX = "sge1_"
"""How the tokens of a gateway of Scoregate's begin."""

_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*", re.ASCII)


def read_token(path: Path) -> str:
    """Return the token in a file that only its owner may read.

    Raises:
        ValueError: Others may read it too, it can't be read, or it holds no token. No message quotes it.
    """
    try:
        with open(path, "rb", opener=_unwaiting) as file:  # a pipe would keep whoever reads it
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise ValueError(f"{path} is not a file")
            if stat.S_IMODE(found.st_mode) & 0o077:
                raise ValueError(f"others can read {path}; run `chmod 600 {path}`")
            data = file.read(MAX_TOKEN_BYTES + 1)
    except OSError as error:
        raise ValueError(f"{path} can't be read ({error.strerror})") from error
    token = data.decode("ascii", errors="replace").removesuffix("\n")
    if len(data) > MAX_TOKEN_BYTES or _TOKEN.fullmatch(token) is None:
        raise ValueError(f"{path} holds no token; write one with `scoregate audit open`")
    return token


def _unwaiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)
