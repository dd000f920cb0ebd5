"""Work after the answer: all of Dramatiq and pika. ``dramatiq orderbus.actors`` runs it."""

from orderbus.actors import watchpoint  # before anything that counts: it names where counts go

# isort: split
from orderbus.actors import broker, deliver_webhook, publish_outbox

__all__ = ["broker", "deliver_webhook", "publish_outbox", "watchpoint"]
