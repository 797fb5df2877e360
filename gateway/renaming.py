"""The log's names, one after the other: each half-year one, or one that an operator opens.

The entries go on, and so do their indexes: a name vouches for the tree up to where the next one begins. Under
the head's lock the last entry of a name says which one follows; from then on answers name that one. The
integrator signs the last checkpoint of the old name at exactly that size, and the first one of the new name
over the same root: whoever holds both sees that nothing came between.
"""

from __future__ import annotations

import re
from datetime import datetime

from gateway.audit.tree.signing import LogKey
from gateway.audit.tree.tables import read_origins, succeed
from gateway.ledger import Transaction
from scoregate.audit.v1 import leaf_pb2

_HALF_YEAR = re.compile(r"(.*/)([0-9]{4})h([12])")


class NameTaken(Exception):
    """The log has, or had, this name."""


def following(name: str, now: datetime) -> str | None:
    """The name of the half-year that ``now`` lies in, where ``name`` ends with an earlier one; else None.

    "scoregate.example/log/2026h2" is followed by "scoregate.example/log/2027h1".
    """
    found = _HALF_YEAR.fullmatch(name)
    half = (now.year, 1 if now.month <= 6 else 2)
    if found is None or half <= (int(found[2]), int(found[3])):
        return None
    return f"{found[1]}{half[0]}h{half[1]}"


def rename(tx: Transaction, key: LogKey, *, before: str, actor: str, reason: str) -> bool:
    """Let the log go on under the name of ``key``; False, and nothing is done, if its name is not ``before``.

    Raises:
        NameTaken: It had that name before.
    """
    if tx.head.origin != before:
        return False
    if key.verifier.name in {origin.name for origin in read_origins(tx.connection)}:
        raise NameTaken(key.verifier.name)
    last = tx.append(
        leaf_pb2.Leaf(
            kind=leaf_pb2.LEAF_KIND_LOG_RENAMED, object_id=str(key.verifier), actor=actor, reason=reason
        )
    )
    succeed(tx.connection, before, key.verifier, ends=last.leaf_index + 1)
    return True
