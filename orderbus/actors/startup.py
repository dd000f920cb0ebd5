"""Completes the worker: what it does before its first message, and what dispatches from then on."""

from __future__ import annotations

from orderbus import services
from orderbus.actors import consumers, dispatcher
from orderbus.actors.broker import broker
from orderbus.resources import Resources
from orderbus.services.consumptions import SIDE_BY_SIDE, Consuming
from orderbus.services.deliveries import Sender
from orderbus.services.outbox import Relay
from orderbus.settings import Settings
from orderbus.worker.event_loop import Loop
from orderbus.worker.lifecycle import Lifecycle, Takers


def prepare(settings: Settings) -> None:
    """See that everything the settings name is there. Raises ``Misconfigured``."""
    consumers.installed(settings)
    services.processing.chosen(settings)


def take(held: Resources) -> Takers:
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
    relay = Relay(held.database, held.publisher, held.settings)
    return {"publish_outbox": relay, "deliver_webhook": sender, **consuming}


# The actors need the broker and this needs the actors, so it joins the broker last. It runs right
# after the event loop has begun, and before that ends.
broker.add_middleware(Lifecycle(prepare, take, dispatcher.run), after=Loop)
