"""An order's address and metadata are changed by whoever saw it as it is, and by nobody else."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from orderbus.storage.database import Database
from tests.support import event_rows
from tests.support.api_client import Client, placed, problem


async def patch(client: Client, order: dict[str, Any], **body: Any) -> Any:
    url = f"/api/v1/orders/{order['id']}"
    return await client.patch(url, json=body, headers={"If-Match": f'"{order["sequence"]}"'})


async def test_an_address_and_metadata_are_changed_by_whoever_saw_the_order_as_it_is(
    client: Client, database: Database
) -> None:
    order = await placed(client)
    url = f"/api/v1/orders/{order['id']}"
    change = {"shipping_address": "5 New St", "metadata": {"gift": True, "shelf": "A7", "n": 3}}
    await problem(await client.patch(url, json=change), 428, "unseen")
    stale = await client.patch(url, json=change, headers={"If-Match": '"9"'})
    await problem(stale, 412, "changed")

    answer = await patch(client, order, **change)

    changed = await answer.json()
    assert (answer.status, answer.headers["ETag"]) == (200, '"2"')
    assert changed["shipping_address"] == "5 New St"
    assert changed["metadata"] == {"gift": True, "shelf": "A7", "n": 3}
    told = await event_rows.content(database, "order.changed")
    assert (told["shipping_address"], told["metadata"]) == ("5 New St", changed["metadata"])
    less = await (await patch(client, changed, metadata={"gift": None, "shelf": "B1"})).json()
    assert (less["metadata"], less["sequence"]) == ({"shelf": "B1", "n": 3}, 3)
    same = await (await patch(client, less, metadata={"shelf": "B1"}, reason="again")).json()
    assert same == less
    assert await event_rows.count(database) == 3


async def test_of_many_who_change_what_they_saw_one_does(client: Client) -> None:
    order = await placed(client)

    answers = await asyncio.gather(
        *(patch(client, order, metadata={"by": number}) for number in range(10))
    )

    assert sorted(answer.status for answer in answers) == [200, *[412] * 9]


@pytest.mark.parametrize("before", ["ship", "cancel"])
async def test_what_left_or_is_cancelled_goes_to_no_other_address_but_may_be_noted_on(
    client: Client, before: str
) -> None:
    order = await placed(client)
    order = await (await client.post(f"/orders/{order['id']}/{before}")).json()

    await problem(await patch(client, order, shipping_address="5 New St"), 409, "conflict")

    noted = await patch(client, order, metadata={"parcel": "JJD0001"})
    assert (await noted.json())["metadata"] == {"parcel": "JJD0001"}


@pytest.mark.parametrize(
    "body",
    [
        {"status": "completed"},
        {"shipping_address": ""},
        {"shipping_address": "x" * 2001},
        {"shipping_address": "a\0"},
        {"metadata": []},
        {"metadata": "x"},
        {"metadata": {"": 1}},
        {"metadata": {"a\0": 1}},
        {"metadata": {"a": "b\0"}},
        {"metadata": {"a": "\ud800"}},
        {"metadata": {"a": {}}},
        {"metadata": {"a": [1]}},
        {"metadata": {"a": 1.5}},
        {"metadata": {"a": 2**60}},
        {"metadata": {"a": "x" * 501}},
        {"metadata": {"x" * 41: 1}},
        {"metadata": {str(n): n for n in range(51)}},
        {"metadata": {str(n): "x" * 500 for n in range(9)}},
    ],
)
async def test_a_change_that_is_none_is_refused(client: Client, body: dict[str, Any]) -> None:
    order = await placed(client)

    await problem(await patch(client, order, **body), 400, "invalid")


async def test_many_changes_of_metadata_never_make_it_larger_than_one_may(client: Client) -> None:
    order = await placed(client)
    for number in range(8):
        answer = await patch(client, order, metadata={str(number): "x" * 490})
        order = await answer.json() if answer.status == 200 else order

    await problem(await patch(client, order, metadata={"last": "x" * 490}), 400, "invalid")
    assert (await (await client.get(f"/orders/{uuid4()}")).json())["status"] == 404
