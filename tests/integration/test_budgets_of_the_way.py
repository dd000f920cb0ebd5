"""What each hop may cost for one order, where a hundred go together.

A figure that got lower is lowered here, too: that is how it stays so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, NamedTuple

import pytest

from orderbus.actors import broker
from orderbus.domain.events import Event
from orderbus.settings import Settings
from orderbus.storage import migrations
from orderbus.storage.database import Connection, Database, open_database
from tests.conftest import settings_from
from tests.support import consuming, costs, scenario, statements
from tests.support.costs import Cost
from tests.support.dependencies import open_folder
from tests.support.own_postgres import own_postgres
from tests.support.travel import Travel

ORDERS = 100
#: Rounds that are not counted: the driver learns types; pages are written for the first time.
LEARNS, WARMS_UP = 1, 1
#: Rounds that are: a page that is full costs more now and then.
AT_LEAST, AT_MOST = 4, 10


class Budget(NamedTuple):
    """Statements and commits of a batch; rows written and bytes of write-ahead log of an order."""

    statements: int
    commits: int
    rows: int
    wal: int


#: Moves are what ``process_order`` makes of an order: three events.
BUDGETS = {
    "accept": Budget(ORDERS, 0, 6, 2480),
    "publish": Budget(3, 0, 2, 740),
    "record": Budget(4, 1, 6, 2420),
    "claim deliveries": Budget(3, 1, 2, 920),
    "settle deliveries": Budget(4, 1, 2, 600),
    "consume": Budget(25, 3, 18, 7400),
    "publish moves": Budget(3, 0, 6, 2300),
    "record moves": Budget(4, 1, 7, 1600),
}
#: Of a table's updates, how many need no new entries in its indexes at least.
IN_PLACE = {
    "consumptions": 0.4,
    "order_processing": 0.85,
    "watermarks": 0.6,
    "webhook_attempts": 0.7,
}


async def _travel(travel: Travel, watch: Connection) -> dict[str, Cost]:
    """Let orders go all the way, round by round; the least that each hop cost."""
    hops = {**travel.hops(), "publish moves": travel.publish, "record moves": travel.record}
    spent: dict[str, list[Cost]] = {name: [] for name in hops}
    for turn in range(LEARNS + WARMS_UP + AT_MOST):
        if turn == LEARNS:
            await costs.leave_alone(watch)
        for name, hop in hops.items():
            cost = await costs.of(travel.database, watch, hop)
            if turn >= LEARNS + WARMS_UP:
                spent[name].append(cost)
        if turn >= LEARNS + WARMS_UP + AT_LEAST and not _over(_least(spent)):
            break
    return _least(spent)


def _least(spent: Mapping[str, Sequence[Cost]]) -> dict[str, Cost]:
    return {name: costs.least(each) for name, each in spent.items()}


def _over(spent: Mapping[str, Cost]) -> dict[str, tuple[Cost, Budget]]:
    """Find the hops that cost more than they may."""
    return {
        name: (cost, BUDGETS[name])
        for name, cost in spent.items()
        if cost.statements > BUDGETS[name].statements
        or cost.commits > BUDGETS[name].commits
        or cost.written > BUDGETS[name].rows * ORDERS
        or cost.wal > 1.1 * BUDGETS[name].wal * ORDERS
    }


@pytest.fixture
async def alone() -> AsyncIterator[Settings]:
    """One session in a PostgreSQL of this test's own: its log has what all write who share it."""
    with open_folder() as folder:
        async with own_postgres(folder) as part:
            settings = settings_from(part.env, relay_batch=1000)
            await asyncio.to_thread(migrations.migrate, settings)
            yield settings.model_copy(update={"db_pool_size": 1})


async def test_a_hundred_orders_keep_to_the_budget_of_each_hop(alone: Settings) -> None:
    async with open_database(alone) as session, open_database(alone) as other:
        await scenario.add_endpoint(session, events=["order.created"])
        async with other.connection() as watch:
            spent = await _travel(Travel(session, alone, ORDERS), watch)
            in_place = await costs.in_place(watch)

    assert spent.keys() == BUDGETS.keys()
    assert _over(spent) == {}
    wal = sum(cost.wal for cost in spent.values()) / ORDERS
    assert wal == pytest.approx(sum(budget.wal for budget in BUDGETS.values()), rel=0.1)
    assert {name: share for name, share in in_place.items() if share < IN_PLACE.get(name, 0)} == {}


async def test_an_accepted_order_writes_less_than_6_kib_of_wal() -> None:
    assert 1.1 * BUDGETS["accept"].wal < 6 * 1024


async def test_the_built_in_consumers_send_less_than_a_third_of_a_statement_per_order() -> None:
    assert BUDGETS["consume"].statements <= 0.3 * ORDERS


async def test_a_consumer_of_ones_own_sends_four_statements_per_event_beside_its_own(
    database: Database,
) -> None:
    for _ in range(20):
        await scenario.place(database)
    await consuming.come_back(database, {"count_event": "*"})
    seen: list[Event] = []

    async def effect(_: Connection, event: Event) -> None:
        seen.append(event)

    with statements.recorded() as sent:
        await consuming.consume(database, effect)

    assert len(seen) == 20
    assert len(sent) <= 4 * len(seen)


async def test_orders_that_came_back_are_less_than_a_tenth_of_a_rabbitmq_message_each(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scenario.add_endpoint(database)
    sent: list[Any] = []

    async def put(messages: list[Any]) -> None:
        sent.extend(messages)

    monkeypatch.setattr(broker.broker, "put", put)
    travel = Travel(database, settings, ORDERS)
    await travel.accept()
    await travel.publish()
    await travel.record()

    await broker.wake_up(travel.woken)

    assert travel.woken == {"count_event": 100, "process_order": 100, "deliver_webhook": 100}
    assert {message.actor_name for message in sent} == travel.woken.keys()
    assert len(sent) < ORDERS / 10
