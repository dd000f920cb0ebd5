"""The query parameters of the list of orders."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator
from pydantic.json_schema import SkipJsonSchema

from orderbus.domain.states import Fulfillment, Status
from orderbus.domain.text import brief
from orderbus.storage.order_lists import Filter
from orderbus.web.queries import PageQuery, Text, When, one_of


def _flag(value: str) -> bool:
    if value not in {"true", "false"}:
        raise ValueError(f"is {brief(value, 40)!r}: must be true or false")
    return value == "true"


def _statuses(value: str) -> list[str]:
    return [one_of([*Status])(each) for each in value.split(",")]


def _amount(value: str) -> Decimal:
    if not re.fullmatch(r"[0-9]{1,8}(\.[0-9]{1,2})?", value, re.ASCII):
        raise ValueError(f"is {brief(value, 40)!r}: must be an amount, such as 350.00")
    return Decimal(value)


_Amount = Annotated[
    Decimal | SkipJsonSchema[None],
    BeforeValidator(_amount),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]{1,8}(\.[0-9]{1,2})?$"}),
]


class OrderQuery(PageQuery):
    """Which orders are asked for, how many, and from where on."""

    status: Annotated[Status | SkipJsonSchema[None], BeforeValidator(one_of([*Status]))] = None
    status__in: Annotated[
        Sequence[Status] | SkipJsonSchema[None],
        BeforeValidator(_statuses),
        WithJsonSchema({"type": "string", "description": "several, with commas between them"}),
    ] = None
    fulfillment_status: Annotated[
        Fulfillment | SkipJsonSchema[None], BeforeValidator(one_of([*Fulfillment]))
    ] = None
    on_hold: Annotated[bool | SkipJsonSchema[None], BeforeValidator(_flag)] = None
    source: Annotated[Text, Field(description="webhook, api, cart or catalog")] = None
    external_ref: Annotated[Text, Field(description="the sender's reference")] = None
    customer: Annotated[Text, Field(description="their email, or the sender's name for them")] = (
        None
    )
    created_at__gte: Annotated[When, Field(description="created then or later")] = None
    created_at__lt: Annotated[When, Field(description="created before")] = None
    total__gte: Annotated[_Amount, Field(description="needs customer or external_ref")] = None
    total__lte: Annotated[_Amount, Field(description="needs customer or external_ref")] = None
    sku: Annotated[Text, Field(description="of a line; needs customer or external_ref")] = None
    ordering: Annotated[
        Literal["-created_at", "created_at"], BeforeValidator(one_of(("-created_at", "created_at")))
    ] = "-created_at"

    @model_validator(mode="after")
    def _by_an_index(self) -> Self:
        """Refuse what would read all orders there are."""
        by_itself = [
            name for name in ("total__gte", "total__lte", "sku") if getattr(self, name) is not None
        ]
        if by_itself and self.customer is None and self.external_ref is None:
            raise ValueError(f"{by_itself[0]} needs customer or external_ref beside it")
        return self

    def filter(self) -> Filter:
        """Say which orders are asked for."""
        asked = {"limit", "cursor", "status", "status__in", "ordering"}
        statuses = None if self.status__in is None else {*self.status__in}
        if self.status is not None:
            statuses = {self.status} & (statuses or {self.status})
        return Filter(
            **self.model_dump(exclude=asked),
            statuses=None if statuses is None else sorted(statuses),
            oldest=self.ordering == "created_at",
        )
