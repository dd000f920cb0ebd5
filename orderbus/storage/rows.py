"""Makes rows with names of records; an order's ids get theirs here, see ``docs/glossary.md``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING, Final, TypeVar

from asyncpg import Record

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Row = TypeVar("Row", bound="DataclassInstance")

_NAMES: Final = {"public_id": "order_id", "order_public_id": "order_id", "order_id": "order_pk"}


def one(kind: type[Row], record: Record | None, **more: object) -> Row:
    """Make a row of the record that a statement always returns: a column is the field it names."""
    assert record is not None  # noqa: S101 - see above
    columns = {_NAMES.get(name, name): value for name, value in record.items()} | more
    return kind(*[columns[name] for name in _names(kind)])


@cache
def _names(kind: type[DataclassInstance]) -> list[str]:
    return [field.name for field in fields(kind)]


def many(kind: type[Row], records: Sequence[Record]) -> list[Row]:
    """Make a row of each record."""
    return [one(kind, record) for record in records]
