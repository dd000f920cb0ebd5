"""What an order is, and which orders are accepted."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, Final, Literal, NewType
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.config import JsonDict
from pydantic_core import PydanticKnownError

from orderbus.domain import json
from orderbus.errors import Fault, Invalid

#: Our uuid of an order. Its reference is the sender's text, ``external_ref``; its row is numbered
#: ``order_pk``.
OrderId = NewType("OrderId", UUID)

CENT: Final = Decimal("0.01")
#: The most that a cart comes to, or an order is charged with.
LARGEST_AMOUNT: Final = Decimal("99999999.99")
LARGEST_QUANTITY: Final = 2_147_483_647
#: Lines of an order; of a cart, and of an order by references, too.
MOST_LINES: Final = 1000
#: Characters of a number that came as text, as of one that did not.
_LONGEST_NUMBER: Final = json.LONGEST_NUMBER
#: A whole number as text, the way old clients' serializers read one: "2", " 2 ", "2.0".
_INTEGER: Final = re.compile(r"\s*([+-]?[0-9]{1,20})(?:\.0*)?\s*", re.ASCII)


def without_nul(value: str) -> str:
    """Pass a text PostgreSQL can keep; raises ``ValueError``."""
    if "\x00" in value:
        raise ValueError("must not hold the NUL character")
    return value


def _exact(value: object) -> object:
    """Let numbers through, and texts that old clients' programs read as one; a bool is neither.

    Those were what Python reads as a finite float: ``"1e2"``, ``" 5.50 "``, ``".5"``, ``"+5"``.
    """
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise ValueError("must be a number or a numeric string")  # noqa: TRY004 - pydantic reads ValueError as a fault
    if not isinstance(value, str):
        return value
    try:
        if len(value) <= _LONGEST_NUMBER and math.isfinite(float(value)):
            return Decimal(value)
    except (ValueError, ArithmeticError):
        pass
    raise ValueError("must be a number, such as 350.00")


def _integer(value: object) -> object:
    """Let whole numbers through, quoted or written as 2.0; a bool is none."""
    if type(value) is int:
        return value
    if isinstance(value, str) and (digits := _INTEGER.fullmatch(value)):
        return int(digits[1])
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return int(value)
    raise ValueError("must be a whole number")


def _not_too_many(value: object) -> object:
    """Refuse a list that is too long before its lines are looked at, and by one fault alone."""
    if isinstance(value, list) and len(value) > MOST_LINES:
        bounds = {"field_type": "List", "max_length": MOST_LINES, "actual_length": len(value)}
        raise PydanticKnownError("too_long", bounds)
    return value


#: A number may stand where a text is asked for, as old clients send it; its digits are the text.
_text: Final = partial(Field, coerce_numbers_to_str=True, min_length=1)
Money = Annotated[
    Decimal,
    Field(ge=0, max_digits=10, decimal_places=2, allow_inf_nan=False),
    BeforeValidator(_exact),
    AfterValidator(lambda value: abs(value.quantize(CENT))),  # abs: -0 is 0
]
Quantity = Annotated[int, Field(strict=True, gt=0, le=LARGEST_QUANTITY), BeforeValidator(_integer)]
Text100 = Annotated[str, _text(max_length=100), AfterValidator(without_nul)]
Text255 = Annotated[str, _text(max_length=255), AfterValidator(without_nul)]
Address = Annotated[str, _text(max_length=2000), AfterValidator(without_nul)]
Email = Annotated[
    str, _text(max_length=254, pattern=r"^[^@\s]+@[^@\s]+$"), AfterValidator(without_nul)
]

#: How many lines there may be.
LINES: Final = (Field(min_length=1, max_length=MOST_LINES), BeforeValidator(_not_too_many))


_EXAMPLE: Final[JsonDict] = {
    "order_id": "SO-10045",
    "customer": {"name": "Jane Doe", "email": "jane@example.com"},
    "items": [
        {"sku": "ABC123", "name": "Solar Panel", "quantity": 2, "unit_price": 150.0},
        {"sku": "XYZ789", "name": "Mounting Kit", "quantity": 1, "unit_price": 50.0},
    ],
    "shipping_address": "123 Main St, Austin, TX 78701",
    "total": 350.0,
}


class _Incoming(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class IncomingCustomer(_Incoming):
    """Who ordered."""

    name: Text255
    email: Email


class Item(_Incoming):
    """One line of an order; prices are in the order's one currency."""

    sku: Text100
    name: Text255
    quantity: Quantity
    unit_price: Money


