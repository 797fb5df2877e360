"""What a failure means to a person at a terminal: a few words, a field, a remedy, an exit code.

Rooms raise their own exceptions, and the gateway names fields of its contract; this is the command line's
one table of both. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

from scoregate.errors import ClientMisconfigured, Refused
from scoregate.tlog.faults import LogDiverged, LogError, LogIncomplete, LogInvalid

INSTALL = 'Install scoregate with its extras "server" and "engine".'
OUR_PACKAGES = frozenset({"scoregate", "gateway", "consent", "scoring"})

_OPTIONS = {  # by a field's path, or its last name: what the command line calls it
    **{"certificate": "--cert", "key": "--key", "server_ca": "--ca"},
    **{"partner_id": "ID", "common_name": "ID", "role": "--role"},
    **{"legal_name": "--name", "legal_entity": "--entity"},
    **{"daily_units": "--daily", "monthly_units": "--monthly", "time_zone": "--zone"},
    **{"calls_per_second": "--rate", "burst_calls": "--burst", "thresholds": "--threshold"},
    **{
        "charge_not_scored": "--not-scored",
        "return_addresses": "--return-address",
        "csr_pem": "--csr",
        "valid_days": "--days",
    },
    **{"reason": "--reason", "subject": "--subject", "fingerprint": "FINGERPRINT"},
    **{"handle": "HANDLE", "consent_id": "CONSENT_ID"},
    **{"reference": "REFERENCE", "outcome": "--outcome"},
    **{"since": "--since", "until": "--until", "start_index": "--from", "end_index": "--to"},
    **{"filter.partner_id": "--partner", "basis": "--basis"},
    **{"decisions": "--decision", "purposes": "--purpose", "kinds": "--kind"},
}
_REMEDIES = {  # where the catalogue's words are for a program that repeats its call
    "FIELD_INVALID": "Correct them and run the command again.",
    "METHOD_NOT_ALLOWED": "Name a certificate of the right role with --cert and --key: an operator's to "
    "administer, a compliance officer's to read the log.",
    "SUBJECT_FROZEN": "Only the person can lift it: for this consent alone (--lift-freeze), or for all "
    "(`scoregate consent unfreeze --subject ID`).",
    "AUDIT_UNAVAILABLE": "Check the gateway's disk and database, then run the command again.",
    "BURST_EXCEEDED": "Run the command again in a moment.",
    "CONCURRENCY_EXCEEDED": "Run the command again in a moment.",
    "SERVER_BUSY": "Run the command again in a moment.",
    "INTERNAL": "The gateway's log names the cause under this reference.",
}
_ABOUT = {  # what the catalogue can't know: which argument named the thing
    ("NOT_FOUND", "handle"): (
        "No invitation has this handle.",
        "Take it from the invitation that the partner made: 26 characters of a-z and 2-7.",
    ),
    ("NOT_FOUND", "consent_id"): (
        "No consent has this id.",
        "`scoregate consent list --subject ID` shows a person's consents.",
    ),
    ("NOT_FOUND", "partner_id"): (
        "Nobody is registered under this id.",
        "`scoregate partner list` shows who is.",
    ),
    ("NOT_FOUND", "fingerprint"): (
        "No certificate has this fingerprint.",
        "`scoregate partner show ID` lists a partner's certificates.",
    ),
    ("NOT_FOUND", "reference"): (
        "No dispute has this reference.",
        "`scoregate dispute list --with-resolved` shows them all.",
    ),
    ("NOT_FOUND", "person"): (
        "Nothing is kept about this person, or all of it was erased.",
        "Check the id: it is your own of the person, such as uci-00001.",
    ),
    ("STATE_CONFLICT", "reference"): (
        "It was resolved before, and that answer stands.",
        "`scoregate dispute list --with-resolved` shows it.",
    ),
    ("STATE_CONFLICT", "handle"): (
        "The invitation is not open any more: it was allowed or denied before, or its time is over.",
        "A decision stands. For another one, have the partner invite the person again.",
    ),
    ("STATE_CONFLICT", "consent_id"): (
        "The consent's state does not allow this.",
        "An active consent can be paused, a paused one resumed, and either revoked; "
        "`scoregate consent list --subject ID` shows its state.",
    ),
}


@dataclass(frozen=True, slots=True)
class Ending:
    """How a command ends: the word that names it, and the exit code."""

    result: str
    code: int


REFUSED = Ending("refused", 1)
FAILED = Ending("failed", 2)
INTERRUPTED = Ending("interrupted", 130)  # as a shell counts SIGINT
_LOG_ENDINGS: tuple[tuple[type[LogError], Ending], ...] = (  # as `scoregate log verify` ends
    (LogInvalid, Ending("invalid", 3)),
    (LogDiverged, Ending("diverged", 4)),
    (LogIncomplete, Ending("incomplete", 5)),
)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: its field ("" where there is none), a sentence, what to do."""

    field: str
    problem: str
    remedy: str = ""


class Stopped(Exception):
    """A command ends here."""

    def __init__(
        self, ending: Ending, problems: list[Problem], *, title: str = "", remedy: str = "", **more: str
    ) -> None:
        super().__init__(title or problems[0].problem)
        self.result, self.code = ending.result, ending.code
        self.problems = problems
        self._title, self._remedy = title, remedy
        self._more = {name: value for name, value in more.items() if value}  # for programs: reason, reference

    def plain(self) -> dict[str, object]:
        """The failure for programs."""
        return {"result": self.result, **self._more, "problems": [asdict(each) for each in self.problems]}

    def sentence(self) -> str:
        """The failure in one line."""
        if self._title:
            return f"{self._title} {self._remedy}".strip()
        return _sentence(self.problems[0])

    def lines(self) -> Iterator[str]:
        """One line for each field, where there are several."""
        for each in self.problems if self._title else self.problems[1:]:
            yield f"  {_sentence(each)}"


