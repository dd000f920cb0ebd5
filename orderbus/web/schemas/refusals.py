"""Refusals as the shop's clients read them."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from orderbus.web.schemas.fields import Body


class TokenMessage(Body):
    """What was tried to read a token as."""

    token_class: str = Field(examples=["AccessToken"])
    token_type: str = Field(examples=["access"])
    message: str = Field(examples=["Token is invalid or expired"])


class ShopShortLine(Body):
    """A product of which less could be had than is wanted."""

    sku: str = Field(description="of what is no product of ours, the uuid that was sent")
    wanted: int
    available: int


class ShopRefusal(Body):
    """Why a request was refused: one sentence, or what is wrong with each field by its name."""

    model_config = ConfigDict(extra="allow")

    __pydantic_extra__: dict[str, list[str | dict[str, list[str]]]]

    detail: str = Field("", description="why; absent where fields are wrong")
    code: str = Field("", description="the short word for it, where it is about who one is")
    messages: list[TokenMessage] = Field([], description="how a token was read")
    error: str = Field("", description="what the state of things forbids")
    short: list[ShopShortLine] = Field([], description="of which products there is too little")
