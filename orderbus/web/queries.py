"""The query parameters of a list."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web

from orderbus.domain.states import Status
from orderbus.domain.text import brief
from orderbus.errors import Fault, Invalid
from orderbus.storage.order_lists import Filter

_LONGEST_PAGE: Final = 100
_TEXT: Final = 255


def page(request: web.Request) -> tuple[Filter, int, int | None]:
    """Read which orders are asked for, how many, and before which one.

    Raises ``Invalid`` for a filter or a value that is none: a slip must not return everything.
    """
    given = dict(request.query)
    if len(given) != len(request.query):
        raise _wrong("", "A parameter is given twice")
    readers: dict[str, Callable[[str], Any]] = {
        "status": _status,
        "source": _plain,
        "external_ref": _plain,
        "customer": _plain,
        "created_at__gte": _moment,
        "created_at__lt": _moment,
        "limit": _limit,
        "cursor": _position,
    }
    read: dict[str, Any] = {}
    for name, value in given.items():
        if name not in readers:
            raise _wrong(name, f"No such filter; there are {', '.join(readers)}")
        try:
            read[name] = readers[name](value)
        except ValueError as error:
            raise _wrong(name, str(error)) from None
    wanted = Filter(
        status=read.get("status"),
        source=read.get("source"),
        order_id=read.get("external_ref"),
        customer=read.get("customer"),
        created_from=read.get("created_at__gte"),
        created_until=read.get("created_at__lt"),
    )
    return wanted, read.get("limit", 10), read.get("cursor")


def _wrong(name: str, detail: str) -> Invalid:
    return Invalid("The list cannot be asked for like this", [Fault(f"/{name}", "query", detail)])


def _status(value: str) -> str:
    if value not in set(Status):
        message = f"is {brief(value, 40)!r}: must be one of {', '.join(Status)}"
        raise ValueError(message)
    return value


def _plain(value: str) -> str:
    if not 1 <= len(value) <= _TEXT or not value.isprintable():
        message = f"is {brief(value, 40)!r}: must be 1 to {_TEXT} printable characters"
        raise ValueError(message)
    return value


def _moment(value: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    message = (
        f"is {brief(value, 40)!r}: give a moment with its time zone, such as 2026-01-02T03:04:05Z "
        "(a + is written %2B)"
    )
    raise ValueError(message)


def _limit(value: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", value) or not 1 <= int(value) <= _LONGEST_PAGE:
        message = f"is {brief(value, 40)!r}: must be 1 to {_LONGEST_PAGE}"
        raise ValueError(message)
    return int(value)


def cursor(number: int | None) -> str | None:
    """Write where a list goes on; None where it does not."""
    return None if number is None else base64.urlsafe_b64encode(str(number).encode()).decode()


def _position(cursor: str) -> int:
    try:
        text = base64.b64decode(cursor, altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        text = ""
    if not text.isdigit() or len(text) > 18:  # noqa: PLR2004 - a bigint's digits
        message = f"is {brief(cursor, 40)!r}: this list gave out none like that"
        raise ValueError(message)
    return int(text)
