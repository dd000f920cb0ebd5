"""Orders of the programs that expect FastAPI: their shapes, their statuses, their refusals."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any, Final
from uuid import UUID, uuid4

from aiohttp import web
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from orderbus import services, storage
from orderbus.domain import json as strict_json
from orderbus.domain.orders import Customer, Item, Money, OrderId, PlaceOrder
from orderbus.domain.text import brief, storable
from orderbus.errors import MOST_FAULTS, Invalid
from orderbus.storage.database import Connection
from orderbus.web import problems, reads, requests
from orderbus.web.idempotency import REPLAYED, answer_once
from orderbus.web.routes import Routes
from orderbus.web.schemas import new_orders as bodies

ROUTES: Final = Routes("orders by references")
_AMOUNT: Final[TypeAdapter[Any]] = TypeAdapter(Money)
_ID: Final = TypeAdapter(UUID)


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
    body = await requests.body(request, taken=lambda _: True)  # it is a 422, as FastAPI has it
    try:
        # As FastAPI reads models, which decides about its words.
        new = bodies.NewOrder.model_validate(_members(request, body), from_attributes=True)
    except Invalid as error:
        return _unprocessable([_not_json(error)])
    except ValidationError as error:
        return _unprocessable(_faults("body", error) if body else [_MISSING])
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
    reads=(reads.CONSISTENCY,),
)
async def status(request: web.Request) -> web.Response:
    """Show the status of an order."""
    try:
        order_id = _ID.validate_python(request.match_info["id"])
    except ValidationError as error:
        return _unprocessable(_faults("path/order_id", error))
    customer = requests.only_customer(request)
    order = await reads.ask(request, storage.orders.get, str(order_id), customer=customer)
    return bodies.NewOrderStatus(
        id=order.order_id, status=order.status.upper(), created_at=order.created_at
    ).response()


#: What FastAPI says where a body has to be and none is.
_MISSING: Final = bodies.UnprocessableFault(
    type="missing", loc=["body"], msg="Field required", input=None
)


def _members(request: web.Request, body: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Read what a body holds: what does not say that it is JSON, or says nothing, is its text."""
    kind = requests.media_type(request)
    if body and (not kind or requests.is_json(kind)):
        return strict_json.loads(body)
    return body.decode(errors="replace") or None


def _faults(place: str, error: ValidationError) -> list[bodies.UnprocessableFault]:
    found = error.errors(include_url=False)[:MOST_FAULTS]
    return [_fault({**each, "loc": (*place.split("/"), *each["loc"])}) for each in found]


def _not_json(error: Invalid) -> bodies.UnprocessableFault:
    """Say where the JSON ends that can be read, in FastAPI's words; or what else is refused."""
    found = error.__cause__
    at, why = 0, error.faults[0].detail
    if isinstance(found, json.JSONDecodeError):
        at, why = found.pos, found.msg
    return bodies.UnprocessableFault(
        type="json_invalid",
        loc=["body", at],
        msg="JSON decode error",
        input={},
        ctx={"error": storable(why)},
    )


def _fault(found: ErrorDetails) -> bodies.UnprocessableFault:
    about = {"ctx": _as_json(found["ctx"])} if "ctx" in found else {}
    return bodies.UnprocessableFault(
        type=found["type"],
        loc=list(found["loc"]),
        msg=storable(found["msg"]),
        input=_as_json(strict_json.echo(found["input"])),
        **about,
    )


def _as_json(value: object) -> Any:  # noqa: ANN401 - any JSON value
    """Write a value of an error as JSON can have it: a number stays one, an exception its words."""
    text = json.dumps(value, default=_plain, ensure_ascii=False)
    return json.loads(storable(text))


def _plain(value: object) -> object:
    if isinstance(value, Decimal) and math.isfinite(number := float(value)):
        return number
    return str(value)


def _unprocessable(faults: list[bodies.UnprocessableFault]) -> web.Response:
    first = f"{'/'.join(map(str, faults[0].loc))}: {faults[0].msg}"
    return problems.noted(bodies.Unprocessable(detail=faults).response(422), "unprocessable", first)
