"""So many rows that a plan that reads them all is found out."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from orderbus.storage.database import Connection
from tests.support.waiting import PATIENCE


async def orders(
    connection: Connection, began: datetime, count: int, *, have_left: bool = False
) -> None:
    """Add orders, one a minute; of customers, sources and states, some have many, some few.

    Where they ``have_left``, most are delivered; else all are as they were accepted.
    """
    await connection.execute(
        """
        INSERT INTO orders.orders (source, external_ref, content_hash, customer_name,
               customer_email, shipping_address, total, event_seq, customer_ref, status,
               fulfillment_status, on_hold, created_at)
        SELECT (ARRAY['webhook', 'webhook', 'api'])[1 + n % 3], 'SO-' || n, sha256('x'), 'Jane',
               CASE WHEN n % 3 = 2 THEN '' ELSE 'c' || n % 40 || '@shop.example' END,
               'Road 1', 1, 1,
               CASE WHEN n % 3 = 2 THEN 'c' || n % 40 || '@shop.example' END,
               -- What is rare is old: whoever reads from the newest on reads all.
               CASE WHEN n <= 20 THEN 'failed' WHEN n <= 40 THEN 'cancelled'
                    WHEN n > 19900 THEN 'created' ELSE 'completed' END,
               CASE WHEN n <= 20 OR NOT $3::boolean THEN 'pending' WHEN n <= 40 THEN 'cancelled'
                    WHEN n <= 60 THEN 'shipped' WHEN n % 500 = 0 OR n > 19900 THEN 'pending'
                    ELSE 'delivered' END,
               $3::boolean AND n % 500 = 0,
               $1::timestamptz + n * interval '1 minute'
          FROM generate_series(1, $2::integer) AS n
        """,
        began,
        count,
        have_left,
    )
    await connection.execute("ANALYZE orders.orders")


async def events_that_came_back(connection: Connection, count: int) -> None:
    """Add five days of events; those of the first day's first hour are rare."""
    await connection.execute(
        """
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
        """,
        count,
    )
    for statement in ("ANALYZE ops.events", "ANALYZE ops.inbox"):
        await connection.execute(statement)


async def events_of_the_last_hour(connection: Connection, count: int) -> None:
    """Add events that came back, each of an order of its own, until a moment ago."""
    await connection.execute(
        """
        WITH event AS (
            INSERT INTO ops.events (order_id, order_public_id, order_created_at, sequence, type,
                   content, occurred_at)
            SELECT n, gen_random_uuid(), now(), 1, 'order.created', '{}',
                   now() - (1 + $1 - n) * interval '1 hour' / ($1 + 1)
              FROM generate_series(1, $1::integer) AS n
            RETURNING *
        )
        INSERT INTO ops.inbox (event_id, occurred_at, order_id, sequence, message_id, published_at)
        SELECT event_id, occurred_at, order_id, sequence, 'm-' || order_id, occurred_at FROM event
        """,
        count,
    )


async def finished_jobs(connection: Connection, count: int) -> None:
    """Add jobs that are done, and a few that failed or run, which are old."""
    await connection.execute(
        """
        INSERT INTO ops.jobs (kind, filter, rate, total, asked_by, state, finished_at, due_at)
        SELECT CASE WHEN n <= 9 THEN 'rare' ELSE 'replay' END, '{}', 500, 1, 'test',
               CASE WHEN n <= 3 THEN 'running' WHEN n <= 6 THEN 'failed' ELSE 'done' END,
               CASE WHEN n > 3 THEN now() END, now() - interval '1 hour'
          FROM generate_series(1, $1::integer) AS n
        """,
        count,
    )
    await connection.execute("ANALYZE ops.jobs")


