"""Whatever is sent to whatever route, the answer is short, in the right shape, and costs little."""

from __future__ import annotations

import itertools
import json
import re
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from aiohttp.web import AbstractRoute

from orderbus.domain.orders import LARGEST_QUANTITY
from orderbus.storage.database import Database
from orderbus.web import shop_refusals
from orderbus.web.app import description
from tests.support import costly_json, stock_rows
from tests.support.api_client import JSON, PROBLEM, Client

#: The longest refusal, in bytes; of one text in it; and how many faults it names.
LONGEST_ANSWER = 262_144
LONGEST_TEXT = 300
MOST_FAULTS = 100
#: Tests that share the routes: one by itself would take long.
PARTS = 3
WITHOUT_BODY = {"GET", "OPTIONS"}
#: What a path names by its number; all else by a uuid.
NUMBERED = {"product", "order", "letter", "delivery", "job", "key"}
MEMBERS = {"type", "title", "status", "detail", "instance"}


def routes(client: Client, *, with_body: bool) -> Iterator[tuple[str, str, AbstractRoute]]:
    """Every route of the server as it is: one that is added later is tried, too."""
    for route in client.app.router.routes():
        is_taken = route.resource is not None and route.method != "HEAD"
        if is_taken and (route.method not in WITHOUT_BODY) is with_body:
            assert route.resource is not None
            yield route.method, route.resource.canonical, route


def handlers(client: Client, *, with_body: bool) -> Iterator[tuple[str, str]]:
    """One path to each handler."""
    paths = {
        route.handler: (method, path) for method, path, route in routes(client, with_body=with_body)
    }
    yield from paths.values()


def example(method: str, path: str) -> Any:
    """What the API's own description sends to this path."""
    described = {name.rstrip("/"): paths for name, paths in description()["paths"].items()}
    operation = described.get(path.rstrip("/"), {}).get(method.lower(), {})
    content = operation.get("requestBody", {}).get("content", {})
    return content.get("application/json", {}).get("example", {})


async def faults(
    client: Client, method: str, path: str, data: bytes | None = None, **headers: str
) -> list[str]:
    """Ask, and say what is not as it has to be of an answer."""
    status, kind, text = await ask(client, method, path, data, **headers)
    if status >= 500:
        return [f"{status}"]
    if status < 400:
        return []
    said = json.loads(text)
    found = [] if len(text) <= LONGEST_ANSWER else [f"{len(text)} bytes"]
    is_like_fastapi = ("/new" in path or "/status" in path) and set(said) == {"detail"}
    if shop_refusals.reads(path):
        is_as_it_should = kind == "application/json" and is_as_the_shop_says_it(said)
    else:
        is_as_it_should = is_like_fastapi or (kind == PROBLEM and set(said) >= MEMBERS)
    if not is_as_it_should:
        found.append(f"a {kind} with {set(said)}")
    return found + [fault for value in leaves(said) for fault in too_long(value)]


def is_as_the_shop_says_it(said: dict[str, Any]) -> bool:
    """Whether it is one sentence, or sentences by field."""
    return bool({"detail", "error"} & {*said}) or all(
        isinstance(each, list) for each in said.values()
    )


async def ask(
    client: Client, method: str, path: str, data: bytes | None = None, **headers: str
) -> tuple[int, str, bytes]:
    named = {**JSON, "Idempotency-Key": str(uuid4()), **headers}
    path = re.sub(r"\{(\w+)\}", lambda named: str(1 if named[1] in NUMBERED else uuid4()), path)
    async with client.request(method, path, data=data, headers=named) as answer:
        return answer.status, answer.content_type, await answer.read()


def leaves(value: Any) -> Iterator[Any]:
    yield value
    inside = [*value, *value.values()] if isinstance(value, dict) else value
    if isinstance(inside, list):
        for inner in inside:
            yield from leaves(inner)


def too_long(value: Any) -> Iterator[str]:
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        yield f"a text of {len(value)} characters: {value[:100]}"
    if isinstance(value, list) and len(value) > MOST_FAULTS:
        yield f"a list of {len(value)}"


@pytest.mark.parametrize("part", range(PARTS))
async def test_no_body_makes_any_route_fail_or_say_more_than_is_needed(
    client: Client, database: Database, part: int
) -> None:
    await stock_rows.add(database, 1)
    found = []
    asked = 0
    for method, path in list(handlers(client, with_body=True))[part::PARTS]:
        for name, body in costly_json.bodies(example(method, path), 8_000):
            asked += 1
            said = await faults(client, method, path, body)
            found += [f"{method} {path}, {name}: {fault}" for fault in said]

    assert not found, "\n".join(found[:40])
    assert asked > 1000


