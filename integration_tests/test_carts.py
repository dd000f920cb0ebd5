"""Carts over HTTP, as old clients use them."""

from __future__ import annotations

from functools import partial
from typing import Any

from integration_tests.conftest import Api


def closed_cart(api: Api, total: object = "100.50") -> str:
    uuid = str(api("POST", "/carts", {"total_amount": total}).json["cart_uuid"])
    assert api("PUT", f"/carts/{uuid}/checkout").status == 200
    return uuid


def order_of(api: Api, cart: str) -> Any:
    orders = api("GET", "/orders").json["orders"]
    return next((order for order in orders if order["cart_uuid"] == cart), None)


def test_a_cart_with_an_invalid_total_is_refused(api: Api) -> None:
    answer = api("POST", "/carts", {"total_amount": "invalid"})

    assert answer.status == 400
    assert "total_amount" in answer.json["error"]


def test_a_cart_is_created(api: Api) -> None:
    answer = api("POST", "/carts", {"total_amount": 100.5})

    assert answer.status == 201
    assert answer.json["message"] == "Cart created successfully!"


def test_the_carts_are_listed(api: Api) -> None:
    uuid = api("POST", "/carts", {"total_amount": 7}).json["cart_uuid"]

    carts = {cart["uuid"]: cart for cart in api("GET", "/carts").json["carts"]}

    assert carts[uuid]["total_amount"] == "7.00"
    assert carts[uuid]["closed"] is False


def test_the_checkout_of_an_unknown_cart_is_refused(api: Api) -> None:
    answer = api("PUT", "/carts/invalid/checkout")

    assert (answer.status, answer.json["error"]) == (404, "Cart not found")


def test_a_checkout_closes_the_cart_and_the_order_and_the_metric_follow(
    api: Api,
) -> None:
    before = api.metric("orders_created")
    cart = closed_cart(api)

    order = api.until("the order is there", lambda: order_of(api, cart))
    api.until("it is counted", lambda: api.metric("orders_created") == before + 1)

    assert order["price"] == "100.50"
    carts = {cart["uuid"]: cart for cart in api("GET", "/carts").json["carts"]}
    assert carts[cart]["closed"] is True


def test_two_checkouts_count_exactly_two(api: Api) -> None:
    before = api.metric("orders_created")
    carts = [closed_cart(api) for _ in range(2)]
    for cart in carts:
        assert api("PUT", f"/carts/{cart}/checkout").status == 200  # again: nothing

    for cart in carts:
        api.until("the order is there", partial(order_of, api, cart))
    api.until("both are counted", lambda: api.metric("orders_created") >= before + 2)

    orders = [o["cart_uuid"] for o in api("GET", "/orders").json["orders"]]
    assert [orders.count(cart) for cart in carts] == [1, 1]
    assert api.metric("orders_created") == before + 2
