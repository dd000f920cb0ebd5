"""The methods of Pub/Sub that the double answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from inspect import isawaitable
from math import inf
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


class Service:
    """Google's ``Publisher`` and ``Subscriber``, as far as they are of use without a console."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def handlers(self) -> tuple[grpc.GenericRpcHandler, ...]:
        """Name the methods to a gRPC server."""
        store = self._store
        publisher = {
            "CreateTopic": _unary(types.Topic, store.make_topic),
            "GetTopic": _unary(types.GetTopicRequest, lambda asked: store.topic(asked.topic)),
            "DeleteTopic": _unary(
                types.DeleteTopicRequest, lambda asked: store.delete_topic(asked.topic)
            ),
            "Publish": _unary(types.PublishRequest, self._publish),
        }
        subscriber = {
            "CreateSubscription": _unary(types.Subscription, store.make_subscription),
            "GetSubscription": _unary(
                types.GetSubscriptionRequest,
                lambda asked: store.subscription(asked.subscription).made,
            ),
            "DeleteSubscription": _unary(
                types.DeleteSubscriptionRequest,
                lambda asked: store.delete_subscription(asked.subscription),
            ),
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

    def _publish(self, request: Any) -> Any:  # noqa: ANN401 - Google's messages, here and below
        ids = self._store.publish(request.topic, request.messages)
        return types.PublishResponse.pb()(message_ids=ids)

    def _acknowledge(self, request: Any) -> None:  # noqa: ANN401
        self._store.subscription(request.subscription).acknowledge(request.ack_ids)

    def _modify(self, request: Any) -> None:  # noqa: ANN401
        limits.check_ack_deadline(request.ack_deadline_seconds, least=0)
        subscription = self._store.subscription(request.subscription)
        for ack_id in request.ack_ids:
            subscription.modify(ack_id, request.ack_deadline_seconds)

    async def _pull(self, request: Any) -> Any:  # noqa: ANN401
        subscription = self._store.subscription(request.subscription)
        taken: list[Any] = []
        taker = Taker(subscription.made.ack_deadline_seconds)
        with subscription.attended(taker), suppress(TimeoutError):
            async with asyncio.timeout(0 if request.return_immediately else _PULL_WAITS):
                while not (taken := subscription.take(taker, request.max_messages)):
                    await subscription.may_have(taker)
        return types.PullResponse.pb()(received_messages=taken)

    async def _streaming_pull(
        self, requests: AsyncIterator[Any], context: _Context
    ) -> AsyncIterator[Any]:
        first = await anext(requests)
        try:
            subscription = self._store.subscription(first.subscription)
            limits.check_ack_deadline(first.stream_ack_deadline_seconds)
            taker = Taker(
                first.stream_ack_deadline_seconds,
                most_messages=first.max_outstanding_messages or inf,
                most_bytes=first.max_outstanding_bytes or inf,
            )
            with subscription.attended(taker):
                hearing = asyncio.create_task(_hear(requests, subscription, taker))
                try:
                    while not hearing.done():
                        if taken := subscription.take(taker):
                            yield types.StreamingPullResponse.pb()(received_messages=taken)
                        else:
                            await subscription.may_have(taker)
                finally:
                    hearing.cancel()
        except RefusedError as error:
            await _abort(context, error)


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


def _unary(request: Any, carry_out: Callable[[Any], Any]) -> grpc.RpcMethodHandler[Any, Any]:  # noqa: ANN401 - a type of Google's
    async def handle(content: Any, context: _Context) -> Any:  # noqa: ANN401
        try:
            answer = carry_out(content)
            answer = await answer if isawaitable(answer) else answer
        except RefusedError as error:
            await _abort(context, error)
        return Empty() if answer is None else answer

    return grpc.unary_unary_rpc_method_handler(
        handle, request_deserializer=request.pb().FromString, response_serializer=_serialize
    )


async def _abort(context: _Context, error: RefusedError) -> NoReturn:
    await context.abort(grpc.StatusCode[error.status], str(error))
    raise error


def _serialize(message: Any) -> bytes:  # noqa: ANN401 - Google's message
    content: bytes = message.SerializeToString()
    return content
