"""Whatever is sent about an order of the shop is answered, and what is odd changes nothing."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any

import pytest

from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.conftest import settings_from
from tests.support import costly_json, order_rows, shop_samples
from tests.support.api_client import JSON, Client
from tests.support.identity import SignedIn
from tests.support.shop_samples import ORDERS, line, order

pytestmark = pytest.mark.once

#: Bytes of an answer.
LONGEST = 30_000
#: Sent in the place of each member.
ODD: tuple[Any, ...] = (
    *(None, True, [], {}, [[]], [None], "", "x", "\x00", "\ud800", "٣", -1, 0, 1.5, 2**31, 2**63),
    *(10**90, "1" * 90, "1e3", "NaN", "x" * 5000, {"a": {"b": []}}),
)


@pytest.fixture
def settings(env: dict[str, str]) -> Settings:
    return settings_from(env, auth="required", webhook_secrets="shared")


@pytest.fixture
async def people(client: Client, database: Database, settings: Settings) -> Sequence[SignedIn]:
    return await shop_samples.open_shop(client, database, settings)


def odd_orders() -> list[dict[str, Any]]:
    """An order in which one member is odd, or has odd items."""
    whole = [{**order(), name: odd} for name in ("total", "status", "order_items") for odd in ODD]
    items = [order({**line(), name: odd}) for name in line() for odd in ODD]
    return whole + items + [order(odd, line()) for odd in ODD if isinstance(odd, dict)]


async def test_no_order_that_is_odd_is_placed_or_changes_one(
    people: Sequence[SignedIn], database: Database
) -> None:
    _, customer = people
    placed = await shop_samples.placed(customer)
    one = f"{ORDERS}{placed['id']}/"
    wrong = []
    asked = itertools.cycle((("PUT", one), ("POST", ORDERS), ("PATCH", one), ("PUT", one)))
    for body, (method, path) in zip(odd_orders(), asked, strict=False):
        data = json.dumps(body).encode()
        answer = await customer.client.request(
            method, path, data=data, headers={**customer.headers, **JSON}
        )
        said = await answer.read()
        if answer.status not in {200, 201, 400} or len(said) > LONGEST:
            wrong.append((method, answer.status, data[:200], said[:200]))

    assert wrong == []
    assert (await shop_samples.read(customer, one))["public_id"] == placed["public_id"]
    assert set(await order_rows.statuses(database)) == {"completed"}


async def test_no_body_makes_a_change_fail_or_say_more_than_is_needed(
    people: Sequence[SignedIn],
) -> None:
    _, customer = people
    one = f"{ORDERS}{(await shop_samples.placed(customer))['id']}/"
    before = await shop_samples.read(customer, one)
    wrong = []
    bodies = costly_json.bodies({**order(), "status": "completed"}, 8_000)
    for (name, body), method in zip(bodies, itertools.cycle(("PUT", "PATCH")), strict=False):
        answer = await customer.client.request(
            method, one, data=body, headers={**customer.headers, **JSON}
        )
        said = await answer.read()
        if answer.status not in {200, 400} or len(said) > LONGEST:
            wrong.append((method, name, answer.status, said[:200]))

    assert wrong == []
    assert {**await shop_samples.read(customer, one), "total": ""} == {**before, "total": ""}
