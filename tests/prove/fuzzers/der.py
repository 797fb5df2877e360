"""Mutations that know DER (X.690): a value can't grow without the lengths around it. Pure."""

from __future__ import annotations

from copy import deepcopy
from random import Random
from typing import Any, TypeAlias

from tests.prove.fuzzers.mutation import change_bytes

CONSTRUCTED = 0x20
Node: TypeAlias = list[Any]  # a tag and its content, which is bytes or nodes; or a list of nodes


def change_der(data: bytes, chance: Random) -> bytes:
    """Change a value, its tag, its neighbours, or whether it is there. Raises ValueError for other bytes."""
    root: Node = [CONSTRUCTED, _read(data)]
    for _ in range(chance.randint(1, 2)):
        holder, at = chance.choice(_places(root))
        _change(holder, at, root, chance)
    return _written(root[1])


def _read(data: bytes) -> Node:
    nodes: Node = []
    at = 0
    while at < len(data):
        tag, size = data[at], data[at + 1]
        at += 2
        if size & 0x80:
            many = size & 0x7F
            size = int.from_bytes(data[at : at + many])
            at += many
        body = data[at : at + size]
        if len(body) != size:
            raise ValueError("cut")
        nodes.append([tag, _read(body) if tag & CONSTRUCTED else body])
        at += size
    return nodes


def _written(nodes: Node) -> bytes:
    parts = []
    for tag, content in nodes:
        body = _written(content) if isinstance(content, list) else content
        size = len(body)
        many = b"" if size < 0x80 else size.to_bytes((size.bit_length() + 7) // 8)
        head = bytes([tag, 0x80 | len(many)]) + many if many else bytes([tag, size])
        parts.append(head + body)
    return b"".join(parts)


def _places(node: Node) -> list[tuple[Node, int]]:
    if not isinstance(node[1], list):
        return []
    return [place for at, child in enumerate(node[1]) for place in ((node[1], at), *_places(child))]


def _change(holder: Node, at: int, root: Node, chance: Random) -> None:
    node, draw = holder[at], chance.random()
    if draw < 0.15:
        holder.insert(at, deepcopy(node))
    elif draw < 0.3 and len(holder) > 1:
        del holder[at]
    elif draw < 0.4:
        node[0] = chance.randrange(256)
    elif draw < 0.5:
        other, place = chance.choice(_places(root))
        holder[at] = deepcopy(other[place])  # it may hold the place that it goes to
    elif isinstance(node[1], bytes):
        node[1] = _inside(node[1], chance)


def _inside(value: bytes, chance: Random) -> bytes:
    """An octet string often holds DER itself, as extensions do."""
    try:
        return change_der(value, chance) if chance.random() < 0.7 else change_bytes(value, chance)
    except (ValueError, IndexError):
        return change_bytes(value, chance)
