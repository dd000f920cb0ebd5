"""The ids of a request, and of the trace it belongs to (W3C Trace Context): in all that follows."""

from __future__ import annotations

import re
from typing import Final

_TRACEPARENT: Final = re.compile(
    r"00-(?P<trace>(?!0{32})[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)


_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._~:/+=-]{1,128}")


def request_id(given: str | None) -> str | None:
    """Read a request's id; None where there is none, or none that can be read."""
    return given if _REQUEST_ID.fullmatch(given or "") else None


def trace_id(traceparent: str | None) -> str | None:
    """Read the trace's id; None where there is no ``traceparent``, or none that can be read."""
    read = _TRACEPARENT.fullmatch(traceparent or "")
    return None if read is None else read["trace"]
