"""Makes rows with names of the records that PostgreSQL returns.

The columns of an order's ids get their names of inside here, see ``docs/glossary.md``: no statement
gives an id the name of another one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from asyncpg import Record

Row = TypeVar("Row")

_NAMES: Final = {"public_id": "order_id", "order_public_id": "order_id", "order_id": "order_pk"}


def one(kind: Callable[..., Row], record: Record | None, **more: object) -> Row:
    """Make a row of the record that a statement always returns: each column is a field."""
    assert record is not None  # noqa: S101 - see above
    return kind(**{_NAMES.get(name, name): value for name, value in record.items()}, **more)


def many(kind: Callable[..., Row], records: Sequence[Record]) -> list[Row]:
    """Make a row of each record."""
    return [one(kind, record) for record in records]
