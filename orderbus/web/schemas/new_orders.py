"""Orders of the programs that expect FastAPI, and what these read."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from orderbus.domain.orders import LARGEST_QUANTITY, LINES, without_nul
from orderbus.web.schemas.fields import Body, Id, Moment

_EXAMPLE: JsonDict = {
    "user_id": "user_123",
    "products": [{"product_id": "prod_1", "quantity": 2}],
    "amount": "140",
}
_Text = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(without_nul)]
_Reference = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(without_nul)]


class Product(BaseModel):
    """One line: which product, and how many."""

    model_config = ConfigDict(extra="ignore")

    product_id: _Reference
    quantity: Annotated[int, Field(gt=0, le=LARGEST_QUANTITY)]


class NewOrder(BaseModel):
    """An order by references alone: who, what, and what it comes to."""

    model_config = ConfigDict(extra="ignore", json_schema_extra={"example": _EXAMPLE})

    user_id: _Text
    products: Annotated[list[Product], *LINES]
    amount: _Text


class NewOrderStatus(Body):
    """Where an order is in its life, in capitals."""

    id: Id
    status: str = Field(examples=["CREATED"])
    created_at: Moment


class UnprocessableFault(Body):
    """One thing that is wrong, as FastAPI says it."""

    type: str = Field(examples=["string_too_short"])
    loc: list[str | int] = Field(examples=[["body", "user_id"]])
    msg: str
    input: Any = Field(description="what came; a long one is the first 200 characters of its text")
    ctx: dict[str, Any] = Field({}, description="what ``msg`` names", examples=[{"min_length": 1}])


class Unprocessable(Body):
    """Everything that is wrong with a request."""

    detail: list[UnprocessableFault]


class WrongAmount(Body):
    """Why the amount is refused."""

    detail: str
