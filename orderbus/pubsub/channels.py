"""Clients that reach Pub/Sub: Google's own service, or an emulator."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Final

import grpc
from google.api_core import exceptions
from google.auth.exceptions import DefaultCredentialsError
from google.cloud import pubsub_v1
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from orderbus.errors import Misconfigured
from orderbus.settings import Settings

_OPTIONS: Final = (
    # gRPC pauses up to two minutes between two attempts to connect; a service that is back is
    # wanted within a second.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # Despite its name this is how long one attempt to connect may take.
    ("grpc.min_reconnect_backoff_ms", 3000),
    # A connection that swallows what is sent is given up after this (TCP_USER_TIMEOUT on Linux),
    # not after the kernel's quarter of an hour.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 5000),
    # As Google's client sets them: Pub/Sub has its own limits.
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_metadata_size", 4 * 1024 * 1024),
)

_Transport = type[PublisherGrpcTransport | SubscriberGrpcTransport]


def publisher(settings: Settings) -> pubsub_v1.PublisherClient:
    """Make a publisher client, without connecting yet.

    The settings decide where it goes, whatever PUBSUB_EMULATOR_HOST says in the environment.
    Looking for Google's credentials may take seconds. Raises ``Misconfigured`` without any.
    """
    return pubsub_v1.PublisherClient(transport=_transport(settings, PublisherGrpcTransport))


def subscriber(settings: Settings) -> pubsub_v1.SubscriberClient:
    """Make a subscriber client, in the same way."""
    return pubsub_v1.SubscriberClient(transport=_transport(settings, SubscriberGrpcTransport))


async def call(ask: Any, request: Any, **options: Any) -> Any:  # noqa: ANN401 - gRPC has no types
    """Ask one thing without holding a thread; whoever is cancelled takes it back.

    Raises ``GoogleAPICallError``, as Google's clients do.
    """
    loop, answered = asyncio.get_running_loop(), asyncio.Event()

    def wake(_: object) -> None:
        with suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(answered.set)

    under_way = ask.future(request, **options)
    under_way.add_done_callback(wake)
    try:
        await answered.wait()
        return under_way.result()
    except grpc.RpcError as error:
        raise exceptions.from_grpc_error(error) from error  # type: ignore[no-untyped-call]
    finally:
        under_way.cancel()


def _transport(settings: Settings, transport: _Transport) -> Any:  # noqa: ANN401 - Google's
    if settings.pubsub_emulator_host is not None:
        channel = grpc.insecure_channel(settings.pubsub_emulator_host, _OPTIONS)
        return transport(channel=channel)

    def create_channel(host: str, **options: Any) -> grpc.Channel:  # noqa: ANN401 - Google's
        return transport.create_channel(host, **{**options, "options": _OPTIONS})

    try:
        return transport(channel=create_channel, always_use_jwt_access=True)
    except DefaultCredentialsError as error:
        raise Misconfigured(
            "There are no credentials for Google Cloud: set GOOGLE_APPLICATION_CREDENTIALS or run "
            "'gcloud auth application-default login'; for an emulator set PUBSUB_EMULATOR_HOST"
        ) from error
