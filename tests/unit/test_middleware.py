"""What becomes of a message whose actor raised is decided by the error's class."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import dramatiq
import pytest
from dramatiq.broker import MessageProxy
from dramatiq.brokers.stub import StubBroker
from dramatiq.errors import ConnectionClosed

from orderbus import services
from orderbus.actors import boot
from orderbus.actors.middleware import MAX_RETRIES, Retries
from orderbus.errors import Invalid, NotFound, Poisoned, Unavailable


class Recording(StubBroker):
    """Remembers what is enqueued again, or refuses to."""

    def __init__(self) -> None:
        super().__init__(middleware=[])
        self.again: list[int | None] = []
        self.closed = False

    def enqueue(self, message: Any, *, delay: int | None = None) -> Any:
        if self.closed:
            raise ConnectionClosed(OSError("RabbitMQ is away"))  # type: ignore[no-untyped-call]
        self.again.append(delay)
        return message


@pytest.fixture
def broker() -> Recording:
    broker = Recording()
    broker.add_middleware(Retries())

    @dramatiq.actor(broker=broker, actor_name="probe")
    def probe() -> None:
        """Do nothing."""

    return broker


@pytest.fixture
def buried(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Collect what is buried, instead of writing it to a database."""
    letters: list[dict[str, Any]] = []

    async def bury(_: Any, **letter: Any) -> int:
        letters.append(letter)
        return len(letters)

    def run(work: Coroutine[Any, Any, Any]) -> Any:
        try:
            work.send(None)
        except StopIteration as done:
            return done.value
        raise AssertionError

    monkeypatch.setattr(services.dead_letters, "bury_message", bury)
    monkeypatch.setattr(boot, "run", run)
    monkeypatch.setattr(boot, "resources", lambda: type("Held", (), {"database": None}))
    return letters


def process(
    broker: Recording, error: BaseException, message: MessageProxy | None = None
) -> MessageProxy:
    message = message or MessageProxy(broker.get_actor("probe").message())
    Retries().after_process_message(broker, message, exception=error)
    return message


def test_what_is_away_is_tried_again_without_end_and_never_buried(
    broker: Recording, buried: list[Any]
) -> None:
    message = process(broker, Unavailable("PostgreSQL is away"))
    for _ in range(20):
        process(broker, Unavailable("PostgreSQL is away"), message)

    delays = [delay or 0 for delay in broker.again]
    assert (len(delays), buried, message.failed) == (21, [], False)
    assert max(delays) <= 30_000
    assert delays[10] > delays[0]


@pytest.mark.parametrize(
    "error", [Invalid("no"), NotFound("no"), Poisoned("no", reason="undecodable")]
)
def test_what_can_never_succeed_is_buried_at_once(
    broker: Recording, buried: list[dict[str, Any]], error: Exception
) -> None:
    message = process(broker, error)

    (letter,) = buried
    assert (broker.again, message.failed) == ([], False)
    assert (letter["actor"], letter["reason"]) == ("probe", error.code)  # type: ignore[attr-defined]


def test_a_bug_is_tried_again_three_times_and_buried_with_its_traceback(
    broker: Recording, buried: list[dict[str, Any]]
) -> None:
    message: MessageProxy | None = None
    for _ in range(MAX_RETRIES + 1):
        try:
            raise ZeroDivisionError("by zero")  # noqa: TRY301 - a traceback is wanted
        except ZeroDivisionError as error:
            message = process(broker, error, message)

    (letter,) = buried
    assert len(broker.again) == MAX_RETRIES
    assert letter["reason"] == "retries_exhausted"
    assert "by zero" in letter["traceback"]


@pytest.mark.parametrize("error", [Unavailable("away"), ZeroDivisionError("by zero")])
def test_a_message_that_cannot_be_enqueued_again_is_kept(
    broker: Recording, buried: list[Any], error: Exception
) -> None:
    broker.closed = True

    message = process(broker, error)

    assert (message.failed, buried) == (True, [])


def test_a_message_that_cannot_be_buried_is_tried_again(
    broker: Recording, buried: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any, **__: Any) -> int:
        raise Unavailable("PostgreSQL is away")

    monkeypatch.setattr(services.dead_letters, "bury_message", away)

    message = process(broker, Poisoned("no", reason="undecodable"))

    assert (len(broker.again), message.failed, buried) == (1, False, [])


def test_a_message_that_went_well_is_left_alone(broker: Recording, buried: list[Any]) -> None:
    message = MessageProxy(broker.get_actor("probe").message())

    Retries().after_process_message(broker, message, result=None, exception=None)

    assert (broker.again, buried, message.failed) == ([], [], False)
