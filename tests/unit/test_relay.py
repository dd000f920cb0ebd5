"""Batches of the outbox that are under way side by side begin and end together."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from orderbus.errors import Unavailable
from orderbus.services.outbox import Relay
from tests.support import forced


async def test_where_one_batch_fails_none_is_left_under_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nobody: Any = None
    database: Any = SimpleNamespace(outbox_written=asyncio.Event())
    relay = Relay(database, nobody, nobody)
    calls, under_way = 0, 0

    async def publish_due() -> int:
        nonlocal calls, under_way
        calls += 1
        forced.leave_more_to_publish(relay)
        if calls == 2:
            raise Unavailable("PostgreSQL is away")
        under_way += 1
        await asyncio.sleep(0)
        under_way -= 1
        return 1

    monkeypatch.setattr(relay, "publish_due", publish_due)
    with pytest.raises(Unavailable):
        await relay.take_due()

    before = calls
    await asyncio.sleep(0.01)
    assert (calls, under_way) == (before, 0)