@pytest.mark.parametrize("part", range(PARTS))
async def test_a_body_four_times_as_long_costs_any_route_about_four_times_as_much(
    client: Client, part: int
) -> None:
    async def cost(method: str, path: str, body: bytes) -> float:
        began = time.process_time()
        await ask(client, method, path, body)
        return time.process_time() - began

    found = []
    for method, path in list(handlers(client, with_body=True))[part::PARTS]:
        members = itertools.cycle([*example(method, path), "unknown"])
        for (name, value), member in zip(costly_json.VALUES.items(), members, strict=False):
            short, long = (b'{"%b":%b}' % (member.encode(), value(n)) for n in (16_000, 64_000))
            for _ in range(4):
                costs = await cost(method, path, short), await cost(method, path, long)
                if costly_json.is_linear(*costs):
                    break
            else:
                found.append(f"{method} {path}, {name}")

    assert not found, "\n".join(found)


@pytest.mark.parametrize("lines", [1001, 40_000, 60_000])
async def test_a_list_longer_than_any_order_is_one_fault(client: Client, lines: int) -> None:
    body = json.dumps({"user_id": "u", "products": [{}] * lines, "amount": "1"}).encode()

    status, _, text = await ask(client, "POST", "/api/v1/orders/new/", body)

    (fault,) = json.loads(text)["detail"]
    assert status == 422
    assert len(text) < 1000
    if lines < 50_000:  # more are not read at all
        assert (fault["type"], fault["loc"]) == ("too_long", ["body", "products"])
        assert len(fault["input"]) == 200


async def test_a_small_input_is_echoed_as_it_came_and_a_large_one_cut(client: Client) -> None:
    wrong = {"product_id": 7, "quantity": LARGEST_QUANTITY + 1}
    order = {"user_id": ["u" * 500], "products": [wrong], "amount": "1"}

    _, _, text = await ask(client, "POST", "/api/v1/orders/new/", json.dumps(order).encode())

    echoed = {fault["loc"][-1]: fault["input"] for fault in json.loads(text)["detail"]}
    assert echoed["product_id"] == 7
    assert echoed["quantity"] == LARGEST_QUANTITY + 1
    assert echoed["user_id"].startswith('["uuu')
    assert len(echoed["user_id"]) == 200


# -- what is asked beside a body -----------------------------------------------------------------

TEXTS = {
    "long": "x" * 7000,
    "digits": "1" * 4000,
    "more digits than Python reads": "1" * 5000,
    "a page and more": "000000001" + "0" * 3000,
    "digits of others": "٣٣",
    "an exponent": "1e3000000",
    "NUL": "a\0b",
    "a line": "a\r\nb",
    "terminal": "\x1b[31mred",
    "a cursor without end": "MTEx" * 1700,
    "a moment out of the calendar": "0001-01-01T00:00:00+23:59",
    "a moment and more": "2026-01-01T00:00:00." + "1" * 5000 + "Z",
    "half a uuid": "{urn:uuid:" + "-" * 5000 + "}",
}
HEADERS = (
    "Accept",
    "Authorization",
    "Content-Encoding",
    "Content-Type",
    "Correlation-ID",
    "Host",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "X-API-Key",
    "traceparent",
)


@pytest.mark.parametrize("with_body", [False, True])
async def test_no_path_makes_any_route_fail_or_is_repeated_whole(
    client: Client,
    with_body: bool,  # noqa: FBT001 - pytest's way
) -> None:
    found = []
    for method, path, _ in routes(client, with_body=with_body):
        if "{id}" in path:
            for name, text in TEXTS.items():
                asked = path.replace("{id}", quote(text[:5000], safe=""))
                said = await faults(client, method, asked, b"{}" if with_body else None)
                found += [f"{method} {path}, {name}: {fault}" for fault in said]

    assert not found, "\n".join(found)


async def test_no_parameter_makes_a_list_fail_or_is_repeated_whole(client: Client) -> None:
    parameters = description()["paths"]["/api/v1/orders"]["get"]["parameters"]
    found = []
    for parameter in [*(one["name"] for one in parameters), "x", "x" * 5000, "\x1b]"]:
        for name, text in TEXTS.items():
            query = f"{quote(parameter)}={quote(text[:2000], safe='')}"
            said = await faults(client, "GET", f"/api/v1/orders?{query}")
            found += [f"{parameter[:40]}, {name}: {fault}" for fault in said]

    assert not found, "\n".join(found)


@pytest.mark.parametrize("with_body", [False, True])
async def test_no_header_makes_any_route_fail_or_is_repeated_whole(
    client: Client,
    with_body: bool,  # noqa: FBT001 - pytest's way
) -> None:
    sendable = {name: TEXTS[name] for name in ("long", "digits", "an exponent", "half a uuid")}
    found = []
    for method, path in handlers(client, with_body=with_body):
        body = json.dumps(example(method, path)).encode() if with_body else None
        for header in HEADERS:
            for name, text in sendable.items():
                said = await faults(client, method, path, body, **{header: text})
                found += [f"{method} {path}, {header} {name}: {fault}" for fault in said]

    assert not found, "\n".join(found)
