"""Products: what can be sold, as whoever keeps the catalogue writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from orderbus.domain.orders import LARGEST_AMOUNT, Money, faults, without_nul
from orderbus.errors import Invalid

_Text100 = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(without_nul)]


class NewProduct(BaseModel):
    """A product that is to be sold; an order's line names it by its ``sku``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sku: _Text100
    name: _Text100
    price: Annotated[Money, Field(le=LARGEST_AMOUNT)]


def read(given: Mapping[str, object]) -> NewProduct:
    """Read a product; raises ``Invalid`` with each fault."""
    try:
        return NewProduct.model_validate(given)
    except ValidationError as error:
        found = faults(error)
        message = f"The {found[0].pointer[1:]} is not valid: {found[0].detail}"
        raise Invalid(message, found) from None
