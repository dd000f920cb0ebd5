"""What does the API look like to a machine? OpenAPI 3.1, from the models that check requests."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from orderbus.domain.carts import OpenCart
from orderbus.domain.orders import IncomingOrder
from orderbus.domain.states import Status
from orderbus.web import operations
from orderbus.web.schemas.new_orders import NewOrder

_TEXT = {"type": "string"}
_WHEN = {"type": "string", "format": "date-time"}
_ID = {"type": "string", "format": "uuid"}
_REF = {"type": "string", "description": "the sender's reference"}


def _object(optional: tuple[str, ...] = (), **properties: dict[str, Any]) -> dict[str, Any]:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "required": required, "properties": properties}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


_PROBLEM = _object(
    ("instance", "faults"),
    type=_TEXT,
    title=_TEXT,
    status={"type": "integer"},
    detail=_TEXT,
    instance=_TEXT,
    faults=_list(
        _object(
            pointer={"type": "string", "description": "JSON pointer, RFC 6901"},
            code=_TEXT,
            detail=_TEXT,
        )
    ),
)
_ACCEPTED = {**_object(ok={"const": True}, order_id=_TEXT), "additionalProperties": False}
_ORDER = _object(
    id=_ID,
    external_ref=_REF,
    order_id=_TEXT,
    source=_TEXT,
    cart_uuid=_nullable(_ID),
    customer=_object(("ref",), name=_TEXT, email=_TEXT, ref=_TEXT),
    items=_list(
        _object(sku=_TEXT, name=_TEXT, quantity={"type": "integer"}, unit_price=_TEXT),
    ),
    shipping_address=_TEXT,
    total=_TEXT,
    status={"enum": [str(status) for status in Status]},
    reason=_nullable(_TEXT),
    allowed_actions=_list({"enum": ["cancel", "retry"]}),
    created_at=_WHEN,
    sequence={"type": "integer", "minimum": 1},
)
_SCHEMAS = {
    "Problem": _PROBLEM,
    "Accepted": _ACCEPTED,
    "Order": _ORDER,
    "OrderPage": _object(
        items=_list({"$ref": "#/components/schemas/Order"}), next_cursor=_nullable(_TEXT)
    ),
    "OrdersInBrief": _object(
        orders=_list(
            _object(uuid=_ID, cart_uuid=_nullable(_ID), price=_TEXT, created_at=_WHEN),
        )
    ),
    "History": _object(
        id=_ID,
        external_ref=_REF,
        order_id=_TEXT,
        history=_list(
            _object(
                sequence={"type": "integer"},
                type=_TEXT,
                actor=_TEXT,
                at=_WHEN,
                event_id=_ID,
                details={"type": "object"},
            )
        ),
    ),
    "Journey": _object(id=_ID, external_ref=_REF, order_id=_ID, events=_list({"type": "object"})),
    "NewOrderStatus": _object(id=_ID, status=_TEXT, created_at=_WHEN),
    "Unprocessable": _object(
        detail=_list(_object(type=_TEXT, loc=_list({}), msg=_TEXT, input={})),
    ),
    "CartAnswer": _object(message=_TEXT, cart_uuid=_ID),
    "Carts": _object(
        carts=_list(
            _object(uuid=_ID, total_amount=_TEXT, created_at=_WHEN, closed={"type": "boolean"}),
        )
    ),
    "Cancel": _object(("reason",), reason={"type": "string", "minLength": 1, "maxLength": 2000}),
}


def document() -> dict[str, Any]:
    """Describe every path of the API."""
    _, models = models_json_schema(
        [(IncomingOrder, "validation"), (OpenCart, "validation"), (NewOrder, "validation")],
        ref_template="#/components/schemas/{model}",
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "orderbus",
            "version": "0.1.0",
            "summary": "Orders in, webhooks out, provably.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": operations.paths(),
        "components": {
            "schemas": {**models["$defs"], **_SCHEMAS},
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
