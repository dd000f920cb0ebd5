"""What is asked for reads what it needs, however much is kept, and whenever its plan was made."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from orderbus import storage
from orderbus.domain import retries
from orderbus.storage.database import Connection, Database
from orderbus.storage.order_lists import Filter

ORDERS = 20_000
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
#: Rows a page of a list, or a step of a replay, may read and throw away at most.
BOUND = 500

_ORDERS = """
    INSERT INTO orders.orders (source, external_ref, content_hash, customer_name, customer_email,
           shipping_address, total, event_seq, customer_ref, status, created_at)
    SELECT (ARRAY['webhook', 'webhook', 'api'])[1 + n % 3], 'SO-' || n, sha256('x'), 'Jane',
           CASE WHEN n % 3 = 2 THEN '' ELSE 'c' || n % 40 || '@shop.example' END, 'Road 1', 1, 1,
           CASE WHEN n % 3 = 2 THEN 'c' || n % 40 || '@shop.example' END,
           -- What is rare is old: whoever reads from the newest on reads all.
           CASE WHEN n <= 20 THEN 'failed' WHEN n <= 40 THEN 'cancelled'
                WHEN n > 19900 THEN 'created' ELSE 'completed' END,
           $1::timestamptz + n * interval '1 minute'
      FROM generate_series(1, $2::integer) AS n
"""
#: Five days of events; those of the first day's first hour are rare.
_EVENTS = """
    WITH event AS (
        INSERT INTO ops.events (order_id, order_public_id, order_created_at, sequence, type,
               content, occurred_at)
        SELECT n, gen_random_uuid(), now(), 1,
               CASE WHEN n % 4000 = 1 THEN 'order.rare' ELSE 'order.created' END, '{}',
               date_trunc('day', now(), 'UTC') + n * interval '5 days' / $1
          FROM generate_series(1, $1::integer) AS n
        RETURNING *
    )
    INSERT INTO ops.inbox (event_id, occurred_at, order_id, sequence, message_id, published_at)
    SELECT event_id, occurred_at, order_id, sequence, 'm-' || order_id, occurred_at FROM event