def _sentence(each: Problem) -> str:
    field = f"{each.field}: " if each.field else ""
    return f"{field}{each.problem} {each.remedy}".strip()


def misconfigured(field: str, problem: str, remedy: str = "") -> Stopped:
    """How a command ends that was not called, or not set up, as it must be."""
    return Stopped(FAILED, [Problem(field, problem, remedy)])


def useless(what: str, verb: str, *, keep: str = "what came") -> Stopped:
    """How a command ends, such as "Pull", that a gateway answered as none does."""
    remedy = f"{verb} again; if it happens again, keep {keep} and tell who runs the gateway."
    problem = f"The gateway's answer is of no use: {what}."
    return Stopped(REFUSED, [Problem("", problem, remedy)], reason="ANSWER_UNUSABLE")


def interrupted(left: str = "What was done by then stays done.", remedy: str = "") -> Stopped:
    """How a command ends on Ctrl-C: with what it leaves behind."""
    return Stopped(INTERRUPTED, [Problem("", left, remedy)])


def contradicted(error: LogError, remedy: str = "") -> Stopped:
    """How a command ends on a log that is not whole: as `scoregate log verify` does."""
    ending = next(ending for kind, ending in _LOG_ENDINGS if isinstance(error, kind))
    return Stopped(ending, [Problem("", f"{error}.", remedy)])


def stopped(error: Exception, *, about: Iterable[str] = ()) -> Stopped | None:
    """How a command ends on this error; None for one that is a bug. ``about`` names its arguments."""
    if isinstance(error, Stopped):
        return error
    if isinstance(error, Refused):
        return _refused(error, about)
    if isinstance(error, LogError):
        return contradicted(error)
    if isinstance(error, ModuleNotFoundError):
        return _not_installed(error)
    if isinstance(error, UnicodeEncodeError):
        return misconfigured("", "An argument is not UTF-8 text.")
    problems = _misconfigured(error)
    return Stopped(FAILED, problems, title=_counted(problems)) if problems else None


def _refused(error: Refused, about: Iterable[str]) -> Stopped:
    title = error.reason.title if error.reason else f"The gateway answered {error.code or error.status}."
    remedy = _REMEDIES.get(error.code, error.remedy)
    more = {"reason": error.code or error.status, "reference": error.reference}
    if error.code == "INTERNAL":
        remedy = f"{remedy} ({error.reference})"
    # A limit that was met repeats the title; a field says something of its own.
    own = [each for each in error.violations if each.description != title]
    for argument in () if own else about:
        title, remedy = _ABOUT.get((error.code, argument), (title, remedy))
    if own:
        fields = [Problem(_option(each.field), f"{each.description.rstrip('.')}.") for each in own]
        return Stopped(REFUSED, fields, title=title, remedy=remedy, **more)
    return Stopped(REFUSED, [Problem("", title, remedy)], **more)


def _not_installed(error: ModuleNotFoundError) -> Stopped | None:
    name = (error.name or "").partition(".")[0]
    if not name or name in OUR_PACKAGES:
        return None
    return misconfigured("", f"This needs {name}, which is not installed.", INSTALL)


def _option(field: str) -> str:
    """What the command line calls a field of the contract; the field itself where it has no option."""
    path = field.partition("[")[0]
    return _OPTIONS.get(path, _OPTIONS.get(path.rpartition(".")[2], field))


def _misconfigured(error: Exception) -> list[Problem]:
    """What is wrong on this machine; nothing for an error that is a bug."""
    from gateway.pki import FileRefused, RequestRefused

    if isinstance(error, ClientMisconfigured):
        field, _, problem = str(error).partition(": ")
        return [_split(_option(field), problem)]
    if isinstance(error, FileRefused):
        return [Problem(str(error.path), f"{error.why};", f"{error.remedy}.")]
    if isinstance(error, RequestRefused):
        return [Problem(_option(error.field), f"{error.why};", f"{error.remedy}.")]
    try:
        return _misconfigured_server(error)
    except ModuleNotFoundError:  # where only the client is installed, none of these can have been raised
        return []


def _misconfigured_server(error: Exception) -> list[Problem]:
    from consent.keys import KeyFileError
    from gateway.migrations import SchemaMismatch
    from gateway.settings import SettingsInvalid
    from gateway.store import StoreUnavailable
    from scoring.errors import ScoringError

    if isinstance(error, SettingsInvalid):
        return [Problem(each.field, f"{each.problem}.", each.remedy) for each in error.problems]
    if isinstance(error, ScoringError):
        return [Problem("engine", f"{error.problem}.", f"{error.remedy}.")]
    if isinstance(error, StoreUnavailable | SchemaMismatch):
        return [_split("database.url", str(error))]
    if isinstance(error, KeyFileError):
        return [_split("attestation.key_folder", str(error))]
    return []


def _split(field: str, text: str) -> Problem:
    problem, _, remedy = text.partition("; ")
    return Problem(field, f"{problem}.", f"{remedy[:1].upper()}{remedy[1:]}." if remedy else "")


def _counted(problems: list[Problem]) -> str:
    return f"{len(problems)} mistakes in the settings:" if len(problems) > 1 else ""
