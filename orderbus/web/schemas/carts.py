"""Carts as they are answered: the shapes of the source document."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from orderbus.domain.orders import LARGEST_QUANTITY
from orderbus.web.schemas.fields import Amount, Body, Id, Moment


class CartAnswer(Body):
    """What was done to a cart."""

    message: str = Field(examples=["Cart created successfully!"])
    cart_uuid: Id


class Cart(Body):
    """A cart; one that is closed becomes an order whose reference is the cart's uuid."""

    uuid: Id = Field(validation_alias="cart_uuid")
    total_amount: Amount
    created_at: Moment
    closed: bool


class CartItem(Body):
    """A line of a cart, and until when it is held in stock, if the catalogue knows its product."""

    sku: str
    name: str
    quantity: int
    unit_price: Amount
    held_until: Moment | None = Field(description="null where nothing is held for it, or no more")


class CartContents(Body):
    """A cart with its items."""

    uuid: Id = Field(validation_alias="cart_uuid")
    total_amount: Amount
    created_at: Moment
    closed: bool
    items: list[CartItem]


class Quantity(BaseModel):
    """How many of a product a cart is to hold from now on; 0 takes it out."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"quantity": 2}})

    quantity: Annotated[int, Field(strict=True, ge=0, le=LARGEST_QUANTITY)]


class Carts(Body):
    """All carts, from the oldest on."""

    carts: list[Cart]
