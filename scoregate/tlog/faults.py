"""How a log can fail a check, drawn once.

    LogError
    ├── LogInvalid          bytes are wrong
    ├── LogDiverged         two accounts of one log disagree
    │   └── LogRolledBack   the log is smaller than it was
    └── LogIncomplete       something is missing

NoteInvalid, CheckpointInvalid and TlogProofInvalid are LogInvalid, and QuorumMissing is LogIncomplete.

Pure. Messages quote what a hostile folder may hold, so whatever is not printable is escaped here.
"""

from scoregate.errors import ScoregateError

PULL_AGAIN = "run `scoregate audit pull` again"


def printable(message: str) -> str:
    """Return the message with whatever is not printable escaped: no terminal shall obey it."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in message)


class LogError(ScoregateError):
    """A log can't be vouched for. `index` is the first entry concerned; None where none is known."""

    def __init__(self, message: str, *, index: int | None = None) -> None:
        super().__init__(printable(message))
        self.index = index


class LogInvalid(LogError):
    """An entry, a bundle, the head or a receipt is not what its format says."""


class LogDiverged(LogError):
    """The entries, the head and the receipts are not of one log."""


class LogRolledBack(LogDiverged):
    """The server's log is smaller than it was."""


class LogIncomplete(LogError):
    """Bundles, entries or files are missing."""
