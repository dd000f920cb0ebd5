"""An older copy is restored as the page says, beside a living Pub/Sub: no number is used again."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import pytest

from orderbus import storage
from orderbus.devtools import postgres
from orderbus.storage.database import open_database
from tests.support import scenario
from tests.support.system import KILL_AT, ROOT, System

pytestmark = pytest.mark.native

PAGE = (ROOT / "docs" / "running" / "backup-and-restore.md").read_text()
MARGIN = 50
REPAIR = ("-m", "orderbus", "restore-check", "--repair", "--margin", str(MARGIN))


def type_of_the_page(system: System, folder: Path, begin: str) -> None:
    """Type the command of the page that begins so."""
    found = re.search(rf"(?:\$ |`)({begin}[^`\n]*)", PAGE)
    assert found, begin
    binaries = str(postgres.binaries())
    ran = subprocess.run(
        ["/bin/sh", "-c", found[1]],
        cwd=folder,
        env={
            **os.environ,
            "DATABASE_URL": system.settings.database_url,
            "PATH": f"{binaries}:{os.environ['PATH']}",
        },
        check=False,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr


@dataclass
class Restored:
    """A system whose database knows of event 1 of each order, while receivers know 2 and 3."""

    system: System
    references: list[str]

    async def happen(self) -> None:
        """Let one more thing happen to every order."""
        async with open_database(self.system.settings) as database:
            for reference in self.references:
                order = await database.ask(storage.orders.get, reference)
                await scenario.append_event(database, order.order_id)

    async def until_told(self, numbers: int) -> None:
        """Wait until so many numbers of each order have been told."""

        async def told() -> bool:
            seen = self.numbers()
            return all(len(seen[reference]) >= numbers for reference in self.references)

        await self.system.until(told, f"{numbers} numbers of each order are told")

    def numbers(self) -> dict[str, list[int]]:
        """List the numbers of each order as they were told first; each stands for one event."""
        ids: dict[tuple[str, int], set[str]] = defaultdict(set)
        numbers: dict[str, list[int]] = defaultdict(list)
        for request in self.system.receiver.accepted:
            order = request.body["order_id"]
            number = int(request.headers["orderbus-sequence"])
            ids[order, number].add(request.headers["webhook-id"])
            numbers[order] += [number] * (number not in numbers[order])
        assert {place: found for place, found in ids.items() if len(found) > 1} == {}
        return numbers


async def end(system: System) -> None:
    """Stop web, workers and bridge."""
    for process in system.started.values():
        await system.kill(process)


@pytest.fixture
async def restored(system: System, tmp_path: Path) -> Restored:
    await system.start_all()
    restored = Restored(system, [await system.post() for _ in range(3)])
    await restored.until_told(1)
    await asyncio.to_thread(type_of_the_page, system, tmp_path, "pg_dump")
    for numbers in (2, 3):
        await restored.happen()
        await restored.until_told(numbers)
    await end(system)
    await asyncio.to_thread(type_of_the_page, system, tmp_path, "pg_restore")
    return restored


async def exit_code(system: System) -> tuple[int, str]:
    """Repair in a process of its own; returns its exit code and what it said to a person."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *REPAIR,
        env={**os.environ, **system.env},
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


async def goes_on(restored: Restored, *, repairs: int) -> None:
    """See that every order goes on behind what receivers know, by so many repairs."""
    await restored.system.start_all()
    await restored.happen()
    await restored.happen()
    await restored.until_told(5)
    first, told = 1 + repairs * MARGIN + 1, restored.numbers()

    assert {reference: told[reference] for reference in restored.references} == {
        reference: [1, 2, 3, first, first + 1] for reference in restored.references
    }


@pytest.mark.parametrize(
    ("point", "repairs"),
    [
        pytest.param("repair before it lifts any order", 1, marks=pytest.mark.long),
        ("repair between orders and ids", 1),
        pytest.param("repair between ids and its entry", 1, marks=pytest.mark.long),
        pytest.param("repair between its entry and its commit", 1, marks=pytest.mark.long),
        ("repair after its commit", 2),
    ],
)
async def test_a_repair_that_is_killed_and_typed_again_leaves_no_number_that_is_used_twice(
    restored: Restored, point: str, repairs: int
) -> None:
    system = restored.system
    await system.killed(await system.command(KILL_AT, point, *REPAIR))

    code, said = await exit_code(system)

    assert code == 0, said
    await goes_on(restored, repairs=repairs)


async def test_of_two_who_repair_at_once_each_does_it_whole_or_is_told_of_the_other(
    restored: Restored,
) -> None:
    both = await asyncio.gather(exit_code(restored.system), exit_code(restored.system))

    refused = [said for code, said in both if code != 0]
    assert len(refused) < 2, refused
    assert all("Another restore-check --repair is at work" in said for said in refused)
    await goes_on(restored, repairs=2 - len(refused))


async def test_a_repair_is_refused_while_the_system_runs_and_harms_it_not(
    restored: Restored,
) -> None:
    system = restored.system
    await system.start_all()

    code, said = await exit_code(system)
    await system.post()

    assert code == 1
    assert "stop web, workers and bridge first" in said
    await end(system)
    code, said = await exit_code(system)
    assert code == 0, said
    await goes_on(restored, repairs=1)
