"""The accept endpoint as FastAPI with SQLAlchemy's ORM, asynchronous, over asyncpg."""

from __future__ import annotations

import os
from datetime import datetime
from decimal import Decimal
from typing import Any

from fastapi import FastAPI, HTTPException
from order import Order as Body
from sqlalchemy import BigInteger, ForeignKey, MetaData, Numeric, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

URL = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://")
engine = create_async_engine(URL, pool_size=10, max_overflow=0)
sessions = async_sessionmaker(engine, expire_on_commit=False)
app = FastAPI()


class Base(DeclarativeBase):
    """What the tables share."""

    metadata = MetaData(schema="peers")
    type_annotation_map = {dict[str, Any]: JSONB, int: BigInteger, Decimal: Numeric(10, 2)}  # noqa: RUF012 - as SQLAlchemy documents it


class Order(Base):
    """An order."""

    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    reference: Mapped[str]
    customer_name: Mapped[str]
    customer_email: Mapped[str]
    shipping_address: Mapped[str]
    total: Mapped[Decimal]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    items: Mapped[list[Item]] = relationship()
    events: Mapped[list[Event]] = relationship()


class Item(Base):
    """One line."""

    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey(Order.id))
    sku: Mapped[str]
    name: Mapped[str]
    quantity: Mapped[int]
    unit_price: Mapped[Decimal]


class Event(Base):
    """What tells of an order; what publishes reads it."""

    __tablename__ = "events"
    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey(Order.id))
    type: Mapped[str]
    content: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


@app.post("/webhooks/orders/create/", status_code=201)
async def create(body: Body) -> dict[str, object]:
    """Keep an order with its event; 201 means committed."""
    placed = Order(
        reference=body.order_id,
        customer_name=body.customer.name,
        customer_email=body.customer.email,
        shipping_address=body.shipping_address,
        total=body.total,
        items=[Item(**item.model_dump()) for item in body.items],
        events=[Event(type="order.created", content=body.model_dump(mode="json"))],
    )
    try:
        async with sessions.begin() as session:
            session.add(placed)
    except IntegrityError:
        raise HTTPException(409, "the order exists") from None
    return {"ok": True, "order_id": body.order_id}
