"""Completes the worker: what it does before its first message, and what dispatches from then on."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import dramatiq

from orderbus import services
from orderbus.actors import consumers, dispatcher
from orderbus.actors.broker import broker
from orderbus.errors import Misconfigured
from orderbus.settings import Settings
from orderbus.worker.event_loop import Loop
from orderbus.worker.lifecycle import Lifecycle

#: Time an actor needs beside the longest thing it waits for.
_ROOM: Final = timedelta(seconds=15)


def prepare(settings: Settings) -> None:
    """See that everything the settings name is there. Raises ``Misconfigured``."""
    consumers.installed(settings)
    check_time_limits(settings, broker)
    services.processing.chosen(settings)


def check_time_limits(settings: Settings, broker: dramatiq.Broker) -> None:
    """See that time limits leave room for what the settings let wait; raises ``Misconfigured``."""
    patience = 2 * services.deliveries.PATIENCE
    waits = {
        "deliver_webhook": ("ORDERBUS_WEBHOOK_TIMEOUT", settings.webhook_timeout, patience),
        "publish_outbox": ("ORDERBUS_PUBLISH_TIMEOUT", settings.publish_timeout, timedelta(0)),
    }
    for name, (setting, wait, besides) in waits.items():
        limit = timedelta(milliseconds=broker.get_actor(name).options["time_limit"])
        most = limit - besides - _ROOM
        if wait > most:
            raise Misconfigured(
                f"{setting} must be at most {most.total_seconds():.0f} seconds: "
                f"the workers end {name} after {limit.total_seconds():.0f}"
            )


# The actors need the broker and this needs the actors, so it joins the broker last. It runs right
# after the event loop has begun, and before that ends.
broker.add_middleware(Lifecycle(prepare, dispatcher.run), after=Loop)
