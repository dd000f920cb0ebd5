"""A catalogue and people to begin with, for development."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orderbus import services, storage
from orderbus.domain import seeds
from orderbus.domain.people import Person
from orderbus.domain.products import NewProduct
from orderbus.errors import Misconfigured
from orderbus.services.passwords import Passwords
from orderbus.settings import Settings
from orderbus.storage.database import Database
from orderbus.storage.stock_bookings import Line


@dataclass(frozen=True, slots=True)
class Planted:
    """How many of each were not there yet."""

    products: int
    users: int


async def plant(database: Database, settings: Settings) -> Planted:
    """Add the seeds that are not there yet, with their stock, all or none; returns how many.

    Raises ``Misconfigured`` outside DEBUG.
    """
    if not settings.debug:
        raise Misconfigured("The catalogue is filled with examples only where DEBUG is true")
    hashes = await _hashes()
    async with database.transaction() as connection:
        await storage.audit.begin(connection, actor="seed")
        users = [
            await services.users.add(
                connection,
                Person(username=name),
                password_hash=hashes[name],
                role=role,
                actor="seed",
            )
            for name, _, role in seeds.USERS
            if await storage.users.find(connection, name) is None
        ]
        for slug, name, parent in seeds.CATEGORIES:
            await storage.categories.add(connection, slug, name, parent=parent)
        skus = [seed.sku for seed in seeds.PRODUCTS]
        known = await storage.products.ids(connection, skus, only_sold=False)
        new = [seed for seed in seeds.PRODUCTS if seed.sku not in known]
        for seed in new:
            product = NewProduct.model_validate(
                {name: getattr(seed, name) for name in ("sku", "name", "description", "price")}
            )
            added = await storage.products.add(connection, product, uuid=seed.uuid)
            await storage.categories.choose(connection, added.id, [seed.category])
        lines = [Line(sku=seed.sku, delta=seed.on_hand) for seed in new if seed.on_hand]
        if lines:
            await storage.stock_bookings.book(connection, lines, each_alone=False, actor="seed")
    return Planted(len(new), len(users))


async def _hashes() -> Mapping[str, str]:
    hashing = Passwords()
    try:
        return {name: await hashing.hash(password) for name, password, _ in seeds.USERS}
    finally:
        hashing.close()
