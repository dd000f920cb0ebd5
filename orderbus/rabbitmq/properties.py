"""Reads the properties of a message so that none of them stops whoever takes it.

AMQP lets senders add properties and headers. Orderbus reads none of those that come with a message
of a queue; but pika reads them all, and gives its connection up where it cannot: the message then
comes again, with the same end, and those behind it wait.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pika


class _Lenient(pika.BasicProperties):  # type: ignore[misc]
    """Properties as far as they can be read."""

    def decode(self, encoded: bytes, offset: int = 0) -> Any:  # noqa: ANN401 - pika has no types
        """Stop at what cannot be read: a moment after the year 9999, tables without end."""
        with suppress(Exception):
            super().decode(encoded, offset)
        return self


def be_lenient() -> None:
    """Read the properties of every message of this process so."""
    pika.spec.props[pika.BasicProperties.INDEX] = _Lenient
