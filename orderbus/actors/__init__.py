"""Work after the answer: all of Dramatiq and pika. ``dramatiq orderbus.actors`` runs it."""

from orderbus.actors import folder  # first: it names where the metrics of a worker are kept

# isort: split

from orderbus.actors import broker, deliver_webhook, publish_outbox

__all__ = ["broker", "deliver_webhook", "folder", "publish_outbox"]
