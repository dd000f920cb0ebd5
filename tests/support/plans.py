"""What PostgreSQL does for a statement: which rows it reads, and by which way."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from orderbus.storage.database import Connection, Database

#: Rows a page of a list, or a step of a replay, may read and throw away at most.
BOUND: Final = 500


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
        value = "{" + ", ".join("NULL" if each is None else str(each) for each in value) + "}"
    return "'" + str(value).replace("'", "''") + "'"


@asynccontextmanager
async def quiet_connection(database: Database) -> AsyncIterator[Connection]:
    """Lend a connection that sends nothing but what the test has it send."""
    async with database.connection() as connection:
        await connection.execute("SET jit = off")
        await connection.fetchval("SELECT $1::interval[]", [])  # asyncpg looks such types up once
        yield connection
