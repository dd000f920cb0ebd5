"""Completes the worker: what it does before its first message, and what dispatches from then on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import dramatiq

from orderbus import services
from orderbus.actors import consumers, dispatcher
from orderbus.actors.broker import broker
from orderbus.errors import Misconfigured
from orderbus.resources import Resources
from orderbus.services.consumptions import SIDE_BY_SIDE, Consuming
from orderbus.services.deliveries import Sender
from orderbus.services.taking import Taker
from orderbus.settings import Settings
from orderbus.worker.event_loop import Loop
from orderbus.worker.lifecycle import Lifecycle

#: Time that publishing needs beside its wait for Pub/Sub.
_ROOM: Final = timedelta(seconds=15)


def prepare(settings: Settings) -> None:
    """See that everything the settings name is there. Raises ``Misconfigured``."""
    consumers.installed(settings)
    check_time_limit(settings, broker)
    services.processing.chosen(settings)


def take(held: Resources) -> Mapping[str, Taker[Any, Any]]:
    """Make what works on what is due, by the actor that wakes it up.

    However slow they are, all consumers together leave half of the connections to everybody else.
    """
    sender = Sender(held.database, held.http, held.settings)
    installed = consumers.installed(held.settings)
    alone = sum(not each.work.together for each in installed)
    share = max(1, min(SIDE_BY_SIDE, held.settings.db_pool_size // 2 // max(1, alone)))
    consuming = {
        each.name: Consuming(held, each.name, each.work, side_by_side=share) for each in installed
    }
    return {"deliver_webhook": sender, **consuming}


def check_time_limit(settings: Settings, broker: dramatiq.Broker) -> None:
    """See that publishing has time for what the settings let it wait; raises ``Misconfigured``."""
    limit = timedelta(milliseconds=broker.get_actor("publish_outbox").options["time_limit"])
    most = limit - _ROOM
    if settings.publish_timeout > most:
        raise Misconfigured(
            f"ORDERBUS_PUBLISH_TIMEOUT must be at most {most.total_seconds():.0f} seconds: "
            f"the workers end publish_outbox after {limit.total_seconds():.0f}"
        )


# The actors need the broker and this needs the actors, so it joins the broker last. It runs right
# after the event loop has begun, and before that ends.
broker.add_middleware(Lifecycle(prepare, take, dispatcher.run), after=Loop)
