"""How the lines of a log are written: JSON where a machine reads, colours where a person does."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog
from structlog.typing import EventDict, Processor

from orderbus.domain.alarms import page_of_event
from orderbus.domain.text import printable
from orderbus.settings import Settings

#: Made once: making one costs more than to write a line.
_JSON: Final = json.JSONEncoder(default=str)


def configure(settings: Settings, *, process: str) -> None:
    """Write one line per event to stderr: JSON, or coloured text with ``DEBUG``.

    What libraries log goes the same way. ``process`` names the role in every line.
    """
    last: list[Processor] = (
        [_visible, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
        if settings.debug
        else [_as_json]
    )
    whose = {"process": process, "pid": os.getpid()}

    def name_process(_: object, __: str, event: EventDict) -> EventDict:
        event.update(whose)
        return event

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        name_process,
        _with_page,
    ]
    # Ours go straight to stderr: the way through the standard library costs twice as much, and
    # every order writes two lines.
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    _route_the_standard_library([*shared, structlog.stdlib.add_logger_name], last)
    logging.root.setLevel(settings.log_level)
    for noisy in ("google", "asyncio", "aiohttp.access", "grpc"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.root.level))
    logging.getLogger("aiohttp.server").addFilter(without_bytes)
    # pika writes eight lines for a connection that was refused; what follows is ours to say.
    logging.getLogger("pika").setLevel(logging.CRITICAL)


@contextmanager
def beside_an_answer() -> Iterator[None]:
    """Write warnings to stderr, and nothing to stdout: that is the answer of a command."""
    if structlog.is_configured():
        yield
        return
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger("WARNING"),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    try:
        yield
    finally:
        structlog.reset_defaults()


def without_bytes(record: logging.LogRecord) -> bool:
    """Tell of what was no HTTP in one line and without its bytes: a key may be among them."""
    error = record.exc_info[1] if record.exc_info else None
    if type(error).__module__ == "aiohttp.http_exceptions":
        record.msg, record.exc_info = "What came from %s was no HTTP", None
        record.levelno, record.levelname = logging.INFO, "INFO"
    return record.levelno >= logging.root.level


def _with_page(_: object, __: str, event: EventDict) -> EventDict:
    """Name the page that says what to do, in lines that somebody has to look at."""
    if (page := page_of_event(event.get("event"))) is not None:
        event["page"] = page
    return event


def _as_json(_: object, __: str, event: EventDict) -> str:
    return _JSON.encode(event)


def _visible(_: object, __: str, event: EventDict) -> EventDict:
    """Keep what others wrote from steering the terminal; JSON escapes it by itself."""
    return {
        name: printable(value, lines=name in {"exception", "stack"})
        if isinstance(value, str)
        else value
        for name, value in event.items()
    }


def _route_the_standard_library(shared: list[Processor], last: list[Processor]) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    logging.root.handlers[:] = [handler]
