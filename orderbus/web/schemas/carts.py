"""Carts as they are answered: the shapes of the source document."""

from __future__ import annotations

from pydantic import Field

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


class Carts(Body):
    """All carts, from the oldest on."""

    carts: list[Cart]
