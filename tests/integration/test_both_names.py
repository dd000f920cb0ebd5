"""Every answer about an order names it twice: by our uuid, and by the sender's reference."""

from __future__ import annotations

from typing import Any

import pytest

from orderbus.settings import Settings
from orderbus.storage.database import Database
from orderbus.web.app import description
from tests.support import samples, scenario
from tests.support.api_client import Client, placed

VIEWS = ("", "/history", "/journey")


async def answered(client: Client, path: str, method: str = "GET") -> dict[str, Any]:
    response = await client.request(method, path)
    assert response.status < 300, await response.text()
    answer: dict[str, Any] = await response.json()
    return answer


def names(answer: dict[str, Any]) -> tuple[str, str]:
    return answer["id"], answer["external_ref"]


@pytest.mark.parametrize("root", ["/orders", "/api/v1/orders"])
async def test_an_order_has_both_its_names_wherever_it_is_read(client: Client, root: str) -> None:
    order = await placed(client, order_id="SO-1")
    both = (order["id"], "SO-1")

    assert names(order) == both
    for view in VIEWS:
        for name in both:
            assert names(await answered(client, f"{root}/{name}{view}")) == both, view
    [listed] = (await answered(client, "/api/v1/orders"))["items"]
    assert names(listed) == both


async def test_a_change_of_an_order_is_answered_with_both_its_names(
    client: Client, database: Database, settings: Settings
) -> None:
    order = await placed(client, order_id="SO-1")
    never = {"processor": "random", "processing_success_rate": 0.0}
    await scenario.go_on(database, settings.model_copy(update=never))

    retried = await answered(client, "/orders/SO-1/retry", "POST")
    cancelled = await answered(client, "/orders/SO-1/cancel", "POST")

    assert names(retried) == names(cancelled) == (order["id"], "SO-1")


async def test_what_older_clients_read_as_order_id_stays_what_it_was(client: Client) -> None:
    order = await placed(client, order_id="SO-1")

    told = [(await answered(client, f"/orders/SO-1{view}"))["order_id"] for view in VIEWS]

    assert told == ["SO-1", "SO-1", order["id"]]


async def test_every_view_of_one_name_is_of_one_order(client: Client, database: Database) -> None:
    signed = await scenario.place(database, "SO-1")
    unsigned = await placed(client, order_id="SO-1")
    uuid = str(signed.order_id)
    other = await placed(client, order_id=uuid)

    for name, found in {
        "SO-1": (uuid, "SO-1"),
        uuid: (uuid, "SO-1"),
        unsigned["id"]: (unsigned["id"], "SO-1"),
        other["id"]: (other["id"], uuid),
        other["id"].upper(): (other["id"], uuid),
    }.items():
        told = [names(await answered(client, f"/orders/{name}{view}")) for view in VIEWS]
        assert told == [found] * len(VIEWS), name


async def test_a_sources_own_paths_keep_their_own_shape(client: Client) -> None:
    accepted = await client.post("/webhooks/orders/create/", json=samples.order_body("SO-1"))
    listed = (await answered(client, "/orders"))["orders"]

    assert await accepted.json() == {"ok": True, "order_id": "SO-1"}
    assert set(listed[0]) == {"uuid", "cart_uuid", "price", "created_at"}


def test_the_description_says_so() -> None:
    schemas = description()["components"]["schemas"]

    for name in ("Order", "History", "Journey"):
        assert {"id", "external_ref"} <= set(schemas[name]["required"]), name
