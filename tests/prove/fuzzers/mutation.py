"""Mutations that know a format: a byte of a message can't be changed far without its length beside it. Pure.

The fuzzer keeps what reaches new code, whoever changed it; these changes stand beside its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

Change = Callable[[bytes, Random], bytes]
"""Changes one input. Raises anything for an input that is not of its format: then bytes are changed."""

EDGES = (
    0,
    1,
    -1,
    2,
    7,
    127,
    2**31 - 1,
    -(2**31),
    2**32 - 1,
    2**53,
    253_402_300_800,
    2**63 - 1,
    -(2**63),
    2**64 - 1,
)
TEXTS = (
    "",
    "a",
    "\0",
    "\n",
    "é",
    "\U0001f600",
    "\u202e",
    " ",
    "0",
    "-1",
    "null",
    "a" * 300,
    "../../etc/passwd",
)
_RANGES = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_ENUM: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}


def message_of(kind: Callable[[bytes], type[Message]], *, prefix: int = 0) -> Change:
    """Changes a field or two of a message that stands behind so many bytes, by which ``kind`` chooses."""

    def change(data: bytes, chance: Random) -> bytes:
        message = kind(data[:prefix]).FromString(data[prefix:])
        for _ in range(chance.randint(1, 3)):
            change_message(message, chance)
        return data[:prefix] + message.SerializeToString()

    return change


def change_message(message: Any, chance: Random) -> None:
    """Change one field, here or further in."""
    fields = list(message.DESCRIPTOR.fields)
    if not fields:
        return
    field = chance.choice(fields)
    held = getattr(message, field.name)
    if chance.random() < 0.15:
        message.ClearField(field.name)
    elif _is_map(field):
        held[chance.choice(TEXTS)] = chance.choice(TEXTS)
    elif field.is_repeated:
        _change_items(field, held, chance)
    elif field.message_type is not None:
        held.SetInParent()
        change_message(held, chance)
    else:
        setattr(message, field.name, _changed(field, held, chance))


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _change_items(field: FieldDescriptor, items: Any, chance: Random) -> None:
    if items and chance.random() < 0.3:
        del items[chance.randrange(len(items))]
    elif field.message_type is not None:
        item = items.add()
        if len(items) > 1 and chance.random() < 0.7:
            item.CopyFrom(chance.choice(items[:-1]))
        change_message(item, chance)
    else:
        items.append(_changed(field, chance.choice(items) if items else field.default_value or 0, chance))


def _changed(field: FieldDescriptor, held: Any, chance: Random) -> Any:
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        if isinstance(held, bytes) or field.type == FieldDescriptor.TYPE_BYTES:
            return change_bytes(held or b"", chance)
        return change_text(held or "", chance)
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return not held
    least, most = _RANGES[field.cpp_type]
    return max(least, min(most, change_number(held, chance)))


def change_number(number: int, chance: Random) -> int:
    """Another number: near, at an edge, or anything."""
    edge = chance.choice(EDGES)
    return chance.choice(
        (number + 1, number - 1, -number, edge, edge, edge, chance.getrandbits(chance.randint(1, 64)))
    )


def change_text(text: str, chance: Random) -> str:
    """Another text; one that is JSON stays JSON."""
    if text.startswith("{"):
        return change_json(text.encode(), chance).decode("utf-8", "replace")
    at = chance.randint(0, len(text))
    piece = chance.choice(TEXTS)
    return chance.choice(
        (piece, text[:at], text[:at] + piece + text[at:], text[:at] + piece + text[at + 1 :], text.upper())
    )


def change_bytes(data: bytes, chance: Random) -> bytes:
    """Other bytes: cut, longer, or one of them changed."""
    at = chance.randint(0, len(data))
    return chance.choice((b"", data[:at], data + data[:at], data[:at] + chance.randbytes(1) + data[at + 1 :]))


def change_json(data: bytes, chance: Random) -> bytes:
    """Change one or two values of a JSON text: their kind, their content, or whether they are there."""
    root = [json.loads(data)]
    for _ in range(chance.randint(1, 2)):
        holder, key = chance.choice(list(_places(root)))
        _change_value(holder, key, root, chance)
    return json.dumps(root[0], ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _places(value: Any) -> Sequence[tuple[Any, Any]]:
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [place for key in keys for place in ((value, key), *_places(value[key]))]


def _change_value(holder: Any, key: Any, root: list[Any], chance: Random) -> None:
    value = holder[key]
    draw = chance.random()
    if draw < 0.15 and holder is not root:
        del holder[key]
    elif draw < 0.25 and isinstance(holder, dict):
        holder[chance.choice(TEXTS)] = value
    elif draw < 0.35:
        other, at = chance.choice(list(_places(root)))
        holder[key] = json.loads(json.dumps(other[at]))
    elif draw < 0.5:
        holder[key] = chance.choice(
            (None, True, False, 1.5, [], {}, [[]], chance.choice(TEXTS), chance.choice(EDGES))
        )
    elif isinstance(value, bool):
        holder[key] = not value
    elif isinstance(value, int):
        holder[key] = change_number(value, chance)
    elif isinstance(value, str):
        holder[key] = change_text(value, chance) if not value.startswith("{") else chance.choice(TEXTS)
    elif isinstance(value, list):
        value.append(json.loads(json.dumps(chance.choice(value))) if value else chance.choice(TEXTS))
