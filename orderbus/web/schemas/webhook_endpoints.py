"""Endpoints of webhooks as they are asked for, and as they are answered."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, Strict

from orderbus.services.endpoints import KEEP_AT_MOST, KEEP_OLD_SECRETS
from orderbus.web.schemas.fields import Body, Id, Moment, Reason
from orderbus.web.schemas.orders import Change

_URL: Final = "https://shop.example.com/hooks"
_Format = Annotated[
    Literal["event", "compact", "source1"], Field(description="what the body of a webhook holds")
]
_Patterns = Annotated[
    list[str], Field(description="types of events: order.created, order.*, *", max_length=20)
]
_Secret = Annotated[str | None, Field(description="whsec_ and base64; made up where left out")]
_Flag = Annotated[bool, Strict()]


class NewEndpoint(BaseModel):
    """An endpoint that is told of what happens from now on."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"url": _URL, "events": ["order.*"]}}
    )

    url: str
    events: _Patterns = Field(default_factory=list)
    format: _Format = "event"
    ordering: Literal["order", "none"] = Field(
        "order", description="none does not wait for an order's earlier events"
    )
    headers: dict[str, str] = Field(
        default_factory=dict, description="sent with every webhook; only their names are shown"
    )
    trace: Annotated[_Flag, Field(description="send traceparent")] = False
    secret: _Secret = None


class EndpointChange(BaseModel):
    """What is to be another way; what is left out or null stays."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"url": _URL, "reason": "they moved"}}
    )

    url: str | None = None
    events: _Patterns | None = None
    format: _Format | None = None
    headers: dict[str, str | None] = Field(
        default_factory=dict, description="by name; null takes one away, those not named stay"
    )
    trace: _Flag | None = None
    reason: Reason = None


class EndpointWhy(Change):
    """Why an endpoint is disabled or enabled, if anybody says so."""

    model_config = ConfigDict(json_schema_extra={"example": {"reason": "they move"}})

    reason: Reason = None


class Rotation(Change):
    """How long the old secret goes on signing beside the new one."""

    model_config = ConfigDict(json_schema_extra={"example": {"keep": 86_400}})

    keep: Annotated[int, Strict()] = Field(
        int(KEEP_OLD_SECRETS.total_seconds()),
        ge=0,
        le=int(KEEP_AT_MOST.total_seconds()),
        description="seconds; 0 drops it at once",
    )
    secret: _Secret = None
    reason: Reason = None


class Endpoint(Body):
    """An endpoint, without its secrets."""

    id: Id
    url: str = Field(examples=[_URL])
    events: list[str] = Field(examples=[["order.*"]])
    format: str = Field(examples=["event"])
    ordering: str = Field(examples=["order"])
    headers: list[str] = Field(description="the names of its own headers")
    trace: bool
    built_in: bool = Field(description="whether it is what WEBHOOK_OUTGOING_URL says")
    created_at: Moment
    old_secrets_until: Moment | None = Field(description="until then older secrets sign, too")
    disabled_at: Moment | None
    disabled_reason: str | None
    pending: int = Field(description="deliveries that it did not get yet")
    held: int = Field(description="the same of one that is disabled")


class AddedEndpoint(Endpoint):
    """An endpoint that was added, with its secret, this once."""

    secret: str
    warning: str | None = Field(description="why nothing would arrive at this moment")

    @classmethod
    def made(cls, endpoint: object, **more: Any) -> AddedEndpoint:  # noqa: ANN401 - its members
        """Write an endpoint with what is shown once."""
        return cls.model_validate({**dict(Endpoint.of(endpoint)), **more})


class EndpointPage(Body):
    """A page of endpoints, from the oldest on."""

    items: list[Endpoint]
    next_cursor: str | None = Field(description="the cursor of the next page; null on the last")


class NewSecret(Body):
    """A secret that signs from now on, shown this once."""

    id: Id
    secret: str
    old_until: Moment | None = Field(description="until then the ones before it sign, too")


class Removed(Body):
    """What became of what an endpoint was owed."""

    id: Id
    skipped: int = Field(description="deliveries it was owed: skipped, but for those under way")


class Tested(Body):
    """What came of a sample: the answer, what it means and what to do about it."""

    id: Id
    url: str
    webhook_id: Id
    delivered: bool = Field(description="whether a webhook answered so would be delivered")
    status: int | None
    error: str | None = Field(examples=["timeout"])
    detail: str
    seconds: float
    meaning: str
    todo: str
