"""Products as they are sent and answered, in the shape of the source document."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from orderbus.domain.orders import LARGEST_AMOUNT, Money, without_nul
from orderbus.domain.products import LONGEST_DESCRIPTION
from orderbus.storage.products import Shown
from orderbus.storage.stock_views import Level
from orderbus.web.schemas.fields import Amount, Body, Id

_TO_STRING: Final = Field(coerce_numbers_to_str=True)


def _number(value: object, read: ValidatorFunctionWrapHandler) -> Any:  # noqa: ANN401 - as there
    try:
        return read(value)
    except ValidationError as error:
        if error.errors()[0]["type"] == "value_error":
            raise PydanticCustomError("number", "A valid number is required.") from None
        raise


_Text100 = Annotated[
    str,
    _TO_STRING,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100),
    AfterValidator(without_nul),
]
_Description = Annotated[
    str,
    _TO_STRING,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_DESCRIPTION),
    AfterValidator(without_nul),
]
Price = Annotated[Money, Field(le=LARGEST_AMOUNT), WrapValidator(_number)]
_Sku = Annotated[_Text100, Field(description="by which orders name it; its uuid where left out")]
_Categories = Annotated[
    list[_Text100], Field(max_length=20, description="slugs of the categories it is in")
]
_PRODUCT: Final[dict[str, Any]] = {
    "name": "Django Reinhardt",
    "description": "Gypsy jazz guitar",
    "price": "100.00",
    "sku": "GUITAR-1",
}


class ProductToKeep(BaseModel):
    """A product as it is to be; members that are not listed are ignored, ``quantity`` too."""

    model_config = ConfigDict(json_schema_extra={"example": _PRODUCT})

    name: _Text100
    description: _Description
    price: Price
    sku: _Sku = ""
    categories: _Categories = []


class ProductChange(BaseModel):
    """What of a product is to be another way; what is left out stays."""

    model_config = ConfigDict(json_schema_extra={"example": {"price": "120.00"}})

    name: _Text100 = ""
    description: _Description = ""
    price: Price | None = None
    sku: _Sku = ""
    categories: _Categories = []


class Product(Body):
    """A product; ``quantity`` is what of it is available."""

    id: int = Field(ge=1)
    public_id: Id
    name: str = Field(examples=["Django Reinhardt"])
    description: str = Field(examples=["Gypsy jazz guitar"])
    price: Amount
    url: str = Field(examples=["http://localhost:8000/api/catalog/products/1/"])
    quantity: int
    sku: str
    categories: list[str] = Field(description="slugs")

    @classmethod
    def shown(cls, product: Shown, *, url: str) -> Product:
        """Write a product as it is answered."""
        return cls(
            id=product.id,
            public_id=product.uuid,
            name=product.name,
            description=product.description,
            price=product.price,
            url=url,
            quantity=product.available,
            sku=product.sku,
            categories=list(product.categories),
        )


class ProductPage(Body):
    """A page of products."""

    count: int = Field(description="of the list; 10000 where it has more")
    next: str | None = Field(description="where the next page is; null on the last")
    previous: str | None
    results: list[Product]


class ApiLinks(Body):
    """Where the parts of the shop are."""

    identity: str
    catalog: str
    orders: str


class CatalogLinks(Body):
    """Where the collections of the catalogue are."""

    products: str
    categories: str


class Category(Body):
    """A category of products."""

    slug: str = Field(examples=["electric-guitars"])
    name: str = Field(examples=["Electric guitars"])
    parent: str | None = Field(description="slug of the category it is below")


class CategoryList(Body):
    """Every category, each behind the one that it is below."""

    count: int
    next: str | None
    previous: str | None
    results: list[Category]


class Quantity(BaseModel):
    """So many units."""

    model_config = ConfigDict(json_schema_extra={"example": {"quantity": 2}})

    quantity: Annotated[int, Field(ge=1, le=2_147_483_647)]


class Inventory(Body):
    """How much of a product there is; what is reserved includes what was set aside by hand."""

    product: int
    available: int
    reserved: int
    shipped: int
    on_hand: int
    allocated: int

    @classmethod
    def counted(cls, level: Level) -> Inventory:
        """Write the counters of a product as they are answered."""
        names = ("available", "reserved", "shipped", "on_hand", "allocated")
        return cls(product=level.product_id, **{name: getattr(level, name) for name in names})
