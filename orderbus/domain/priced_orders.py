"""Orders that the catalogue prices where it knows what they are of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.config import JsonDict

from orderbus.domain import json
from orderbus.domain.orders import (
    LARGEST_AMOUNT,
    LINES,
    Address,
    Customer,
    IncomingCustomer,
    Item,
    Money,
    PlaceOrder,
    Quantity,
    Text100,
    Text255,
    faults,
)
from orderbus.errors import Fault, Invalid, MixedLines, PriceChanged, Prices

_EXAMPLE: Final[JsonDict] = {
    "order_id": "SO-10046",
    "customer": {"name": "Jane Doe", "email": "jane@example.com"},
    "items": [{"sku": "ABC123", "quantity": 2}],
    "shipping_address": "123 Main St, Austin, TX 78701",
    "expected_total": 300.0,
}


@dataclass(frozen=True, slots=True)
class Sold:
    """A product that is sold now."""

    id: int
    name: str
    price: Decimal


class AskedItem(BaseModel):
    """One line: a product of the catalogue, or anything else with its own name and price."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    sku: Text100
    quantity: Quantity
    name: Annotated[Text255 | None, Field(description="that of the product where left out")] = None
    unit_price: Annotated[
        Money | None, Field(description="not looked at where the catalogue has a price")
    ] = None


class AskedOrder(BaseModel):
    """An order of products of the catalogue, or of what it does not know; never of both.

    Products that are sold now are priced by the catalogue, and taken out of stock. Other lines need
    a name and a price, and the order a total. Members that are not listed here are ignored. Money
    is exact: a number or a numeric string with at most two decimals, 0 to 99,999,999.99.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", json_schema_extra={"example": _EXAMPLE})

    order_id: Annotated[Text255, Field(description="the sender's reference, once per source")]
    customer: IncomingCustomer
    items: Annotated[tuple[AskedItem, ...], *LINES]
    shipping_address: Address
    total: Annotated[
        Money | None, Field(description="of lines that the catalogue does not price; with tax, say")
    ] = None
    expected_total: Annotated[
        Money | None, Field(description="refuse the order if the catalogue makes it another one")
    ] = None

    def as_sent(self) -> PlaceOrder | None:
        """Write it with its own prices and total; None where one is left out."""
        items = [_item(item) for item in self.items]
        if self.total is None or None in items:
            return None
        return self._placed(tuple(item for item in items if item is not None), self.total)

    def priced(self, sold: Mapping[str, Sold]) -> PlaceOrder:
        """Write it with the prices of what is ``sold``, by sku, or with its own if nothing is.

        Raises ``Invalid`` for what is left out; ``MixedLines``; ``PriceChanged`` where it comes to
        something else than was expected.
        """
        unknown = [number for number, item in enumerate(self.items) if item.sku not in sold]
        if len(unknown) == len(self.items):
            return self._as_it_has_to_be()
        if unknown:
            said = "is no product that is sold, and others are: order them apart"
            found = [Fault(f"/items/{number}/sku", "mixed_lines", said) for number in unknown]
            raise MixedLines(f"The order is not valid: items/{unknown[0]}/sku {said}", found)
        items = tuple(_priced(item, sold[item.sku]) for item in self.items)
        total = sum((item.quantity * item.unit_price for item in items), Decimal(0))
        if self.expected_total is not None and self.expected_total != total:
            lines = [_line(item) for item in items]
            message = f"The order comes to {total} now, not to {self.expected_total}"
            raise PriceChanged(message, total=str(total), prices=lines)
        if total > LARGEST_AMOUNT:
            said = f"come to {total}: at most {LARGEST_AMOUNT}"
            raise Invalid(f"The order is not valid: items {said}", [Fault("/items", "total", said)])
        return self._placed(items, total)

    def _as_it_has_to_be(self) -> PlaceOrder:
        sent = self.as_sent()
        if sent is None:
            said = "is required: the catalogue knows none of the products"
            found = [Fault(pointer, "missing", said) for pointer in self._left_out()]
            message = f"The order is not valid: {found[0].pointer[1:]} {said}"
            raise Invalid(message, found)
        return sent

    def _left_out(self) -> Iterator[str]:
        for number, item in enumerate(self.items):
            for name in ("name", "unit_price"):
                if getattr(item, name) is None:
                    yield f"/items/{number}/{name}"
        if self.total is None:
            yield "/total"

    def _placed(self, items: tuple[Item, ...], total: Decimal) -> PlaceOrder:
        return PlaceOrder(
            source="api",
            external_ref=self.order_id,
            total=total,
            items=items,
            customer=Customer(self.customer.name, self.customer.email),
            shipping_address=self.shipping_address,
        )


def _item(item: AskedItem) -> Item | None:
    if item.name is None or item.unit_price is None:
        return None
    return Item(sku=item.sku, name=item.name, quantity=item.quantity, unit_price=item.unit_price)


def _line(item: Item) -> Prices:
    return {"sku": item.sku, "quantity": item.quantity, "unit_price": str(item.unit_price)}


def _priced(item: AskedItem, product: Sold) -> Item:
    name = item.name or product.name
    return Item(sku=item.sku, name=name, quantity=item.quantity, unit_price=product.price)


def parse(body: bytes, *, reference: str) -> AskedOrder:
    """Read an order from a request's body; ``reference`` names one that names itself nothing.

    Raises ``Invalid`` with one fault for each place that is wrong.
    """
    members = json.loads(body)
    if isinstance(members, dict):
        members = {"order_id": reference, **members}
    try:
        return AskedOrder.model_validate(members)
    except ValidationError as error:
        raise Invalid("The order is not valid", faults(error)) from None
