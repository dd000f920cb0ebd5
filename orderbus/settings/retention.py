"""How long what is done with is kept."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from orderbus.settings.types import AS_TIME, Section, setting

#: What is kept for longer is kept for ever; PostgreSQL would not reckon so far back.
Age = Annotated[timedelta, Field(le=timedelta(days=36_500)), AS_TIME]


class Retention(Section):
    """The age at which each kind of row is deleted."""

    event_retention: Age = setting(timedelta(days=35), "ORDERBUS_EVENT_RETENTION")
    """How long events and the inbox are kept; longer than a delivery may be retried."""
    delivery_retention: Age | None = setting(None, "ORDERBUS_DELIVERY_RETENTION")
    """How long what was delivered or skipped is kept, with its attempts, from then on.

    Two days longer than the events, or more; unset, two days longer."""
    dead_letter_retention: Age | None = setting(None, "ORDERBUS_DEAD_LETTER_RETENTION")
    """How long a dead letter is kept from its redrive or discard on; an open one is never deleted.

    Two days longer than the events, or more; unset, two days longer."""
    idempotency_retention: Age = setting(timedelta(days=2), "ORDERBUS_IDEMPOTENCY_RETENTION")
    """How long an Idempotency-Key stands for the answer given under it; an hour or more."""
