"""Orders of the shop are placed with their stock, and processed at once; and they are listed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import partial
from uuid import UUID, uuid4

from orderbus import storage
from orderbus.domain.orders import Customer, OrderId, PlaceOrder, ProductItem
from orderbus.domain.shop_orders import ShopLine
from orderbus.domain.text import brief
from orderbus.errors import Fault, Invalid, OutOfStock, ShortLine, Unavailable
from orderbus.services import orders, processing
from orderbus.services.orders import Placed
from orderbus.storage.database import Connection, after_commit
from orderbus.storage.orders import New, Order
from orderbus.storage.products import Product
from orderbus.storage.shop_orders import Page

Known = Mapping[UUID, Product]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToPlace:
    """An order of the shop: whose, of what, and for how much; and who asks for it.

    It ``takes_stock`` unless it was completed elsewhere: then a product need not be one of ours.
    With ``trusts_prices`` the client says what it costs, and what the catalogue says is noted.
    """

    customer: UUID | None
    lines: Sequence[ShopLine]
    total: Decimal
    takes_stock: bool
    trusts_prices: bool
    actor: str
    traceparent: str | None


async def get(connection: Connection, order_pk: int, *, customer: UUID | None = None) -> Order:
    """Show an order, the customer's alone if one is given. Raises ``NotFound``, also if removed."""
    order = await storage.shop_orders.get(connection, order_pk, customer=customer)
    (named,) = await _naming_products(connection, [order])
    return named


async def list_page(
    connection: Connection, *, customer: UUID | None, offset: int, at_most: int
) -> Page:
    """List orders behind the first ``offset``, and count them."""
    page = await storage.shop_orders.list_page(
        connection, customer=customer, offset=offset, at_most=at_most
    )
    return replace(page, orders=await _naming_products(connection, page.orders))


async def _naming_products(connection: Connection, found: Sequence[Order]) -> Sequence[Order]:
    """Name the product of each line that came by its sku alone, as those of a cart do."""
    skus = {item.sku for order in found for item in order.items if item.product is None}
    if not skus:
        return found
    known = await storage.products.uuids(connection, skus)
    return [
        replace(
            order,
            items=[
                replace(item, product=str(known[item.sku]))
                if item.product is None and item.sku in known
                else item
                for item in order.items
            ],
        )
        for order in found
    ]


async def place(connection: Connection, wanted: ToPlace) -> Order:
    """Store an order with all of its stock, and have it completed in the same transaction.

    Raises ``OutOfStock`` where of a product there is too little, or no such product;
    ``Invalid`` where the catalogue has another price and that counts.
    """
    products = await storage.products.list_of(
        connection, {each.product for each in wanted.lines}, only_sold=wanted.takes_stock
    )
    known = {product.uuid: product for product in products}
    if wanted.takes_stock:
        see_that_all_are_known(wanted.lines, known)
    if not wanted.trusts_prices:
        due = sum((line.price * line.quantity for line in wanted.lines), Decimal(0))
        see_to_prices(dict(enumerate(wanted.lines)), known, total=wanted.total, due=due)
    order_id = OrderId(uuid4())
    order = PlaceOrder(
        source="catalog",
        external_ref=str(order_id),
        total=wanted.total,
        items=tuple(item_of(line, known.get(line.product)) for line in wanted.lines),
        customer=Customer(id=wanted.customer),
    )
    new = orders.to_store(
        order,
        traceparent=wanted.traceparent,
        order_id=order_id,
        actor=wanted.actor,
        details=differences(wanted.lines, known),
    )
    created_at = await _store(connection, new, known if wanted.takes_stock else {})
    after_commit(
        connection, partial(orders.announce, Placed(order_id, order.external_ref, created_at), None)
    )
    stored = await storage.orders.get(connection, str(order_id))
    return await processing.at_once(
        connection, stored, actor=wanted.actor, traceparent=wanted.traceparent
    )


async def _store(connection: Connection, new: New, known: Known) -> datetime:
    """Store an order with its stock, if it takes some."""
    answer: datetime | Sequence[ShortLine] | None
    if known:
        skus = {product.sku: product.id for product in known.values()}
        (answer,) = await storage.allocating.add(connection, [new], skus)
    else:
        (answer,) = await storage.orders.add(connection, [new])
    if isinstance(answer, Sequence):
        raise OutOfStock(sentence("Requested quantity is not available", answer), short=answer)
    if answer is None:
        raise Unavailable("The order could not be stored just now")
    return answer


def see_that_all_are_known(lines: Collection[ShopLine], known: Known) -> None:
    """Pass where the catalogue has every product; raises ``OutOfStock``."""
    missing = {line.product: line.quantity for line in lines if line.product not in known}
    if missing:
        short = [ShortLine(str(product), quantity, 0) for product, quantity in missing.items()]
        raise OutOfStock(sentence("Product not found", short), short=short)


def sentence(what: str, short: Sequence[ShortLine]) -> str:
    """Name each product of which there is too little, by its sku."""
    lines = [f"{brief(each.sku)} ({each.wanted} wanted, {each.available} left)" for each in short]
    return f"{what}: {', '.join(lines)}"


def see_to_prices(
    lines: Mapping[int, ShopLine], known: Known, *, total: Decimal, due: Decimal
) -> None:
    """Refuse prices of the client's own making, and a total that is not ``due``.

    ``lines`` are those that are looked at, by their place. Raises ``Invalid``.
    """
    faults = [
        Fault(f"/order_items/{number}/price", "price", f"The catalogue has {product.price}.")
        for number, line in lines.items()
        if (product := known.get(line.product)) and product.price != line.price
    ]
    if not faults and total != due:
        faults = [Fault("/total", "price", f"The items come to {due}.")]
    if faults:
        message = f"The order is not valid: {faults[0].pointer[1:]} {faults[0].detail}"
        raise Invalid(message, faults)


def differences(lines: Collection[ShopLine], known: Known) -> Mapping[str, Mapping[str, str]]:
    """Note what the catalogue has as the price of what was ordered for another one."""
    prices = {
        product.sku: str(product.price)
        for line in lines
        if (product := known.get(line.product)) and product.price != line.price
    }
    return {"catalogue_prices": prices} if prices else {}


def item_of(line: ShopLine, product: Product | None) -> ProductItem:
    """Write a line; a product that is none of ours is called by its uuid."""
    uuid = str(line.product)
    return ProductItem(
        product=uuid,
        sku=product.sku if product else uuid,
        name=product.name if product else uuid,
        quantity=line.quantity,
        unit_price=line.price,
    )
