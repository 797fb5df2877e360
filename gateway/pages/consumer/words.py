"""Plain words for the contract's, in the pages' languages. Texts are English; catalogues translate them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo
from functools import cache
from pathlib import Path

from babel import Locale
from babel.dates import format_date, format_datetime
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations

from consent.grant import State, Terms
from scoregate.proof.consent_history import Beginner
from scoregate.words import CalendarUnit, ConsentEventKind, Disclosure, InputFamily, Purpose

CATALOGUES = Path(__file__).parent / "locale"
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


def N_(text: str) -> str:  # the name that extraction looks for
    """Mark a text for the catalogues; it is translated where it is shown."""
    return text


@dataclass(frozen=True, slots=True)
class Language:
    """A language of the pages."""

    tag: str  # BCP 47
    name: str  # its own
    locale: Locale = field(repr=False)
    texts: NullTranslations = field(repr=False)
    gap: str = " "  # between two sentences
    comma: str = ", "
    colon: str = ": "

    def __call__(self, text: str) -> str:
        """The text in this language."""
        return str(self.texts.gettext(text))

    def counted(self, one: str, many: str, n: int) -> str:
        """Either text with its number. No language here has more forms than two."""
        return self(one if n == 1 else many) % {"n": n}

    def instant(self, at: datetime, zone: tzinfo) -> str:
        """Day and time, to the second, as the log has it."""
        return str(format_datetime(at, "medium", tzinfo=zone, locale=self.locale))

    def day(self, on: date | datetime, zone: tzinfo | None = None) -> str:
        """A day, with its year."""
        at = on.astimezone(zone).date() if isinstance(on, datetime) else on
        return str(format_date(at, "long", locale=self.locale))

    def span(self, length: timedelta) -> str:
        """How long, in the largest unit that says it exactly, days at most."""
        seconds = int(length.total_seconds())
        for unit, one, many in _UNITS:
            if seconds % unit == 0:
                return self.counted(one, many, seconds // unit)
        raise AssertionError("a second divides everything")

    def wait(self, length: timedelta) -> str:
        """How long to wait: never less, and in minutes where seconds would be too many to count."""
        unit = timedelta(seconds=1) if length < MINUTE else MINUTE
        return self.span(max(-(-length // unit), 1) * unit)


_UNITS = (
    (86_400, N_("%(n)d day"), N_("%(n)d days")),
    (3_600, N_("%(n)d hour"), N_("%(n)d hours")),
    (60, N_("%(n)d minute"), N_("%(n)d minutes")),
    (1, N_("%(n)d second"), N_("%(n)d seconds")),
)


@cache
def languages() -> Mapping[str, Language]:
    """The languages by tag; the first is the one that texts are written in."""
    english = Language("en", "English", Locale("en", "GB"), NullTranslations())
    script = Locale("zh", "CN", script="Hans")
    chinese = Language("zh-Hans", "简体中文", script, _catalogue("zh_Hans"), gap="", comma="、", colon="：")
    return {each.tag: each for each in (english, chinese)}


def _catalogue(name: str) -> Translations:
    with (CATALOGUES / f"{name}.po").open("rb") as source:
        catalogue = read_po(source, locale=name)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Translations(compiled)


def preferred(accepted: str, chosen: str | None) -> Language:
    """The language that somebody chose, or that their browser asks for (RFC 9110, 12.5.4), or English."""
    known = languages()
    if chosen is not None and chosen in known:
        return known[chosen]
    for wish in sorted((_wish(part) for part in accepted.split(",")), reverse=True):
        if wish[0] > 0 and wish[1].startswith("zh"):
            return known["zh-Hans"]
        if wish[0] > 0 and wish[1].startswith("en"):
            break
    return known["en"]


def _wish(part: str) -> tuple[float, str]:
    tag, _, weight = part.strip().lower().partition(";q=")
    try:
        return float(weight or 1), tag
    except ValueError:
        return 0.0, tag


PURPOSES = {
    Purpose.CREDIT_APPLICATION: N_("You applied to them for credit."),
    Purpose.PREQUALIFICATION: N_("To tell you what they might offer, before you apply."),
    Purpose.ACCOUNT_REVIEW: N_("To look after credit that you already have with them."),
    Purpose.COLLECTION: N_("To collect a debt that is due."),
    Purpose.GUARANTOR: N_("You would guarantee somebody else's credit."),
    Purpose.DEPOSIT_WAIVER: N_("To let you rent without a deposit."),
    Purpose.PILOT_STUDY: N_("For a study of how well the score works."),
    Purpose.CONSUMER_SELF: N_("To show you your own score."),
}
PURPOSE_NAMES = {
    Purpose.CREDIT_APPLICATION: N_("Credit application"),
    Purpose.PREQUALIFICATION: N_("Early indication"),
    Purpose.ACCOUNT_REVIEW: N_("Account review"),
    Purpose.COLLECTION: N_("Collection"),
    Purpose.GUARANTOR: N_("Guarantee"),
    Purpose.DEPOSIT_WAIVER: N_("Rent without a deposit"),
    Purpose.PILOT_STUDY: N_("Study"),
    Purpose.CONSUMER_SELF: N_("Your own look"),
}
FAMILIES = {
    InputFamily.HISTORY: (N_("Loans and repayments"), N_("What you borrowed, and how you paid it back.")),
    InputFamily.BEHAVIOUR: (N_("Shopping and lifestyle"), N_("What and how you buy.")),
    InputFamily.CAPACITY: (N_("Capacity to pay"), N_("Income, balances and limits.")),
    InputFamily.IDENTITY: (N_("Identity"), N_("How well and how long you are known.")),
    InputFamily.SOCIAL: (N_("Social connections"), N_("How creditworthy the people around you are.")),
}
DISCLOSURES = {
    Disclosure.SCORE: N_("Your exact number"),
    Disclosure.BAND: N_("Your band"),
    Disclosure.THRESHOLD: N_("Yes or no"),
    Disclosure.REASONS: N_("Reasons"),
}
STATES = {
    State.ACTIVE: N_("Active"),
    State.PAUSED: N_("Paused"),
    State.REVOKED: N_("Ended"),
    State.EXPIRED: N_("Ended: its time is over"),
    State.CONSUMED: N_("Ended: answered once, as agreed"),
}
EVENTS = {
    ConsentEventKind.GRANTED: N_("You allowed it"),
    ConsentEventKind.PAUSED: N_("You paused it"),
    ConsentEventKind.RESUMED: N_("You resumed it"),
    ConsentEventKind.REVOKED: N_("You ended it"),
    ConsentEventKind.EXPIRED: N_("Its time was over"),
    ConsentEventKind.CONSUMED: N_("It gave its one answer"),
    ConsentEventKind.FROZEN: N_("You froze your file"),
    ConsentEventKind.UNFROZEN: N_("You unfroze your file"),
}
GIVEN_UP = N_("The lender gave it up")


def event(kind: ConsentEventKind, by: Beginner | None) -> str:
    """What happened to a consent; ``by`` whom, where that is known."""
    return GIVEN_UP if (kind, by) == (ConsentEventKind.REVOKED, Beginner.PARTNER) else EVENTS[kind]


FREQUENCIES = {
    CalendarUnit.DAY: (N_("At most once a day"), N_("At most %(n)d times a day")),
    CalendarUnit.WEEK: (N_("At most once a week"), N_("At most %(n)d times a week")),
    CalendarUnit.MONTH: (N_("At most once a month"), N_("At most %(n)d times a month")),
    CalendarUnit.YEAR: (N_("At most once a year"), N_("At most %(n)d times a year")),
}


def how_often(language: Language, terms: Terms) -> str:
    """How often a consent may be used."""
    if terms.frequency is None:
        return language(N_("Once. Then it ends by itself."))
    one, many = FREQUENCIES[terms.frequency.unit]
    return language.counted(one, many, terms.frequency.uses)


LOWERED = {
    "C01": (
        N_("Your credit limit is low."),
        N_("Limits rise with time, and with credit that is paid back as agreed."),
    ),
    "C02": (
        N_("In the month with your highest bill, much of your credit limit was in use."),
        N_("Keep your highest bill well below your limit: pay more than the minimum when you can."),
    ),
    "H01": (
        N_("At the end of the latest month on record, you were behind with payments."),
        N_("Pay what is overdue, so that the next month ends with nothing overdue."),
    ),
    "H02": (
        N_("At some time before the two latest months on record, you were far behind with payments."),
        N_("Those months can't be changed any more. Pay on time from now on, so that no others join them."),
    ),
    "H03": (
        N_("Of all the months on record, you were behind with payments in one or more."),
        N_(
            "Every month that ends with nothing overdue makes the share of the others smaller. "
            "A standing order for the minimum helps with that."
        ),
    ),
    "H04": (
        N_("In the latest month on record, your payment was small, or there was none."),
        N_("Pay at least the minimum each month, and more when you can."),
    ),
    "H05": (
        N_("In the months before the latest on record, your payments were small on average."),
        N_("Larger payments in the coming months raise that average."),
    ),
    "H06": (
        N_("Of all the months on record, there was no payment in one or more."),
        N_("Pay something each month, even a small sum."),
    ),
}
"""By reason code: what lowered a score, and what would help.

