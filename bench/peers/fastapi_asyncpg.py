"""The accept endpoint as FastAPI with a hand-written statement for asyncpg."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from fastapi import FastAPI, HTTPException
from order import Order
from statement import PLACE


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the pool, and close it."""
    async with asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=10, max_size=10) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/webhooks/orders/create/", status_code=201)
async def create(order: Order) -> dict[str, object]:
    """Keep an order with its event; 201 means committed."""
    try:
        await app.state.pool.execute(PLACE, *order.row())
    except asyncpg.UniqueViolationError:
        raise HTTPException(409, "the order exists") from None
    return {"ok": True, "order_id": order.order_id}
