"""Lists deliveries a page at a time, and shows one with every attempt at it."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from orderbus import storage
from orderbus.storage.database import Connection, Database
from orderbus.storage.delivery_lists import Filter, Place
from orderbus.storage.delivery_views import Attempt, Delivery


@dataclass(frozen=True, slots=True)
class Page:
    """Deliveries that fit, and behind which place the list goes on; None where it does not."""

    deliveries: Sequence[Delivery]
    next: Place | None


async def list_page(
    database: Database, wanted: Filter, *, after: Place | None, at_most: int, looks: int
) -> Page:
    """List the next deliveries that fit: maybe fewer than ``at_most``, though the list goes on.

    What is rare among very many is looked for in ``looks`` short statements. Raises
    ``Unavailable``.
    """
    ids: list[int] = []
    async with database.connection() as connection:
        for _ in range(looks):
            found = await storage.delivery_lists.find(
                connection, wanted, after=after, at_most=at_most - len(ids)
            )
            ids += found.ids
            after = found.until
            if after is None or len(ids) == at_most:
                break
        return Page(await storage.delivery_views.show(connection, ids), after)


def cursor_of(place: Place) -> str:
    """Write a place so that a caller can carry it."""
    text = json.dumps(storage.delivery_lists.written(place))
    return base64.urlsafe_b64encode(text.encode()).decode()


def place_at(wanted: Filter, cursor: str) -> Place:
    """Read where a list goes on; raises ``ValueError`` where another list, or nobody, wrote it."""
    text = base64.b64decode(cursor[:500].encode(), altchars=b"-_", validate=True)
    texts = json.loads(text)
    if not isinstance(texts, list):
        raise ValueError("is no place in a list")  # noqa: TRY004 - of whatever is wrong
    return storage.delivery_lists.place_of(wanted, texts)


async def of_order(connection: Connection, wanted: Filter, id_or_ref: str | None) -> Filter:
    """Have only the deliveries of one order fit, if one is named. Raises ``NotFound``."""
    if id_or_ref is None:
        return wanted
    order = await storage.orders.get(connection, id_or_ref)
    return replace(wanted, order_pk=order.order_pk)


@dataclass(frozen=True, slots=True)
class History:
    """A delivery and every attempt at it, the first one first."""

    delivery: Delivery
    attempts: Sequence[Attempt]


async def show(database: Database, delivery_id: int) -> History:
    """Show a delivery with every attempt. Raises ``NotFound``, ``Unavailable``."""
    async with database.connection() as connection:
        found = await storage.delivery_views.get(connection, delivery_id)
        return History(found, await storage.delivery_views.list_attempts(connection, found.id))
