"""What a replica shows late is kept by nobody, and many writers ask one question."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from orderbus.services.reads import Reads
from orderbus.storage.database import open_database
from orderbus.storage.replica import open_replica
from tests.support import statements
from tests.support.api_client import Client, serving
from tests.support.replica_reads import TOKEN, reading
from tests.support.replicated import Pair
from tests.support.waiting import until_true

pytestmark = pytest.mark.once

ALL = "/api/catalog/products/"


async def price(client: Client, path: str, token: str | None = None) -> str:
    headers = {} if token is None else {TOKEN: token}
    response = await client.get(path, headers=headers)
    shown: str = (await response.json())["price"]
    return shown


async def test_a_copy_that_was_dropped_is_not_made_again_of_what_the_replica_has_still(
    pair: Pair,
) -> None:
    changes = {"product_cache_ttl": timedelta(minutes=10)}
    async with reading(pair, **changes) as here, reading(pair, **changes) as there:
        product = {"name": "Tea", "price": "1.00", "description": "x"}
        path = f"{ALL}{(await (await here.post(ALL, json=product)).json())['id']}/"
        await asyncio.to_thread(pair.until_caught_up)
        before = await price(there, path)
        pair.delay("1h")
        changed = await here.patch(path, json={"price": "2.00"})
        at_once = await price(there, path, changed.headers[TOKEN])

        async def is_shown() -> bool:
            return await price(there, path) == "2.00"

        await until_true(is_shown, "what changed is shown to those without a token")
        after = [await price(there, path) for _ in range(5)]

    assert (before, at_once) == ("1.00", "2.00")
    assert after == ["2.00"] * 5


async def test_all_who_wrote_at_one_moment_ask_one_question_what_shows_it(pair: Pair) -> None:
    settings = pair.settings()
    async with open_database(settings) as database, open_replica(settings) as replicated:
        reads = Reads(database, replicated)
        await reads.position()
        with statements.recorded() as sent:
            tokens = await asyncio.gather(*(reads.position() for _ in range(100)))

    assert len(sent) <= 2
    assert None not in tokens


async def test_what_is_written_while_the_primary_goes_away_is_shown_by_nobody_else(
    pair: Pair,
) -> None:
    nowhere = pair.settings().model_copy(update={"db_host": "127.0.0.1", "db_port": 1})
    async with open_database(nowhere) as database, open_replica(nowhere) as replicated:
        token = await Reads(database, replicated).position()
    async with serving(pair.settings()) as client:
        response = await client.get("/api/v1/orders", headers={TOKEN: str(token)})

    assert token == "f" * 16
    assert response.status == 200
