"""Steps that many queries take together, and in which each fails for itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from sqlalchemy.exc import SQLAlchemyError

from gateway.journey.inquiry import Inquiry
from gateway.store import StoreUnavailable

Fail = Callable[[Inquiry, Exception], None]


def apart(step: Callable[[Sequence[Inquiry]], None], inquiries: Sequence[Inquiry], fail: Fail) -> None:
    """Take a step together; where it fails, in halves, so that whoever is to blame fails alone.

    Raises:
        StoreUnavailable, SQLAlchemyError: Nobody is to blame.
    """
    try:
        step(inquiries)
    except (StoreUnavailable, SQLAlchemyError):
        raise
    except Exception as error:
        half = len(inquiries) // 2
        if half:
            apart(step, inquiries[:half], fail)
            apart(step, inquiries[half:], fail)
        else:
            fail(inquiries[0], error)


def each(step: Callable[[Inquiry], None], inquiries: Iterable[Inquiry]) -> None:
    """Take a step one by one; whoever fails in it is refused."""
    for inquiry in inquiries:
        try:
            step(inquiry)
        except Exception as error:
            inquiry.refuse(error)
