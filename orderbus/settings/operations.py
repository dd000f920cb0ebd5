"""How the processes are watched, how they stop, and how long they keep what is done with."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from orderbus.settings.types import AS_TIME, Section, Time, setting

#: What is kept for longer is kept for ever; PostgreSQL would not reckon so far back.
Age = Annotated[timedelta, Field(le=timedelta(days=36_500)), AS_TIME]


class Watching(Section):
    """Logs, ports of metrics and health, and the grace of a stop."""

    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(str.upper)
    ] = setting("INFO", "LOG_LEVEL")
    """DEBUG, INFO, WARNING or ERROR."""
    metrics_host: str = setting("127.0.0.1", "ORDERBUS_METRICS_HOST")
    """Address on which worker and bridge show metrics and health."""
    worker_metrics_port: int = setting(9191, "ORDERBUS_WORKER_METRICS_PORT", ge=0, le=65535)
    """Port of the worker's metrics and health, all its processes together; 0 for none."""
    bridge_metrics_port: int = setting(9192, "ORDERBUS_BRIDGE_METRICS_PORT", ge=0, le=65535)
    """Port of the bridge's metrics and health; 0 for none."""
    stop_grace: Time = setting(
        timedelta(seconds=20), "ORDERBUS_STOP_GRACE", ge=timedelta(0), le=timedelta(seconds=600)
    )
    """How long a worker that is told to stop goes on with what is under way; then it hands the
    rest back, uncharged. Ten seconds less than what it has until it is killed."""


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
