"""A whole orderbus under a steady load, whose parts and processes a test may take away."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from orderbus.storage.database import open_database
from tests.conftest import settings_from
from tests.support import delivery_rows, letter_rows
from tests.support.dependencies import Background
from tests.support.load import Load
from tests.support.parts_behind_proxies import PartsBehindProxies
from tests.support.system import System, environment
from tests.support.waiting import PATIENCE
from tests.support.whereabouts import whereabouts

#: Seconds within which everything has to be delivered. The emulator loses events, again and again,
#: for minutes after a connection to it broke.
DRAINED_WITHIN: Final = 240
#: Names a file to which each outage's figures are appended, one JSON object a line.
REPORT: Final = "ORDERBUS_OUTAGES"

_Step = Callable[[], object]


@dataclass
class Outage:
    """What was seen of one outage; times in seconds after the part was back."""

    name: str
    lasted: float = 0.0
    answers: dict[str, int] = field(default_factory=dict)
    orders_after: float = 0.0
    webhooks_after: float = 0.0
    drained_after: float = 0.0


class SystemUnderLoad:
    """Orders come in all the time, and every one of them is accounted for after each outage."""

    def __init__(self, folder: Path) -> None:
        self.background = Background()
        self.folder = folder
        self.parts = PartsBehindProxies(folder)
        self.system: System
        self.load: Load
        self.processes: dict[str, asyncio.subprocess.Process] = {}
        self._stack = AsyncExitStack()

    # -- up and down ----------------------------------------------------------------------------

    def open(self) -> None:
        self.parts.node.start()
        self.background.run(self._open())

    def close(self) -> None:
        self.background.run(self._stack.aclose())
        self.parts.close()
        self.background.close()

    async def _open(self) -> None:
        self._stack.push_async_callback(self.parts.stop)
        env = await self.parts.start()
        settings = settings_from(self.parts.direct)
        direct = await self._stack.enter_async_context(open_database(settings))
        self.system = System(environment(env, self.folder / "log"), settings, direct)
        self._stack.push_async_callback(self.system.close)
        await self._stack.enter_async_context(self.system.receiver.listening())
        self.system.env["WEBHOOK_OUTGOING_URL"] = self.system.receiver.url
        await self.system.orderbus("migrate")
        names = self.system.processes
        started = await asyncio.gather(*(self.system.start(name) for name in names))
        self.processes = dict(zip(names, started, strict=True))
        self.load = Load(self.system.api, direct)
        self._stack.push_async_callback(self.load.end)

    # -- an outage ------------------------------------------------------------------------------

    def endure(
        self,
        name: str,
        *,
        begin: _Step,
        seconds: float,
        end: _Step,
        red: dict[str, str] | None = None,
        silent: bool = False,
    ) -> Outage:
        """Go through an outage, and see that nothing was lost, repeated or charged.

        ``red`` names for each process the part it has to miss meanwhile; ``silent`` is whether the
        web server may leave requests without an answer.
        """
        return self.background.run(
            self._endure(Outage(name), begin, seconds, end, red or {}, silent=silent),
            seconds=DRAINED_WITHIN + 3 * PATIENCE,
        )

    async def _endure(
        self,
        outage: Outage,
        begin: _Step,
        seconds: float,
        end: _Step,
        red: dict[str, str],
        *,
        silent: bool,
    ) -> Outage:
        await self._flows_after(time.monotonic())
        self.load.answers.clear()
        began = time.monotonic()
        try:
            await _do(begin)
            for process, part in red.items():
                await self.system.until(
                    partial(self._misses, process, part),
                    f"{process} says that it misses {part}",
                )
            await asyncio.sleep(max(0.0, began + seconds - time.monotonic()))
        finally:
            await _do(end)  # the next outage begins with everything there
        ended = time.monotonic()
        outage.lasted = round(ended - began, 1)
        outage.orders_after, outage.webhooks_after = await self._flows_after(ended)
        outage.drained_after = await self._drained_after(ended)
        outage.answers = dict(self.load.answers)
        self._record(outage)
        await self._nothing_was_lost_repeated_or_charged()
        allowed = {"200", "201", "503", *(["no answer"] if silent else [])}
        assert set(outage.answers) <= allowed, outage
        return outage

    async def _flows_after(self, moment: float) -> tuple[float, float]:
        """Wait for an order and a webhook later than ``moment``; returns the seconds to each."""
        orders = await self._first_after(moment, self.load.accepted.values)
        webhooks = await self._first_after(
            moment, lambda: (entry.answered_at for entry in self.system.receiver.accepted)
        )
        return orders, webhooks

    async def _first_after(self, moment: float, times: Callable[[], Any]) -> float:
        found: list[float] = []

        async def there() -> bool:
            found[:] = [at for at in times() if at > moment]
            return bool(found)

        await self.system.until(there, "it flows again")
        return round(min(found) - moment, 1)

    async def _drained_after(self, moment: float) -> float:
        """Wait until everything that was accepted so far has been delivered."""
        posted = set(self.load.accepted)

        def missing() -> set[str]:
            return posted - {entry.body["order_id"] for entry in self.system.receiver.accepted}

        async def drained() -> bool:
            return not missing()

        try:
            await self.system.until(drained, "all is delivered", seconds=DRAINED_WITHIN)
        except AssertionError:
            log = Path(self.system.env["LOG"])
            found = await whereabouts(self.system.database, log, missing())
            sys.stdout.write("\n".join(found))
            raise
        return round(time.monotonic() - moment, 1)

    async def _nothing_was_lost_repeated_or_charged(self) -> None:
        for name, process in self.processes.items():
            assert process.returncode is None, f"{name} ended"
        times = self.system.receiver.times()
        assert set(times.values()) == {1}, [n for n in times.items() if n[1] > 1]
        for reference, numbers in self.system.receiver.sequences().items():
            assert numbers == list(range(1, len(numbers) + 1)), reference
        assert await letter_rows.count(self.system.database) == 0
        assert await delivery_rows.max_attempts(self.system.database) <= 1
        for name in self.processes:
            await self.system.until(partial(self.system.is_ready, name), f"{name} is ready")

    async def _misses(self, process: str, part: str) -> bool:
        async with self.system.http.get(self.system.readiness(process)) as answer:
            return answer.status == 503 and (await answer.json())["parts"][part] is False

    def _record(self, outage: Outage) -> None:
        if file := os.environ.get(REPORT):
            with Path(file).open("a") as report:
                report.write(json.dumps(asdict(outage)) + "\n")


async def _do(step: _Step) -> None:
    """Do it on this loop, or on a thread if it blocks."""
    done = await asyncio.to_thread(step)
    if isinstance(done, Awaitable):
        await done
