"""How fast is this machine? What pgbench does of the plainest insert; all goals scale with it."""

from __future__ import annotations

from pathlib import Path

from bench import parts, pgbench
from bench.report import Raw, Run

#: Order, two items and a pointer in one statement; no keys between the tables, nothing checked.
_TABLES = """
    CREATE SCHEMA reference;
    CREATE TABLE reference.orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        reference text NOT NULL UNIQUE, customer text NOT NULL, address text NOT NULL,
        total numeric NOT NULL, created_at timestamptz NOT NULL DEFAULT now());
    CREATE TABLE reference.items (order_id bigint, line integer, sku text, name text,
        quantity integer, unit_price numeric, PRIMARY KEY (order_id, line));
    CREATE TABLE reference.pointers (id bigint PRIMARY KEY);
"""
_SCRIPT = """\\set reference random(1, 9000000000000000)
WITH placed AS (
    INSERT INTO reference.orders (reference, customer, address, total)
    VALUES ((:reference)::text, 'Jane Doe', '123 Main St, Austin, TX 78701', 350.00)
    RETURNING id
), items AS (
    INSERT INTO reference.items
    SELECT id, line, sku, name, quantity, price
      FROM placed, (VALUES (1, 'ABC123', 'Solar Panel', 2, 150.00),
                           (2, 'XYZ789', 'Mounting Kit', 1, 50.00))
                   AS item (line, sku, name, quantity, price)
)
INSERT INTO reference.pointers SELECT id FROM placed;
"""
_CLIENTS = 16
#: Transactions a second of the machine that the goals were set for.
FAST = 15_000


async def measure(folder: Path, run: Run) -> list[Raw]:
    """Run pgbench at 16 clients; returns the rate."""
    async with parts.parts(folder, ["PostgreSQL", "Pub/Sub"]) as env:
        async with parts.opened(env) as database, database.connection() as connection:
            await connection.execute(_TABLES)
        script = folder / "reference.sql"
        script.write_text(_SCRIPT)
        rate = await pgbench.rate(env, script, int(run.pick(3, 10)), clients=_CLIENTS)
    return [Raw("reference", {"rate": rate, "clients": _CLIENTS, "scale": min(1.0, rate / FAST)})]
