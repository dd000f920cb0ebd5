"""Lists of products: a page of each by an index, or by a look at a bounded number of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from orderbus.domain.products import Ordering
from orderbus.storage import rows
from orderbus.storage.database import Connection
from orderbus.storage.products import SHOWN, Shown

#: Products that are counted at most; a list of more says this many.
MOST_COUNTED: Final = 10_000
#: Products, by id, among which ``name__icontains`` looks.
MOST_LOOKED_AT: Final = 100_000
#: Products with the words of a search that are looked at.
MOST_FOUND: Final = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which products to list: all that fit everything that is given.

    Without ``ordering`` they come by id; those within a range of prices by price.
    """

    name: str | None = None
    name__icontains: str | None = None
    category: str | None = None
    price: Decimal | None = None
    price__gte: Decimal | None = None
    price__lte: Decimal | None = None
    in_stock: bool | None = None
    sku: str | None = None
    active: bool = True
    search: str | None = None
    ordering: Ordering | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Some products of a list, how many it has, and whether others follow."""

    products: Sequence[Shown]
    count: int
    goes_on: bool


_ORDER: Final[Mapping[Ordering, str]] = {
    "id": "p.id",
    "-id": "p.id DESC",
    "price": "p.price, p.id",
    "-price": "p.price DESC, p.id DESC",
    "name": "p.name, p.id",
    "-name": "p.name DESC, p.id DESC",
}
#: What of a product each filter asks for.
_ASKED: Final[Mapping[str, str]] = {
    "name": "p.name = {}",
    "name__icontains": "strpos(lower(p.name), lower({})) > 0",
    "price": "p.price = {}::numeric",
    "price__gte": "p.price >= {}::numeric",
    "price__lte": "p.price <= {}::numeric",
    "sku": "p.sku = {}",
    "search": "p.words @@ websearch_to_tsquery('simple', {})",
    "in_stock": "s.in_stock",
    "category": "c.category_id = (SELECT id FROM products.categories WHERE slug = {})",
}
#: The numbers of products that are kept elsewhere, by the filter that needs them, and where.
_NUMBERS: Final[Mapping[str, str]] = {"category": "c.product_id", "in_stock": "s.product_id"}
_FROM: Final[Mapping[str, str]] = {
    "c.product_id": "products.product_categories c",
    "s.product_id": "products.stock s",
}


@dataclass(slots=True)
class _Statement:
    """What is selected from, its condition, and the arguments of both.

    ``in_any_order``: of two numbers, PostgreSQL may begin with the one that is rarer.
    """

    wanted: Filter
    in_any_order: bool = False
    arguments: list[Any] = field(default_factory=list)

    def found(self) -> str:
        """Write what fits, however many: ``p`` with id, name and price."""
        activity = "p.active" if self.wanted.active else "NOT p.active"
        conditions = [activity, *map(self._condition, filter(self._is_asked, _ASKED))]
        listed = f"""
            SELECT {self._number()}, p.name, p.price
              FROM {self._source(activity)}
             WHERE {" AND ".join(conditions)}
        """  # noqa: S608 - constants of ours
        if not self._is_asked("search"):
            return listed
        # By the index of words alone, however many have them.
        return f"SELECT * FROM ({listed} LIMIT {MOST_FOUND}) p"  # noqa: S608 - as above

    def order(self) -> str:
        """Write in which order they come."""
        in_range = self._is_asked("price__gte") or self._is_asked("price__lte")
        return _ORDER[self.wanted.ordering or ("price" if in_range else "id")]

    def argument(self, value: object) -> str:
        """Give an argument; returns how the statement names it."""
        self.arguments.append(value)
        return f"${len(self.arguments)}"

    def _is_asked(self, name: str) -> bool:
        return getattr(self.wanted, name) is not None

    def _condition(self, name: str) -> str:
        if name == "in_stock":  # no argument: each has an index of its own
            asked = "s.in_stock" if self.wanted.in_stock else "NOT s.in_stock"
        else:
            asked = _ASKED[name].format(self.argument(getattr(self.wanted, name)))
        if name not in _NUMBERS or self._is_driven():
            return asked
        number = _NUMBERS[name]  # looked up for each product: these are few, or in another order
        return f"(SELECT true FROM {_FROM[number]} WHERE {number} = p.id AND {asked})"  # noqa: S608 - as above

    def _source(self, activity: str) -> str:
        if self._is_driven():
            first, then = self._driver()
            if then and self.in_any_order:
                beside = f"{_FROM['s.product_id']} USING (product_id)"
                return f"{_FROM[first]} JOIN {beside} JOIN products.products p ON p.id = {first}"
            one = f"(SELECT * FROM products.products WHERE id = {first} LIMIT 1) p"  # noqa: S608 - as above
            return f"{_FROM[first]} {then} CROSS JOIN LATERAL {one}"
        source = "products.products p"
        if self._is_asked("name__icontains"):
            source = f"""
                (SELECT * FROM products.products p WHERE {activity} ORDER BY id
                  LIMIT {MOST_LOOKED_AT}) p"""  # noqa: S608 - as above
        return source

    def _is_driven(self) -> bool:
        """Say whether what is not kept in the products themselves decides, in the order of ids."""
        others = set(_ASKED) - set(_NUMBERS)
        return (
            any(map(self._is_asked, _NUMBERS))
            and not any(map(self._is_asked, others))
            and self.order() in {"p.id", "p.id DESC"}
        )

    def _driver(self) -> tuple[str, str]:
        """Name the number by which products are found, and what is looked up beside it."""
        asked = [number for name, number in _NUMBERS.items() if self._is_asked(name)]
        if len(asked) == 1:
            return asked[0], ""
        one = f"SELECT * FROM products.stock WHERE product_id = {asked[0]} LIMIT 1"  # noqa: S608 - as above
        return asked[0], f"CROSS JOIN LATERAL ({one}) s"

    def _number(self) -> str:
        return self._driver()[0] if self._is_driven() else "p.id"


async def list_page(
    connection: Connection, wanted: Filter, *, limit: int, offset: int
) -> list[Shown]:
    """List products that fit, from the one numbered ``offset`` on, as ``Filter`` orders them."""
    statement = _Statement(wanted)
    found, order = statement.found(), statement.order()
    page = f"LIMIT {statement.argument(limit)} OFFSET {statement.argument(offset)}"
    listed = await connection.fetch(
        f"""
        WITH page AS MATERIALIZED (
            SELECT p.id, row_number() OVER () AS place
              FROM (SELECT * FROM ({found}) p (id, name, price) ORDER BY {order} {page}) p
        )
        SELECT shown.*
          FROM page
         CROSS JOIN LATERAL (SELECT {SHOWN} FROM products.products p WHERE p.id = page.id LIMIT 1)
               AS shown
         ORDER BY place
        """,  # noqa: S608 - as above
        *statement.arguments,
    )
    return rows.many(Shown, listed)


async def count(connection: Connection, wanted: Filter) -> int:
    """Count the products that fit, up to ``MOST_COUNTED``."""
    statement = _Statement(wanted, in_any_order=True)
    found = f"SELECT FROM ({statement.found()}) p LIMIT {MOST_COUNTED}"
    counted = f"SELECT count(*) FROM ({found}) AS found"  # noqa: S608 - as above
    return int(await connection.fetchval(counted, *statement.arguments))


async def read(connection: Connection, wanted: Filter, *, limit: int, offset: int) -> Page:
    """Read a page of a list, and how many products it has."""
    listed = await list_page(connection, wanted, limit=limit + 1, offset=offset)
    return Page(listed[:limit], await count(connection, wanted), len(listed) > limit)