async def pointers_to_every_event(connection: Connection) -> None:
    """Let half of the events wait to be published, and half to come back; some came lately."""
    await connection.execute(
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


async def deliveries_that_wait(
    connection: Connection, endpoint: UUID, *, orders: int, each: int, analyse: bool = True
) -> None:
    """Let the first delivery of each of so many orders have failed, and the others wait for it."""
    if not analyse:
        await connection.execute("ALTER TABLE ops.webhook_deliveries SET (autovacuum_enabled=off)")
    await connection.execute(
        """
        INSERT INTO ops.webhook_deliveries
               (endpoint_id, event_id, occurred_at, order_id, sequence, due_at)
        SELECT $1, gen_random_uuid(), now(), 1000000 + n, sequence,
               CASE sequence WHEN 1 THEN now() + interval '1 hour' ELSE 'infinity' END
          FROM generate_series(1, $2::integer) AS n, generate_series(1, $3::integer) AS sequence
        """,
        endpoint,
        orders,
        each,
    )
    if analyse:
        await connection.execute("ANALYZE ops.webhook_deliveries")


async def deliveries_in_every_state(
    connection: Connection, much: UUID, little: UUID, count: int
) -> None:
    """Add deliveries of four events an order; one endpoint is owed little, and one much.

    Of ten orders four are delivered, three pending, one dead, one skipped, one mixed. The attempts
    that came to nothing ended with 503, and few of them with a timeout.
    """
    await connection.execute(
        """
        WITH wanted AS (
            SELECT n, n / 4 AS line, n % 4 + 1 AS sequence,
                   CASE n / 4 % 10 WHEN 4 THEN 'dead' WHEN 5 THEN 'skipped'
                                   WHEN 9 THEN ($4::text[])[n % 4 + 1]
                        ELSE CASE WHEN n / 4 % 10 < 4 THEN 'delivered' ELSE 'pending' END
                    END AS state
              FROM generate_series(0, $3::integer - 1) AS n
        ), added AS (
            INSERT INTO ops.webhook_deliveries
                   (endpoint_id, event_id, occurred_at, order_id, sequence, state, created_at,
                    due_at, settled_at)
            SELECT CASE WHEN line % 50 = 7 OR line = 4 THEN $2 ELSE $1::uuid END,
                   gen_random_uuid(), now(), 2000000 + line, sequence, state,
                   now() - interval '1 day' + n * interval '1 ms',
                   CASE WHEN state <> 'pending' THEN now()
                        WHEN sequence = 1 OR line % 10 = 9 AND sequence = 3
                        THEN now() + interval '1 hour' ELSE 'infinity' END,
                   -- Some at the same moment, as a batch settles them.
                   CASE WHEN state <> 'pending'
                        THEN now() - interval '1 day' + n / 3 * interval '3 ms' END
              FROM wanted
            RETURNING id, state, due_at, order_id
        )
        INSERT INTO ops.webhook_attempts
               (delivery_id, number, finished_at, outcome, status, error)
        SELECT id, number, now(),
               CASE WHEN state = 'delivered' AND number = 2 THEN 'delivered' ELSE 'failed' END,
               CASE WHEN state = 'delivered' AND number = 2 THEN 204
                    WHEN order_id % 100 = 44 THEN NULL ELSE 503 END,
               CASE WHEN state <> 'delivered' AND order_id % 100 = 44 THEN 'timeout' END
          FROM added, generate_series(1, 2) AS number
         WHERE isfinite(due_at) AND state <> 'skipped'
        """,
        much,
        little,
        count,
        ["delivered", "dead", "pending", "pending"],
        timeout=5 * PATIENCE,
    )
    for table in ("ops.webhook_deliveries", "ops.webhook_attempts"):
        await connection.execute(f"ANALYZE {table}")


async def a_busy_day(connection: Connection, endpoint: UUID, count: int) -> None:
    """Add so many events of today to every table of the way, four an order, and count nothing.

    Of the pointers half wait to come back and half are leased; of what is owed half is done.
    """
    await connection.execute(
        """
        CREATE TEMP TABLE busy ON COMMIT DROP AS
        SELECT n, 1000000 + n / 4 AS order_id, n % 4 + 1 AS sequence, $1::uuid AS endpoint,
               gen_random_uuid() AS event_id, now() AS at
          FROM generate_series(0, $2::integer - 1) AS n
        """,
        endpoint,
        count,
    )
    await connection.execute(_BUSY_DAY, timeout=5 * PATIENCE)


_BUSY_DAY = """
    INSERT INTO orders.orders (id, source, external_ref, content_hash, customer_name,
           customer_email, shipping_address, total, event_seq) OVERRIDING SYSTEM VALUE
    SELECT order_id, 'webhook', 'BUSY-' || order_id, sha256('x'), 'Jane', 'jane@shop.example',
           'Road 1', 1, 4
      FROM busy WHERE sequence = 1;
    INSERT INTO orders.order_items
    SELECT order_id, 1, 'MUG', 'Mug', 1, 1 FROM busy WHERE sequence = 1;
    INSERT INTO orders.order_processing (order_id, status, began_with)
    SELECT order_id, 'PROCESSING', 2 FROM busy WHERE sequence = 1;
    INSERT INTO ops.watermarks (order_id, sequence, day)
    SELECT order_id, 4, current_date FROM busy WHERE sequence = 1;
    INSERT INTO ops.early_events (order_id, sequence)
    SELECT order_id, 9 FROM busy WHERE sequence = 1;
    INSERT INTO orders.order_history
    SELECT order_id, sequence, event_id, 'order.noted', 'test', at, '{}' FROM busy;
    INSERT INTO ops.events (event_id, order_id, order_public_id, order_created_at, sequence, type,
           content, occurred_at)
    SELECT event_id, order_id, event_id, at, sequence, 'order.noted', '{}', at FROM busy;
    INSERT INTO ops.inbox (event_id, occurred_at, order_id, sequence, message_id, published_at)
    SELECT event_id, at, order_id, sequence, 'm', at FROM busy;
    INSERT INTO ops.outbox (event_id, occurred_at, due_at, publishes, published_at, message_id)
    SELECT event_id, at, 'infinity', 1, at, 'm' FROM busy WHERE n % 2 = 0;
    INSERT INTO ops.outbox (event_id, occurred_at, due_at)
    SELECT event_id, at, now() + interval '1 hour' FROM busy WHERE n % 2 = 1;
    INSERT INTO ops.consumptions (consumer, event_id, occurred_at, state, due_at, settled_at)
    SELECT consumer, event_id, at, 'pending', now() + interval '1 hour', NULL::timestamptz
      FROM busy, unnest('{count_event,process_order}'::text[]) AS consumer WHERE n % 4 = 0
     UNION ALL
    SELECT 'count_event', event_id, at, 'done', now(), now() FROM busy WHERE n % 4 > 0;
    INSERT INTO ops.webhook_deliveries
           (endpoint_id, event_id, occurred_at, order_id, sequence, state, due_at, settled_at)
    SELECT endpoint, event_id, at, order_id, sequence, 'pending',
           CASE n % 8 WHEN 1 THEN now() + interval '1 hour' ELSE 'infinity' END, NULL::timestamptz
      FROM busy WHERE n / 4 % 2 = 0
     UNION ALL
    SELECT endpoint, event_id, at, order_id, sequence, 'delivered', now(), now()
      FROM busy WHERE n / 4 % 2 = 1;
    INSERT INTO ops.webhook_attempts (delivery_id, number, finished_at, outcome)
    SELECT id, 1, now(), 'delivered' FROM ops.webhook_deliveries
     WHERE state = 'delivered' AND order_id >= 1000000
"""


async def dead_letters(connection: Connection, count: int) -> None:
    """Add open dead letters of every kind, half of them of deliveries to two endpoints.

    One in a thousand is rare, and the last of the orders has one of its delivery alone.
    """
    await connection.execute(
        """
        WITH endpoint AS (
            INSERT INTO ops.webhook_endpoints (url, secrets, format)
            SELECT 'https://' || name || '.example/', '{x}', 'event'
              FROM unnest('{often,seldom}'::text[]) AS name
            RETURNING id, url
        ), event AS (
            INSERT INTO ops.events (order_id, order_public_id, order_created_at, sequence, type,
                   content)
            SELECT n, gen_random_uuid(), now(), 1, 'order.created', '{}'
              FROM generate_series(1, $1::integer / 2) AS n
            RETURNING event_id, occurred_at, order_id
        ), delivery AS (
            INSERT INTO ops.webhook_deliveries (endpoint_id, event_id, occurred_at, order_id,
                   sequence, state, settled_at)
            SELECT endpoint.id, event_id, occurred_at, order_id, 1, 'dead', now()
              FROM event
              JOIN endpoint ON (url ~ 'seldom') = (order_id % 1000 = 500)
            RETURNING id, event_id, occurred_at
        )
        INSERT INTO ops.dead_letters (kind, delivery_id, event_id, occurred_at, reason, error)
        SELECT 'delivery', id, event_id, occurred_at, 'retries_exhausted', 'The last answer was 500'
          FROM delivery
        """,
        count,
    )
    await connection.execute(
        """
        INSERT INTO ops.dead_letters (kind, actor, arguments, message_id, reason, error, created_at)
        SELECT 'message', CASE WHEN n % 1000 = 500 THEN 'rare' ELSE 'often' END, '{}', n,
               CASE WHEN n % 1000 = 500 THEN 'rare' ELSE 'often' END, 'No order ' || 10000 + n,
               now() - n * interval '1 minute'
          FROM generate_series(1, $1::integer / 2) AS n
        """,
        count,
    )
    await connection.execute(
        "ANALYZE ops.dead_letters, ops.webhook_deliveries, ops.webhook_endpoints, ops.events"
    )
