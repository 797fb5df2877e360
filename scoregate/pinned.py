"""The keys of a log and its witnesses, as somebody pins them: vkeys, a policy file, or both. Not pure.

Sources: C2SP signed-note (vkeys), C2SP tlog-policy (the file). Get them from the log's operator and the
witnesses over a channel that you trust; the log's own address serves them to anybody who sits on the way.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from scoregate.tlog import files
from scoregate.tlog.faults import LogInvalid
from scoregate.tlog.note import KeyKind, NoteInvalid, VerifierKey
from scoregate.tlog.policy import MAX_POLICY_BYTES, LogKey, Policy, PolicyInvalid


def read_policy(vkeys: Sequence[str], file: Path | None = None) -> Policy:
    """Return the policy that these vkeys and this file make; at least one of both is given.

    Vkeys alone ask for a cosignature by each witness among them. A file says itself whose are needed: vkeys
    beside it name logs, such as the one that a file without any log leaves open.

    Raises:
        PolicyInvalid: The file is none or can't be read, a vkey is none, or they don't fit together.
    """
    keys = [_vkey(text) for text in vkeys]
    if file is None:
        return Policy.of(keys)
    policy = _read(file)
    for key in keys:
        if key.kind is not KeyKind.ED25519:
            raise PolicyInvalid(f"{key.name} is a witness: beside a policy file only logs are given by vkey")
    listed = [log.vkey for log in policy.logs]
    added = tuple(LogKey(key, None) for key in dict.fromkeys(keys) if key not in listed)
    if not policy.logs and not added:
        raise PolicyInvalid(f"{file} names no log: add a line `log <vkey>`, or give the log's vkey beside it")
    return replace(policy, logs=(*policy.logs, *added))


def _vkey(text: str) -> VerifierKey:
    try:
        return VerifierKey.parse(text)
    except NoteInvalid as error:
        raise PolicyInvalid(str(error)) from error


def _read(file: Path) -> Policy:
    try:
        data = files.read(file, "the policy", MAX_POLICY_BYTES)
    except (OSError, LogInvalid) as error:
        why = getattr(error, "strerror", None) or error
        raise PolicyInvalid(f"{file} can't be read ({why}); name a policy file") from error
    return Policy.parse(data)
