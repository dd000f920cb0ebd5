"""The statement that accepts an order, as pgbench can run it."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

from bench.parts import ORDER
from orderbus import services
from orderbus.domain import orders
from orderbus.errors import Unavailable

#: A new reference for each transaction, within JSON.
_REFERENCE = "\"' || :reference || '\""


class _Recorder:
    """Stands for a connection and keeps the statement it is asked to run."""

    query = ""
    arguments: tuple[Any, ...] = ()
    follow_ups: tuple[Any, ...] = ()

    async def fetch(self, query: str, *arguments: Any) -> list[Any]:  # noqa: ANN401 - as asyncpg's
        if not self.query:
            self.query, self.arguments = query, arguments
        return []


async def script() -> str:
    """Take the statement from the code, with a new reference for each transaction."""
    order = orders.parse(json.dumps(ORDER).encode())
    recorder = _Recorder()
    with suppress(Unavailable):  # nothing is stored
        await services.orders.accept(recorder, order, traceparent=None)  # type: ignore[arg-type]

    def literal(match: re.Match[str]) -> str:
        return _literal(recorder.arguments[int(match[1]) - 1])

    return _script(re.sub(r"\$(\d+)", literal, recorder.query))


def _literal(value: object) -> str:
    match value:
        case tuple():
            return "ARRAY[" + ", ".join(_literal(one) for one in value) + "]"
        case bytes():
            return f"'\\x{value.hex()}'::bytea"
        case UUID():
            return "md5((:reference)::text)::uuid"
        case str():
            return _text(value)
    return "NULL" if value is None else str(value)


def _text(value: str) -> str:
    if value == ORDER["order_id"]:
        return "(:reference)::text"
    if value.startswith("{"):  # pgbench reads :name as a variable
        value = json.dumps(json.loads(value)).replace(f'"{ORDER["order_id"]}"', _REFERENCE)
    return f"('{value}')"


def of_peers() -> str:
    """Write the statement of those peers that have one, in the same way."""
    text = (Path(__file__).with_name("peers") / "place.sql").read_text()
    items = ORDER["items"]
    values = [
        ORDER["customer"]["name"],
        ORDER["customer"]["email"],
        ORDER["shipping_address"],
        ORDER["total"],
        *(
            tuple(item[name] for item in items)
            for name in ("sku", "name", "quantity", "unit_price")
        ),
        json.dumps(ORDER),
    ]
    row = ["(:reference)", *(_literal(value) for value in values)]
    return _script(re.sub(r"\$(\d+)", lambda match: row[int(match[1]) - 1], text))


def _script(text: str) -> str:
    return f"\\set reference random(1, 9000000000000000)\n{' '.join(text.split())};\n"
