"""Open to this machine means to who comes from it, directly, and not by way of somebody's page."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from orderbus import services
from orderbus.settings import Settings
from orderbus.storage.database import Database
from orderbus.web.app import build_app
from orderbus.web.app_keys import ROUTES
from tests.conftest import settings_from
from tests.support import api_client, order_rows
from tests.support.api_client import JSON, Client, placed, post, problem, serving
from tests.support.waiting import PATIENCE

ROOT = Path(__file__).resolve().parents[2]
FOREIGN = "http://evil.example"
#: What a proxy on the same machine says of itself, or of whom it speaks for.
PROXIED = {
    "Forwarded": "for=203.0.113.9",
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Proto": "https",
    "x-forwarded-host": "shop.example.com",
    "Via": "1.1 proxy",
    "X-Real-IP": "203.0.113.9",
}
#: Requests that only somebody else's page would make a browser send.
CROSS_SITE: list[dict[str, str]] = [
    {"Origin": FOREIGN},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "http://["},
    {"Origin": "http://a\u2100b"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


@pytest.fixture
async def anyhost(env: dict[str, str]) -> AsyncIterator[Client]:
    """A front door that answers to any Host and is open to this machine."""
    async with serving(settings_from(env, allowed_hosts="*")) as client:
        yield client


async def test_what_came_through_a_proxy_needs_a_signature_and_a_key(
    client: Client, database: Database
) -> None:
    for name, value in PROXIED.items():
        header = {name: value}
        placing = await client.post(api_client.PATH, data=api_client.body(), headers=header | JSON)
        reading = await client.get("/orders", headers=header)

        refused = await problem(placing, 401, "unauthenticated")
        assert name.lower() in refused["detail"].lower()
        await problem(reading, 401, "unauthenticated")
    assert await order_rows.count(database) == 0


async def test_a_key_counts_through_a_proxy(
    client: Client, settings: Settings, database: Database
) -> None:
    key = (await services.api_keys.create(database, settings, name="shop", actor="command:ann")).key

    response = await client.get(
        "/orders", headers={"X-Forwarded-For": "203.0.113.9", "X-API-Key": key}
    )

    assert response.status == 200


async def test_a_name_that_somebody_made_lead_to_this_machine_opens_nothing(
    anyhost: Client, database: Database
) -> None:
    for host in ("evil.example", "evil.example:8000", "localhost.evil.example", "localhost."):
        reading = await anyhost.get("/orders", headers={"Host": host})
        placing = await post(anyhost, Host=host)

        await problem(reading, 401, "unauthenticated")
        await problem(placing, 401, "unauthenticated")
    assert await order_rows.count(database) == 0


async def test_this_machines_own_names_are_open(anyhost: Client) -> None:
    for host in ("localhost", "LOCALHOST:8000", "127.0.0.1", "[::1]:8000"):
        assert (await anyhost.get("/orders", headers={"Host": host})).status == 200, host


async def test_nobody_elses_page_cancels_an_order(client: Client) -> None:
    order = await placed(client)

    for headers in CROSS_SITE:
        response = await client.post(f"/orders/{order['id']}/cancel", headers=headers)
        await problem(response, 403, "forbidden")

    shown = await (await client.get(f"/orders/{order['id']}")).json()
    assert shown["status"] == "created"


async def test_nobody_elses_page_changes_anything(client: Client, settings: Settings) -> None:
    changes = [
        (route.method, re.sub(r"{\w+}", str(uuid4()), route.resource.canonical))
        for route, declared in build_app(settings)[ROUTES].items()
        if route.method not in {"GET", "HEAD"} and route.resource is not None
        if declared.access != "anybody"
    ]
    assert len(changes) > 10

    for method, path in changes:
        response = await client.request(method, path, json={}, headers={"Origin": FOREIGN})
        assert response.status == 403, path
        assert "another origin" in (await response.json(content_type=None))["detail"]


async def test_a_page_of_ours_changes_what_it_shows(client: Client) -> None:
    order = await placed(client)
    own = str(client.make_url("")).rstrip("/")

    response = await client.post(
        f"/orders/{order['id']}/cancel", headers={"Origin": own, "Sec-Fetch-Site": "same-origin"}
    )

    assert response.status == 200


async def test_an_origin_that_is_allowed_changes_what_it_likes(env: dict[str, str]) -> None:
    settings = settings_from(env, allowed_origins="https://Shop.example.com, http://localhost:3000")
    async with serving(settings) as client:
        order = await placed(client)

        response = await client.post(
            f"/orders/{order['id']}/cancel",
            headers={"Origin": "https://shop.example.com", "Sec-Fetch-Site": "cross-site"},
        )

        assert response.status == 200


async def test_where_a_key_stands_the_origin_does_not_matter(
    client: Client, settings: Settings, database: Database
) -> None:
    order = await placed(client)
    key = (await services.api_keys.create(database, settings, name="shop", actor="command:ann")).key

    response = await client.post(
        f"/orders/{order['id']}/cancel", headers={"Origin": FOREIGN, "X-API-Key": key}
    )

    assert response.status == 200


async def test_reading_asks_for_no_origin(client: Client) -> None:
    for headers in CROSS_SITE:
        assert (await client.get("/orders", headers=headers)).status == 200, headers


# -- where it is bound ---------------------------------------------------------------------------


def run_web(env: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    """Run the command until it ends by itself."""
    return subprocess.run(
        [sys.executable, str(ROOT / "run_web.py"), "--port", "0", *options],
        env={**os.environ, "SECRET_KEY": "a key for tests", **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("env", "options"),
    [
        ({"AUTH": "open", "ORDERBUS_WEB_HOST": "0.0.0.0"}, ()),  # noqa: S104 - it is refused
        ({"AUTH": "open"}, ("--host", "0.0.0.0", "--workers", "2")),  # noqa: S104 - it is refused
        ({"AUTH": "open", "DEBUG": "true"}, ("--host", "::")),
    ],
    ids=str,
)
async def test_a_server_that_others_reach_is_never_open(
    env: dict[str, str], options: tuple[str, ...], tmp_path: Path
) -> None:
    ended = await asyncio.to_thread(run_web, {**env, "TMPDIR": str(tmp_path)}, *options)

    assert ended.returncode == 2
    assert "AUTH=open" in ended.stderr


async def test_workers_go_by_the_place_that_was_bound(
    part_env: dict[str, str], tmp_path: Path
) -> None:
    """The address on the command line is the parent's alone; the socket is what they share."""
    env = {
        **part_env,
        "AUTH": "open",
        "SECRET_KEY": "a key for tests",
        "ORDERBUS_WEB_HOST": "0.0.0.0",  # noqa: S104 - the command line says otherwise
    }
    web = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "run_web.py"), "--host", "127.0.0.1", "--port", "0"),
        *("--workers", "2"),
        env={**os.environ, **env, "TMPDIR": str(tmp_path)},
        stderr=asyncio.subprocess.PIPE,
    )
    assert web.stderr is not None
    ready = 0
    try:
        async with asyncio.timeout(PATIENCE):
            while ready < 2 and (line := await web.stderr.readline()):
                ready += b'"web_ready"' in line
    finally:
        if web.returncode is None:
            web.terminate()
        await web.communicate()

    assert ready == 2
