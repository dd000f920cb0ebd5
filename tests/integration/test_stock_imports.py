"""``orderbus stock import``: a night's file of counts, booked as a job."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from orderbus import services, storage
from orderbus.errors import Conflict
from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.support import job_rows, jobs, stock_rows
from tests.support.commands import answered, typed
from tests.support.waiting import until_true


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "counts.csv"


async def on_hand(database: Database, *products: int) -> list[int]:
    return [(await stock_rows.level(database, product)).on_hand for product in products]


async def imported(env: dict[str, str], file: Path, *options: str) -> Any:
    return await answered(env, "stock", "import", file, "--rate", 100_000, *options)


async def test_each_line_that_can_be_is_booked_and_every_other_is_named_with_its_reason(
    env: dict[str, str], database: Database, file: Path
) -> None:
    tea, mate = [await stock_rows.add(database, 5, sku=sku) for sku in ("tea", "mate")]
    file.write_text(
        "\ufeffsku, count,delta,expected,reason\n"
        'tea,7,,5,"count, of May"\n\nmate,,-2,,\nunknown,,1\n',
        encoding="utf-8",
    )

    job = await imported(env, file, "--reason", "a night's file")

    assert (job["state"], job["total"], job["done"], job["refused"]) == ("done", 3, 2, 1)
    assert job["filter"]["file"].endswith("counts.csv")
    assert job["refusals"] == [
        {"subject": "line 5 (unknown)", "reason": "there is no such product"}
    ]
    assert await on_hand(database, tea, mate) == [7, 3]
    moved = [
        (await database.ask(storage.stock_views.list_movements, product, at_most=1))[0]
        for product in (tea, mate)
    ]
    assert [(each.kind, each.reason) for each in moved] == [
        ("counted", "count, of May"),
        ("removed", "a night's file"),
    ]
    assert {each.actor for each in moved} == {job["asked_by"]}
    assert await stock_rows.differences(database) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "The first line has nothing: name columns of sku, count, delta"),
        (b"tea,7\n", "The first line has tea, 7: name columns"),
        (b"sku,count,count\n", "The first line has sku, count, count"),
        (b"sku,delta\n", "The file has no line below its first"),
        (b"sku,delta\ntea,\xff\n", "The file is not UTF-8: byte 14 is not"),
        (b'sku,delta\ntea,"1\n', "The file is not CSV: unexpected end of data"),
        (b"sku,delta\ntea,1,2\n", "line 2: has more cells than the first line"),
        (b"sku,delta\ntea\n", "line 2: give either the count or the delta"),
        (b"sku,delta,count\ntea,1,1\n", "line 2: give either the count or the delta"),
        (b"sku,delta\n,1\n", "line 2: sku Field required"),
        (b"sku,delta\ntea,1.5\n", "line 2: delta Input should be a valid integer"),
        (b"sku,delta\ntea,9999999999\n", "line 2: 9999999999 units: at most 2147483647"),
        (b"sku,delta\ntea,-1\n", "line 2: give the reason of what is counted or removed"),
        (b"sku,delta\ntea,1\nmate,1\ntea,2\n", "line 4: is about the product of line 2"),
        (b"sku,delta\nte\x00a,1\n", "must not hold the NUL character"),
    ],
)
async def test_a_file_that_is_not_clear_is_refused_whole_in_words(
    env: dict[str, str], database: Database, file: Path, content: bytes, said: str
) -> None:
    await stock_rows.add(database, 5, sku="tea")
    file.write_bytes(content)

    refused = await typed(env, "stock", "import", file)

    assert refused.exit_code != 0
    assert said in " ".join(refused.output.split())
    assert await database.ask(storage.jobs.list_newest, at_most=1) == []


async def test_a_file_is_only_checked_before_it_is_booked(
    env: dict[str, str], database: Database, file: Path
) -> None:
    tea = await stock_rows.add(database, 5, sku="tea")
    file.write_text("sku,delta\ntea,1\nunknown,2\n")

    checked = await imported(env, file, "--dry-run")

    assert checked == {"lines": 2, "unknown": ["unknown"]}
    assert await on_hand(database, tea) == [5]


async def test_the_same_file_is_booked_once_whatever_it_is_called(
    env: dict[str, str], database: Database, file: Path
) -> None:
    tea = await stock_rows.add(database, 0, sku="tea")
    content = b"sku,delta\ntea,2\n"
    file.write_bytes(content)

    both = await asyncio.gather(
        *(begin(database, content) for _ in range(2)), return_exceptions=True
    )

    assert sum(isinstance(each, Conflict) for each in both) == 1
    refused = await typed(env, "stock", "import", file)
    assert refused.exit_code != 0
    assert "was begun with this file: --again books it once more" in refused.output
    await imported(env, file, "--again")
    await until_true(lambda: has(database, tea, 2), "the file was booked once more")


async def has(database: Database, product: int, units: int) -> bool:
    return await on_hand(database, product) == [units]


async def test_a_step_that_is_undone_leaves_its_lines_to_the_next(
    database: Database, settings: Settings
) -> None:
    products = [await stock_rows.add(database, 0, sku=f"sku-{n}") for n in range(5)]
    content = b"sku,delta\n" + b"".join(b"sku-%d,3\n" % n for n in range(5))
    job = await begin(database, content, rate=2)
    outside = jobs.outside(settings)

    await services.jobs.step(database, outside, job_id=job)
    assert await taken_and_undone(database, job) == [4, 5]
    found = await database.ask(storage.jobs.get, job)
    assert (found.state, found.done) == ("running", 2)
    done = await jobs.finish(database, found, outside)

    assert (done.state, done.done, done.refused) == ("done", 5, 0)
    assert await on_hand(database, *products) == [3] * 5
    assert await stock_rows.differences(database) == []


async def test_what_a_cancelled_job_left_goes_with_it(database: Database) -> None:
    job = await begin(database, b"sku,delta\ntea,1\n")
    async with database.transaction() as connection:
        await services.jobs.move(connection, job, "cancel", asked_by="test")

    await job_rows.delete(database, job)

    assert await database.ask(storage.job_lines.take, job, at_most=1) == []


async def test_a_job_of_lines_is_not_begun_without_them(client: Any) -> None:
    body = {"kind": "import_stock", "filter": {"file": "x", "sha256": "y", "lines": 1}}

    response = await client.post("/api/v1/jobs", json=body)

    assert response.status == 400
    assert "is 'import_stock': must be one of" in await response.text()


async def taken_and_undone(database: Database, job: int) -> list[int]:
    async with database.connection() as connection:
        transaction = connection.transaction()
        await transaction.start()
        lines = await storage.job_lines.take(connection, job, at_most=2)
        await transaction.rollback()
    return [each.line for each in lines]


async def begin(database: Database, content: bytes, *, rate: int = 100_000) -> int:
    """Begin an import of which no step is taken yet; returns the job's number."""
    lines = services.stock_imports.read(content, reason=None)
    async with database.transaction() as connection:
        wanted = await services.stock_imports.about(
            connection, lines, file="counts.csv", content=content, again=False
        )
        planned = services.jobs.Plan("import_stock", wanted, len(lines))
        job = await services.jobs.begin(
            connection, planned, rate=rate, asked_by="test", lines=lines
        )
    return job.id
