"""Senders of the fulfilment service's first program are read, and answered, as they know it."""

from __future__ import annotations

import json
from typing import Any

from orderbus.storage.database import Database
from tests.support import event_rows, order_rows, samples
from tests.support.api_client import JSON, PATH, PROBLEM, Client

LINE = {"sku": "A", "name": "B", "quantity": 2, "unit_price": 1}


async def send(client: Client, **changes: Any) -> tuple[int, Any, str]:
    response = await client.post(PATH, json={**samples.order_body("SO-1"), **changes})
    return response.status, await response.json(content_type=None), response.headers["Location"]


async def test_a_number_as_the_reference_is_the_text_of_its_digits(
    client: Client, database: Database
) -> None:
    first = await send(client, order_id=10045)
    quoted = await send(client, order_id="10045")
    huge = await send(client, order_id=2**64)

    assert first[:2] == (201, {"ok": True, "order_id": "10045"})
    assert quoted == (200, *first[1:])
    assert huge[:2] == (201, {"ok": True, "order_id": "18446744073709551616"})
    found = await (await client.get("/orders/10045")).json()
    assert (found["external_ref"], found["source"]) == ("10045", "webhook")
    assert (await event_rows.content(database, "order.created"))["order_id"] in {
        "10045",
        str(2**64),
    }


async def test_however_quantities_money_and_names_are_quoted_it_is_the_same_order(
    client: Client, database: Database
) -> None:
    plain = await send(client, items=[{**LINE, "sku": "7"}], total=100)
    for line, total in (
        ({**LINE, "sku": 7, "quantity": "2"}, "100"),
        ({**LINE, "sku": 7, "quantity": " 2 ", "unit_price": "1e0"}, " 100.00 "),
        ({**LINE, "sku": "7", "quantity": "2.0", "unit_price": "+1."}, "1e2"),
        ({**LINE, "sku": "7", "quantity": 2.0}, "+100"),
    ):
        assert await send(client, items=[line], total=total) == (200, *plain[1:]), line

    assert await order_rows.count(database) == 1


async def test_what_is_no_quantity_no_text_and_no_money_is_refused_under_its_place(
    client: Client, database: Database
) -> None:
    wrong: dict[str, tuple[Any, ...]] = {
        "items/0/quantity": ("two", "", "2e1", "0", "-1", "1_0", "9" * 30, 2.5, True, None, [2]),
        "order_id": ("", True, None, [1], {}, "x" * 256),
        "total": ("", "NaN", "1e400", "0e99999999999999999999", "5\0", True, None, [1]),
    }
    for place, values in wrong.items():
        for value in values:
            changes: dict[str, Any] = {place: value}
            if place == "items/0/quantity":
                changes = {"items": [{**LINE, "quantity": value}]}
            response = await client.post(PATH, json={**samples.order_body("SO-1"), **changes})
            said = await response.json(content_type=PROBLEM)

            assert response.status == 400, (place, value)
            assert place in said["errors"], (place, value)
            assert all(isinstance(why, str) for why in said["errors"][place])
    assert await order_rows.count(database) == 0


async def test_a_hostile_body_is_refused_under_no_field(client: Client) -> None:
    for name, body in {
        "deep": b"[" * 100_000,
        "a name twice": b'{"order_id": 1, "order_id": 2}',
        "NaN": b'{"order_id": NaN}',
        "digits": b'{"order_id": %b}' % (b"9" * 5_000),
        "latin-1": '{"order_id": "\xe9"}'.encode("latin-1"),
        "UTF-16": json.dumps({"order_id": 1}).encode("utf-16"),
    }.items():
        response = await client.post(PATH, data=body, headers=JSON)
        said = await response.json(content_type=PROBLEM)

        assert (response.status, list(said["errors"])) == (400, ["non_field_errors"]), name
