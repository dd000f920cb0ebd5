"""What may be written down of a text that somebody else wrote?"""

from __future__ import annotations


def storable(text: str) -> str:
    """Replace what PostgreSQL keeps in no text: NUL, and halves of surrogate pairs."""
    whole = text.encode("utf-8", "replace").decode()
    return whole.replace("\x00", "\ufffd")
