"""What may be sent to move or change an order."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict, StrictBool
from pydantic.json_schema import SkipJsonSchema

from orderbus.domain.orders import LARGEST_QUANTITY, MOST_LINES, Address, without_nul
from orderbus.domain.states import Cause
from orderbus.web.schemas.fields import Reason
from orderbus.web.schemas.orders import Change

_Text = Annotated[str, Field(max_length=500), AfterValidator(without_nul)]
_Name = Annotated[str, Field(min_length=1, max_length=40), AfterValidator(without_nul)]
_Integer = Annotated[int, Strict(), Field(ge=-(2**53), le=2**53)]


class Because(Change):
    """Why an order is moved, if anybody says so."""

    model_config = ConfigDict(json_schema_extra={"example": {"reason": "the address is doubtful"}})

    reason: Reason = None


class Cancel(Because):
    """Why an order is cancelled, in a word and in a sentence, if anybody says so."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"cause": "customer", "reason": "ordered twice"}}
    )

    cause: Cause | SkipJsonSchema[None] = None


class ShippedLine(BaseModel):
    """So much of a line has left."""

    line: Annotated[int, Strict()] = Field(ge=1, le=MOST_LINES, description="counted from 1")
    quantity: Annotated[int, Strict()] = Field(ge=1, le=LARGEST_QUANTITY)


class Ship(Because):
    """What has left; without ``lines`` all that had not yet."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"lines": [{"line": 1, "quantity": 2}]}}
    )

    lines: (
        Annotated[list[ShippedLine], Field(min_length=1, max_length=MOST_LINES)]
        | SkipJsonSchema[None]
    ) = None
    though_cancelled: StrictBool = Field(
        default=False,
        description="it has left although the order is cancelled: an event tells of that",
    )


class OrderChange(Because):
    """What is to be another way; what is left out or null stays."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {"shipping_address": "5 New St, Austin, TX", "metadata": {"gift": True}}
        },
    )

    shipping_address: Address | SkipJsonSchema[None] = None
    metadata: (
        Annotated[
            dict[_Name, _Text | StrictBool | _Integer | None],
            Field(description="by name; null takes one away, those not named stay"),
        ]
        | SkipJsonSchema[None]
    ) = None
