"""Orders of the programs that expect FastAPI: their shapes, their statuses, their refusals."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Final
from uuid import UUID, uuid4

from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from orderbus import services, storage
from orderbus.domain import json as strict_json
from orderbus.domain.orders import Customer, Item, Money, OrderId, PlaceOrder
from orderbus.domain.text import brief, storable
from orderbus.errors import MOST_FAULTS, Invalid
from orderbus.storage.database import Connection
from orderbus.web import problems, requests
from orderbus.web.app_keys import DATABASE
from orderbus.web.idempotency import REPLAYED, answer_once
from orderbus.web.routes import Routes
from orderbus.web.schemas import new_orders as bodies

ROUTES: Final = Routes("orders by references")
_AMOUNT: Final[TypeAdapter[Any]] = TypeAdapter(Money)


@ROUTES(
    "POST",
    "/api/v1/orders/new",
    name="create_new_order",
    takes=bodies.NewOrder,
    answers={
        201: (bodies.NewOrderStatus,),
        400: (bodies.WrongAmount,),
        422: (bodies.Unprocessable,),
    },
    headers=(REPLAYED,),
    reads=("Idempotency-Key",),
    takes_order=True,
)
async def create(request: web.Request) -> web.Response:
    """Take an order by references alone."""
    body = await requests.body(request)
    try:
        new = bodies.NewOrder.model_validate(strict_json.loads(body))
    except Invalid as error:
        return _unprocessable([_fault("json_invalid", ["body", 0], error.faults[0].detail, {})])
    except ValidationError as error:
        return _unprocessable(_faults(error))
    try:
        amount = _AMOUNT.validate_python(new.amount)
    except ValidationError:
        given = brief(new.amount, 40)
        detail = f"amount is {given!r}: must be 0 to 99999999.99, with at most two decimals"
        answer = bodies.WrongAmount(detail=storable(detail)).response(400)
        return problems.noted(answer, "invalid", detail)
    order_id = OrderId(uuid4())
    order = PlaceOrder(
        source="api",
        external_ref=str(order_id),
        total=amount,
        items=tuple(
            Item(sku=name, name=name, quantity=quantity, unit_price=Decimal(0))
            for name, quantity in ((one.product_id, one.quantity) for one in new.products)
        ),
        customer=Customer(ref=new.user_id),
    )

    async def place(connection: Connection) -> web.Response:
        placed = await services.orders.accept(
            connection,
            order,
            traceparent=requests.traceparent(request),
            order_id=order_id,
            actor=requests.key_of(request),
        )
        return bodies.NewOrderStatus(
            id=order_id, status="CREATED", created_at=placed.created_at
        ).response(201)

    return await answer_once(request, body, place)


@ROUTES(
    "GET",
    "/api/v1/orders/{id}/status",
    name="order_status",
    answers={200: (bodies.NewOrderStatus,), 422: (bodies.Unprocessable,)},
)
async def status(request: web.Request) -> web.Response:
    """Show the status of an order."""
    given = request.match_info["id"]
    try:
        order_id = UUID(given)
    except ValueError:
        fault = _fault("uuid_parsing", ["path", "order_id"], "Input should be a valid UUID", given)
        return _unprocessable([fault])
    order = await request.app[DATABASE].ask(storage.orders.get, str(order_id))
    return bodies.NewOrderStatus(
        id=order.order_id, status=order.status.upper(), created_at=order.created_at
    ).response()


def _faults(error: ValidationError) -> list[bodies.UnprocessableFault]:
    return [
        _fault(fault["type"], ["body", *fault["loc"]], fault["msg"], fault["input"])
        for fault in error.errors(include_url=False, include_context=False)[:MOST_FAULTS]
    ]


def _fault(
    kind: str, place: list[str | int], message: str, given: object
) -> bodies.UnprocessableFault:
    echo = storable(json.dumps(strict_json.echo(given), default=str, ensure_ascii=False))
    return bodies.UnprocessableFault(
        type=kind, loc=place, msg=storable(message), input=json.loads(echo)
    )


def _unprocessable(faults: list[bodies.UnprocessableFault]) -> web.Response:
    first = f"{'/'.join(map(str, faults[0].loc))}: {faults[0].msg}"
    return problems.noted(bodies.Unprocessable(detail=faults).response(422), "unprocessable", first)
