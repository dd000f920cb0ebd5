"""The journey of an order: every hop of each of its events."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from orderbus.storage.journey import JourneyEvent
from orderbus.web.schemas.fields import Body, Id, Reference


class Journey(Body):
    """Every event of an order, with its publications, consumptions, deliveries and attempts."""

    id: Id = Field(validation_alias="order_id")
    external_ref: Reference
    order_id: Id = Field(description="id, for older clients")
    events: Sequence[JourneyEvent]