class ProductItem(Item):
    """A line that names a product of the catalogue, by its uuid; it may have been one elsewhere."""

    product: str


class IncomingOrder(_Incoming):
    """An order as an upstream system sends it.

    Members that are not listed here are ignored, since senders add some. Money is exact: a number
    or a numeric string with at most two decimals, 0 to 99,999,999.99. A text may come as a number,
    and a quantity as a text.
    """

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    order_id: Annotated[Text255, Field(description="the sender's reference, once per source")]
    customer: IncomingCustomer
    items: Annotated[tuple[Item, ...], *LINES]
    shipping_address: Address
    total: Annotated[Money, Field(description="may differ from the sum: tax, shipping")]
    idempotency_key: Annotated[
        Text255 | None, Field(description="the header of this name wins")
    ] = None


@dataclass(frozen=True, slots=True)
class Customer:
    """Who ordered, as far as the door asks; ``ref`` is the sender's own name for them.

    ``id`` is the uuid of a customer who signs in here.
    """

    name: str = ""
    email: str = ""
    ref: str | None = None
    id: UUID | None = None

    def content(self) -> dict[str, str]:
        """Say who it is as plain JSON values."""
        content = {"name": self.name, "email": self.email}
        if self.ref is not None:
            content["ref"] = self.ref
        if self.id is not None:
            content["id"] = str(self.id)
        return content


@dataclass(frozen=True, slots=True)
class PlaceOrder:
    """What every front door asks for, as it checks it; what a door does not ask for is empty."""

    source: Literal["webhook", "api", "cart", "catalog"]
    external_ref: str
    total: Decimal
    items: Sequence[Item] = ()
    customer: Customer = Customer()
    shipping_address: str = ""
    idempotency_key: str | None = None
    cart_uuid: UUID | None = None

    def content(self) -> dict[str, Any]:
        """Say what was ordered as plain JSON values, money as strings with two decimals."""
        return {
            "order_id": self.external_ref,
            "customer": self.customer.content(),
            "items": [{**item.__dict__, "unit_price": str(item.unit_price)} for item in self.items],
            "shipping_address": self.shipping_address,
            "total": str(self.total),
        }

    def canonical(self) -> str:
        """Write the content so that equal orders give equal texts, however their JSON was."""
        return json.dumps(self.content())

    def items_total(self) -> Decimal:
        """Add up the lines; it may differ from ``total`` (tax, shipping, discounts)."""
        return sum((item.quantity * item.unit_price for item in self.items), Decimal(0))


def content_hash(canonical: str) -> bytes:
    """Give equal orders equal hashes (SHA-256)."""
    return hashlib.sha256(canonical.encode()).digest()


def parse(
    body: bytes,
    *,
    idempotency_key: str | None = None,
    source: Literal["webhook", "api"] = "webhook",
    reference: str | None = None,
) -> PlaceOrder:
    """Read an order from a request's body; a key given beside it wins over one inside it.

    ``reference`` is what an order is called that names itself nothing. Raises ``Invalid`` with one
    fault for each place that is wrong.
    """
    members = json.loads(body)
    if isinstance(members, dict) and idempotency_key is not None:
        members = {**members, "idempotency_key": idempotency_key}
    if isinstance(members, dict) and reference is not None:
        members = {"order_id": reference, **members}
    try:
        incoming = IncomingOrder.model_validate(members)
    except ValidationError as error:
        raise Invalid("The order is not valid", faults(error)) from None
    return PlaceOrder(
        source=source,
        external_ref=incoming.order_id,
        total=incoming.total,
        items=incoming.items,
        customer=Customer(incoming.customer.name, incoming.customer.email),
        shipping_address=incoming.shipping_address,
        idempotency_key=incoming.idempotency_key,
    )


def faults(error: ValidationError) -> list[Fault]:
    """Name each place that is wrong, and why."""
    return [
        Fault(
            pointer="".join(f"/{_escaped(token)}" for token in fault["loc"]),
            code=fault["type"],
            detail=fault["msg"].removeprefix("Value error, "),
        )
        for fault in error.errors(include_url=False, include_input=False, include_context=False)
    ]


def _escaped(token: str | int) -> str:
    return str(token).replace("~", "~0").replace("/", "~1")
