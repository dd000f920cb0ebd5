"""What may be written down, or read, of a text that somebody else wrote."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

#: Characters of what somebody sent that are said back to them.
LONGEST_ECHO: Final = 200
#: Characters that are kept of why something failed.
LONGEST_KEPT: Final = 2000


def brief(text: str, at_most: int = LONGEST_ECHO) -> str:
    """Cut a text that is longer; its last character then says so."""
    return text if len(text) <= at_most else f"{text[: at_most - 1]}\u2026"


def printable(text: str, *, lines: bool = False) -> str:
    r"""Write a text so that no terminal obeys it and no eye is deceived by it.

    Control characters, overrides of direction and whatever else cannot be seen are shown as Python
    writes them (``\x1b``, ``\u202e``); with ``lines``, line ends stay.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or (lines and char == "\n") else ascii(char)[1:-1]
        for char in text
    )


def of_error(error: BaseException, at_most: int = LONGEST_KEPT) -> str:
    """Say an error's class and its words, as PostgreSQL can keep them."""
    return storable(f"{type(error).__name__}: {error}"[:at_most])


def storable(text: str) -> str:
    """Replace what PostgreSQL keeps in no text: NUL, and halves of surrogate pairs."""
    readable = text.encode("utf-8", "replace").decode()
    return readable.replace("\x00", "\ufffd")


def moment(text: str) -> datetime:
    """Read a moment with its time zone (RFC 3339) as UTC. Raises ``ValueError`` with a sentence."""
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is not None:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError(
        f"is {brief(text, 40)!r}: give a moment with its time zone, such as 2026-01-02T03:04:05Z"
    )
