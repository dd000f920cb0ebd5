"""What comes from a queue is judged before anything acts on it."""

from __future__ import annotations

import time

import dramatiq
import pytest
from dramatiq.brokers.stub import StubBroker

from orderbus.actors.broker import broker
from orderbus.errors import BadMessage
from orderbus.rabbitmq import validation
from orderbus.telemetry import UNKNOWN_ACTOR
from tests.support import hostile_messages


@pytest.fixture
def actors() -> dict[str, dramatiq.Actor[..., object]]:
    stub = StubBroker(middleware=[])

    def probe(mark: str) -> None:
        raise AssertionError(mark)

    dramatiq.actor(broker=stub, queue_name="probes")(probe)
    dramatiq.actor(broker=stub, queue_name="others", actor_name="elsewhere")(probe)
    return dict(stub.actors)


@pytest.mark.parametrize("wrong", hostile_messages.MESSAGES)
def test_a_hostile_message_is_refused_in_words(
    wrong: str, actors: dict[str, dramatiq.Actor[..., object]]
) -> None:
    with pytest.raises(BadMessage) as refused:
        validation.check(hostile_messages.MESSAGES[wrong], "probes", actors)

    assert refused.value.reason in {"malformed", "too_large", "unknown_actor"}
    assert 20 < len(str(refused.value)) < 400


@pytest.mark.parametrize("wrong", hostile_messages.DELAYED)
def test_a_message_that_would_wait_for_ever_is_refused(
    wrong: str, actors: dict[str, dramatiq.Actor[..., object]]
) -> None:
    with pytest.raises(BadMessage):
        validation.check(hostile_messages.DELAYED[wrong], "probes.DQ", actors)


def test_what_workers_write_themselves_is_let_in() -> None:
    soon = int(time.time() * 1000) + 30_000
    deliver = broker.get_actor("deliver_webhook")
    consume = broker.get_actor("count_event")
    messages = [
        deliver.message(2**63 - 1),
        deliver.message(delivery=1),
        broker.get_actor("publish_outbox").message(),
        consume.message(consumption=1, of_a_later={"version": [1, "2", None, 2.5]}),
        deliver.message(1).copy(options={"waits": 100_000, "retries": 3}),
        deliver.message(1).copy(
            queue_name="deliver_webhook.DQ", options={"waits": 1, "retries": 0, "eta": soon}
        ),
    ]

    for message in messages:
        validation.check(message.encode(), message.queue_name, broker.actors)


@pytest.mark.parametrize("argument", ["1", 1.0, None, True, [1], 2**63])
def test_an_argument_that_an_actor_does_not_take_is_refused(argument: object) -> None:
    message = broker.get_actor("publish_outbox").message(argument)

    with pytest.raises(BadMessage):
        validation.check(message.encode(), "publish_outbox", broker.actors)


def test_messages_that_cannot_be_read_have_the_id_of_their_bytes() -> None:
    first, again, other = (validation.stand_in(body, "probes") for body in (b"a", b"a", b"b"))

    assert first.message_id == again.message_id != other.message_id
    assert first.actor_name == UNKNOWN_ACTOR


@pytest.mark.parametrize("name", ["count_event", "process_order", "deliver_webhook"])
def test_a_message_of_an_older_version_with_its_id_is_let_in(name: str) -> None:
    message = broker.get_actor(name).message(10045)

    validation.check(message.encode(), name, broker.actors)
