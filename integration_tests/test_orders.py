"""Orders over HTTP, from their creation to the end of their processing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from uuid import uuid4

from integration_tests.conftest import Api

NEW = {
    "user_id": "user_123",
    "products": [{"product_id": "prod_1", "quantity": 2}],
    "amount": "140",
}


def status(api: Api, order: str) -> str:
    return str(api("GET", f"/api/v1/orders/{order}/status").json["status"])


def ended(api: Api, order: str) -> bool:
    return status(api, order) in {"COMPLETED", "FAILED"}


def test_an_order_is_created_and_its_status_can_be_asked(api: Api) -> None:
    answer = api("POST", "/api/v1/orders/new/", NEW)

    assert answer.status == 201
    assert answer.json["status"] == "CREATED"
    assert api("GET", f"/api/v1/orders/{answer.json['id']}/status").status == 200


def test_an_order_that_is_none_is_refused_as_fastapi_would(api: Api) -> None:
    answer = api("POST", "/api/v1/orders/new/", {**NEW, "products": []})

    assert answer.status == 422
    assert answer.json["detail"][0]["loc"] == ["body", "products"]


def test_an_unknown_order_is_not_found(api: Api) -> None:
    assert api("GET", f"/api/v1/orders/{uuid4()}/status").status == 404


def test_orders_are_processed_to_completed_and_to_failed(api: Api) -> None:
    orders = [api("POST", "/api/v1/orders/new/", NEW).json["id"] for _ in range(30)]

    for order in orders:
        api.until("it is processed", partial(ended, api, order))

    reached = {status(api, order): order for order in orders}
    assert set(reached) == {"COMPLETED", "FAILED"}
    failed = api("GET", f"/api/v1/orders/{reached['FAILED']}").json
    assert failed["reason"] == "Simulated processing failure"
    types = [h["type"] for h in api("GET", f"/orders/{reached['FAILED']}/history").json["history"]]
    assert types == [
        "order.created",
        "order.processing_started",
        "order.failed",
        "order.processed",
    ]


def test_100_identical_posts_at_once_with_one_key_make_one_order(api: Api) -> None:
    key = str(uuid4())

    def post(_: int) -> tuple[int, str]:
        answer = api("POST", "/api/v1/orders/new/", NEW, Idempotency_Key=key)
        return answer.status, answer.text

    with ThreadPoolExecutor(20) as pool:
        answers = set(pool.map(post, range(100)))

    assert {status for status, _ in answers} <= {201, 409}
    assert len({text for status, text in answers if status == 201}) == 1


def test_a_cancelled_order_says_so_everywhere(api: Api) -> None:
    order = api("POST", "/api/v1/orders/new/", NEW).json["id"]
    api.until("it is processed", lambda: ended(api, order))

    answer = api("POST", f"/orders/{order}/cancel", {"reason": "sent back"})

    assert (answer.status, answer.json["status"]) == (200, "cancelled")
    assert status(api, order) == "CANCELLED"
    listed = api("GET", "/api/v1/orders?status=cancelled&limit=100").json["items"]
    assert order in {one["id"] for one in listed}
    assert api("POST", f"/orders/{order}/cancel").status == 409
