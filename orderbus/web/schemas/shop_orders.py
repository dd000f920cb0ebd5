"""Orders of the shop as they are sent and answered, in the shape of the source document."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError, PydanticKnownError

from orderbus.domain.orders import LARGEST_QUANTITY, MOST_LINES
from orderbus.domain.shop_orders import WORDS, ShopLine, Word, item_number
from orderbus.domain.text import brief, storable
from orderbus.errors import Fault, Invalid
from orderbus.storage.orders import Order
from orderbus.web.schemas.catalog import Price
from orderbus.web.schemas.fields import Amount, Body, Id

_ORDER: Final[dict[str, Any]] = {
    "order_items": [
        {"product": "04d5d8be-470b-45e8-b3fe-88b1c412535a", "quantity": 3, "price": "100.00"}
    ],
    "total": "300.00",
}


def _integer(value: object, read: ValidatorFunctionWrapHandler) -> Any:  # noqa: ANN401 - as there
    try:
        return read(value)
    except ValidationError as error:
        if error.errors()[0]["type"] in {"int_type", "int_parsing", "int_from_float"}:
            raise PydanticCustomError("integer", "A valid integer is required.") from None
        raise


def _no_bool(value: object) -> object:
    if isinstance(value, bool):
        raise PydanticCustomError("integer", "A valid integer is required.")
    return value


def _not_too_many(value: object) -> object:
    """Refuse a list that is too long before its lines are looked at."""
    if isinstance(value, list) and len(value) > MOST_LINES:
        bounds = {"field_type": "List", "max_length": MOST_LINES, "actual_length": len(value)}
        raise PydanticKnownError("too_long", bounds)
    return value


def _one_of(words: Collection[str | None]) -> BeforeValidator:
    def read(value: object) -> object:
        if value not in words:
            given = {"given": storable(brief(str(value), 40))}
            raise PydanticCustomError("choice", '"{given}" is not a valid choice.', given)
        return value

    return BeforeValidator(read)


_Quantity = Annotated[
    int,
    Field(ge=-LARGEST_QUANTITY, le=LARGEST_QUANTITY),
    WrapValidator(_integer),
    BeforeValidator(_no_bool),
]


class ShopItemToPlace(BaseModel):
    """So many of a product, at the price it has for the client."""

    product: UUID = Field(description="the product's public_id")
    quantity: _Quantity = 1
    price: Price


_WORDS: Final = (*WORDS.values(), None)
_Items = Annotated[
    list[ShopItemToPlace], Field(max_length=MOST_LINES), BeforeValidator(_not_too_many)
]


class ShopOrderToPlace(BaseModel):
    """An order as the shop's clients send it; members that are not listed are ignored."""

    model_config = ConfigDict(json_schema_extra={"example": _ORDER})

    order_items: _Items
    total: Price
    status: Annotated[
        Word,
        Field(description="completed: it was completed elsewhere, and takes no stock"),
        _one_of(("new", "processing", "completed")),
    ] = "new"
    customer: Annotated[
        UUID | None, Field(description="whose it is; of a customer's own it is they")
    ] = None

    def lines(self) -> list[ShopLine]:
        """List what is ordered; raises ``Invalid`` where that makes no order."""
        if self.status == "processing":
            raise _refused("Status should be 'new' or 'completed'")
        return _lines(self.order_items, self.total)


class ShopOrderToKeep(BaseModel):
    """An order as it is to be: its first items, in their order, and its total."""

    model_config = ConfigDict(json_schema_extra={"example": _ORDER})

    order_items: _Items
    total: Price
    status: Annotated[Word | None, Field(description="what it is"), _one_of(_WORDS)] = None

    def lines(self) -> list[ShopLine]:
        """List what is ordered; raises ``Invalid`` where that makes no order."""
        return _lines(self.order_items, self.total)


class ShopOrderChange(BaseModel):
    """What of an order is to be another way; what is left out stays."""

    model_config = ConfigDict(json_schema_extra={"example": {"total": "250.00"}})

    order_items: _Items | SkipJsonSchema[None] = None
    total: Price | SkipJsonSchema[None] = None
    status: Annotated[Word | None, Field(description="what it is"), _one_of(_WORDS)] = None

    def lines(self) -> list[ShopLine] | None:
        """List what is ordered; raises ``Invalid`` where that makes no order."""
        lines = _lines(self.order_items or (), self.total)
        return None if self.order_items is None else lines


def _lines(items: Sequence[ShopItemToPlace], total: Decimal | None) -> list[ShopLine]:
    if total is not None and total <= 0:
        raise _refused("Total should be greater than 0")
    if any(each.quantity <= 0 for each in items):
        raise _refused("Order item quantity should be greater than 0")
    return [ShopLine(each.product, each.quantity, each.price) for each in items]


def _refused(sentence: str) -> Invalid:
    return Invalid(sentence, [Fault("/non_field_errors", "order", sentence)])


class ShopOrderItem(Body):
    """One line of an order."""

    id: int = Field(ge=1, description="no other line of any order has it")
    product: UUID | None = Field(description="null where it is none of the catalogue")
    quantity: int = Field(ge=1)
    price: Amount


class ShopOrder(Body):
    """An order."""

    id: int = Field(ge=1)
    customer: UUID | None = Field(description="null where it is of nobody who signs in here")
    order_items: list[ShopOrderItem]
    total: Amount
    status: Word
    url: str = Field(examples=["http://localhost:8000/api/orders/orders/1/"])
    public_id: Id

    @classmethod
    def shown(cls, order: Order, *, url: str) -> ShopOrder:
        """Write an order as it is answered."""
        return cls(
            id=order.order_pk,
            customer=order.customer_id,
            order_items=[
                ShopOrderItem(
                    id=item_number(order.order_pk, item.line),
                    product=None if item.product is None else UUID(item.product),
                    quantity=item.quantity,
                    price=item.unit_price,
                )
                for item in order.items
            ],
            total=order.total,
            status=WORDS[order.status],
            url=url,
            public_id=order.order_id,
        )


class ShopOrderPage(Body):
    """A page of orders, from the oldest on."""

    count: int = Field(description="of the list; 100000 where it has more")
    next: str | None = Field(description="where the next page is; null on the last")
    previous: str | None
    results: list[ShopOrder]


class OrderLinks(Body):
    """Where the orders are."""

    orders: str
