"""How do the clients reach Pub/Sub: Google's own service, or an emulator?"""

from __future__ import annotations

from typing import Any, Final

import grpc
from google.cloud import pubsub_v1
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from orderbus.settings import Settings

#: gRPC pauses up to two minutes between connection attempts by default; a service that is back
#: should be used within a second.
_OPTIONS: Final = (
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.keepalive_time_ms", 30_000),
)


def publisher(settings: Settings, **options: Any) -> pubsub_v1.PublisherClient:  # noqa: ANN401
    """Make a publisher client; the emulator named in the settings wins over the environment."""
    transport = PublisherGrpcTransport(channel=_channel(settings, PublisherGrpcTransport))
    return pubsub_v1.PublisherClient(transport=transport, **options)


def subscriber(settings: Settings) -> pubsub_v1.SubscriberClient:
    """Make a subscriber client; the emulator named in the settings wins over the environment."""
    transport = SubscriberGrpcTransport(channel=_channel(settings, SubscriberGrpcTransport))
    return pubsub_v1.SubscriberClient(transport=transport)


def _channel(
    settings: Settings, transport: type[PublisherGrpcTransport | SubscriberGrpcTransport]
) -> grpc.Channel:
    if settings.pubsub_emulator_host is not None:
        return grpc.insecure_channel(settings.pubsub_emulator_host, _OPTIONS)
    return transport.create_channel(options=_OPTIONS)
