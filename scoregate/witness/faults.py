"""How a witness says no, drawn once.

    WitnessError
    ├── NotCosigned                 an answer to a submission; `door` has the status of each
    │   ├── RequestMalformed        lines that the protocol does not have here
    │   ├── LogUnknown              no key is trusted for this origin
    │   ├── SignatureRefused        no signed note, not by such a key, or a signature that does not hold
    │   ├── SizeReversed            the old size is over the checkpoint's own
    │   ├── SizeStale               the old size is not the one that was cosigned last; `size` is
    │   └── NotConsistent           it does not contain what was cosigned last
    ├── WitnessMisconfigured        the folder, or what somebody asked for, is not as it must be
    └── FolderSpoilt                a file is not what this witness wrote: nothing is cosigned on top of it

Pure. Messages may quote strangers, so whatever is not printable is escaped here.
"""

from scoregate.errors import ScoregateError
from scoregate.tlog.faults import printable


class WitnessError(ScoregateError):
    """The root of what this room raises."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class NotCosigned(WitnessError):
    """A submission gets no cosignature."""


class RequestMalformed(NotCosigned):
    """Not an old size, a proof and an empty line; or what the log signed is no checkpoint."""


class LogUnknown(NotCosigned):
    """No key is trusted for this origin."""


class SignatureRefused(NotCosigned):
    """Not a note that a trusted key of the origin signed, or a line that says so does not hold."""


class SizeReversed(NotCosigned):
    """The old size is over the size of the checkpoint."""


class SizeStale(NotCosigned):
    """The old size is not the one that was cosigned last; ``size`` is that one, 0 where there is none."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the size that was cosigned last is {size}")
        self.size = size


class NotConsistent(NotCosigned):
    """The checkpoint does not contain what was cosigned last, or nothing shows that it does."""


class WitnessMisconfigured(WitnessError):
    """The folder, or what somebody asked for, is not as it must be; the message names the remedy."""


class FolderSpoilt(WitnessError):
    """A file of the folder is not what this witness wrote."""