"""


@dataclass
class Plan:
    """What a statement did."""

    nodes: list[dict[str, Any]]

    def faults(self, bound: int) -> list[str]:
        """List what read more than it should."""
        found = []
        for node in self.nodes:
            name = f"{node['Node Type']} on {node.get('Relation Name')}"
            loops = node["Actual Loops"]
            removed = loops * sum(node.get(f"Rows Removed by {by}", 0) for by in _REMOVED)
            rows = loops * node["Actual Rows"]
            if node["Node Type"] == "Seq Scan" and loops and rows + removed > bound:
                found.append(f"{name}: reads it from end to end")
            elif removed > bound:
                found.append(f"{name}: throws away {removed} rows")
            elif node["Node Type"] == "Sort" and rows > bound:
                found.append(f"sorts {rows} rows")
            elif "Scan" in node["Node Type"] and rows > 6 * bound:
                found.append(f"{name}: reads {rows} rows")
        return found


_REMOVED = ("Filter", "Index Recheck", "Join Filter")


async def plans(
    connection: Connection, mode: str, work: Callable[[Connection], Awaitable[object]]
) -> list[Plan]:
    """Let ``work`` send its statements, and return what each of them did."""
    sent: list[tuple[str, tuple[Any, ...]]] = []
    with connection.query_logger(lambda record: sent.append((record.query, record.args))):
        await work(connection)
    await connection.execute(f"SET plan_cache_mode = force_{mode}_plan")
    return [await _explain(connection, query, arguments) for query, arguments in sent]


async def _explain(connection: Connection, query: str, arguments: tuple[Any, ...]) -> Plan:
    known = (await connection.prepare(query)).get_parameters()
    types = ", ".join(
        f"{each.schema}.{each.name.removesuffix('[]')}" + "[]" * each.name.endswith("[]")
        for each in known
    )
    given = ", ".join(map(_literal, arguments))
    await connection.execute(
        f"PREPARE asked ({types}) AS {query}" if types else f"PREPARE asked AS {query}"
    )
    try:
        async with connection.transaction():
            text = await connection.fetchval(
                f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE asked{f'({given})' if types else ''}"
            )
    finally:
        await connection.execute("DEALLOCATE asked")
    return Plan(list(_nodes(json.loads(text)[0]["Plan"])))


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, list):
        value = "{" + ", ".join(map(str, value)) + "}"
    return "'" + str(value).replace("'", "''") + "'"


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[Connection]:
    async with database.connection() as connection:
        await connection.execute("SET jit = off")
        await connection.fetchval("SELECT $1::interval[]", [])  # asyncpg looks such types up once
        yield connection


@pytest.fixture
async def many_orders(connection: Connection) -> Connection:
    await connection.execute(_ORDERS, BEGAN, ORDERS)
    await connection.execute("ANALYZE orders.orders")
    return connection


def _filters() -> Iterator[Filter]:
    """Combine every filter with every other: what fits much, little and nothing."""
    choices: dict[str, tuple[Any, ...]] = {
        "status": (None, "completed", "failed", "in_progress"),
        "source": (None, "webhook", "api", "cart"),
        "external_ref": (None, "SO-7"),
        "customer": (None, "c7@shop.example"),
        "created_from": (None, BEGAN + timedelta(minutes=10_000)),
        "created_until": (None, BEGAN + timedelta(minutes=10_050)),
    }
    for values in itertools.product(*choices.values()):
        yield Filter(**dict(zip(choices, values, strict=True)))


@pytest.mark.parametrize("mode", ["generic", "custom"])
async def test_every_combination_of_filters_is_answered_from_an_index_in_the_order_of_the_list(
    many_orders: Connection, mode: str
) -> None:
    faults = {}
    for wanted, before in itertools.product(_filters(), [None, ORDERS // 2]):

        async def ask(
            connection: Connection, wanted: Filter = wanted, before: int | None = before
        ) -> None:
            await storage.order_lists.list_newest(connection, wanted, before=before, at_most=11)

        (plan,) = await plans(many_orders, mode, ask)
        # What one customer ordered is looked through, if it is to fit something else, too.
        if found := plan.faults(BOUND):
            faults[str((wanted, before))] = found

    assert faults == {}


async def test_every_filter_lists_what_fits_newest_first(many_orders: Connection) -> None:
    rows = await many_orders.fetch("SELECT * FROM orders.orders ORDER BY created_at DESC, id DESC")
    for wanted, before in itertools.product(_filters(), [None, ORDERS // 2]):
        fitting = [row["public_id"] for row in rows if _fits(row, wanted, before)]

        listed = await storage.order_lists.list_newest(
            many_orders, wanted, before=before, at_most=11
        )

        assert [order.order_id for order in listed] == fitting[:11], (wanted, before)


def _fits(row: Any, wanted: Filter, before: int | None) -> bool:
    return (
        (before is None or row["id"] < before)
        and wanted.status in (None, row["status"])
        and wanted.source in (None, row["source"])
        and wanted.external_ref in (None, row["external_ref"])
        and wanted.customer in (None, row["customer_email"], row["customer_ref"])
        and (wanted.created_from is None or row["created_at"] >= wanted.created_from)
        and (wanted.created_until is None or row["created_at"] < wanted.created_until)
    )


@pytest.fixture
async def much_past(connection: Connection) -> Connection:
    await connection.execute(_EVENTS, ORDERS)
    for table in ("events", "inbox"):
        await connection.execute(f"ANALYZE ops.{table}")
    return connection


@pytest.mark.parametrize("mode", ["generic", "custom"])
@pytest.mark.parametrize("pattern", ["*", "*.rare", "cart.*"])
@pytest.mark.parametrize("what", ["given", "counted"])
async def test_a_step_of_a_replay_reads_its_step_and_no_other_day(
    much_past: Connection, mode: str, pattern: str, what: str
) -> None:
    since = await much_past.fetchval("SELECT date_trunc('day', now(), 'UTC') + interval '54 hours'")

    async def step(connection: Connection) -> None:
        asked: dict[str, Any] = {
            "consumer": "late",
            "pattern": pattern,
            "after": storage.replay.Place(since, UUID(int=0)),
            "before": since + timedelta(days=1),
        }
        if what == "counted":
            await storage.replay.count(connection, **asked)
        else:
            await storage.replay.give(connection, **asked, at_most=500)

    (plan,) = await plans(much_past, mode, step)

    assert plan.faults(2000) == []
    read = {
        node["Relation Name"]
        for node in plan.nodes
        if node.get("Relation Name", "").startswith(("inbox_", "events_")) and node["Actual Loops"]
    }
    days = [since + timedelta(days=n) for n in (0, 1)]
    assert read <= {f"{table}_{day:%Y%m%d}" for table in ("inbox", "events") for day in days}
    assert len(read) >= 2


@pytest.fixture
async def much_on_its_way(much_past: Connection) -> Connection:
    await much_past.execute(
        """
        UPDATE ops.inbox SET received_at = now() - (20000 - order_id) * interval '1 s';
        INSERT INTO ops.outbox (event_id, occurred_at, due_at, publishes, published_at, message_id)
        SELECT event_id, occurred_at, CASE WHEN order_id % 2 = 0 THEN now() ELSE 'infinity' END,
               order_id % 2,
               CASE WHEN order_id % 2 = 1 THEN now() - order_id * interval '1 s' END,
               CASE WHEN order_id % 2 = 1 THEN 'm-1' END
          FROM ops.events;
        ANALYZE ops.inbox; ANALYZE ops.outbox
        """
    )
    return much_past


SECOND = timedelta(seconds=1)
BEAT: dict[str, Callable[[Connection], Awaitable[object]]] = {
    "look": lambda connection: storage.lost_events.look(
        connection, lately=15 * SECOND, unequal=SECOND, silence=retries.LOST_EVENT
    ),
    "take back": lambda connection: storage.lost_events.take_back(
        connection,
        published_before=datetime.now(UTC),
        pauses=retries.LOST_EVENT.listed(),
        at_most=20,
    ),
    "hint": lambda connection: storage.outbox.hint(connection, at_most=20, again_after=SECOND),
    "lease": lambda connection: storage.outbox.lease(
        connection, uuid4(), at_most=20, length=SECOND
    ),
}


@pytest.mark.parametrize("mode", ["generic", "custom"])
@pytest.mark.parametrize("step", BEAT)
async def test_no_beat_reads_all_that_is_on_its_way(
    much_on_its_way: Connection, mode: str, step: str
) -> None:
    (plan,) = await plans(much_on_its_way, mode, BEAT[step])

    assert plan.faults(BOUND) == []


async def test_what_consumers_have_to_do_is_counted_past_all_that_is_done(
    database: Database,
) -> None:
    async with database.connection() as connection:
        await connection.execute(
            """
            INSERT INTO ops.consumptions (consumer, event_id, occurred_at, state, settled_at)
            SELECT 'count_event', gen_random_uuid(), now(),
                   CASE WHEN n <= 3 THEN 'pending' ELSE 'done' END,
                   CASE WHEN n > 3 THEN now() END
              FROM generate_series(1, 5000) AS n
            """
        )
        await connection.execute("ANALYZE ops.consumptions")
        pending = await storage.consumptions.pending_by_consumer(connection)
        (plan,) = await plans(connection, "custom", storage.consumptions.pending_by_consumer)

    assert pending == {"count_event": 3}
    assert plan.faults(BOUND) == []
