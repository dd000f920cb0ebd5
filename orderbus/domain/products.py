"""Products: what can be sold, as whoever keeps the catalogue writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Final, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from orderbus.domain.orders import LARGEST_AMOUNT, Money, faults, without_nul
from orderbus.errors import Invalid

_Model = TypeVar("_Model", bound=BaseModel)
_Text100 = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(without_nul)]
_Slug = Annotated[str, Field(max_length=100, pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
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


class NewCategory(BaseModel):
    """A category that is to be, below the one that ``parent`` names."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"slug": "basses", "name": "Basses", "parent": "guitars"}}
    )

    slug: _Slug
    name: _Text100
    parent: _Slug | None = None


#: In which order products are listed.
Ordering = Literal["id", "-id", "price", "-price", "name", "-name"]
ORDERINGS: Final = ("id", "-id", "price", "-price", "name", "-name")


def read(given: Mapping[str, object]) -> NewProduct:
    """Read a product; raises ``Invalid`` with each fault."""
    return _read(NewProduct, given)


def read_category(given: Mapping[str, object]) -> NewCategory:
    """Read a category; raises ``Invalid`` with each fault."""
    return _read(NewCategory, given)


def _read(model: type[_Model], given: Mapping[str, object]) -> _Model:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        found = faults(error)
        message = f"The {found[0].pointer[1:]} is not valid: {found[0].detail}"
        raise Invalid(message, found) from None
