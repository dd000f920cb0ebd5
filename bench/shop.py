"""How fast is the shop: lists of products, orders that are allocated their stock, bookings?"""

from __future__ import annotations

import json
import random
import statistics
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from bench import load, parts
from bench.load import Sent
from bench.report import Goal, Result, Run, Table, number
from orderbus.devtools.processes import Process, ask, free_port, until
from orderbus.storage.database import Database
from tests.support import many_products

ROUNDS = 3
PRODUCTS = 100_000
#: Products that orders name, two each; of each there are enough.
SOLD = 1_000
BATCH_LINES = 1_000
LIST = "/api/catalog/products/"
#: Lists that are read; none is kept as a copy.
LISTS: Mapping[str, str] = {
    "first page": "",
    "page 100": "?offset=990",
    "newest first": "?ordering=-id",
    "dearest first": "?ordering=-price",
    "range of prices": "?price__gte=50000&price__lte=50100",
    "category": "?category=drums",
    "in stock": "?in_stock=true",
    "category, in stock": "?category=guitars&in_stock=true",
    "sku": "?sku=sku-70000",
    "search": "?search=red",
    "search, many found": "?search=electric",
}
#: Looks through every product, by id.
SCAN = "?name__icontains=guitar+99999"
_CACHED, _UNCACHED, _BARE = "copies", "no copies", "bare handler"


async def measure(folder: Path, run: Run) -> list[Result]:
    """Serve a catalogue of 100,000 products from processes that differ in one setting each."""
    seconds = run.pick(1, 3)
    async with parts.parts(folder, ["PostgreSQL", "Pub/Sub"]) as env, AsyncExitStack() as stack:
        async with parts.opened(env) as database:
            await _fill(database)
        variants = {
            _CACHED: {},
            _UNCACHED: {"PRODUCT_CACHE_TTL": "0"},
            "allocated": {"WEBHOOK_ALLOCATE": "true"},
        }
        ports = {}
        for name, changes in variants.items():
            web = _serving(folder, {**env, **changes})
            ports[name] = await stack.enter_async_context(web)
        page = folder / "page.json"
        page.write_text(await ask("GET", _at(ports[_CACHED], LIST)))
        ports[_BARE] = await stack.enter_async_context(_bare(folder, page))
        lists = await _rounds(seconds, {name: _gets(ports[name], LIST) for name in _LISTED})
        sold = await _rounds(
            seconds,
            {
                "not allocated": (ports[_CACHED], _of_two, 201),
                "allocated": (ports["allocated"], _of_two, 201),
                "one product": (ports["allocated"], _of_one, 201),
            },
        )
        reads = {name: await _reads(ports[_UNCACHED], path, run) for name, path in LISTS.items()}
        scan = await _reads(ports[_UNCACHED], SCAN, run)
        booked = await _booked(ports[_CACHED], int(run.pick(3, 20)))
    return _results(lists, sold, reads, scan, booked, run)


_LISTED = (_CACHED, _UNCACHED, _BARE)
_Asking = tuple[int, Callable[[str], bytes], int]


async def _fill(database: Database) -> None:
    async with database.connection() as connection:
        await many_products.add(connection, PRODUCTS)
        await many_products.book(connection, SOLD, 10_000_000)


@asynccontextmanager
async def _serving(folder: Path, env: dict[str, str]) -> AsyncIterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "orderbus", "web", "--port", str(port)]
    web = await Process.start("web", command, sink=parts.silent, env=env, cwd=folder)
    try:
        await until(
            lambda: ask("GET", _at(port, "/readyz")), web, seconds=30, what="The web process"
        )
        yield port
    finally:
        await web.stop()


@asynccontextmanager
async def _bare(folder: Path, page: Path) -> AsyncIterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "bench.bare", str(port), str(page)]
    env = {"PYTHONPATH": str(parts.ROOT)}
    bare = await Process.start("bare", command, sink=parts.silent, env=env, cwd=folder)
    try:
        await until(lambda: ask("GET", _at(port, "/")), bare, seconds=30, what="The bare handler")
        yield port
    finally:
        await bare.stop()


