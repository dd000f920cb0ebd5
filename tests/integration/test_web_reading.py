"""What the front door shows, to whom, and in which form."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import jsonschema
import pytest

from orderbus import services
from orderbus.settings import Settings
from orderbus.storage.database import Database
from orderbus.web.app import build_app
from tests.conftest import settings_from
from tests.support import samples, scenario
from tests.support.api_client import PATH, Client, body, post, problem, serving

TEXT = "text/plain; version=0.0.4"
#: What Prometheus asks for when it scrapes.
PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
#: What libraries of browsers ask for where nobody tells them otherwise.
SCRIPT = "application/json, text/plain, */*"


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[Client]:
    """A front door that is open on this machine."""
    async with serving(settings) as client:
        yield client


@pytest.fixture
def guarded_settings(env: dict[str, str]) -> Settings:
    return settings_from(env, auth="required", webhook_secrets="shared")


@pytest.fixture
async def guarded(guarded_settings: Settings) -> AsyncIterator[Client]:
    """A front door that wants API keys."""
    async with serving(guarded_settings) as client:
        yield client


# -- every request -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "evil.example:8000", "", "127.0.0.1.x"]
)
async def test_a_request_that_was_meant_for_another_host_is_refused(
    client: Client, host: str
) -> None:
    response = await client.get("/orders", headers={"Host": host})

    await problem(response, 400, "unknown-host")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1", "[::1]:8000"])
async def test_a_request_that_was_meant_for_us_is_answered(client: Client, host: str) -> None:
    assert (await client.get("/orders", headers={"Host": host})).status == 200


async def test_a_callers_correlation_id_comes_back(client: Client) -> None:
    response = await client.get("/healthz", headers={"Correlation-ID": "their-id:1"})

    assert response.headers["Correlation-ID"] == "their-id:1"


@pytest.mark.parametrize("headers", [{}, {"Correlation-ID": "two words"}, {"Correlation-ID": "ä"}])
@pytest.mark.parametrize("path", ["/healthz", "/nowhere"])
async def test_without_a_usable_correlation_id_there_is_one_of_ours(
    client: Client, path: str, headers: dict[str, str]
) -> None:
    response = await client.get(path, headers=headers)

    given = response.headers["Correlation-ID"]
    assert str(UUID(given)) == given


@pytest.mark.parametrize("path", ["/nowhere", "/webhooks/orders/create/more", "/carts/1"])
async def test_a_path_that_is_not_there_is_a_problem(client: Client, path: str) -> None:
    await problem(await client.get(path), 404, "not-found")


@pytest.mark.parametrize(("method", "path"), [("GET", PATH), ("DELETE", "/orders/1")])
async def test_a_method_that_is_not_there_is_a_problem_and_says_which_are(
    client: Client, method: str, path: str
) -> None:
    response = await client.request(method, path)

    await problem(response, 405, "method-not-allowed")
    assert response.headers["Allow"]


# -- orders --------------------------------------------------------------------------------------


async def test_an_order_is_shown_by_its_uuid_and_by_its_reference(
    client: Client, database: Database
) -> None:
    placed = await scenario.place(database, "SO-10045")

    shown = [
        await (await client.get(path)).json()
        for path in (f"/orders/{placed.order_id}", "/orders/SO-10045", "/orders/SO-10045/")
    ]

    assert shown[0] == shown[1] == shown[2]
    assert shown[0]["order_id"] == "SO-10045"
    assert shown[0]["total"] == "350.00"
    assert [item["sku"] for item in shown[0]["items"]] == ["ABC123", "XYZ789"]


@pytest.mark.parametrize(
    "name", ["SO-1", "0b7e2f3c-5a0f-4a53-9d6f-5a3c5f0e2b11", "%00", "a%0Ab", "x" * 1000]
)
async def test_an_order_that_is_not_there_is_a_problem(client: Client, name: str) -> None:
    await problem(await client.get(f"/orders/{name}"), 404, "not-found")


KEYS: dict[str, dict[str, str]] = {
    "none": {},
    "one that is none": {"Authorization": "Bearer x"},
    "one that nobody made": {"Authorization": f"Bearer obk_{'a' * 43}"},
    "another scheme": {"Authorization": "Basic dTpw"},
    "an empty one": {"X-API-Key": ""},
}


@pytest.mark.parametrize("headers", KEYS.values(), ids=KEYS)
async def test_without_a_valid_key_no_order_is_shown(
    guarded: Client, database: Database, headers: dict[str, str]
) -> None:
    await scenario.place(database, "SO-10045")

    response = await guarded.get("/orders/SO-10045", headers=headers)

    refused = await problem(response, 401, "unauthenticated")
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert "Jane" not in json.dumps(refused)


@pytest.mark.parametrize(("header", "prefix"), [("Authorization", "Bearer "), ("X-API-Key", "")])
async def test_with_a_valid_key_an_order_is_shown(
    guarded: Client, guarded_settings: Settings, database: Database, header: str, prefix: str
) -> None:
    await scenario.place(database, "SO-10045")
    key = (
        await services.api_keys.create(database, guarded_settings, name="test", actor="command:ann")
    ).key

    response = await guarded.get("/orders/SO-10045", headers={header: f"{prefix}{key}"})

    assert response.status == 200
    assert (await response.json())["order_id"] == "SO-10045"


# -- metrics -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "accept",
    [
        None,
        "*/*",
        BROWSER,
        SCRIPT,
        "application/json",
        "text/html",
        "text/plain, application/json",
        "text/plain;q=0.5, */*",
        "text/plain;q=0",
    ],
)
async def test_metrics_are_json_unless_text_is_wanted_more(
    client: Client, accept: str | None
) -> None:
    response = await client.get("/metrics", headers={"Accept": accept} if accept else {})

    metrics = (await response.json())["metrics"]
    assert metrics
    assert all(set(metric) == {"uuid", "count", "description"} for metric in metrics)
    assert response.headers["Vary"] == "Accept"


@pytest.mark.parametrize(
    "accept",
    [
        TEXT,
        PROMETHEUS,
        "application/openmetrics-text",
        "text/*",
        "text/plain, application/json;q=0.9",
        "application/json;q=0, */*",
    ],
)
async def test_metrics_are_text_for_those_who_want_it_more(client: Client, accept: str) -> None:
    response = await client.get("/metrics", headers={"Accept": accept})

    assert response.content_type == "text/plain"
    assert "# TYPE" in await response.text()
    assert response.headers["Vary"] == "Accept"


async def test_two_lines_of_accept_are_one_list(client: Client) -> None:
    lines = [("Accept", "application/json"), ("Accept", "text/plain")]

    response = await client.get("/metrics", headers=lines)

    assert response.content_type == "application/json"


async def test_each_format_has_a_path_of_its_own(client: Client) -> None:
    text = await client.get("/metrics/prometheus", headers={"Accept": "application/json"})
    counts = await client.get("/api/v1/metrics", headers={"Accept": "text/plain"})

    assert (text.content_type, counts.content_type) == ("text/plain", "application/json")


async def test_a_metric_keeps_its_uuid(client: Client) -> None:
    first = (await (await client.get("/metrics")).json())["metrics"]
    await post(client)
    second = (await (await client.get("/metrics")).json())["metrics"]

    ids = {metric["description"]: metric["uuid"] for metric in second}
    assert {metric["uuid"] for metric in first} <= set(ids.values())
    assert len(set(ids.values())) == len(ids)


# -- the API described ---------------------------------------------------------------------------


async def described(client: Client) -> dict[str, Any]:
    document: dict[str, Any] = await (await client.get("/openapi.json")).json()
    return document


async def test_the_document_is_openapi_3_1_and_its_schemas_are_json_schemas(
    client: Client,
) -> None:
    document = await described(client)

    assert document["openapi"].startswith("3.1.")
    assert {"title", "version"} <= set(document["info"])
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


async def test_whatever_the_document_refers_to_is_in_it(client: Client) -> None:
    document = await described(client)

    for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document))):
        place: Any = document
        for part in reference.split("/"):
            place = place[part]


async def test_the_document_describes_every_route_and_no_other(
    client: Client, settings: Settings
) -> None:
    document = await described(client)

    routes = {
        (route.resource.canonical.rstrip("/"), route.method.lower())
        for route in build_app(settings).router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    described_routes = {
        (path.rstrip("/"), method)
        for path, operations in document["paths"].items()
        for method in operations
    }
    assert described_routes == routes


async def test_the_schema_of_an_order_takes_what_the_server_takes(client: Client) -> None:
    document = await described(client)
    schema = {"$ref": "#/components/schemas/IncomingOrder", "components": document["components"]}

    jsonschema.validate(samples.order_body(), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(samples.order_body(items=[]), schema)


async def test_answers_are_as_the_document_says(client: Client) -> None:
    document = await described(client)
    taken, refused = await post(client), await post(client, body(items=[]))

    for response, name in ((taken, "Accepted"), (refused, "Problem")):
        schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        jsonschema.validate(await response.json(content_type=None), schema)
