"""The shop as its program's data has it: some of its guitars, its two people, and their orders."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from orderbus import storage
from orderbus.domain import seeds
from orderbus.domain.products import NewProduct
from orderbus.domain.rights import Role
from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.support import identity, stock_rows
from tests.support.api_client import Client
from tests.support.identity import SignedIn

ORDERS = "/api/orders/orders/"
#: The first product, of which there are 52, at 100.00; and one that there is not.
GUITAR = "04d5d8be-470b-45e8-b3fe-88b1c412535a"
NOWHERE = "d8d4d3f5-1a9e-4b0d-9d5e-2d5d3d9e0b1e"
PRICE = Decimal("100.00")
OPPLY = UUID("9feeac87-9058-4c97-a347-ee0b356ee8a0")
OPPLY_TEST = UUID("9feeac87-9058-4c97-a347-ee0b356ee8a1")


def line(
    product: str = GUITAR, quantity: int | str = 3, price: float | str = 1000
) -> dict[str, Any]:
    return {"product": product, "quantity": quantity, "price": price}


def order(*lines: dict[str, Any], total: float | str = 3000, **more: Any) -> dict[str, Any]:
    return {"total": total, "order_items": list(lines or (line(),)), **more}


async def open_shop(client: Client, database: Database, settings: Settings) -> Sequence[SignedIn]:
    """Fill the catalogue, and sign its two people in: who may all, and a customer."""
    for seed in seeds.PRODUCTS[:3]:
        new = NewProduct(sku=seed.sku, name=seed.name, price=Decimal(seed.price))
        await database.ask(storage.products.add, new, uuid=seed.uuid)
        await stock_rows.book(database, seed.sku, seed.on_hand)
    found = []
    for name, role, uuid in (
        ("owner", Role.SUPERUSER, OPPLY),
        ("customer", Role.CUSTOMER, OPPLY_TEST),
    ):
        user = await identity.add(database, name, role, uuid=uuid)
        pair = await identity.pair_of(database, settings, user)
        found.append(SignedIn(client, user, pair.access, pair.refresh))
    return found


async def placed(somebody: SignedIn, **more: Any) -> dict[str, Any]:
    """Place an order of a guitar, and read it as it is answered."""
    response = await somebody.ask("POST", ORDERS, order(line(quantity=1), total=1000, **more))
    shown: dict[str, Any] = await response.json()
    assert response.status == 201, shown
    return shown


async def read(somebody: SignedIn, path: str = ORDERS) -> Any:
    response = await somebody.ask("GET", path)
    assert response.status == 200, await response.text()
    return await response.json()


async def available(client: Client, product: int = 1) -> int:
    """Say how many the catalogue shows of a product."""
    response = await client.get(f"/api/catalog/products/{product}/")
    return int((await response.json())["quantity"])
