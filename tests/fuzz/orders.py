"""What somebody may send to the front door: right, a bit wrong, or nothing like an order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from random import Random
from typing import Any, Final

from tests.support import samples

#: Values for any member of an order, right or wrong.
VALUES: Final[tuple[Any, ...]] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    3.14159,
    1e308,
    10**30,
    -0.0,
    2**63,
    "",
    " ",
    "x",
    "0",
    "NaN",
    "1e400",
    "-1.00",
    "350.00",
    "350.001",
    "9" * 400,
    "\0",
    "\ud800",
    "a\0b",
    "\u202e",
    "é" * 300,
    [],
    {},
    [[]],
    [None],
    {"": ""},
    [{}] * 3,
    {"a": {"b": {"c": []}}},
    "USD",
    "usd",
    "ABC123",
    "jane@example.com",
    "not an address",
    "2026-01-02T03:04:05Z",
    "x" * 5000,
)

_ATOMS: Final = (
    b"NaN",
    b"Infinity",
    b"-",
    b"1e999999",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"[" * 5000,
    b'{"a":' * 3000,
    b'"\\ud800"',
    b"\0",
    b",",
    b"}",
    b"'",
    b"01",
    b"1" * 5000,
)


def order_bytes(random: Random) -> bytes:
    """An order as somebody may send it: right, a bit wrong, or no order at all."""
    body: Any = samples.order_body(f"SO-{random.getrandbits(64):x}")
    for _ in range(random.choice((0, 1, 1, 2, 4))):
        _spoil(random, body)
    data = json.dumps(body).encode("utf-8", "surrogatepass")
    if random.random() < 0.2:
        data = data.replace(b'"items"', b'"order_id": "twice", "items"', 1)
    for _ in range(random.choice((0, 0, 0, 1, 3))):
        place = random.randrange(len(data) + 1)
        data = data[:place] + random.choice(_ATOMS) + data[place + random.randrange(20) :]
    return data[: random.randrange(len(data) + 1)] if random.random() < 0.05 else data


def _spoil(random: Random, body: Any) -> None:
    """Change one member, somewhere."""
    *_, (place, key) = _walk(random, body)
    if random.random() < 0.15:
        del place[key]
    elif random.random() < 0.1 and isinstance(place, dict):
        place[random.choice(("x", "", "é", "\0"))] = deepcopy(random.choice(VALUES))
    else:
        place[key] = deepcopy(random.choice(VALUES))


def _walk(random: Random, body: Any) -> Iterator[tuple[Any, Any]]:
    place = body
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            place["x"] = None
            keys = ["x"]
        key = random.choice(keys)
        yield place, key
        inner = place[key]
        if not isinstance(inner, dict | list) or not inner or random.random() < 0.3:
            return
        place = inner


def headers(random: Random) -> dict[str, str]:
    """Headers as somebody may send them; mostly right."""
    chosen = {"Content-Type": "application/json"}
    if random.random() < 0.1:
        chosen["Content-Type"] = random.choice(
            (
                "",
                "text/plain",
                "application/json; charset=utf-7",
                "json",
                "a/b/c",
                "x" * 3000,
                "application/x-www-form-urlencoded",
                "multipart/form-data; boundary=x",
            )
        )
    for name in (
        "Idempotency-Key",
        "X-Request-ID",
        "X-Correlation-ID",
        "traceparent",
        "Accept",
        "Authorization",
        "If-Match",
        "Content-Encoding",
        "Accept-Encoding",
        "Host",
    ):
        if random.random() < 0.05:
            chosen[name] = random.choice(
                (
                    "",
                    "x",
                    "x" * 4000,
                    "é",
                    '"',
                    "00-0-0-0",
                    "gzip",
                    "*/*",
                    "deflate",
                    "Bearer x",
                    "br",
                    ",,,",
                    "a" * 300,
                )
            )
    return chosen


def path(random: Random) -> str:
    """A path as somebody may ask for it."""
    start = random.choice(
        (
            "/orders/",
            "/orders",
            "/api/v1/orders",
            "/api/v1/orders/",
            "/carts",
            "/carts/",
            "/webhooks/orders/create",
            "/webhooks/orders/create/",
            "/metrics",
            "/healthz",
            "/readyz",
            "/openapi.json",
            "/docs",
            "/",
            "//",
            "/problems/invalid",
        )
    )
    end = random.choice(
        (
            "",
            "x",
            "%00",
            "%0d%0a",
            "../..",
            "%2e%2e%2f",
            "SO-1",
            "'--",
            "%ff",
            "%F0%9F%98%80",
            "a" * 3000,
            "6f2a7c1e-0000-4000-8000-000000000001",
            "?x=" + "y" * 2000,
            "?format=%00",
            "?format=prometheus",
            "/////",
            ";x",
            "#",
            "?&&==",
            "{id}",
            "1e400",
        )
    )
    return start + end
