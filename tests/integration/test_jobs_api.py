"""Jobs over HTTP: counted, begun once, watched page by page, paused and cancelled."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orderbus import services, storage
from orderbus.settings import Settings
from orderbus.storage.database import Database
from orderbus.storage.jobs import NewJob
from tests.support import consumption_rows, job_rows, jobs, many_rows
from tests.support.api_client import PROBLEM, Client

PATH = "/api/v1/jobs"
SINCE = (datetime.now(UTC) - timedelta(hours=2)).isoformat()
FILTER = {"consumer": "late", "since": SINCE}
REPLAY: dict[str, Any] = {"kind": "replay", "filter": FILTER}


async def ask(client: Client, body: object, status: int = 201, key: str | None = None) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    answer = await client.post(PATH, json=body, headers=headers)
    assert answer.status == status, await answer.text()
    return await answer.json()


@pytest.fixture(autouse=True)
async def events(database: Database) -> None:
    await database.ask(many_rows.events_of_the_last_hour, 30)


async def test_a_dry_run_counts_and_begins_nothing(client: Client, database: Database) -> None:
    counted = await ask(client, {**REPLAY, "dry_run": True}, 200)

    assert (counted["kind"], counted["total"], counted["dry_run"]) == ("replay", 30, True)
    assert set(counted["filter"]) == {"consumer", "since", "until", "pattern"}
    assert await job_rows.states(database) == []


async def test_a_job_is_begun_watched_and_done(
    client: Client, database: Database, settings: Settings
) -> None:
    begun = await ask(client, {**REPLAY, "rate": 10, "reason": "it was added later"})
    await services.jobs.step(database, jobs.outside(settings, late="*"))
    shown = await (await client.get(f"{PATH}/{begun['id']}")).json()
    job = await database.ask(storage.jobs.get, begun["id"])
    await jobs.finish(database, job, jobs.outside(settings, late="*"))
    done = await (await client.get(f"{PATH}/{begun['id']}")).json()

    assert (begun["state"], begun["total"], begun["done"]) == ("running", 30, 0)
    assert (begun["rate"], begun["reason"]) == (10, "it was added later")
    assert (shown["state"], shown["done"]) == ("running", 10)
    assert (done["state"], done["done"]) == ("done", 30)
    assert await consumption_rows.count_of(database, "late") == 30


async def test_the_same_request_under_one_key_begins_one_job(
    client: Client, database: Database
) -> None:
    first, second = [await ask(client, REPLAY, key="a") for _ in range(2)]

    assert first == second
    assert await job_rows.states(database) == ["running"]


async def test_a_job_is_paused_resumed_and_cancelled_with_who_and_why(
    client: Client, database: Database
) -> None:
    job = (await ask(client, REPLAY))["id"]
    states = []
    for action in ("pause", "resume", "cancel"):
        answer = await client.post(f"{PATH}/{job}/{action}", json={"reason": action})
        states.append((await answer.json())["state"])
    refused = await client.post(f"{PATH}/{job}/resume")

    assert states == ["paused", "running", "cancelled"]
    assert (refused.status, refused.content_type) == (409, PROBLEM)
    assert "is cancelled: one that is paused or failed" in (await refused.json())["detail"]
    entries = await database.ask(storage.audit.list_newest, subject=str(job), at_most=9)
    assert [entry.reason for entry in entries] == ["cancel", "resume", "pause", None]
    assert {entry.actor for entry in entries} != {""}


async def test_the_list_goes_on_where_the_page_before_ended(
    client: Client, database: Database
) -> None:
    async with database.connection() as connection:
        for kind in ("replay", "other", "replay"):
            await storage.jobs.add(connection, NewJob(kind, {}, 1, 1, "test"))
            await storage.jobs.add(connection, NewJob(kind, {}, 1, 1, "test"))

    pages, cursor = [], ""
    while cursor is not None:
        query = {"kind": "replay", "limit": "3"} | ({"cursor": cursor} if cursor else {})
        page = await (await client.get(PATH, params=query)).json()
        pages.append([job["kind"] for job in page["items"]])
        ids = [job["id"] for job in page["items"]]
        assert ids == sorted(ids, reverse=True)
        cursor = page["next_cursor"]
    none = await (await client.get(PATH, params={"state": "failed", "kind": "replay"})).json()

    assert pages == [["replay"] * 3, ["replay"]]
    assert none == {"items": [], "next_cursor": None}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/kind"),
        ({"kind": "everything", "filter": {}}, "/kind"),
        ({"kind": ["replay"]}, "/kind"),
        ({"kind": "replay"}, "/filter"),
        ({"kind": "replay", "filter": "all"}, "/filter"),
        ({**REPLAY, "filter": {"consumer": "late"}}, "/filter/since"),
        ({**REPLAY, "filter": {"consumer": "l\x00te", "since": SINCE}}, "/filter/consumer"),
        ({**REPLAY, "filter": {"consumer": "late", "since": "yesterday"}}, "/filter/since"),
        ({**REPLAY, "filter": {"consumer": "late", "since": 1}}, "/filter/since"),
        ({**REPLAY, "filter": {"consumer": "late", "since": "2026-01-02"}}, "/filter/since"),
        ({**REPLAY, "filter": {**FILTER, "pattern": "(.*"}}, "/filter/pattern"),
        ({**REPLAY, "filter": {**FILTER, "more": 1}}, "/filter/more"),
        ({**REPLAY, "rate": 0}, "/rate"),
        ({**REPLAY, "rate": 10**9}, "/rate"),
        ({**REPLAY, "rate": "5"}, "/rate"),
        ({**REPLAY, "rate": True}, "/rate"),
        ({**REPLAY, "dry_run": "yes"}, "/dry_run"),
        ({**REPLAY, "reason": ""}, "/reason"),
        ({**REPLAY, "reason": "a\x00b"}, "/reason"),
        ({**REPLAY, "state": "done"}, "/state"),
    ],
)
async def test_what_is_wrong_with_a_job_is_named_and_nothing_begins(
    client: Client, database: Database, body: dict[str, Any], pointer: str
) -> None:
    problem = await ask(client, body, 400)

    assert pointer in [fault["pointer"] for fault in problem["faults"]]
    assert await job_rows.states(database) == []


@pytest.mark.parametrize("job", ["0", "17", "-1", "1e3", "9" * 30, "٣", "a%00b", "%2e%2e"])
async def test_a_job_that_is_not_there_is_not_found(client: Client, job: str) -> None:
    for method, path in (("GET", ""), ("POST", "/pause"), ("POST", "/cancel")):
        answer = await client.request(method, f"{PATH}/{job}{path}")
        assert answer.status == 404, (method, await answer.text())


@pytest.mark.parametrize(
    "query",
    [
        "state=lost",
        "kind=",
        "limit=0",
        "limit=101",
        "cursor=17",
        "states=done",
        "state=done&state=done",
    ],
)
async def test_a_filter_that_is_none_is_refused(client: Client, query: str) -> None:
    answer = await client.get(f"{PATH}?{query}")

    assert (answer.status, answer.content_type) == (400, PROBLEM)


async def test_a_filter_that_names_what_is_not_there_is_refused_as_a_filter(
    client: Client, database: Database
) -> None:
    body = {"kind": "retry_deliveries", "filter": {"order": "SO-17"}}

    problem = await ask(client, body, 400)

    assert [fault["pointer"] for fault in problem["faults"]] == ["/filter"]
    assert await job_rows.states(database) == []
