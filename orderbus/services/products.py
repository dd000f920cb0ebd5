"""Products are added to the catalogue, changed and taken out of it."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from orderbus import storage
from orderbus.domain.products import Changes, NewCategory, NewProduct
from orderbus.domain.text import brief
from orderbus.errors import Fault, Invalid
from orderbus.storage.database import Connection
from orderbus.storage.products import Product, Shown


async def add(
    connection: Connection,
    *,
    name: str,
    description: str,
    price: object,
    actor: str,
    sku: str | None = None,
    categories: Sequence[str] | None = None,
) -> Shown:
    """Add a product, which is called by its uuid where it has no sku of its own.

    Raises ``Conflict`` where the sku is taken; ``Invalid`` where there is no such category.
    """
    uuid = uuid4()
    new = NewProduct.model_validate(
        {"sku": sku or str(uuid), "name": name, "price": price, "description": description}
    )
    await storage.audit.begin(connection, actor=actor)
    added = await storage.products.add(connection, new, uuid=uuid)
    return await _shown(connection, added.id, categories)


async def change(
    connection: Connection,
    product_id: int,
    changes: Changes,
    *,
    actor: str,
    categories: Sequence[str] | None = None,
    seen: int | None = None,
) -> Shown:
    """Change a product; raises ``NotFound``, ``Changed``, and as ``add`` does."""
    await storage.audit.begin(connection, actor=actor)
    await storage.products.change(connection, product_id, changes, seen=seen)
    return await _shown(connection, product_id, categories)


async def deactivate(
    connection: Connection, product_id: int, *, actor: str, seen: int | None = None
) -> None:
    """Sell a product no more; raises ``NotFound``, ``Changed``."""
    await storage.audit.begin(connection, actor=actor, action="product.deactivated")
    await storage.products.deactivate(connection, product_id, seen=seen)


async def activate(connection: Connection, sku: str, *, active: bool, actor: str) -> Product:
    """Sell a product again, or no more; one that is so already is left as it is. ``NotFound``."""
    action = "product.activated" if active else "product.deactivated"
    await storage.audit.begin(connection, actor=actor, action=action)
    return await storage.products.activate(connection, sku, active=active)


async def add_category(connection: Connection, new: NewCategory, *, actor: str) -> bool:
    """Add a category, below another one if it names that; false where there is one already.

    Raises ``NotFound`` where there is none to be below.
    """
    await storage.audit.begin(connection, actor=actor)
    return await storage.categories.add(connection, new.slug, new.name, parent=new.parent)


async def _shown(
    connection: Connection, product_id: int, categories: Sequence[str] | None
) -> Shown:
    if categories is not None:
        unknown = await storage.categories.choose(connection, product_id, categories)
        if unknown:
            said = f"There is no category {brief(unknown[0], 100)}."
            raise Invalid(said, [Fault("/categories", "category", said)])
    return await storage.products.show(connection, product_id)
