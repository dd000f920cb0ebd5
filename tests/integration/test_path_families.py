"""Each family of paths refuses in the shape its clients read, under both forms of its paths."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import pytest

from orderbus.settings import Settings
from orderbus.storage.database import Database
from orderbus.web.app import ROUTES
from tests.conftest import settings_from
from tests.support.api_client import JSON, PROBLEM, Client, serving

PROBLEM_MEMBERS = {"type", "title", "status", "detail", "instance"}
SOURCE, CARTS, NEW = "/webhooks/orders/create", "/carts", "/api/v1/orders/new"
STATUS = f"/api/v1/orders/{uuid4()}/status"
#: Requests that are refused: with which status, and what beside a problem's members is answered.
REFUSED: tuple[tuple[str, str, bytes | None, int, set[str]], ...] = (
    ("POST", SOURCE, b"{}", 400, {"errors", "faults"}),
    ("GET", SOURCE, None, 405, {"error"}),
    ("POST", CARTS, b"{}", 400, {"error", "faults"}),
    ("DELETE", CARTS, None, 405, {"error"}),
    ("PUT", "/carts/17/checkout", None, 404, {"error"}),
    ("GET", "/carts/nowhere", None, 404, {"error"}),
    ("DELETE", "/orders", None, 405, {"error"}),
    ("DELETE", "/metrics", None, 405, {"error"}),
    ("GET", STATUS, None, 404, set()),
    ("DELETE", NEW, None, 405, set()),
    ("POST", "/api/v1/orders", b"{}", 400, {"faults"}),
    ("GET", "/api/v1/orders?stauts=new", None, 400, {"faults"}),
    ("GET", f"/orders/{uuid4()}", None, 404, set()),
    ("DELETE", "/api/v1/orders", None, 405, set()),
    ("GET", "/nowhere", None, 404, set()),
)


@pytest.fixture
async def guarded(env: dict[str, str], database: Database) -> AsyncIterator[Client]:
    """A front door that wants signatures and API keys."""
    async with serving(settings_from(env, auth="required", webhook_secrets="shared")) as client:
        yield client


def names_it(response: aiohttp.ClientResponse) -> bool:
    """Say whether an answer names its request, which had no name, by a uuid."""
    given = response.headers["Correlation-ID"]
    return str(UUID(given)) == given


def both_forms(path: str) -> tuple[str, str]:
    name, mark, query = path.partition("?")
    return path, f"{name}/{mark}{query}"


async def test_each_family_of_paths_refuses_in_its_own_shape_and_names_the_request(
    client: Client,
) -> None:
    for method, path, body, status, more in REFUSED:
        for form in both_forms(path):
            headers = {**JSON, "Idempotency-Key": str(uuid4())}
            response = await client.request(method, form, data=body, headers=headers)
            said = await response.json(content_type=PROBLEM)

            assert (response.status, set(said)) == (status, PROBLEM_MEMBERS | more), form
            assert names_it(response)
            assert isinstance(said["detail"], str)


async def test_fastapis_family_refuses_a_body_with_detail_alone(client: Client) -> None:
    for form in both_forms(NEW):
        response = await client.post(form, json={})
        said = await response.json()

        assert (response.status, set(said)) == (422, {"detail"})
        assert {fault["loc"][0] for fault in said["detail"]} == {"body"}
        assert names_it(response)


async def test_who_is_not_known_is_refused_in_the_shape_of_the_family(guarded: Client) -> None:
    for path, more in ((SOURCE, {"error"}), (CARTS, {"error"}), (NEW, set())):
        for form in both_forms(path):
            response = await guarded.post(form, data=b"{}", headers=JSON)
            said = await response.json(content_type=PROBLEM)

            assert (response.status, set(said)) == (401, PROBLEM_MEMBERS | more), form
            assert names_it(response)
    unsigned = await guarded.post(SOURCE, data=b"{}", headers=JSON)
    assert (await unsigned.json(content_type=PROBLEM))["error"] == "Invalid signature"


async def test_a_name_that_came_with_the_request_is_in_its_refusal(client: Client) -> None:
    for method, path, body, _, _ in REFUSED:
        headers = {**JSON, "Correlation-ID": "from-the-caller-1"}
        response = await client.request(method, path, data=body, headers=headers)

        assert response.headers["Correlation-ID"] == "from-the-caller-1", path


async def test_every_route_answers_both_forms_of_its_path_alike_and_never_redirects(
    client: Client, settings: Settings
) -> None:
    values = {"{id}": str(uuid4()), "{file}": "start.js"}
    differing = []
    for route in ROUTES:
        path = re.sub("{[^}]*}", lambda name: values.get(name.group(), "1"), route.path)
        answers = [await asked(client, route.method, form) for form in forms(path)]
        if answers[0] != answers[1] or (path != "/" and 300 <= answers[0][0] < 400):
            differing.append((route.method, path, answers))

    assert differing == []


def forms(path: str) -> tuple[str, str]:
    plain = path.rstrip("/")
    return plain or "/", f"{plain}/"


async def asked(client: Client, method: str, path: str) -> tuple[int, Any]:
    """Ask without following, with a body that changes nothing."""
    body = None if method == "GET" else b"["
    async with client.request(
        method, path, data=body, headers={**JSON, "Idempotency-Key": "k"}, allow_redirects=False
    ) as response:
        text = await response.text()
        if response.content_type != PROBLEM:
            return response.status, response.content_type
        said = json.loads(text)
        return response.status, {**said, "instance": said["instance"].rstrip("/")}
