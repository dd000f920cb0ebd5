"""The headers that an endpoint is given beside ours: which may be, and which are refused."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from orderbus.domain.text import brief
from orderbus.errors import Fault, Invalid

MOST: Final = 20
#: RFC 9110 section 5.6.2, and of values what every server reads alike: visible ASCII, and spaces.
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_VALUE: Final = re.compile(r"[\x21-\x7e]([\x20-\x7e\t]{0,1998}[\x21-\x7e])?")
#: What says where a request goes and what it holds, what belongs to one connection, and ours.
_REFUSED: Final = {
    *("host", "expect", "traceparent", "tracestate"),
    *("connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"),
}
_REFUSED_BEGINNINGS: Final = ("content-", "webhook-", "x-webhook-", "proxy-", "orderbus-")
_SIGNATURE: Final = re.compile(r"signature|hmac")


def parse(lines: Sequence[str]) -> dict[str, str]:
    """Read lines as ``Name: value``; raises ``Invalid`` where one is none, or may not be given."""
    headers: dict[str, str] = {}
    for line in lines:
        given, colon, value = line.partition(":")
        name = given.strip(" \t")
        if not colon:
            raise _refused("A header is given as 'Name: value': one has no colon")
        if name in headers:
            raise _refused(f"The header {name} is given twice: once is allowed")
        headers[name] = value.strip(" \t")
    check(headers)
    return headers


def check(headers: Mapping[str, str]) -> None:
    """Pass if these headers can be sent; raises ``Invalid``. A value is never repeated."""
    if len(headers) > MOST:
        raise _refused(f"An endpoint has {MOST} headers of its own at most, got {len(headers)}")
    small = [name.lower() for name in headers]
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            raise _refused(f"{brief(name, 40)!r} is no name of a header: letters, digits and -")
        if is_ours(name):
            raise _refused(f"The header {name} cannot be given: orderbus or the connection says it")
        if small.count(name.lower()) > 1:
            raise _refused(f"The header {name} is given twice: once is allowed")
        if not _VALUE.fullmatch(value):
            rule = "1 to 2000 characters of printable ASCII, without line ends"
            raise _refused(f"The value of the header {name} is refused: {rule}")


def is_ours(name: str) -> bool:
    """Say whether a header has a meaning of its own here, so that nobody may give it."""
    small = name.lower()
    return (
        small in _REFUSED
        or small.startswith(_REFUSED_BEGINNINGS)
        or _SIGNATURE.search(small) is not None
    )


def changed(headers: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    """Give headers by their names, whatever their case; None takes one away. Raises ``Invalid``."""
    gone = {name.lower() for name in changes}
    kept = {name: value for name, value in headers.items() if name.lower() not in gone}
    given = {name: value for name, value in changes.items() if value is not None}
    result = kept | given
    check(result)
    return result


def _refused(message: str) -> Invalid:
    return Invalid(message, [Fault("/headers", "header", message)])
