"""The statement that accepts an order, as pgbench can run it."""

from __future__ import annotations

import json
import re
from typing import Any

from bench.parts import ORDER
from orderbus import storage
from orderbus.domain import orders

_REFERENCE = 2


class _Recorder:
    """Stands for a connection and keeps the statement it is asked to run."""

    query = ""
    arguments: tuple[Any, ...] = ()
    follow_ups: tuple[Any, ...] = ()

    async def fetchrow(self, query: str, *arguments: Any) -> None:  # noqa: ANN401 - as asyncpg's
        self.query, self.arguments = query, arguments


async def script() -> str:
    """Take the statement from the code, with a new reference for each transaction."""
    order = orders.parse(json.dumps(ORDER).encode())
    recorder = _Recorder()
    await storage.orders.add(
        recorder,  # type: ignore[arg-type]
        order,
        type="order.created",
        content=order.content(),
        details={},
        traceparent=None,
    )

    def literal(match: re.Match[str]) -> str:
        number = int(match[1])
        if number == _REFERENCE:
            return "(:reference)::text"
        return _literal(recorder.arguments[number - 1])

    statement = re.sub(r"\$(\d+)", literal, recorder.query)
    return f"\\set reference random(1, 9000000000000000)\n{' '.join(statement.split())};\n"


def _literal(value: object) -> str:
    match value:
        case None:
            return "NULL"
        case bytes():
            return f"'\\x{value.hex()}'::bytea"
        case list():
            return "ARRAY[" + ", ".join(_literal(one) for one in value) + "]"
        case dict():
            return "'" + json.dumps(value).replace(":", ": ") + "'::jsonb"
        case str():
            return f"'{value}'"
    return str(value)
