"""What a partner installs: the generated contract, the verifying client, the pure proofs."""

from typing import TYPE_CHECKING, Any

from scoregate.errors import Refused, ScoregateError, VerificationFailed
from scoregate.words import Disclosure, Purpose

if TYPE_CHECKING:
    from scoregate.client import Client, ScoreQuery, Terms

__all__ = [
    "Client",
    "Disclosure",
    "Purpose",
    "Refused",
    "ScoreQuery",
    "ScoregateError",
    "Terms",
    "VerificationFailed",
]

_FROM_CLIENT = ("Client", "ScoreQuery", "Terms")


def __getattr__(name: str) -> Any:
    # The proofs are used where no gRPC is wanted, such as `scoregate log verify`.
    if name in _FROM_CLIENT:
        from scoregate import client

        return getattr(client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
