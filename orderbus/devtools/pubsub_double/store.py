"""What the double knows: its topics, its subscriptions, its faults."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from random import Random
from typing import Any, Final

from google.pubsub_v1 import types

from orderbus.devtools.pubsub_double import limits
from orderbus.devtools.pubsub_double.faults import Faults
from orderbus.devtools.pubsub_double.limits import RefusedError
from orderbus.devtools.pubsub_double.subscription import Subscription

#: What Pub/Sub calls the topic of a subscription whose topic was deleted.
_DELETED_TOPIC: Final = "_deleted-topic_"

_MESSAGE: Final = types.PubsubMessage.pb()


class Store:
    """All that the double keeps, in memory: its end forgets it."""

    def __init__(self) -> None:
        self.topics: dict[str, Any] = {}
        self.subscriptions: dict[str, Subscription] = {}
        self.faults = Faults()
        self._random = Random()  # noqa: S311 - faults, not secrets
        self._ids = itertools.count(1)

    def have(self, faults: Faults) -> None:
        """Have these faults from now on, and no others."""
        self.faults = faults
        self._random = Random(faults.seed)  # noqa: S311 - faults, not secrets

    def forget(self) -> None:
        """Forget every topic, subscription and message, as the emulator's restart does."""
        for subscription in self.subscriptions.values():
            subscription.close()
        self.subscriptions.clear()
        self.topics.clear()

    def make_topic(self, made: Any) -> Any:  # noqa: ANN401 - Google's message
        """Make a topic."""
        limits.check_name(made.name)
        if made.name in self.topics:
            raise RefusedError("ALREADY_EXISTS", f"Topic already exists: {made.name}")
        self.topics[made.name] = made
        return made

    def topic(self, name: str) -> Any:  # noqa: ANN401 - Google's message
        """Find a topic."""
        limits.check_name(name)
        if name not in self.topics:
            raise RefusedError("NOT_FOUND", f"Topic not found: {name}")
        return self.topics[name]

    def delete_topic(self, name: str) -> None:
        """Delete a topic; its subscriptions keep what they have and get nothing more."""
        self.topic(name)
        del self.topics[name]
        for subscription in self.subscriptions.values():
            if subscription.made.topic == name:
                subscription.made.topic = _DELETED_TOPIC

    def make_subscription(self, made: Any) -> Any:  # noqa: ANN401 - Google's message
        """Make a subscription; it gets what is published from now on."""
        limits.check_name(made.name)
        if made.name in self.subscriptions:
            raise RefusedError("ALREADY_EXISTS", f"Subscription already exists: {made.name}")
        self.topic(made.topic)
        made.ack_deadline_seconds = made.ack_deadline_seconds or 10
        limits.check_subscription(made)
        if made.HasField("dead_letter_policy"):
            self.topic(made.dead_letter_policy.dead_letter_topic)
        self.subscriptions[made.name] = Subscription(
            made, lambda: (self.faults, self._random), self._dead_letter
        )
        return made

    def subscription(self, name: str) -> Subscription:
        """Find a subscription."""
        limits.check_name(name)
        if name not in self.subscriptions:
            raise RefusedError("NOT_FOUND", f"Subscription does not exist: {name}")
        return self.subscriptions[name]

    def delete_subscription(self, name: str) -> None:
        """Delete a subscription and what it kept."""
        self.subscription(name).close()
        del self.subscriptions[name]

    def publish(self, topic: str, messages: Sequence[Any]) -> list[str]:
        """Take all messages of a request or none; returns their ids."""
        self.topic(topic)
        limits.check_messages(messages)
        if any(self._refuses(message) for message in messages):
            raise RefusedError("INVALID_ARGUMENT", f"Told to refuse {self.faults.refuse!r}")
        kept = sum(map(len, self.subscriptions.values()))
        if self.faults.full is not None and kept + len(messages) > self.faults.full:
            raise RefusedError("RESOURCE_EXHAUSTED", f"Told to be full at {self.faults.full}")
        ids = [self._take_in(topic, message) for message in messages]
        if self._random.random() < self.faults.lose_answers:
            raise RefusedError("UNAVAILABLE", "Told to lose this answer")
        return ids

    def _take_in(self, topic: str, message: Any) -> str:  # noqa: ANN401 - Google's message
        message.message_id = str(next(self._ids))
        message.publish_time.GetCurrentTime()
        for subscription in self.subscriptions.values():
            if subscription.made.topic == topic:
                subscription.add(message)
        return str(message.message_id)

    def _refuses(self, message: Any) -> bool:  # noqa: ANN401 - Google's message
        text = self.faults.refuse
        return text is not None and (
            text.encode() in message.data
            or any(text in each for pair in message.attributes.items() for each in pair)
        )

    def _dead_letter(self, message: Any, source: Subscription) -> None:  # noqa: ANN401
        """Publish to the dead-letter topic; lost, as Google says, where nobody subscribed to it."""
        topic = source.made.dead_letter_policy.dead_letter_topic
        if topic in self.topics:
            dead = _MESSAGE(data=message.data, attributes=dict(message.attributes))
            self._take_in(topic, dead)
        else:
            source.add(message)
