"""The page on which people read the description and try it is served by us alone."""

from __future__ import annotations

import hashlib
import json
import re

import pytest

from orderbus.web.api.docs import FOLDER
from tests.support.api_client import Client, problem

VENDORED = FOLDER / "swagger-ui"
#: What we wrote ourselves: it decides what else is loaded and asked.
OURS = ("index.html", "start.js")


def test_the_viewer_is_of_the_version_that_was_looked_at() -> None:
    pinned = json.loads((VENDORED / "swagger-ui.json").read_text())["sha256"]
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDORED.iterdir()
        if path.name != "swagger-ui.json"
    }

    assert found == pinned
    assert {"LICENSE", "swagger-ui-bundle.js", "swagger-ui.css"} <= set(pinned)


def test_the_page_names_no_other_host() -> None:
    for name in OURS:
        assert re.findall(r"""["'(]\s*(?:https?:)?//""", (FOLDER / name).read_text()) == [], name
    css = (VENDORED / "swagger-ui.css").read_text()
    assert re.findall(r"@import|url\(\"?(?!\"?data:)", css) == []


async def test_whatever_the_page_loads_is_served_here(client: Client) -> None:
    page = await client.get("/docs")
    loaded = re.findall(r'(?:src|href)="(/[^"]+)"', await page.text())

    assert page.content_type == "text/html"
    assert len(loaded) == 4
    for path in loaded:
        response = await client.get(path)
        assert (response.status, response.method) == (200, "GET"), path
        assert await response.read()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/docs", "text/html"),
        ("/docs/", "text/html"),
        ("/docs/start.js", "text/javascript"),
        ("/docs/swagger-ui.css", "text/css"),
    ],
)
async def test_each_file_has_its_type_and_a_policy_that_lets_nothing_foreign_in(
    client: Client, path: str, kind: str
) -> None:
    response = await client.get(path)

    assert response.content_type == kind
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    policy = dict(
        rule.strip().split(" ", 1)
        for rule in response.headers["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "connect-src")} == {"'self'"}
    assert "unsafe" not in str(policy)


async def test_a_file_that_was_seen_is_not_sent_again(client: Client) -> None:
    first = await client.get("/docs/start.js")

    again = await client.get("/docs/start.js", headers={"If-None-Match": first.headers["ETag"]})

    assert (again.status, await again.read()) == (304, b"")


@pytest.mark.parametrize(
    "name", ["nothing.js", "LICENSE", "..%2Fapp.py", "%2Fetc%2Fpasswd", "swagger-ui.json"]
)
async def test_nothing_else_is_served_there(client: Client, name: str) -> None:
    await problem(await client.get(f"/docs/{name}"), 404, "not-found")


@pytest.mark.parametrize("path", ["/", ""])
async def test_whoever_opens_the_server_itself_is_led_to_the_page(
    client: Client, path: str
) -> None:
    led = await client.get(path, allow_redirects=False)
    page = await client.get(path)

    assert (led.status, led.headers["Location"]) == (307, "/docs")
    assert (page.status, page.url.path) == (200, "/docs")
