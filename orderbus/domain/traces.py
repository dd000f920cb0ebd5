"""The trace that a request belongs to, and all that follows from it (W3C Trace Context)."""

from __future__ import annotations

import re
from typing import Final

_TRACEPARENT: Final = re.compile(
    r"00-(?P<trace>(?!0{32})[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)


def trace_id(traceparent: str | None) -> str | None:
    """Read the trace's id; None where there is no ``traceparent``, or none that can be read."""
    read = _TRACEPARENT.fullmatch(traceparent or "")
    return None if read is None else read["trace"]
