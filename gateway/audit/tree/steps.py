"""Where a crash is a different crash, on an entry's way from committed to shown. Pure.

One seam for all of them: whoever takes the steps says which one is reached, to nobody, or to a test that
kills the process there, or lets the disk refuse.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum


class Step(StrEnum):
    """In the order in which they come."""

    READ = "read"  # the stored tree is sound; nothing is done
    EXTENDED = "extended"  # by the new entries, in memory
    COMPARED = "compared"  # with what was signed last
    SIGNED = "signed"  # in memory: nobody has seen the signature
    DRAFTED = "drafted"  # written beside the file that remembers
    SYNCED = "synced"  # and durable there
    REPLACED = "replaced"  # it has the file's name, which a power cut may take back
    REMEMBERED = "remembered"  # for good; the database knows nothing of it
    SWAPPED = "swapped"  # the tree's row is the new one, and nothing is committed
    WRITTEN = "written"  # its tiles too, and nothing is committed
    INTEGRATED = "integrated"  # committed; no witness has seen it
    COSIGNED = "cosigned"  # by whoever came in time; nobody else has their signatures
    ENTERED = "entered"  # they stand in the tree's row, and nothing is committed
    SHOWN = "shown"  # to anybody


Reached = Callable[[Step], None]
"""Is told each step as it is reached."""


def nobody(_: Step) -> None:
    """Nobody is told."""
