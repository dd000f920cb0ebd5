"""What a cart is."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
)
from pydantic_core import PydanticCustomError

from orderbus.domain import json
from orderbus.domain.orders import LARGEST_AMOUNT, LINES, Item, Money, faults
from orderbus.errors import Invalid


def _as_it_was_read(value: object, read: ValidatorFunctionWrapHandler) -> Any:  # noqa: ANN401 - as there
    """Read a total, and refuse one in the words that old clients know from Django's forms."""
    if value in (None, "", [], {}):
        return None
    try:
        return read(value)
    except ValidationError as error:
        if error.errors()[0]["type"] == "value_error":
            raise PydanticCustomError("number", "Enter a number.") from None
        raise


class OpenCart(BaseModel):
    """A new cart: with a total, as old clients send it, or with items, whose sum is the total."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", json_schema_extra={"example": {"total_amount": "100.50"}}
    )

    items: Annotated[tuple[Item, ...], *LINES] | None = None
    total_amount: Annotated[Money | None, WrapValidator(_as_it_was_read)] = Field(
        None, validate_default=True
    )

    @field_validator("items")
    @classmethod
    def _within_bounds(cls, items: tuple[Item, ...] | None) -> tuple[Item, ...] | None:
        if _sum(items or ()) > LARGEST_AMOUNT:
            raise ValueError(f"the items add up to more than {LARGEST_AMOUNT}")
        return items

    @field_validator("total_amount")
    @classmethod
    def _one_total(cls, total: Decimal | None, info: ValidationInfo) -> Decimal | None:
        if "items" not in info.data:  # they are refused already
            return total
        if (items := info.data["items"]) is None:
            if total is None:
                raise PydanticCustomError("missing", "This field is required.")
        elif total not in {None, _sum(items)}:
            raise ValueError(f"total_amount is not what the items add up to, {_sum(items)}")
        return total

    def amount(self) -> Decimal:
        """Say what the cart comes to."""
        return self.total_amount or Decimal(0) if self.items is None else _sum(self.items)


def _sum(items: tuple[Item, ...]) -> Decimal:
    return sum((item.quantity * item.unit_price for item in items), Decimal(0))


def parse(body: bytes) -> OpenCart:
    """Read a cart from a request's body; raises ``Invalid`` with a fault for each wrong place."""
    try:
        return OpenCart.model_validate(json.loads(body))
    except ValidationError as error:
        raise Invalid("The cart is not valid", faults(error)) from None
