"""What a path takes and whom it answers is said once, where the path is declared."""

from __future__ import annotations

from pydantic import BaseModel

from orderbus.domain.orders import IncomingOrder
from orderbus.domain.priced_orders import AskedOrder
from orderbus.web.app import ROUTES
from orderbus.web.schemas.new_orders import NewOrder
from orderbus.web.schemas.shop_orders import ShopOrderToPlace

ORDERS: set[type[BaseModel]] = {IncomingOrder, AskedOrder, NewOrder, ShopOrderToPlace}


#: What is asked by who is not signed in yet, or not any more.
SIGNING_IN = (
    *("", "register/", "token/", "token/refresh/", "token/verify/"),
    *("logout/", "password/reset/"),
)


def test_wherever_an_order_is_taken_a_refusal_is_counted() -> None:
    taking = {route.path for route in ROUTES if route.takes in ORDERS and route.method == "POST"}

    assert taking == {
        *("/webhooks/orders/create/", "/api/v1/orders", "/api/v1/orders/new"),
        "/api/orders/orders/",
    }
    assert {route.path for route in ROUTES if route.takes_order} == taking


def test_under_a_name_that_is_not_ours_nothing_but_health_and_counts_is_told() -> None:
    told = [route for route in ROUTES if route.any_host]

    assert {route.tag for route in told} == {"monitoring"}
    assert all(route.method == "GET" and route.access == "anybody" for route in told)


def test_nothing_else_is_answered_without_a_key_or_a_signature() -> None:
    open_to_all = {route.path for route in ROUTES if route.access == "anybody"}

    assert open_to_all == {
        *("/healthz", "/readyz", "/metrics", "/metrics/prometheus", "/api/v1/metrics"),
        *(
            "/api/",
            "/api/orders/",
            "/api/catalog/",
            "/api/catalog/products/",
            "/api/catalog/products/{product}/",
        ),
        *("/api/catalog/categories/", "/", "/openapi.json", "/docs", "/docs/{file}"),
        *(f"/api/identity/{path}" for path in SIGNING_IN),
    }
    assert [route.path for route in ROUTES if route.access == "signature"] == [
        "/webhooks/orders/create/"
    ]
