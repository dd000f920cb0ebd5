"""The query parameters of the list of products, and where its other pages are."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Final
from urllib.parse import urlencode

from aiohttp import web
from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema

from orderbus.domain.orders import Money
from orderbus.domain.products import ORDERINGS, Ordering
from orderbus.domain.text import brief
from orderbus.storage.product_lists import Filter
from orderbus.web.queries import Limited, Text, one_of

_MONEY: Final[TypeAdapter[Decimal]] = TypeAdapter(Money)


def _flag(value: str) -> bool:
    if value.lower() not in {"true", "false"}:
        raise ValueError(f"is {brief(value, 40)!r}: must be true or false")
    return value.lower() == "true"


def _offset(value: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", value, re.ASCII):
        raise ValueError(f"is {brief(value, 40)!r}: must be a whole number")
    return int(value)


def _amount(value: str) -> Decimal:
    try:
        return _MONEY.validate_python(value)
    except ValidationError:
        message = f"is {brief(value, 40)!r}: must be an amount, such as 350.00"
        raise ValueError(message) from None


_Flag = BeforeValidator(_flag)
_Money = Annotated[
    Decimal | SkipJsonSchema[None],
    BeforeValidator(_amount),
    WithJsonSchema({"type": "string", "examples": ["350.00"]}),
]


class ProductQuery(Limited):
    """Which products are asked for, how many, and from which on."""

    offset: Annotated[int, Field(ge=0), BeforeValidator(_offset)] = 0
    name: Text = None
    name__icontains: Annotated[
        Text, Field(description="among the first 100,000 products, by id")
    ] = None
    category: Annotated[Text, Field(description="its slug; what is below it is in it")] = None
    price: _Money = None
    price__gte: _Money = None
    price__lte: _Money = None
    in_stock: Annotated[bool | SkipJsonSchema[None], _Flag] = None
    sku: Text = None
    active: Annotated[bool, _Flag, Field(description="false: those that are sold no more")] = True
    search: Annotated[Text, Field(description="words of its name, its sku and its description")] = (
        None
    )
    ordering: Annotated[
        Ordering | SkipJsonSchema[None],
        Field(description="by price where a range of prices is asked for, else by id"),
        BeforeValidator(one_of(ORDERINGS)),
    ] = None

    def filter(self) -> Filter:
        """Say which products are asked for."""
        return Filter(**self.model_dump(exclude={"limit", "offset"}))


def origin(request: web.Request) -> str:
    """Write where the server is, as the caller reached it."""
    return f"{request.scheme}://{request.host}"


def page_at(request: web.Request, query: ProductQuery, offset: int) -> str:
    """Write where the page of a list at ``offset`` is; before the first one that is 0."""
    given = {**request.query, "limit": str(query.limit), "offset": str(max(offset, 0))}
    if offset <= 0:
        given.pop("offset")
    return f"{origin(request)}{request.path}?{urlencode(given)}"
