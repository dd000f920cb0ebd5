"""What the peers accept as an order: the limits of orderbus's own front door, by Pydantic."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, Field

Text = Annotated[str, Field(strict=True, min_length=1, max_length=255)]
Money = Annotated[Decimal, Field(ge=0, max_digits=10, decimal_places=2)]


class Customer(BaseModel):
    """Who ordered."""

    name: Text
    email: Annotated[str, Field(max_length=254, pattern=r"^[^@\s]+@[^@\s]+$")]


class Item(BaseModel):
    """One line."""

    sku: Annotated[str, Field(strict=True, min_length=1, max_length=100)]
    name: Text
    quantity: Annotated[int, Field(strict=True, gt=0, le=2_147_483_647)]
    unit_price: Money


class Order(BaseModel):
    """The body of a request."""

    order_id: Text
    customer: Customer
    items: Annotated[list[Item], Field(min_length=1, max_length=1000)]
    shipping_address: Annotated[str, Field(strict=True, min_length=1, max_length=2000)]
    total: Money

    def row(self) -> tuple[Any, ...]:
        """List what ``statement.PLACE`` takes."""
        return (
            self.order_id,
            self.customer.name,
            self.customer.email,
            self.shipping_address,
            self.total,
            [item.sku for item in self.items],
            [item.name for item in self.items],
            [item.quantity for item in self.items],
            [item.unit_price for item in self.items],
            self.model_dump_json(),
        )
