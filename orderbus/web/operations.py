"""What does each path take, and what does it answer?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from orderbus.domain.states import Status
from orderbus.web import problems

_ORDER_EXAMPLE: Final = {
    "order_id": "SO-10045",
    "customer": {"name": "Jane Doe", "email": "jane@example.com"},
    "items": [
        {"sku": "ABC123", "name": "Solar Panel", "quantity": 2, "unit_price": 150.0},
        {"sku": "XYZ789", "name": "Mounting Kit", "quantity": 1, "unit_price": 50.0},
    ],
    "shipping_address": "123 Main St, Austin, TX 78701",
    "total": 350.0,
}
_NEW_ORDER_EXAMPLE: Final = {
    "user_id": "user_123",
    "products": [{"product_id": "prod_1", "quantity": 2}],
    "amount": "140",
}
_KEY_REUSED: Final = "The idempotency key was used with another content"
_OTHER_ORIGIN: Final = "Sent for a page of another origin, without an API key"
_BODY_REFUSALS: Final = {
    "408": "Sent too slowly",
    "413": "Too large",
    "415": "Not JSON",
}
_KEYED: Final = {
    "409": "The first request with this idempotency key is under way, or a conflict",
    "422": _KEY_REUSED,
}


def paths() -> dict[str, Any]:
    """Describe every path."""
    order = {"get": _read("show_order", "Show an order", "Order", one=True)}
    described: dict[str, Any] = {
        "/webhooks/orders/create/": {"post": _receive()},
        "/api/v1/orders": {"get": _list_page(), "post": _create()},
        "/api/v1/orders/new": {"post": _create_new()},
        "/api/v1/orders/{id}/status": {"get": _status()},
        "/orders": {"get": _read("list_all_orders", "List all orders in brief", "OrdersInBrief")},
        "/carts": {
            "get": _read("list_carts", "List all carts", "Carts"),
            "post": _open_cart(),
        },
        "/carts/{id}/checkout": {"put": _check_out()},
    }
    for number, root in enumerate(("/orders", "/api/v1/orders")):
        also = "_v1" * number
        described[f"{root}/{{id}}"] = {"get": {**order["get"], "operationId": f"show_order{also}"}}
        described[f"{root}/{{id}}/history"] = {
            "get": _read(
                f"order_history{also}", "Tell who did what to an order", "History", one=True
            )
        }
        described[f"{root}/{{id}}/journey"] = {
            "get": _read(
                f"order_journey{also}",
                "Tell every hop of every event of an order",
                "Journey",
                one=True,
            )
        }
        described[f"{root}/{{id}}/cancel"] = {"post": _cancel(f"cancel_order{also}")}
        described[f"{root}/{{id}}/retry"] = {"post": _retry(f"retry_order{also}")}
    return {**described, **_watching()}


def _watching() -> dict[str, Any]:
    return {
        "/healthz": {"get": _plain("Say that the process runs", "healthz")},
        "/readyz": {
            "get": _plain("Say which parts answer", "readyz", also={"503": "A part is away"})
        },
        "/metrics": {"get": _plain("Show what is counted, as JSON or Prometheus text", "metrics")},
        "/metrics/prometheus": {
            "get": _plain("Show it as Prometheus text", "metrics_as_text", kind="text/plain")
        },
        "/api/v1/metrics": {"get": _plain("Show it as JSON", "metrics_as_json")},
        "/openapi.json": {"get": _plain("Describe the API to a machine", "openapi")},
        "/docs": {"get": _plain("Describe it to a person", "docs", kind="text/html")},
    }


def _receive() -> dict[str, Any]:
    return {
        "operationId": "create_order",
        "summary": "Take an order from an upstream system; 201 means it is committed",
        "security": [{"signature": []}, {}],
        "parameters": [_key(required=False)],
        "requestBody": _takes("IncomingOrder", _ORDER_EXAMPLE),
        "responses": {
            "201": _answer("Committed", "Accepted"),
            "200": _answer("This very order was committed before", "Accepted"),
            **_refusals(
                {
                    **_BODY_REFUSALS,
                    "400": "Not an order",
                    "401": "Signature missing, wrong or stale",
                    "403": _OTHER_ORIGIN,
                    "409": "The reference exists with another content",
                    "422": _KEY_REUSED,
                    "503": "Not stored; send again after Retry-After",
                }
            ),
        },
    }


def _create() -> dict[str, Any]:
    return _writes(
        "create_order_v1",
        "Take an order from the holder of an API key; order_id may be left out",
        takes=_takes("IncomingOrder", _ORDER_EXAMPLE),
        answers={
            "201": _answer("Committed", "Order"),
            "200": _answer("This very order was committed before", "Order"),
        },
        refusals={**_BODY_REFUSALS, **_KEYED, "400": "Not an order, or no Idempotency-Key"},
        key_required=True,
    )


def _create_new() -> dict[str, Any]:
    described = _writes(
        "create_new_order",
        "Take an order by references alone",
        takes=_takes("NewOrder", _NEW_ORDER_EXAMPLE),
        answers={"201": _answer("Committed", "NewOrderStatus")},
        refusals={
            **_BODY_REFUSALS,
            "400": "The amount is none",
            "409": _KEYED["409"],
        },
    )
    unprocessable = _schema("Unprocessable")
    problem = _schema("Problem")
    described["responses"]["422"] = {
        "description": "Not such an order, or the idempotency key was used with another",
        "content": {"application/json": unprocessable, problems.CONTENT_TYPE: problem},
    }
    described["responses"]["400"]["content"]["application/json"] = {"schema": {"type": "object"}}
    return described


def _open_cart() -> dict[str, Any]:
    return _writes(
        "open_cart",
        "Open a cart with a total, or with items that make up the total",
        takes=_takes("OpenCart", {"total_amount": "100.50"}),
        answers={"201": _answer("Opened", "CartAnswer")},
        refusals={**_BODY_REFUSALS, **_KEYED, "400": "Not a cart"},
    )


def _check_out() -> dict[str, Any]:
    return {
        "operationId": "check_out_cart",
        "summary": "Close a cart; an order follows. Doing it again changes nothing",
        "security": [{"api_key": []}, {}],
        "parameters": [_id("the cart's uuid")],
        "responses": {
            "200": _answer("Closed", "CartAnswer"),
            **_refusals(
                {
                    "401": "No valid API key",
                    "403": _OTHER_ORIGIN,
                    "404": "No such cart",
                    "503": "Try again",
                }
            ),
        },
    }


def _cancel(operation: str) -> dict[str, Any]:
    return _changes(
        operation,
        "Cancel an order, if it is still as the caller saw it",
        takes=_takes("Cancel", {"reason": "ordered twice"}),
        answers={"200": _answer("Cancelled", "Order")},
        conflict="It cannot be cancelled any more",
    )


def _retry(operation: str) -> dict[str, Any]:
    return _changes(
        operation,
        "Have an order that failed processed anew",
        takes={"content": {"application/json": {"schema": {"type": "object"}}}},
        answers={"202": _answer("It will be", "Order")},
        conflict="It has not failed",
    )


def _changes(
    operation: str,
    summary: str,
    *,
    takes: Mapping[str, Any],
    answers: Mapping[str, Any],
    conflict: str,
) -> dict[str, Any]:
    described = _writes(
        operation,
        summary,
        takes={**takes, "required": False},
        answers=answers,
        refusals={
            **_BODY_REFUSALS,
            **_KEYED,
            "400": "The body is none",
            "404": "No such order",
            "409": f"{conflict}, or the first request is under way",
            "412": "It is no longer as If-Match says",
        },
    )
    described["parameters"] += [
        _id("our uuid, or the sender's reference"),
        {
            "name": "If-Match",
            "in": "header",
            "required": False,
            "description": "the ETag under which the order was seen",
            "schema": {"type": "string"},
        },
    ]
    return described


def _list_page() -> dict[str, Any]:
    described = _read("list_orders", "List orders from the newest on", "OrderPage")
    text = {"type": "string", "minLength": 1, "maxLength": 255}
    when = {"type": "string", "format": "date-time"}
    filters: dict[str, dict[str, Any]] = {
        "status": {"enum": [str(status) for status in Status]},
        "source": text,
        "external_ref": text,
        "customer": text,
        "created_at__gte": when,
        "created_at__lt": when,
        "limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 10},
        "cursor": {"type": "string", "description": "next_cursor of the page before"},
    }
    described["parameters"] = [
        {"name": name, "in": "query", "required": False, "schema": schema}
        for name, schema in filters.items()
    ]
    described["responses"] |= _refusals({"400": "No such filter, or no such value"})
    return described


def _status() -> dict[str, Any]:
    described = _read("order_status", "Tell an order's status", "NewOrderStatus", one=True)
    described["responses"]["422"] = _answer("The id is no uuid", "Unprocessable")
    return described


def _read(operation: str, summary: str, answer: str, *, one: bool = False) -> dict[str, Any]:
    refusals = {"401": "No valid API key", "503": "Try again"}
    return {
        "operationId": operation,
        "summary": summary,
        "security": [{"api_key": []}, {}],
        "parameters": [_id("our uuid, or the sender's reference")] if one else [],
        "responses": {
            "200": _answer("The answer", answer),
            **_refusals({**refusals, **({"404": "No such order"} if one else {})}),
        },
    }


def _writes(
    operation: str,
    summary: str,
    *,
    takes: Mapping[str, Any],
    answers: Mapping[str, Any],
    refusals: Mapping[str, str],
    key_required: bool = False,
) -> dict[str, Any]:
    return {
        "operationId": operation,
        "summary": summary,
        "security": [{"api_key": []}, {}],
        "parameters": [_key(required=key_required)],
        "requestBody": takes,
        "responses": {
            **answers,
            **_refusals(
                {
                    **refusals,
                    "401": "No valid API key",
                    "403": _OTHER_ORIGIN,
                    "503": "Try again",
                }
            ),
        },
    }


def _takes(schema: str, example: object) -> dict[str, Any]:
    content = {"application/json": {**_schema(schema), "example": example}}
    return {"required": True, "content": content}


def _answer(description: str, schema: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": _schema(schema)}}


def _schema(name: str) -> dict[str, Any]:
    return {"schema": {"$ref": f"#/components/schemas/{name}"}}


def _key(*, required: bool) -> dict[str, Any]:
    return {
        "name": "Idempotency-Key",
        "in": "header",
        "required": required,
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    }


def _id(description: str) -> dict[str, Any]:
    return {
        "name": "id",
        "in": "path",
        "required": True,
        "description": description,
        "schema": {"type": "string"},
    }


def _plain(
    summary: str,
    operation: str,
    also: dict[str, str] | None = None,
    kind: str = "application/json",
) -> dict[str, Any]:
    schema = {"type": "object" if kind == "application/json" else "string"}
    content = {kind: {"schema": schema}}
    responses = {"200": {"description": "The answer", "content": content}}
    for status, description in (also or {}).items():
        responses[status] = {"description": description, "content": content}
    return {"operationId": operation, "summary": summary, "security": [], "responses": responses}


def _refusals(statuses: Mapping[str, str]) -> dict[str, Any]:
    return {
        status: {"description": description, "content": {problems.CONTENT_TYPE: _schema("Problem")}}
        for status, description in statuses.items()
    }
