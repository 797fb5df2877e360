"""The lines a running gateway writes to stderr: JSON in production, readable in development.

A field is written only if it is on the list below, so that personal data can't slip in with a new one.
In production an exception is shown by its kind and place, never by its words (a database error quotes
rows), and what other libraries say by its place alone. Protobuf messages lose every field whose option
`scoregate.options.v1.pii` is set.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import structlog
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from structlog.typing import EventDict, Processor

from gateway.cli.failures import OUR_PACKAGES
from scoregate.options.v1 import options_pb2

FIELDS = frozenset(
    {
        *("event", "level", "timestamp", "logger", "place", "exception", "exc_info"),
        *("method", "request_id", "path", "why", "message", "witness"),
        *("periods", "logged", "counted"),
        *("mode", "partner", "admin", "http", "engine", "pages", "page"),
    }
)
"""What a line may hold. None of these is about a person; `page` is an address's pattern, without what it
names, and `message` is a protobuf message, shown as below."""

_PII_OPTION: Any = options_pb2.pii  # the stubs of generated extensions and of the runtime don't meet

WITHHELD, PII = "[withheld]", "[pii]"
MOST_FRAMES = 12


def configure(*, development: bool, stream: TextIO | None = None) -> None:
    """Write lines to `stream` (default stderr) from here on, for this process."""
    out = stream or sys.stderr
    if development:
        plain = structlog.dev.plain_traceback
        ending: list[Processor] = [
            structlog.dev.ConsoleRenderer(colors=out.isatty(), exception_formatter=plain)
        ]
    else:
        ending = [_place_exception, structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _withhold,
            *ending,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    _take_over(words=development)


def _withhold(_: object, __: str, line: EventDict) -> EventDict:
    return {name: _shown(value) if name in FIELDS else WITHHELD for name, value in line.items()}


def _shown(value: object) -> object:
    return without_pii(value) if isinstance(value, Message) else value


def without_pii(message: Message) -> dict[str, object]:
    """The fields of a message that are set, with `[pii]` where its contract says personal data."""
    return {field.name: _field(message, field) for field, _ in message.ListFields()}


def _field(message: Message, field: FieldDescriptor) -> object:
    if field.GetOptions().Extensions[_PII_OPTION]:
        return PII
    value = getattr(message, field.name)
    if field.message_type is None:
        return list(value) if field.is_repeated else value
    if field.message_type.GetOptions().map_entry:
        return WITHHELD  # no contract of ours has one
    return [without_pii(each) for each in value] if field.is_repeated else without_pii(value)


def _place_exception(_: object, __: str, line: EventDict) -> EventDict:
    error = line.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        line["exception"] = list(_places(error))
    return line


def _places(error: BaseException) -> Iterator[str]:
    """The kinds of an exception and its causes, each with where it was raised; never its words."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        kind = type(cause)
        frames = traceback.extract_tb(cause.__traceback__)[-MOST_FRAMES:]
        trail = [f"{'/'.join(Path(each.filename).parts[-3:])}:{each.lineno} {each.name}" for each in frames]
        yield " < ".join([f"{kind.__module__}.{kind.__qualname__}", *reversed(trail)])
        cause = cause.__cause__ or cause.__context__


class _Relay(logging.Handler):
    """Brings the standard library's records into the same lines."""

    def __init__(self, *, words: bool) -> None:
        super().__init__(logging.WARNING)
        self._words = words

    def emit(self, record: logging.LogRecord) -> None:
        ours = record.name.partition(".")[0] in OUR_PACKAGES
        event = record.getMessage() if ours or self._words else "a library has something to say"
        structlog.get_logger().log(
            record.levelno,
            event,
            logger=record.name,
            place=f"{record.module}:{record.lineno}",
            exc_info=record.exc_info,
        )


def _take_over(*, words: bool) -> None:
    logging.basicConfig(handlers=[_Relay(words=words)], level=logging.WARNING, force=True)
    logging.captureWarnings(True)
    log = structlog.get_logger()
    threading.excepthook = lambda told: log.error("a thread ended unexpectedly", exc_info=told.exc_value)
