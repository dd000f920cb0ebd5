"""What a consumer says of itself: which events it wants, and what happens with a dead letter."""

from __future__ import annotations

from typing import Any

import pytest
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import TimeLimit

from orderbus.actors import consumers
from orderbus.actors.consumers import consumer, installed
from orderbus.domain.events import Event, check_pattern
from orderbus.errors import Invalid
from orderbus.settings import Settings, load
from orderbus.storage.database import Connection, Database
from orderbus.worker.retries import Retries
from tests.support import consumption_rows, forced


@pytest.mark.parametrize("name", ["on_dead_letter", "give_up"])
def test_what_happens_with_a_dead_letter_is_named_as_it_is_or_as_it_was(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = StubBroker(middleware=[TimeLimit(), Retries()])
    forced.know_no_consumers(monkeypatch, own)

    async def tell(_: Connection, __: Event, ___: str) -> None: ...

    async def thank_customer(_: Connection, __: Event) -> None: ...

    named: Any = {name: tell}
    consumer("order.*", **named)(thank_customer)

    (found,) = consumers.installed(load(_env_file=None, secret_key="a key for tests"))
    assert found.work.on_dead_letter is tell


@pytest.mark.parametrize(
    ("pattern", "fits", "does_not"),
    [
        ("order.created", ["order.created"], ["order.created.late", "cart.created", "order"]),
        (
            "order.*",
            ["order.created", "order.status.changed"],
            ["cart.created", "order", "orders.x"],
        ),
        ("*.created", ["order.created", "store.order.created"], ["order.created_late", "created"]),
        ("*", ["order", "order.created"], []),
    ],
)
async def test_a_pattern_fits_words_between_dots(
    pattern: str, fits: list[str], does_not: list[str], database: Database
) -> None:
    check_pattern(pattern)

    found = [
        kind for kind in fits + does_not if await consumption_rows.fits(database, kind, pattern)
    ]

    assert found == fits


@pytest.mark.parametrize("pattern", ["", "order.", ".created", "Order.*", "order.*x", "a b", "**"])
def test_a_pattern_that_is_none_is_refused(pattern: str) -> None:
    with pytest.raises(Invalid, match="no pattern"):
        consumer(pattern)


def test_orders_are_counted_by_a_queue_of_its_own(settings: Settings) -> None:
    patterns = {found.name: found.pattern for found in installed(settings)}

    assert patterns["count_event"] == "order.created"
