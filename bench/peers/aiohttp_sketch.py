"""The accept endpoint as a sketch: aiohttp, asyncpg, one statement, and nothing beside it."""

from __future__ import annotations

import os
import sys

import asyncpg
import uvloop
from aiohttp import web
from order import Order
from pydantic import ValidationError
from statement import PLACE

POOL = web.AppKey("pool", asyncpg.Pool)


async def create(request: web.Request) -> web.Response:
    """Keep an order with its event; 201 means committed."""
    try:
        order = Order.model_validate_json(await request.read())
    except ValidationError as error:
        return web.json_response({"errors": error.errors(include_context=False)}, status=422)
    try:
        await request.app[POOL].execute(PLACE, *order.row())
    except asyncpg.UniqueViolationError:
        return web.json_response({"error": "the order exists"}, status=409)
    return web.json_response({"ok": True, "order_id": order.order_id}, status=201)


async def connect(app: web.Application) -> None:
    """Open the pool."""
    app[POOL] = await asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=10, max_size=10)


if __name__ == "__main__":
    uvloop.install()
    app = web.Application()
    app.router.add_post("/webhooks/orders/create/", create)
    app.on_startup.append(connect)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)
