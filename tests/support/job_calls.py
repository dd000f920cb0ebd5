"""Requests about jobs that are answered in every way there is."""

from __future__ import annotations

from orderbus import storage
from orderbus.storage.database import Database
from orderbus.storage.jobs import NewJob, Step
from tests.support.api_client import Client

MOMENT = "2026-01-02T03:04:05Z"


async def begin_and_move(client: Client, database: Database) -> None:
    """Have each path of the jobs give each of its answers."""
    path, key = "/api/v1/jobs", {"Idempotency-Key": "a job"}
    body = {"kind": "replay", "filter": {"consumer": "count_event", "since": MOMENT}}
    await client.post(path, json={**body, "dry_run": True})
    begun = await client.post(path, json=body, headers=key)
    await client.post(path, json={**body, "rate": 1}, headers=key)
    await client.get(f"{path}?state=lost")
    job = (await begun.json())["id"]
    await client.get(f"{path}/{job}")
    for action in ("pause", "resume", "cancel"):
        key = {"Idempotency-Key": f"{action} a job"}
        await client.post(f"{path}/{job}/{action}", headers=key)
        await client.post(f"{path}/{job}/{action}", headers=key, json={"reason": "another"})
    for action in ("pause", "resume"):
        await client.post(f"{path}/{job}/{action}")
    done = await database.ask(storage.jobs.add, NewJob("replay", {}, 1, 0, "test"))
    await database.ask(storage.jobs.advance, done.id, Step(0))
    await client.post(f"{path}/{done.id}/cancel")