Lenders read the same reasons in the model's words (scoring/features). Each sentence here and there names the
months that its factor looks at, and is true of everybody to whom it is told, so that no two of one page
contradict each other; tests hold all of that.
"""

LIFTED = {
    "C01": N_("Your credit limit is high."),
    "C02": N_("Even in the month with your highest bill, a good part of your credit limit stayed free."),
    "H01": N_("At the end of the latest month on record, you were not behind with payments."),
    "H02": N_("Before the two latest months on record, you were never far behind with payments."),
    "H03": N_("Of all the months on record, you were behind with payments in none, or nearly none."),
    "H04": N_("In the latest month on record, you made a good payment."),
    "H05": N_("In the months before the latest on record, your payments were good on average."),
    "H06": N_("Of all the months on record, there was a payment in every one, or nearly every one."),
}
"""By reason code: what lifted a score."""

UNKNOWN_LOWERED = N_("Something that a newer model looks at lowers it."), N_("Ask for a human review.")
UNKNOWN_LIFTED = N_("Something that a newer model looks at lifts it.")

_NOT_SHOWN = N_("they could not show who they are")
_TOO_FAST = N_("they asked too many times in a moment")
_SPENT = N_("they had asked us as much as they may")
_NOT_IN_ORDER = N_("their question was not in order")
_OUR_SIDE = N_("something did not work on our side")
REFUSED = {
    **dict.fromkeys(
        (
            "CERTIFICATE_UNKNOWN",
            "CERTIFICATE_REVOKED",
            "CERTIFICATE_EXPIRED",
            "CERTIFICATE_USAGE_INVALID",
            "CERTIFICATE_IDENTITY_INVALID",
        ),
        _NOT_SHOWN,
    ),
    "PARTNER_SUSPENDED": N_("we had stopped them"),
    "METHOD_NOT_ALLOWED": N_("that is not theirs to ask"),
    **dict.fromkeys(("BURST_EXCEEDED", "CONCURRENCY_EXCEEDED"), _TOO_FAST),
    **dict.fromkeys(("DAILY_QUOTA_EXHAUSTED", "MONTHLY_QUOTA_EXHAUSTED"), _SPENT),
    **dict.fromkeys(("BODY_MALFORMED", "FIELD_INVALID", "REQUEST_ID_REUSED"), _NOT_IN_ORDER),
    **dict.fromkeys(("NOT_FOUND", "ALREADY_EXISTS", "STATE_CONFLICT"), _NOT_IN_ORDER),
    "THRESHOLD_NOT_REGISTERED": N_("they asked about a line that they have not registered"),
    "CONSENT_NOT_USABLE": N_("you have given them no such consent"),
    "CONSENT_NOT_YET_VALID": N_("your consent had not begun yet"),
    "CONSENT_EXPIRED": N_("the time of your consent was over"),
    "CONSENT_REVOKED": N_("your consent had ended"),
    "CONSENT_PAUSED": N_("you had paused your consent"),
    "CONSENT_CONSUMED": N_("your consent was for one answer, and that was given"),
    "CONSENT_PURPOSE_MISMATCH": N_("they asked for another purpose than you allowed"),
    "CONSENT_DISCLOSURE_NOT_ALLOWED": N_("they asked to see something that you did not allow"),
    "CONSENT_FREQUENCY_EXHAUSTED": N_("they had asked as often as you allowed"),
    "SUBJECT_FROZEN": N_("your file was frozen"),
    **dict.fromkeys(("ENGINE_UNAVAILABLE", "ENGINE_ANSWER_INVALID", "DEADLINE_PASSED"), _OUR_SIDE),
    **dict.fromkeys(("AUDIT_UNAVAILABLE", "SERVER_BUSY", "ENTRY_NOT_PUBLISHED"), _OUR_SIDE),
    **dict.fromkeys(("STATEMENT_CONTRADICTED", "INTERNAL"), _OUR_SIDE),
}
"""By reason of a refusal: why nothing was answered, as the person reads it."""


def refused(language: Language, reason: str) -> str:
    """That somebody was refused, and why; a newer reason than these is left out."""
    why = REFUSED.get(reason)
    return (
        language(N_("Refused")) if why is None else language(N_("Refused: %(why)s")) % {"why": language(why)}
    )
