"""Which media type a caller would rather have (RFC 9110, sections 12.4.2 and 12.5.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_QUALITY: Final = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")


def quality(accept: str, media_type: str) -> float:
    """Say how much ``media_type`` is wanted, from 0 to 1: the range that names it best decides.

    ``text/plain`` comes before ``text/*``, and that before ``*/*``. Parameters are not compared: of
    several versions of a type, the one wanted most counts. What is no range is passed over.
    """
    kind = media_type.partition("/")[0]
    ranges = list(_ranges(accept))
    for wanted in (media_type, f"{kind}/*", "*/*"):
        if found := [level for name, level in ranges if name == wanted]:
            return max(found)
    return 0.0 if ranges else 1.0


def _ranges(accept: str) -> Iterator[tuple[str, float]]:
    for given in accept.split(","):
        name, *parameters = (piece.strip().lower() for piece in given.split(";"))
        levels = [value[2:] for value in parameters if value.startswith("q=")]
        if name and all(map(_QUALITY.fullmatch, levels)):
            yield name, float(levels[0]) if levels else 1.0
