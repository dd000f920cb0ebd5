"""What comes from a queue is judged before anything acts on it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypedDict
from uuid import UUID

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
def test_an_id_that_is_no_id_is_refused_before_postgresql_is_asked(argument: object) -> None:
    message = broker.get_actor("count_event").message(argument)

    with pytest.raises(BadMessage):
        validation.check(message.encode(), "count_event", broker.actors)


def test_messages_that_cannot_be_read_have_the_id_of_their_bytes() -> None:
    first, again, other = (validation.stand_in(body, "probes") for body in (b"a", b"a", b"b"))

    assert first.message_id == again.message_id != other.message_id
    assert first.actor_name == UNKNOWN_ACTOR


class Odd(TypedDict):
    a: int


def takes_what_json_has_not(
    a: UUID, b: tuple[int, int], c: Odd, d: dict[int, str], e: bytes
) -> None:
    raise AssertionError((a, b, c, d, e))


def takes_what_is_not_there(a: int | None, b: list[Nowhere]) -> None:  # type: ignore[name-defined]  # noqa: F821
    raise AssertionError((a, b))


@pytest.mark.parametrize(
    ("fn", "given"),
    [
        (takes_what_json_has_not, ["c0ffee", [1, 2], {"a": 1}, {"1": "a"}, "bytes"]),
        (takes_what_is_not_there, [None, [1]]),
    ],
)
def test_an_actor_of_ones_own_gets_what_json_makes_of_its_arguments(
    fn: Callable[..., None], given: list[object]
) -> None:
    stub = StubBroker(middleware=[])
    dramatiq.actor(broker=stub, queue_name="probes", actor_name="own")(fn)

    validation.check(hostile_messages.message(actor_name="own", args=given), "probes", stub.actors)


def test_what_json_has_is_held_to_its_type() -> None:
    def own(a: dict[str, int | None], b: list[str]) -> None:
        raise AssertionError((a, b))

    stub = StubBroker(middleware=[])
    dramatiq.actor(broker=stub, queue_name="probes")(own)

    validation.check(
        hostile_messages.message(actor_name="own", args=[{"a": None}, []]), "probes", stub.actors
    )
    wrong: list[list[object]] = [[{"a": "1"}, []], [{}, [1]], [[], []]]
    for given in wrong:
        with pytest.raises(BadMessage):
            validation.check(
                hostile_messages.message(actor_name="own", args=given), "probes", stub.actors
            )
