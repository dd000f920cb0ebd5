"""What a cart is."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from orderbus.domain import json
from orderbus.domain.orders import LARGEST_AMOUNT, LINES, Item, Money, faults
from orderbus.errors import Invalid


class OpenCart(BaseModel):
    """A new cart: with a total, as old clients send it, or with items, whose sum is the total."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", json_schema_extra={"example": {"total_amount": "100.50"}}
    )

    total_amount: Money | None = None
    items: Annotated[tuple[Item, ...], *LINES] | None = None

    @model_validator(mode="after")
    def _one_total(self) -> OpenCart:
        if self.items is None:
            if self.total_amount is None:
                raise ValueError("total_amount or items is required")
            return self
        total = self.amount()
        if total > LARGEST_AMOUNT:
            raise ValueError(f"the items add up to more than {LARGEST_AMOUNT}")
        if self.total_amount not in {None, total}:
            raise ValueError(f"total_amount is not what the items add up to, {total}")
        return self

    def amount(self) -> Decimal:
        """Say what the cart comes to."""
        if self.items is None:
            return self.total_amount or Decimal(0)
        return sum((item.quantity * item.unit_price for item in self.items), Decimal(0))


def parse(body: bytes) -> OpenCart:
    """Read a cart from a request's body; raises ``Invalid`` with a fault for each wrong place."""
    try:
        return OpenCart.model_validate(json.loads(body))
    except ValidationError as error:
        raise Invalid("The cart is not valid", faults(error)) from None