def _at(port: int, path: str) -> str:
    return f"http://127.0.0.1:{port}{path}"


def _gets(port: int, path: str) -> _Asking:
    return port, lambda _: load.get(path), 200


def _of_two(reference: str) -> bytes:
    return _placing(reference, random.sample(range(1, SOLD + 1), 2))


def _of_one(reference: str) -> bytes:
    return _placing(reference, [1])


def _placing(reference: str, products: list[int]) -> bytes:
    lines = [
        {"sku": f"sku-{each}", "name": "Guitar", "quantity": 1, "unit_price": 1}
        for each in products
    ]
    body = {**parts.ORDER, "order_id": reference, "items": lines, "total": len(lines)}
    return load.post("/webhooks/orders/create/", json.dumps(body))


async def _rounds(seconds: float, asked: Mapping[str, _Asking]) -> dict[str, list[Sent]]:
    """Give each its turn, three times."""
    found: dict[str, list[Sent]] = {name: [] for name in asked}
    for turn in range(ROUNDS + 1):
        for name, (port, request, status) in asked.items():
            sent = await load.as_fast_as_they_go(port, seconds, request=request, status=status)
            if sent.refused:
                raise RuntimeError(f"{name}: {sent.refused} were refused")
            if turn:  # the first one warms it up
                found[name].append(sent)
    return found


async def _reads(port: int, query: str, run: Run) -> Sent:
    """Read a list again and again on one connection."""
    count = run.pick(20, 200)
    return await load.as_fast_as_they_go(
        port, 30, count=count, request=lambda _: load.get(LIST + query), connections=1, status=200
    )


async def _booked(port: int, count: int) -> Sent:
    """Book a unit of a thousand products in, again and again."""
    items = [{"sku": f"sku-{each}", "delta": 1} for each in range(1, BATCH_LINES + 1)]
    request = load.post("/api/catalog/inventory/batch/", json.dumps({"items": items}))
    return await load.as_fast_as_they_go(
        port, 60, count=count, request=lambda _: request, connections=1, status=200
    )


def _rate(found: list[Sent]) -> float:
    return statistics.median(sent.rate for sent in found)


def _p95(sent: Sent) -> float:
    return statistics.quantiles(sent.waits, n=20)[18]


def _results(
    lists: Mapping[str, list[Sent]],
    sold: Mapping[str, list[Sent]],
    reads: Mapping[str, Sent],
    scan: Sent,
    booked: Sent,
    run: Run,
) -> list[Result]:
    rates = {name: _rate(found) for name, found in {**lists, **sold}.items()}
    slowest = max(reads, key=lambda name: _p95(reads[name]))
    batch = statistics.median(booked.waits)
    of = f"of {PRODUCTS:,} products"
    allocated = rates["allocated"] / rates["not allocated"]
    beside = f"{rates['allocated']:,.0f} orders/s beside {rates['not allocated']:,.0f}/s"
    lines = f"the median of {len(booked.waits)}, {BATCH_LINES:,} lines each"
    rows = [
        *([f"list of 10, {name}", f"{rates[name]:,.0f} requests/s"] for name in lists),
        *([f"orders of two lines, {name}", f"{rates[name]:,.0f}/s"] for name in list(sold)[:2]),
        ["orders of one hot product, allocated", f"{rates['one product']:,.0f}/s"],
        *([f"{of}: {name}", f"p95 {number(_p95(sent))} ms"] for name, sent in reads.items()),
        [f"{of}: name__icontains, found last", f"p95 {number(_p95(scan))} ms"],
        [f"booking of {BATCH_LINES:,} lines", f"{number(batch)} ms"],
    ]
    return [
        Goal("accept, allocated / not", allocated, 0.7, at_least=True, detail=beside),
        Goal("batch of 1,000 (ms)", batch, 250 / run.scale, at_least=False, detail=lines),
        Goal(
            "slowest list p95 (ms)",
            _p95(reads[slowest]),
            20 / run.scale,
            at_least=False,
            detail=f"{slowest}, {of}",
        ),
        Table("shop", ["what", "measured"], rows),
    ]
