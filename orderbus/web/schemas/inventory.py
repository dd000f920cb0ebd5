"""Bookings of stock as they are asked for, and what became of each line."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Strict

from orderbus.domain.orders import without_nul
from orderbus.domain.stock import MOST_LINES, Kind, Refusal
from orderbus.storage.stock_bookings import Line
from orderbus.web.schemas.fields import Body, Moment, Reason
from orderbus.web.schemas.refusals import ShopRefusal

_Units = Annotated[int, Strict()]
_EXAMPLE: Final[dict[str, Any]] = {
    "policy": "per_item",
    "items": [
        {"sku": "GUITAR-1", "set": 12, "expected": 10, "reason": "count of May"},
        {"sku": "GUITAR-2", "delta": 5},
    ],
}


def _few(value: object) -> object:
    if isinstance(value, list) and not 1 <= len(value) <= MOST_LINES:
        raise ValueError(f"{len(value)} lines: must be 1 to {MOST_LINES}")
    return value


class InventoryLine(BaseModel):
    """How the units on hand of a product are to change; it is named by public_id or by sku."""

    model_config = ConfigDict(extra="forbid")

    product: UUID | None = None
    sku: Annotated[str, Field(max_length=100), AfterValidator(without_nul)] | None = None
    count: Annotated[_Units | None, Field(alias="set", description="so many are on hand")] = None
    delta: Annotated[_Units | None, Field(description="so many came in, or with - left")] = None
    expected: Annotated[_Units | None, Field(description="refused unless on hand now")] = None
    reason: Reason = None

    def line(self) -> Line:
        """Write it as it is booked."""
        return Line(**self.model_dump())


class InventoryBatch(BaseModel):
    """Lines of different products, booked all or none, or each that can be."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _EXAMPLE})

    policy: Literal["all_or_nothing", "per_item"] = "all_or_nothing"
    items: Annotated[list[InventoryLine], BeforeValidator(_few)]


class BookedLine(Body):
    """What became of a line; with neither ``ok`` nor ``error`` others kept it from being booked."""

    index: int
    ok: bool
    before: int | None = Field(description="on hand before")
    after: int | None = Field(description="on hand then, or as it would be")
    version: int | None = Field(description="of the stock of the product")
    error: Refusal | None = None
    detail: str = ""


class BookedBatch(Body):
    """What became of each line."""

    applied: int
    failed: int
    items: list[BookedLine]


class BatchRefusal(ShopRefusal):
    """Nothing was booked; ``items`` says what became of each line."""

    applied: int = 0
    failed: int = 0
    items: list[BookedLine] = Field([])


class Movement(Body):
    """By how much each counter changed, for whom, by whom, why."""

    id: int
    at: Moment
    kind: Kind
    on_hand: int
    reserved: int
    allocated: int
    shipped: int
    order_id: UUID | None
    cart_uuid: UUID | None
    actor: str
    reason: str | None
    request_id: str | None


class MovementPage(Body):
    """A page of movements, from the newest on."""

    next: str | None
    previous: str | None
    results: list[Movement]
