"""What does the API look like to a machine? OpenAPI 3.1, from the models that check requests."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from orderbus.domain.orders import PlaceOrder
from orderbus.web import problems

_EXAMPLE = {
    "order_id": "SO-10045",
    "customer": {"name": "Jane Doe", "email": "jane@example.com"},
    "items": [
        {"sku": "ABC123", "name": "Solar Panel", "quantity": 2, "unit_price": 150.0},
        {"sku": "XYZ789", "name": "Mounting Kit", "quantity": 1, "unit_price": 50.0},
    ],
    "shipping_address": "123 Main St, Austin, TX 78701",
    "total": 350.0,
}
_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "faults": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "code", "detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "JSON pointer, RFC 6901"},
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}
_ACCEPTED = {
    "type": "object",
    "required": ["ok", "order_id"],
    "additionalProperties": False,
    "properties": {"ok": {"const": True}, "order_id": {"type": "string"}},
}


def document() -> dict[str, Any]:
    """Describe every path of the API."""
    _, models = models_json_schema(
        [(PlaceOrder, "validation")], ref_template="#/components/schemas/{model}"
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "orderbus",
            "version": "0.1.0",
            "summary": "Orders in, webhooks out, provably.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": {
            "/webhooks/orders/create/": {"post": _create()},
            "/orders/{id}": {"get": _show()},
            "/healthz": {"get": _plain("Say that the process runs", "healthz")},
            "/readyz": {
                "get": _plain("Say which parts answer", "readyz", also={"503": "A part is away"})
            },
            "/metrics": {
                "get": _plain("Show what is counted, as JSON or Prometheus text", "metrics")
            },
            "/metrics/prometheus": {
                "get": _plain("Show it as Prometheus text", "metrics_as_text", kind="text/plain")
            },
            "/api/v1/metrics": {"get": _plain("Show it as JSON", "metrics_as_json")},
            "/openapi.json": {"get": _plain("Describe the API to a machine", "openapi")},
            "/docs": {"get": _plain("Describe it to a person", "docs", kind="text/html")},
        },
        "components": {
            "schemas": {**models["$defs"], "Problem": _PROBLEM, "Accepted": _ACCEPTED},
            "securitySchemes": {
                "signature": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-Webhook-Signature",
                    "description": "hex HMAC-SHA256 of the body",
                },
                "api_key": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _create() -> dict[str, Any]:
    accepted = {"application/json": {"schema": {"$ref": "#/components/schemas/Accepted"}}}
    return {
        "operationId": "create_order",
        "summary": "Take an order; 201 means it is committed",
        "security": [{"signature": []}, {}],
        "parameters": [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "schema": {"type": "string", "minLength": 1, "maxLength": 255},
            }
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"$ref": "#/components/schemas/PlaceOrder"},
                    "example": _EXAMPLE,
                }
            },
        },
        "responses": {
            "201": {"description": "Committed", "content": accepted},
            "200": {"description": "This very order was committed before", "content": accepted},
            **_refusals(
                {
                    "400": "Not an order",
                    "401": "Signature missing, wrong or stale",
                    "408": "Sent too slowly",
                    "409": "The reference exists with another content",
                    "413": "Too large",
                    "415": "Not JSON",
                    "422": "The idempotency key was used with another content",
                    "503": "Not stored; send again after Retry-After",
                }
            ),
        },
    }


def _show() -> dict[str, Any]:
    return {
        "operationId": "show_order",
        "summary": "Show an order",
        "security": [{"api_key": []}, {}],
        "parameters": [
            {
                "name": "id",
                "in": "path",
                "required": True,
                "description": "our uuid, or the sender's reference",
                "schema": {"type": "string"},
            }
        ],
        "responses": {
            "200": {
                "description": "The order",
                "content": {"application/json": {"schema": {"type": "object"}}},
            },
            **_refusals({"401": "No valid API key", "404": "No such order", "503": "Try again"}),
        },
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


def _refusals(statuses: dict[str, str]) -> dict[str, Any]:
    content = {problems.CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": description, "content": content}
        for status, description in statuses.items()
    }
