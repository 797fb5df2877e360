"""Hostile HTTP/2, written frame by frame over real mTLS, beside a lender who only asks.

Light on purpose: the process that attacks imports this package too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.prove.campaign import Finding, Stage


def hostile_http2(stage: Stage) -> Iterator[Finding]:
    """Yields the lender's p99, and the process's memory and life."""
    from tests.prove.hostile_http2.abuses import abuses

    yield from abuses(stage)


__all__ = ["hostile_http2"]
