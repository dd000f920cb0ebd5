"""The catalogue: products are shown to anybody, and kept by whoever may."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from aiohttp import web

from orderbus import services, storage
from orderbus.domain.products import Changes, NewCategory
from orderbus.errors import (
    Conflict,
    Fault,
    Forbidden,
    Invalid,
    Misconfigured,
    NotFound,
    OutOfStock,
    Unauthenticated,
    Unavailable,
)
from orderbus.storage.database import Connection
from orderbus.storage.products import Shown
from orderbus.storage.stock_views import Level
from orderbus.web import product_queries, queries, reads, requests
from orderbus.web.app_keys import DATABASE, PRODUCTS
from orderbus.web.idempotency import REPLAYED, answer_once
from orderbus.web.requests import CALLER
from orderbus.web.routes import Routes
from orderbus.web.schemas import catalog as bodies

ROUTES: Final = Routes("catalogue")
_ALL: Final = "/api/catalog/products/"
_ONE: Final = f"{_ALL}{{product}}/"
_READ: Final[Mapping[str, Any]] = {
    "reads": (reads.CONSISTENCY,),
    "errors": (Unavailable, Misconfigured),
}
_CHANGE: Final[Mapping[str, Any]] = {
    "answers": {200: (bodies.Product,)},
    "headers": ("ETag",),
    "reads": ("If-Match",),
}
_BY_HAND: Final[Mapping[str, Any]] = {
    "takes": bodies.Quantity,
    "answers": {200: (bodies.Inventory,)},
    "headers": (REPLAYED,),
    "reads": ("Idempotency-Key",),
    "errors": (OutOfStock,),
}


@ROUTES("GET", "/api/", name="api_root", answers={200: (bodies.ApiLinks,)})
async def api_root(request: web.Request) -> web.Response:
    """Say where the shop begins."""
    origin = product_queries.origin(request)
    return bodies.ApiLinks(
        **{name: f"{origin}/api/{name}/" for name in ("identity", "catalog", "orders")}
    ).response()


@ROUTES(
    "GET",
    "/api/catalog/",
    name="catalog_root",
    answers={200: (bodies.CatalogLinks,)},
)
async def root(request: web.Request) -> web.Response:
    """Say where the collections of the catalogue are."""
    origin = product_queries.origin(request)
    return bodies.CatalogLinks(
        products=f"{origin}{_ALL}", categories=f"{origin}/api/catalog/categories/"
    ).response()


@ROUTES(
    "GET",
    _ALL,
    name="list_products",
    query=product_queries.ProductQuery,
    answers={200: (bodies.ProductPage,)},
    reads=(reads.CONSISTENCY,),
    errors=(Unavailable, Misconfigured, Unauthenticated, Forbidden),
)
async def list_page(request: web.Request) -> web.Response:
    """List products by id, some at a time; an unknown filter is refused.

    Those that are sold no more are shown to who keeps the catalogue, or reads everything.
    """
    query = queries.read(request, product_queries.ProductQuery)
    if not query.active:
        await requests.authorize(request, "list_inactive_products")
    page = await request.app[PRODUCTS].page(
        query.filter(), limit=query.limit, offset=query.offset, seen=reads.seen(request)
    )
    return bodies.ProductPage(
        count=page.count,
        next=product_queries.page_at(request, query, query.offset + query.limit)
        if page.goes_on
        else None,
        previous=product_queries.page_at(request, query, query.offset - query.limit)
        if query.offset
        else None,
        results=[_body(request, product) for product in page.products],
    ).response()


@ROUTES(
    "POST",
    _ALL,
    name="add_product",
    takes=bodies.ProductToKeep,
    answers={201: (bodies.Product,)},
    headers=("ETag", "Location", REPLAYED),
    reads=("Idempotency-Key",),
)
async def add(request: web.Request) -> web.Response:
    """Add a product, of which there is none in stock yet."""
    body = await requests.body(request)
    asked = requests.valid(bodies.ProductToKeep, requests.members(body))

    async def add(connection: Connection) -> web.Response:
        given = asked.model_dump(exclude_unset=True)
        added = await _unless_taken(
            services.products.add(connection, actor=request[CALLER], **given)
        )
        return _shown(request, added, 201, Location=_url(request, added.id))

    return await answer_once(request, body, add)


@ROUTES(
    "GET",
    _ONE,
    name="show_product",
    answers={200: (bodies.Product,)},
    headers=("ETag",),
    **_READ,
)
async def show(request: web.Request) -> web.Response:
    """Show a product, and how much of it is available."""
    product = await request.app[PRODUCTS].product(_number(request), seen=reads.seen(request))
    return _shown(request, product)


@ROUTES("PUT", _ONE, name="replace_product", takes=bodies.ProductToKeep, **_CHANGE)
async def replace(request: web.Request) -> web.Response:
    """Change a product to what is sent; its sku and categories stay where they are left out."""
    return await _change(request, bodies.ProductToKeep)


@ROUTES("PATCH", _ONE, name="change_product", takes=bodies.ProductChange, **_CHANGE)
async def change(request: web.Request) -> web.Response:
    """Change what is sent of a product."""
    return await _change(request, bodies.ProductChange)


@ROUTES("DELETE", _ONE, name="remove_product", answers={204: ()}, reads=("If-Match",))
async def remove(request: web.Request) -> web.Response:
    """Sell a product no more: what orders and movements say of it stays."""
    product_id, seen = _number(request), requests.seen_sequence(request)
    async with request.app[DATABASE].transaction() as connection:
        await services.products.deactivate(connection, product_id, actor=request[CALLER], seen=seen)
    return web.Response(status=204)


@ROUTES("POST", f"{_ONE}reserve/", name="reserve_product", **_BY_HAND)
async def reserve(request: web.Request) -> web.Response:
    """Set units of a product aside, for somebody who has neither cart nor order."""
    return await _by_hand(request, services.stock.set_aside)


@ROUTES("POST", f"{_ONE}ship/", name="ship_product", **_BY_HAND)
async def ship(request: web.Request) -> web.Response:
    """Let units of a product leave: what was set aside first, then what is available."""
    return await _by_hand(request, services.stock.send)


@ROUTES(
    "GET",
    "/api/catalog/categories/",
    name="list_categories",
    answers={200: (bodies.CategoryList,)},
    **_READ,
)
async def list_categories(request: web.Request) -> web.Response:
    """List the categories, each behind the one that it is below."""
    found = await reads.ask(request, storage.categories.list_all)
    items = [bodies.Category.of(category) for category in found]
    return bodies.CategoryList(count=len(items), next=None, previous=None, results=items).response()


@ROUTES(
    "POST",
    "/api/catalog/categories/",
    name="add_category",
    takes=NewCategory,
    answers={201: (bodies.Category,)},
)
async def add_category(request: web.Request) -> web.Response:
    """Add a category, below another one if it names that."""
    asked = requests.valid(NewCategory, requests.members(await requests.body(request)))
    try:
        async with request.app[DATABASE].transaction() as connection:
            added = await services.products.add_category(connection, asked, actor=request[CALLER])
    except NotFound as error:
        raise Invalid(error.detail, [Fault("/parent", "category", error.detail)]) from None
    if not added:
        said = "category with this slug already exists."
        raise Invalid(said, [Fault("/slug", "unique", said)])
    return bodies.Category(**asked.model_dump()).response(201)


async def _by_hand(request: web.Request, act: Callable[..., Awaitable[Level]]) -> web.Response:
    product_id, body = _number(request), await requests.body(request)
    quantity = requests.valid(bodies.Quantity, requests.members(body)).quantity

    async def move(connection: Connection) -> web.Response:
        level = await act(connection, product_id, quantity, actor=request[CALLER])
        return bodies.Inventory.counted(level).response()

    return await answer_once(request, body, move)


async def _change(
    request: web.Request, model: type[bodies.ProductToKeep | bodies.ProductChange]
) -> web.Response:
    product_id = _number(request)
    asked = requests.valid(model, requests.members(await requests.body(request)))
    given = asked.model_dump(exclude_unset=True)
    categories = given.pop("categories", None)
    async with request.app[DATABASE].transaction() as connection:
        changing = services.products.change(
            connection,
            product_id,
            Changes(**given),
            actor=request[CALLER],
            categories=categories,
            seen=requests.seen_sequence(request),
        )
        return _shown(request, await _unless_taken(changing))


async def _unless_taken(changing: Awaitable[Shown]) -> Shown:
    """Say of a sku that another product has what is said of any other wrong field."""
    try:
        return await changing
    except Conflict:
        said = "product with this sku already exists."
        raise Invalid(said, [Fault("/sku", "unique", said)]) from None


def _number(request: web.Request) -> int:
    try:
        return requests.number(request, "product")
    except NotFound:
        raise NotFound("Not found.") from None


def _shown(request: web.Request, product: Shown, status: int = 200, **headers: str) -> web.Response:
    return _body(request, product).response(status, {"ETag": f'"{product.version}"', **headers})


def _body(request: web.Request, product: Shown) -> bodies.Product:
    return bodies.Product.shown(product, url=_url(request, product.id))


def _url(request: web.Request, product_id: int) -> str:
    return f"{product_queries.origin(request)}{_ALL}{product_id}/"
