"""The methods of Pub/Sub that the double answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, NoReturn

import grpc
from google.protobuf.empty_pb2 import Empty
from google.pubsub_v1 import types

from orderbus.devtools.pubsub_double import limits
from orderbus.devtools.pubsub_double.limits import RefusedError
from orderbus.devtools.pubsub_double.store import Store
from orderbus.devtools.pubsub_double.subscription import Subscription, Taker

#: Seconds a unary pull waits for a first message.
_PULL_WAITS: Final = 5.0

_Context = Any  # grpc says nothing of its types
_Unary = Callable[[Any], Coroutine[Any, Any, Any]]


class Service:
    """Google's ``Publisher`` and ``Subscriber``, as far as they are of use without a console."""

    def __init__(self, store: Store) -> None:
        """Answer from ``store``."""
        self._store = store

    def handlers(self) -> tuple[grpc.GenericRpcHandler, ...]:
        """Name the methods to a gRPC server."""
        publisher = {
            "CreateTopic": _unary(types.Topic, self._create_topic),
            "GetTopic": _unary(types.GetTopicRequest, self._get_topic),
            "DeleteTopic": _unary(types.DeleteTopicRequest, self._delete_topic),
            "Publish": _unary(types.PublishRequest, self._publish),
        }
        subscriber = {
            "CreateSubscription": _unary(types.Subscription, self._create_subscription),
            "GetSubscription": _unary(types.GetSubscriptionRequest, self._get_subscription),
            "DeleteSubscription": _unary(types.DeleteSubscriptionRequest, self._delete),
            "Acknowledge": _unary(types.AcknowledgeRequest, self._acknowledge),
            "ModifyAckDeadline": _unary(types.ModifyAckDeadlineRequest, self._modify),
            "Pull": _unary(types.PullRequest, self._pull),
            "StreamingPull": grpc.stream_stream_rpc_method_handler(
                self._streaming_pull,
                request_deserializer=types.StreamingPullRequest.pb().FromString,
                response_serializer=_serialize,
            ),
        }
        return (
            grpc.method_handlers_generic_handler("google.pubsub.v1.Publisher", publisher),
            grpc.method_handlers_generic_handler("google.pubsub.v1.Subscriber", subscriber),
        )

    async def _create_topic(self, request: Any) -> Any:  # noqa: ANN401 - Google's messages, here and below
        self._store.make_topic(request)
        return request

    async def _get_topic(self, request: Any) -> Any:  # noqa: ANN401
        return self._store.topic(request.topic)

    async def _delete_topic(self, request: Any) -> Empty:  # noqa: ANN401
        self._store.delete_topic(request.topic)
        return Empty()

    async def _publish(self, request: Any) -> Any:  # noqa: ANN401
        ids = self._store.publish(request.topic, request.messages)
        return types.PublishResponse.pb()(message_ids=ids)

    async def _create_subscription(self, request: Any) -> Any:  # noqa: ANN401
        return self._store.make_subscription(request)

    async def _get_subscription(self, request: Any) -> Any:  # noqa: ANN401
        return self._store.subscription(request.subscription).made

    async def _delete(self, request: Any) -> Empty:  # noqa: ANN401
        self._store.delete_subscription(request.subscription)
        return Empty()

    async def _acknowledge(self, request: Any) -> Empty:  # noqa: ANN401
        subscription = self._store.subscription(request.subscription)
        limits.check_ack_ids(request.ack_ids)
        subscription.acknowledge(request.ack_ids)
        return Empty()

    async def _modify(self, request: Any) -> Empty:  # noqa: ANN401
        subscription = self._store.subscription(request.subscription)
        limits.check_ack_ids(request.ack_ids)
        limits.check_extension(request.ack_deadline_seconds)
        for ack_id in request.ack_ids:
            subscription.modify(ack_id, request.ack_deadline_seconds)
        return Empty()

    async def _pull(self, request: Any) -> Any:  # noqa: ANN401
        subscription = self._store.subscription(request.subscription)
        if request.max_messages < 1:
            raise RefusedError("INVALID_ARGUMENT", "max_messages must be positive")
        taker = Taker(deadline=subscription.made.ack_deadline_seconds)
        subscription.attend(taker)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(_PULL_WAITS):
                    while not (taken := subscription.take(taker, request.max_messages)):
                        await _woken(subscription, taker)
        finally:
            subscription.leave(taker)
        return types.PullResponse.pb()(received_messages=taken)

    async def _streaming_pull(
        self, requests: AsyncIterator[Any], context: _Context
    ) -> AsyncIterator[Any]:
        first = await anext(requests)
        try:
            subscription = self._store.subscription(first.subscription)
            limits.check_ack_deadline(first.stream_ack_deadline_seconds)
        except RefusedError as error:
            await _abort(context, error)
        taker = Taker(
            deadline=first.stream_ack_deadline_seconds,
            most_messages=first.max_outstanding_messages or float("inf"),
            most_bytes=first.max_outstanding_bytes or float("inf"),
        )
        subscription.attend(taker)
        hearing = asyncio.create_task(_hear(requests, subscription, taker))
        try:
            while not hearing.done():
                if taken := subscription.take(taker):
                    yield types.StreamingPullResponse.pb()(received_messages=taken)
                else:
                    await _woken(subscription, taker)
        except RefusedError as error:
            await _abort(context, error)
        finally:
            subscription.leave(taker)
            hearing.cancel()


async def _hear(requests: AsyncIterator[Any], subscription: Subscription, taker: Taker) -> None:
    """Do what a stream's further requests ask for, until it has no more."""
    try:
        async for request in requests:
            subscription.acknowledge(request.ack_ids)
            for ack_id, seconds in zip(
                request.modify_deadline_ack_ids, request.modify_deadline_seconds, strict=True
            ):
                subscription.modify(ack_id, seconds)
            taker.deadline = request.stream_ack_deadline_seconds or taker.deadline
    finally:
        taker.woken.set()


async def _woken(subscription: Subscription, taker: Taker) -> None:
    """Wait until there may be something; raises ``RefusedError`` once it was deleted."""
    await taker.woken.wait()
    taker.woken.clear()
    if subscription.closed:
        raise RefusedError("NOT_FOUND", f"Subscription does not exist: {subscription.made.name}")


def _unary(request: Any, answer: _Unary) -> grpc.RpcMethodHandler[Any, Any]:  # noqa: ANN401 - a type of Google's
    async def handle(content: Any, context: _Context) -> Any:  # noqa: ANN401
        try:
            return await answer(content)
        except RefusedError as error:
            await _abort(context, error)

    return grpc.unary_unary_rpc_method_handler(
        handle, request_deserializer=request.pb().FromString, response_serializer=_serialize
    )


async def _abort(context: _Context, error: RefusedError) -> NoReturn:
    await context.abort(grpc.StatusCode[error.status], str(error))
    raise error


def _serialize(message: Any) -> bytes:  # noqa: ANN401 - Google's message
    content: bytes = message.SerializeToString()
    return content
