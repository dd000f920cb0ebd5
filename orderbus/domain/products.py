"""Products: what can be sold, as whoever keeps the catalogue writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from orderbus.domain.orders import LARGEST_AMOUNT, Money, faults, without_nul
from orderbus.errors import Invalid

_Text100 = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(without_nul)]
#: Characters of a description.
LONGEST_DESCRIPTION: Final = 10_000


class NewProduct(BaseModel):
    """A product that is to be sold; an order's line names it by its ``sku``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sku: _Text100
    name: _Text100
    price: Annotated[Money, Field(le=LARGEST_AMOUNT)]
    description: Annotated[
        str, Field(max_length=LONGEST_DESCRIPTION), AfterValidator(without_nul)
    ] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What of a product is to be another way; what is None stays."""

    name: str | None = None
    description: str | None = None
    price: Decimal | None = None
    sku: str | None = None


#: In which order products are listed.
Ordering = Literal["id", "-id", "price", "-price", "name", "-name"]
ORDERINGS: Final = ("id", "-id", "price", "-price", "name", "-name")


def read(given: Mapping[str, object]) -> NewProduct:
    """Read a product; raises ``Invalid`` with each fault."""
    try:
        return NewProduct.model_validate(given)
    except ValidationError as error:
        found = faults(error)
        message = f"The {found[0].pointer[1:]} is not valid: {found[0].detail}"
        raise Invalid(message, found) from None
