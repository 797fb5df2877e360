"""What the contract promises, read from itself: methods from descriptors, statuses from comments."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

import scoregate.admin.v1
import scoregate.audit.v1
import scoregate.partner.v1

PACKAGES: dict[Any, str] = {
    scoregate.partner.v1: "partner",
    scoregate.audit.v1: "admin",
    scoregate.admin.v1: "admin",
}
"""Package → the one door that serves it."""


@dataclass(frozen=True, slots=True)
class Method:
    """One RPC."""

    path: str
    door: str
    request: type[Message]
    response: type[Message]

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


def _services() -> Iterator[tuple[ServiceDescriptor, str]]:
    for package, door in PACKAGES.items():
        for module in pkgutil.iter_modules(package.__path__):
            if module.name.endswith("_pb2"):
                stubs = importlib.import_module(f"{package.__name__}.{module.name}")
                for service in stubs.DESCRIPTOR.services_by_name.values():
                    yield service, door


METHODS: tuple[Method, ...] = tuple(
    Method(
        f"/{service.full_name}/{method.name}",
        door,
        GetMessageClass(method.input_type),
        GetMessageClass(method.output_type),
    )
    for service, door in _services()
    for method in service.methods
)

BY_REQUEST: dict[Any, Method] = {method.request.DESCRIPTOR: method for method in METHODS}
"""A request's type names its method."""


def by_name(method: Method) -> str:
    """For pytest's ids."""
    return method.path.removeprefix("/scoregate.").replace("/", ".")


_COMMENTED = re.compile(r"// ([A-Z_]+)\. [^\n]*\n  ERROR_REASON_([A-Z_]+) = ")
_CATALOGUE = Path(__file__).parents[2] / "protos/scoregate/partner/v1/error_reason.proto"

PROMISED: dict[str, str] = {reason: status for status, reason in _COMMENTED.findall(_CATALOGUE.read_text())}
"""Reason → gRPC status, as the comments of error_reason.proto tell a partner."""
