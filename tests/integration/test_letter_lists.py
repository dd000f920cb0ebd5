"""Dead letters are found by what they are about, a bounded piece of work at a time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner, Result

from orderbus import services, storage
from orderbus.commands.cli import main
from orderbus.domain.letters import Filter
from orderbus.settings import Settings
from orderbus.storage.database import Connection, Database, open_database
from orderbus.storage.letter_views import OpenLetter
from tests.support import delivery_rows, letter_rows, many_rows, scenario
from tests.support.plans import plans, quiet_connection

LOOK_AT = 2_000
FILTERS: dict[str, Filter] = {
    "nothing": Filter(),
    "kind": Filter(kind="message"),
    "subject": Filter(subject="rare"),
    "reason": Filter(reason="rare"),
    "error": Filter(error="No order #"),
    "endpoint": Filter(endpoint_id=UUID(int=7)),
    "order": Filter(order="SO-1"),
    "uuid of an order": Filter(order=str(UUID(int=7))),
    "since": Filter(created_at__gte=datetime(2026, 1, 1, tzinfo=UTC)),
    "until": Filter(created_at__lt=datetime(2026, 1, 1, tzinfo=UTC)),
    "through": Filter(through=70_000),
}


async def test_among_many_letters_each_statement_looks_at_few_by_an_index_whatever_is_asked_for(
    database: Database,
) -> None:
    async with quiet_connection(database) as connection:
        await many_rows.dead_letters(connection, 100_000)
        assert await faults(connection) == {}


async def test_no_statement_reads_all_letters_though_postgresql_would_rather_join_them_whole(
    database: Database,
) -> None:
    """As it does from some hundred thousand on: it cannot know how few a statement looks at."""
    by_order = {"order", "uuid of an order"}  # which are found by way of their events
    async with quiet_connection(database) as connection:
        await many_rows.dead_letters(connection, 24_000)
        await connection.execute("SET enable_nestloop = off")
        assert await faults(connection, after=4_000, but=by_order) == {}


async def faults(
    connection: Connection, *, after: int = 40_000, but: Collection[str] = ()
) -> dict[str, list[str]]:
    """Name what reads more than it should."""
    found = {}
    for (name, wanted), ask in (
        (each, ask)
        for each in FILTERS.items()
        if each[0] not in but
        for ask in (
            storage.letter_lists.list_next,
            storage.letter_lists.group_next,
            storage.letter_lists.count_next,
        )
    ):

        async def asked(connection: Connection, ask: Any = ask, wanted: Filter = wanted) -> None:
            await ask(connection, wanted, after=after, look_at=LOOK_AT)

        (plan,) = await plans(connection, "generic", asked)
        await connection.execute("SET plan_cache_mode = auto")
        # Of each of five kinds so many are read, and what is found is put in order.
        read = [each for each in plan.faults(LOOK_AT) if not each.startswith("sorts")]
        if read:
            found[f"{ask.__name__} by {name}"] = read
    return found


async def found(database: Database, wanted: Filter, **given: Any) -> list[OpenLetter]:
    """Walk the list to its end, page by page."""
    letters: list[OpenLetter] = []
    after: int | None = 0
    while after is not None:
        page = await services.letter_lists.list_open(database, wanted, after=after, **given)
        letters += page.letters
        after = page.next_after
    return letters


async def test_a_rare_letter_among_many_is_found_and_groups_count_them_all(
    database: Database,
) -> None:
    async with database.connection() as connection:
        await many_rows.dead_letters(connection, 24_000)

    first = await services.letter_lists.list_open(database, Filter(subject="rare"), at_most=50)
    rare = await found(database, Filter(subject="rare"), at_most=7)
    groups = await services.letter_lists.group(database, Filter(), at_most=10)

    assert len(first.letters) < len(rare) == 12  # a page looks at 20,000 letters at most
    assert first.next_after is not None
    assert {letter.subject for letter in rare} == {"rare"}
    assert [letter.id for letter in rare] == sorted({letter.id for letter in rare})
    answer = "The last answer was 500"
    assert {
        (each.subject, each.reason, each.error, each.url, each.count) for each in groups.groups
    } == {
        ("order.created", "retries_exhausted", answer, "https://often.example/", 11_988),
        ("often", "often", "No order #", None, 11_988),
        ("order.created", "retries_exhausted", answer, "https://seldom.example/", 12),
        ("rare", "rare", "No order #", None, 12),
    }
    assert [each.count for each in groups.groups] == [11_988, 11_988, 12, 12]
    assert (groups.letters, groups.is_complete) == (24_000, True)
    assert all(each.oldest <= each.newest for each in groups.groups)


async def some(database: Database) -> dict[str, Any]:
    """Leave a dead letter of a delivery of each of three orders, and one of a queue message."""
    endpoint = await scenario.add_endpoint(database)
    orders = [await scenario.place(database, f"SO-{number}") for number in range(3)]
    await scenario.come_back(database, *await scenario.events(database))
    await delivery_rows.give_up(database)
    await letter_rows.add_of_every_delivery(database, "retries_exhausted")
    await letter_rows.add_of_a_message(database, actor="create_order", error="No order 12345")
    await letter_rows.add_of_a_message(database, actor="create_order", error="No order 67890")
    return {"endpoint": endpoint, "order": str(orders[1].order_id)}


async def test_what_pubsub_gave_up_is_found_by_its_order_if_it_says_which(
    database: Database,
) -> None:
    order = await scenario.place(database, "SO-1")
    subjects = ["", "SO-1", str(UUID(int=7)), "' OR true --", "x" * 100_000]
    await letter_rows.add_given_up(database, str(order.order_id), *subjects)

    by_ref = await found(database, Filter(order="SO-1"), at_most=9)
    by_uuid = await found(database, Filter(order=str(order.order_id)), at_most=9)
    shown = await database.ask(storage.dead_letters.get, by_ref[0].id)

    assert [letter.external_ref for letter in await found(database, Filter(), at_most=9)] == (
        ["SO-1"] + [None] * len(subjects)
    )
    assert by_ref == by_uuid
    assert [(letter.kind, letter.order_id) for letter in by_ref] == [("pubsub", order.order_id)]
    assert shown.external_ref == "SO-1"


async def test_each_filter_finds_what_fits_and_nothing_else(database: Database) -> None:
    known = await some(database)
    one, two, three, four, five = [row["id"] for row in await letter_rows.every(database)]
    now = datetime.now(UTC)

    async def ids(wanted: Filter) -> list[int]:
        return [letter.id for letter in await found(database, wanted, at_most=2)]

    assert await ids(Filter()) == [one, two, three, four, five]
    assert await ids(Filter(kind="message")) == [four, five]
    assert await ids(Filter(endpoint_id=known["endpoint"])) == [one, two, three]
    assert await ids(Filter(endpoint_id=UUID(int=1))) == []
    assert await ids(Filter(order="SO-1")) == await ids(Filter(order=known["order"])) == [two]
    assert await ids(Filter(order="SO-1", kind="message")) == []
    assert await ids(Filter(subject="order.created")) == [one, two, three]
    assert await ids(Filter(subject="create_order", error="No order #")) == [four, five]
    assert await ids(Filter(reason="retries_exhausted", through=two)) == [one, two]
    assert await ids(Filter(created_at__gte=now + timedelta(hours=1))) == []
    assert await ids(Filter(created_at__lt=now + timedelta(hours=1))) == await ids(Filter())


async def test_a_letter_stands_for_its_group(database: Database) -> None:
    await some(database)
    for each in (await services.letter_lists.group(database, Filter(), at_most=9)).groups:
        like = await database.ask(storage.letter_lists.like, each.example)

        assert like == each.key
        assert len(await found(database, each.key, at_most=9)) == each.count


async def test_what_order_and_url_a_letter_is_about_is_listed(database: Database) -> None:
    known = await some(database)
    (letter,) = await found(database, Filter(order="SO-1"), at_most=9)

    assert (letter.external_ref, str(letter.order_id)) == ("SO-1", known["order"])
    assert letter.endpoint_id == known["endpoint"]
    assert letter.url is not None


async def test_a_filter_is_a_value_whatever_it_says(database: Database) -> None:
    await some(database)
    hostile = "' OR true; DROP SCHEMA ops CASCADE --"

    for wanted in (
        Filter(kind=hostile),
        Filter(order=hostile),
        Filter(subject=hostile),
        Filter(reason=hostile),
        Filter(error=hostile),
    ):
        assert await found(database, wanted, at_most=9) == []

    assert await letter_rows.count(database) == 5


def run(env: dict[str, str], *arguments: str) -> Result:
    given = {**env, "SECRET_KEY": "a key for tests"}
    return CliRunner(env=given).invoke(main, ["dead-letters", *arguments], catch_exceptions=False)


@pytest.fixture
def known(settings: Settings) -> dict[str, Any]:
    async def fill() -> dict[str, Any]:
        async with open_database(settings) as database:
            return await some(database)

    return asyncio.run(fill())


def test_the_commands_take_every_filter(env: dict[str, str], known: dict[str, Any]) -> None:
    about = ("--kind", "delivery", "--endpoint", str(known["endpoint"]), "--order", "SO-1")
    more = ("--subject", "order.created", "--reason", "retries_exhausted", "--since", "1h")
    error = ("--error", "retries_exhausted", "--until", "2999-01-01T00:00:00Z")

    listed = json.loads(run(env, "list", *about, *more, *error, "--json").stdout)
    limited = json.loads(run(env, "list", "--limit", "2", "--json").stdout)
    groups = json.loads(run(env, "groups", "--json").stdout)

    assert [letter["reference"] for letter in listed] == ["SO-1"]
    assert listed[0]["endpoint_id"] == str(known["endpoint"])
    assert len(limited) == 2
    assert [(group["kind"], group["count"]) for group in groups] == [
        ("delivery", 3),
        ("message", 2),
    ]


@pytest.mark.parametrize(
    "option",
    [("--kind", "all"), ("--endpoint", "7"), ("--since", "never"), ("--order", "a\0b")],
)
def test_a_filter_that_means_nothing_is_refused(
    env: dict[str, str], option: tuple[str, str]
) -> None:
    refused = run(env, "list", *option)

    assert refused.exit_code != 0
    assert "Traceback" not in refused.output
