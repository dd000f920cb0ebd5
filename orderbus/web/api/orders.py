"""Orders come in, can be read and listed, and are cancelled."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from aiohttp import web

from orderbus import services, storage, telemetry
from orderbus.domain import orders, signatures
from orderbus.domain.events import rfc3339
from orderbus.domain.text import storable
from orderbus.errors import Fault, Invalid, NotFound
from orderbus.storage.database import Connection
from orderbus.web import open_access, queries, requests
from orderbus.web.app_keys import DATABASE, SETTINGS
from orderbus.web.idempotency import REPLAYED, answer_once
from orderbus.web.streams import stream_list

_LONGEST_REASON: Final = 2000


async def receive(request: web.Request) -> web.Response:
    """Take an order: size, kind, signature and shape are checked before the database is asked."""
    settings = request.app[SETTINGS]
    if not settings.webhook_secrets:
        open_access.admit(request)
    body = await requests.body(request)
    if settings.webhook_secrets:
        signatures.verify(
            request.headers,
            body,
            [secret.get_secret_value() for secret in settings.webhook_secrets],
            now=datetime.now(UTC),
        )
    order = orders.parse(body, idempotency_key=requests.idempotency_key(request))
    traceparent = requests.traceparent(request)
    async with request.app[DATABASE].connection() as connection:
        placed = await services.orders.accept(connection, order, traceparent=traceparent)
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "Location": f"/orders/{placed.order_id}",
        "traceparent": traceparent,
    }
    if not placed.created:
        headers[REPLAYED] = "true"
    return web.Response(
        status=201 if placed.created else 200,
        body=json.dumps({"ok": True, "order_id": placed.external_ref}).encode(),
        headers=headers,
    )


async def create(request: web.Request) -> web.Response:
    """Take an order from whoever holds an API key; it is answered as a whole."""
    caller = await requests.authorize(request)
    body = await requests.body(request)
    order_id = uuid4()
    order = orders.parse(body, source="api", reference=str(order_id))
    traceparent = requests.traceparent(request)

    async def place(connection: Connection) -> web.Response:
        placed = await services.orders.accept(
            connection,
            order,
            traceparent=traceparent,
            order_id=order_id,
            actor=requests.key_of(caller),
        )
        found = await storage.orders.get(connection, str(placed.order_id))
        response = _order(services.orders.shown(found), status=201 if placed.created else 200)
        response.headers["Location"] = f"/api/v1/orders/{placed.order_id}"
        return response

    return await answer_once(request, body, place, caller=caller, required=True)


async def show(request: web.Request) -> web.Response:
    """Show an order to whoever holds an API key: it names a person."""
    await requests.authorize(request)
    order = await services.orders.find(request.app[DATABASE], _id_or_ref(request))
    response = _order(order, status=200)
    if request.headers.get("If-None-Match") == response.headers["ETag"]:
        return web.Response(status=304, headers={"ETag": response.headers["ETag"]})
    return response


async def history(request: web.Request) -> web.Response:
    """Tell who did what to an order, and when."""
    await requests.authorize(request)
    told = await services.orders.history(request.app[DATABASE], _id_or_ref(request))
    return web.json_response(told)


async def journey(request: web.Request) -> web.Response:
    """Tell every hop of every event of an order."""
    await requests.authorize(request)
    told = await services.orders.journey(request.app[DATABASE], _id_or_ref(request))
    return web.json_response(told, dumps=lambda value: json.dumps(value, default=str))


async def cancel(request: web.Request) -> web.Response:
    """Cancel an order, if it is still as the caller saw it."""
    caller = await requests.authorize(request)
    id_or_ref = _id_or_ref(request)
    body, members = await requests.members_or_none(request)
    reason = _text(members.get("reason"), "/reason", at_most=_LONGEST_REASON)
    traceparent = requests.traceparent(request)

    async def cancel(connection: Connection) -> web.Response:
        order = await services.orders.cancel(
            connection,
            id_or_ref,
            reason=reason,
            actor=caller,
            seen=requests.seen_sequence(request),
            traceparent=traceparent,
        )
        return _order(order, status=200)

    return await answer_once(request, body, cancel, caller=caller)


async def retry(request: web.Request) -> web.Response:
    """Have an order that failed processed anew; 202, since that happens afterwards."""
    caller = await requests.authorize(request)
    id_or_ref = _id_or_ref(request)
    body, _ = await requests.members_or_none(request)

    async def retry(connection: Connection) -> web.Response:
        seen = requests.seen_sequence(request)
        order = await services.processing.retry(
            connection, id_or_ref, actor=requests.key_of(caller), seen=seen
        )
        telemetry.log.info(
            "order_tried_again",
            order_id=order["id"],
            external_ref=order["order_id"],
            actor=caller,
        )
        return _order(order, status=202)

    return await answer_once(request, body, retry, caller=caller)


async def list_page(request: web.Request) -> web.Response:
    """List orders from the newest on, a page at a time; a filter we do not know is refused."""
    await requests.authorize(request)
    wanted, limit, before = queries.page(request)
    items, going_on = await services.orders.list_newest(
        request.app[DATABASE], wanted, before=before, at_most=limit
    )
    return web.json_response({"items": items, "next_cursor": queries.cursor(going_on)})


async def list_all(request: web.Request) -> web.StreamResponse:
    """List all orders, however many, in the shape of the source document."""
    await requests.authorize(request)

    async def page(
        connection: Connection, after: int, at_most: int
    ) -> list[tuple[int, dict[str, Any]]]:
        rows = await storage.order_lists.list_after(connection, after, at_most=at_most)
        return [(row["id"], _in_brief(row)) for row in rows]

    return await stream_list(request, "orders", page)


def _in_brief(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "uuid": str(row["public_id"]),
        "cart_uuid": None if row["cart_uuid"] is None else str(row["cart_uuid"]),
        "price": str(row["total"]),
        "created_at": rfc3339(row["created_at"]),
    }


def _order(order: dict[str, Any], *, status: int) -> web.Response:
    return web.Response(
        status=status,
        body=json.dumps(order).encode(),
        headers={
            "Content-Type": "application/json; charset=utf-8",
            "ETag": f'"{order["sequence"]}"',
        },
    )


def _id_or_ref(request: web.Request) -> str:
    id_or_ref = request.match_info["id"]
    if "\x00" in id_or_ref or not id_or_ref.isprintable():
        raise NotFound("No such order")
    return id_or_ref


def _text(value: object, pointer: str, *, at_most: int) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not 1 <= len(value) <= at_most or storable(value) != value:
        message = f"must be a text of 1 to {at_most} characters, without NUL or half a pair"
        raise Invalid("The request is not valid", [Fault(pointer, "text", message)])
    return value
