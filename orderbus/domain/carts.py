"""What a cart is."""

from __future__ import annotations

from collections.abc import Sequence
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
from orderbus.domain.orders import (
    LARGEST_AMOUNT,
    LARGEST_QUANTITY,
    LINES,
    MOST_LINES,
    Item,
    Money,
    Text100,
    faults,
)
from orderbus.errors import Fault, Invalid


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
        if sum_of(items or ()) > LARGEST_AMOUNT:
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
        elif total not in {None, sum_of(items)}:
            raise ValueError(f"total_amount is not what the items add up to, {sum_of(items)}")
        return total

    def amount(self) -> Decimal:
        """Say what the cart comes to."""
        return self.total_amount or Decimal(0) if self.items is None else sum_of(self.items)


class PutItem(BaseModel):
    """How many of a product a cart is to hold from now on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sku: Text100
    quantity: Annotated[int, Field(ge=0, le=LARGEST_QUANTITY, strict=True)]


def sum_of(items: Sequence[Item]) -> Decimal:
    """Add up what items come to."""
    return sum((item.quantity * item.unit_price for item in items), Decimal(0))


def with_line(items: Sequence[Item], sku: str, line: Item | None) -> list[Item]:
    """Put a line in the place of those of a product; None takes them out.

    Raises ``Invalid`` where the cart would be too large.
    """
    found = next((at for at, item in enumerate(items) if item.sku == sku), len(items))
    others = [item for item in items if item.sku != sku]
    changed = [*others[:found], *([line] if line else []), *others[found:]]
    if len(changed) > MOST_LINES:
        raise _too_large(f"a cart holds {MOST_LINES} lines at most")
    if sum_of(changed) > LARGEST_AMOUNT:
        raise _too_large(f"the items would add up to more than {LARGEST_AMOUNT}")
    return changed


def _too_large(why: str) -> Invalid:
    return Invalid(f"The cart would be too large: {why}", [Fault("/quantity", "too_large", why)])


def parse(body: bytes) -> OpenCart:
    """Read a cart from a request's body; raises ``Invalid`` with a fault for each wrong place."""
    try:
        return OpenCart.model_validate(json.loads(body))
    except ValidationError as error:
        raise Invalid("The cart is not valid", faults(error)) from None
