"""What is an order, and which orders does the front door take?"""

from __future__ import annotations

import hashlib
import re
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from orderbus.domain import json
from orderbus.errors import Fault, Invalid

CENT: Final = Decimal("0.01")
LARGEST_QUANTITY: Final = 2_147_483_647
_NUMERIC: Final = re.compile(r"-?[0-9]{1,12}(\.[0-9]+)?")


def _without_nul(value: str) -> str:
    if "\x00" in value:
        message = "must not hold the NUL character"
        raise ValueError(message)
    return value


def _exact(value: object) -> object:
    """Let numbers and numeric strings through; a bool is neither."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        message = "must be a number or a numeric string"
        raise ValueError(message)  # noqa: TRY004 - pydantic reads ValueError as a fault
    if isinstance(value, str) and not _NUMERIC.fullmatch(value):
        message = "must be a plain decimal number"
        raise ValueError(message)
    return value


def _two_places(value: Decimal) -> Decimal:
    return abs(value.quantize(CENT))  # abs: -0 is 0


def _length(longest: int) -> FieldInfo:
    info: FieldInfo = Field(strict=True, min_length=1, max_length=longest)
    return info


Money = Annotated[
    Decimal,
    Field(ge=0, max_digits=10, decimal_places=2, allow_inf_nan=False),
    BeforeValidator(_exact),
    AfterValidator(_two_places),
]
Text100 = Annotated[str, _length(100), AfterValidator(_without_nul)]
Text255 = Annotated[str, _length(255), AfterValidator(_without_nul)]
Address = Annotated[str, _length(2000), AfterValidator(_without_nul)]
Email = Annotated[
    str, _length(254), Field(pattern=r"^[^@\s]+@[^@\s]+$"), AfterValidator(_without_nul)
]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Customer(_Part):
    """Who ordered."""

    name: Text255
    email: Email


class Item(_Part):
    """One line of an order; prices are in the order's one currency."""

    sku: Text100
    name: Text255
    quantity: Annotated[int, Field(strict=True, gt=0, le=LARGEST_QUANTITY)]
    unit_price: Money


class PlaceOrder(_Part):
    """An order as an upstream system sends it.

    Members that are not listed here are ignored, since senders add some. Money is exact: a number
    or a numeric string with at most two decimals, 0 to 99,999,999.99.
    """

    order_id: Text255
    customer: Customer
    items: Annotated[tuple[Item, ...], Field(min_length=1, max_length=1000)]
    shipping_address: Address
    total: Money
    idempotency_key: Text255 | None = None

    def content(self) -> dict[str, Any]:
        """Say what was ordered as plain JSON values, money as strings with two decimals."""
        return self.model_dump(mode="json", exclude={"idempotency_key"})

    def content_hash(self) -> bytes:
        """Give equal orders equal hashes, however their JSON was written (SHA-256)."""
        return hashlib.sha256(json.dumps(self.content()).encode()).digest()

    def items_total(self) -> Decimal:
        """Add up the lines; it may differ from ``total`` (tax, shipping, discounts)."""
        return sum((item.quantity * item.unit_price for item in self.items), Decimal(0))


def parse(body: bytes, *, idempotency_key: str | None = None) -> PlaceOrder:
    """Read an order from a request's body; a key given beside it wins over one inside it.

    Raises ``Invalid`` with one fault for each place that is wrong.
    """
    members = json.loads(body)
    if isinstance(members, dict) and idempotency_key is not None:
        members = {**members, "idempotency_key": idempotency_key}
    try:
        return PlaceOrder.model_validate(members)
    except ValidationError as error:
        raise Invalid("The order is not valid", _faults(error)) from None


def _faults(error: ValidationError) -> list[Fault]:
    return [
        Fault(
            pointer="".join(f"/{_escaped(part)}" for part in fault["loc"]),
            code=fault["type"],
            detail=fault["msg"].removeprefix("Value error, "),
        )
        for fault in error.errors(include_url=False, include_input=False, include_context=False)
    ]


def _escaped(part: str | int) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")
