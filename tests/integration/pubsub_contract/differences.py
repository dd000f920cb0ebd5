"""Where do Google's emulator and our double differ? Each probe tells in a few words what happens.

The double does what Google says of its service; the emulator is what it is.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final
from uuid import uuid4

from google import pubsub_v1 as plain
from google.api_core import exceptions
from google.protobuf.duration_pb2 import Duration

from orderbus.settings import Settings
from tests.integration.pubsub_contract.pubsub import clients
from tests.support.waiting import PATIENCE


class Bench:
    """A topic and subscriptions of a probe's own, and both of Google's clients."""

    def __init__(self, settings: Settings) -> None:
        self.publisher, self.subscriber = clients(settings)
        self.topic = f"projects/p/topics/{self._name()}"
        self.publisher.create_topic(name=self.topic)

    def close(self) -> None:
        self.publisher.transport.close()
        self.subscriber.close()

    def subscribe(self, **options: Any) -> str:
        path = f"projects/p/subscriptions/{self._name()}"
        self.subscriber.create_subscription(
            request={"name": path, "topic": self.topic, **options}, retry=None
        )
        return path

    def publish(self, *messages: dict[str, Any]) -> None:
        plain.PublisherClient.publish(
            self.publisher,
            topic=self.topic,
            messages=[plain.PubsubMessage(**message) for message in messages],
            retry=None,
            timeout=5,
        )

    def pull(self, subscription: str, within: float = 5) -> list[Any]:
        """Wait for messages; an empty list where none come."""
        try:
            answer = self.subscriber.pull(
                subscription=subscription, max_messages=100, timeout=within, retry=None
            )
        except exceptions.DeadlineExceeded:
            return []
        return list(answer.received_messages)

    def pull_until(self, subscription: str, data: bytes) -> list[Any]:
        """Pull until this one came; returns all that came."""
        came: list[Any] = []
        deadline = time.monotonic() + PATIENCE
        while data not in {each.message.data for each in came}:
            assert time.monotonic() < deadline, "nothing comes"
            came += self.pull(subscription)
        return came

    def comes_with_a_later_one(self, subscription: str, data: bytes) -> bool:
        """Say whether it comes with one that is published now, or shortly after it."""
        self.publish({"data": b"later"})
        came = self.pull_until(subscription, b"later") + self.pull(subscription, within=2)
        return data in {each.message.data for each in came}

    def give_back(self, subscription: str, *received: Any, after: int = 0) -> None:
        self.subscriber.modify_ack_deadline(
            subscription=subscription,
            ack_ids=[each.ack_id for each in received],
            ack_deadline_seconds=after,
        )

    def stream(self, subscription: str, most: int, **options: Any) -> list[Any]:
        """Stream until so many came, or nothing more for a while; returns what came."""
        over = threading.Event()

        def requests() -> Iterator[plain.StreamingPullRequest]:
            yield plain.StreamingPullRequest(
                subscription=subscription, stream_ack_deadline_seconds=10, **options
            )
            over.wait()

        came: list[Any] = []
        ends = threading.Timer(PATIENCE, over.set)
        ends.start()
        for answer in self.subscriber.streaming_pull(requests=requests(), retry=None):
            ends.cancel()
            came += answer.received_messages
            ends = threading.Timer(0 if len(came) >= most else 5, over.set)
            ends.start()
        return came

    @staticmethod
    def _name() -> str:
        return f"probe-{uuid4().hex[:8]}"


def _said(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except exceptions.GoogleAPICallError as error:
        return type(error).__name__
    return "taken"


def backoff(bench: Bench) -> str:
    long = Duration(seconds=600)
    path = bench.subscribe(retry_policy={"minimum_backoff": long, "maximum_backoff": long})
    bench.publish({"data": b"x"})
    bench.give_back(path, *bench.pull_until(path, b"x"))
    return "at once" if bench.comes_with_a_later_one(path, b"x") else "later"


def came_in_vain(bench: Bench) -> str:
    second = Duration(seconds=1)
    path = bench.subscribe(retry_policy={"minimum_backoff": second, "maximum_backoff": second})
    bench.publish(*[{"data": b"x"}] * 50)
    times: Counter[str] = Counter()
    while came := bench.pull(path, within=15):
        times.update(received.message.message_id for received in came)
        if max(times.values()) > 3:
            return "come again"
        bench.give_back(path, *came, after=1)
    return f"never come again after {max(times.values())} times"


def late_ack(bench: Bench) -> str:
    path = bench.subscribe()
    bench.publish({"data": b"x"})
    (received,) = bench.pull_until(path, b"x")
    bench.give_back(path, received, after=1)
    time.sleep(1.5)  # nothing tells that a lease has ended
    bench.subscriber.acknowledge(subscription=path, ack_ids=[received.ack_id])
    comes = bench.comes_with_a_later_one(path, b"x")
    return "the message comes again" if comes else "the message is gone"


def long_attribute(bench: Bench) -> str:
    return _said(lambda: bench.publish({"attributes": {"a": "x" * 1025}}))


def large_request(bench: Bench) -> str:
    return _said(lambda: bench.publish({"data": b"x" * 10_000_001}))


def short_ack_deadline(bench: Bench) -> str:
    return _said(lambda: bench.subscribe(ack_deadline_seconds=5))


def few_delivery_attempts(bench: Bench) -> str:
    policy = {"dead_letter_topic": bench.topic, "max_delivery_attempts": 4}
    return _said(lambda: bench.subscribe(dead_letter_policy=policy))


def filtering(bench: Bench) -> str:
    return _said(lambda: bench.subscribe(filter='attributes.a = "1"'))


def flow_control(bench: Bench) -> str:
    path = bench.subscribe()
    bench.publish(*[{"data": b"x"}] * 20)
    return f"{len(bench.stream(path, 20, max_outstanding_messages=5))} of 20"


def ack_ids(bench: Bench) -> str:
    path = bench.subscribe()
    bench.publish({"data": b"x"})
    (received,) = bench.pull_until(path, b"x")
    name, _, number = received.ack_id.rpartition(":")
    counted = name == path and number.isdigit()
    return "counted from 1 again after a restart" if counted else "unlike those of another run"


#: What is asked, the probe that tells, and what it tells of the emulator and of the double.
DIFFERENCES: Final[dict[str, tuple[Callable[[Bench], str], str, str]]] = {
    "A nacked message with a retry policy of ten minutes comes again": (
        backoff,
        "at once",
        "later",
    ),
    "Under a retry policy, messages whose leases run out": (
        came_in_vain,
        "never come again after 3 times",
        "come again",
    ),
    "After an ack that came too late": (
        late_ack,
        "the message is gone",
        "the message comes again",
    ),
    "An attribute of 1025 bytes is": (long_attribute, "taken", "InvalidArgument"),
    "A request of 10,000,001 bytes is": (large_request, "taken", "InvalidArgument"),
    "An ack deadline of 5 s is": (short_ack_deadline, "taken", "InvalidArgument"),
    "Dead letters after 4 attempts are": (few_delivery_attempts, "OutOfRange", "InvalidArgument"),
    "A filter is": (filtering, "taken", "MethodNotImplemented"),
    "A stream that may have 5 messages out gets": (flow_control, "20 of 20", "5 of 20"),
    "Ack ids are": (ack_ids, "counted from 1 again after a restart", "unlike those of another run"),
}
