"""Orders of the programs that expect FastAPI: their shapes, their statuses, their refusals."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Final
from uuid import UUID, uuid4

from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from orderbus import services
from orderbus.domain import json as strict_json
from orderbus.domain.events import rfc3339
from orderbus.domain.orders import (
    Customer,
    Item,
    Money,
    PlaceOrder,
)
from orderbus.errors import MOST_FAULTS, Invalid
from orderbus.storage.database import Connection
from orderbus.web import problems, requests
from orderbus.web.app_keys import DATABASE
from orderbus.web.idempotency import answer_once
from orderbus.web.schemas.new_orders import NewOrder

_AMOUNT: Final[TypeAdapter[Any]] = TypeAdapter(Money)


async def create(request: web.Request) -> web.Response:
    """Take an order; whatever it refers to is the sender's."""
    caller = await requests.authorize(request)
    body = await requests.body(request)
    try:
        new = NewOrder.model_validate(strict_json.loads(body))
    except Invalid as error:
        return _unprocessable([_fault("json_invalid", ["body", 0], error.faults[0].detail, {})])
    except ValidationError as error:
        return _unprocessable(_faults(error))
    try:
        amount = _AMOUNT.validate_python(new.amount)
    except ValidationError:
        said = "amount must be a decimal number with at most two places, 0 to 99999999.99"
        return problems.noted(_said(400, {"detail": said}), "invalid", said)
    order_id = uuid4()
    order = PlaceOrder(
        source="api",
        order_id=str(order_id),
        total=amount,
        items=tuple(
            Item(
                sku=one.product_id,
                name=one.product_id,
                quantity=one.quantity,
                unit_price=Decimal(0),
            )
            for one in new.products
        ),
        customer=Customer(ref=new.user_id),
    )
    traceparent = requests.traceparent(request)

    async def place(connection: Connection) -> web.Response:
        placed = await services.orders.accept(
            connection,
            order,
            traceparent=traceparent,
            order_id=order_id,
            actor=requests.key_of(caller),
        )
        created_at = rfc3339(placed.created_at)
        return _said(201, {"id": str(order_id), "status": "CREATED", "created_at": created_at})

    return await answer_once(request, body, place, caller=caller)


async def status(request: web.Request) -> web.Response:
    """Tell an order's status."""
    await requests.authorize(request)
    given = request.match_info["id"]
    try:
        order_id = UUID(given)
    except ValueError:
        said = "Input should be a valid UUID"
        return _unprocessable([_fault("uuid_parsing", ["path", "order_id"], said, given)])
    order = await services.orders.find(request.app[DATABASE], str(order_id))
    return _said(
        200,
        {
            "id": order["id"],
            "status": order["status"].upper(),
            "created_at": order["created_at"],
        },
    )


def _faults(error: ValidationError) -> list[dict[str, Any]]:
    return [
        _fault(fault["type"], ["body", *fault["loc"]], fault["msg"], fault["input"])
        for fault in error.errors(include_url=False, include_context=False)[:MOST_FAULTS]
    ]


def _fault(kind: str, place: list[str | int], said: str, given: object) -> dict[str, Any]:
    return {"type": kind, "loc": place, "msg": said, "input": strict_json.echo(given)}


def _unprocessable(faults: list[dict[str, Any]]) -> web.Response:
    first = f"{'/'.join(map(str, faults[0]['loc']))}: {faults[0]['msg']}"
    return problems.noted(_said(422, {"detail": faults}), "unprocessable", first)


def _said(status: int, members: dict[str, Any]) -> web.Response:
    body = json.dumps(members, default=str).encode()
    return web.Response(status=status, body=body, content_type="application/json")
