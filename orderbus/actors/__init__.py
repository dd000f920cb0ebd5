"""Work after the answer: all of Dramatiq and pika. ``dramatiq orderbus.actors`` runs it."""

from orderbus.actors import deliver_webhook, publish_outbox
from orderbus.actors.broker import broker

__all__ = ["broker", "deliver_webhook", "publish_outbox"]
