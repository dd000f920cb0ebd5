"""Where Google Pub/Sub is, and how much goes there and back at once."""

from datetime import timedelta

from orderbus.settings.types import Section, Time, setting


class Pubsub(Section):
    """Topic, subscription, and the batches of relay and bridge."""

    pubsub_emulator_host: str | None = setting(None, "PUBSUB_EMULATOR_HOST")
    """``host:port`` of an emulator; unset for Google's own service."""
    pubsub_project_id: str = setting("demo-poc", "PUBSUB_PROJECT_ID")
    """Google Cloud project that holds the topics."""
    pubsub_topic: str = setting("order.created", "PUBSUB_TOPIC_ORDER_CREATED")
    """Topic that carries every event of an order."""
    pubsub_subscription: str = setting("order.created.local", "PUBSUB_SUBSCRIPTION_ORDER_CREATED")
    """Subscription the bridge pulls from."""
    relay_batch: int = setting(200, "ORDERBUS_RELAY_BATCH", "OUTBOX_BATCH_SIZE", ge=1, le=1000)
    """Events one publish_outbox message leases and publishes together."""
    poll_interval: Time = setting(
        timedelta(seconds=1),
        "ORDERBUS_POLL_INTERVAL",
        "OUTBOX_POLL_INTERVAL",
        gt=timedelta(0),
        le=timedelta(seconds=60),
    )
    """How often a worker looks by itself for what is due; a notification is heard at once."""
    publish_timeout: Time = setting(
        timedelta(seconds=2), "ORDERBUS_PUBLISH_TIMEOUT", gt=timedelta(0)
    )
    """Longest wait for Pub/Sub to take a batch."""
    relay_lease: Time = setting(timedelta(seconds=5), "ORDERBUS_RELAY_LEASE")
    """How long a leased batch stays with its worker; longer than the publish timeout."""
    bridge_batch: int = setting(200, "ORDERBUS_BRIDGE_BATCH", ge=1, le=1000)
    """Messages the bridge records in one transaction at most."""
