"""The order that the programs that expect FastAPI send."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from orderbus.domain.orders import LARGEST_QUANTITY, LINES, without_nul

_Text = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(without_nul)]
_Reference = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(without_nul)]


class Product(BaseModel):
    """One line: which product, and how many."""

    model_config = ConfigDict(extra="ignore")

    product_id: _Reference
    quantity: Annotated[int, Field(gt=0, le=LARGEST_QUANTITY)]


class NewOrder(BaseModel):
    """An order by references alone: who, what, and what it comes to."""

    model_config = ConfigDict(extra="ignore")

    user_id: _Text
    products: Annotated[list[Product], *LINES]
    amount: _Text
