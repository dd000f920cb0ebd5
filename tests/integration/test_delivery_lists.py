"""A list of deliveries shows each that fits once, and no statement grows with what is kept."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from functools import partial
from typing import Any, get_args
from uuid import UUID

import pytest

from orderbus import storage
from orderbus.storage.database import Connection, Database
from orderbus.storage.delivery_lists import LOOKS_AT, Filter, Place
from orderbus.storage.delivery_views import State
from tests.support import delivery_rows, endpoint_rows, many_rows, scenario
from tests.support.plans import plans, quiet_connection

MANY = 100_000
FEW = 400
STATES: tuple[Any, ...] = (None, *get_args(State), "owed")


class Kept:
    """The deliveries of a test: to an endpoint that is owed much, and a disabled one."""

    def __init__(self, connection: Connection, much: UUID, little: UUID) -> None:
        self.connection = connection
        self.much = much
        self.little = little

    def filters(self) -> Iterator[Filter]:
        choices: dict[str, tuple[Any, ...]] = {
            "state": STATES,
            "endpoint_id": (None, self.little),
            "status": (None, 503),
            "error": (None, "timeout"),
        }
        for values in itertools.product(*choices.values()):
            yield Filter(**dict(zip(choices, values, strict=True)))
        yield Filter(endpoint_id=self.much, state="pending", later=True)


async def kept(connection: Connection, database: Database, count: int) -> Kept:
    much, little = [await scenario.add_endpoint(database) for _ in range(2)]
    await many_rows.deliveries_in_every_state(connection, much, little, count)
    await endpoint_rows.disable(database, only=little)
    return Kept(connection, much, little)


@pytest.fixture
async def many(database: Database) -> AsyncIterator[Kept]:
    async with quiet_connection(database) as connection:
        yield await kept(connection, database, MANY)


@pytest.fixture
async def few(database: Database) -> AsyncIterator[Kept]:
    async with quiet_connection(database) as connection:
        yield await kept(connection, database, FEW)


@pytest.mark.parametrize("mode", ["generic", "custom"])
async def test_every_list_of_a_hundred_thousand_looks_at_a_bounded_number_of_rows(
    many: Kept, mode: str
) -> None:
    faults = {}
    for wanted, backwards in itertools.product(many.filters(), (False, True)):
        begin = await storage.delivery_lists.find(
            many.connection, Filter(wanted.endpoint_id, wanted.state), after=None, at_most=1_000
        )
        for after in (None, begin.until):
            find = partial(
                storage.delivery_lists.find,
                wanted=wanted,
                after=after,
                at_most=100,
                newest_first=backwards,
            )
            (plan,) = await plans(many.connection, mode, find)
            if found := plan.faults(LOOKS_AT):
                faults[str((wanted, after, backwards))] = found

    assert faults == {}


async def walked(connection: Connection, wanted: Filter, at_most: int, **how: bool) -> list[int]:
    """Go through a list page by page, each from where the one before wrote down it ended."""
    ids: list[int] = []
    after: Place | None = None
    while True:
        found = await storage.delivery_lists.find(
            connection, wanted, after=after, at_most=at_most, **how
        )
        assert len(found.ids) <= at_most
        ids += found.ids
        if found.until is None:
            return ids
        texts = storage.delivery_lists.written(found.until)
        after = storage.delivery_lists.place_of(wanted, texts)
        assert after == found.until


@pytest.mark.parametrize("looks_at", [7, LOOKS_AT])
async def test_page_by_page_every_filter_lists_all_that_fits_once_and_in_its_order(
    few: Kept, monkeypatch: pytest.MonkeyPatch, looks_at: int
) -> None:
    monkeypatch.setattr(storage.delivery_lists, "LOOKS_AT", looks_at)
    rows = await delivery_rows.every(few.connection)
    for wanted in few.filters():
        fitting = [row["id"] for row in _in_order(rows, wanted) if _fits(row, wanted)]

        assert await walked(few.connection, wanted, 5) == fitting, wanted
        turned = await walked(few.connection, wanted, 50, newest_first=not _newest_first(wanted))
        assert turned == fitting[::-1], wanted


def _newest_first(wanted: Filter) -> bool:
    return wanted.state not in ("pending", "held", "owed")


def _in_order(rows: list[dict[str, Any]], wanted: Filter) -> list[dict[str, Any]]:
    if wanted.state is None:
        return sorted(rows, key=lambda row: -row["id"])
    if not _newest_first(wanted):
        return sorted(rows, key=lambda row: (row["order_id"], row["endpoint_id"], row["sequence"]))
    settled = [row for row in rows if row["settled_at"]]
    return sorted(settled, key=lambda row: (row["settled_at"], row["id"]), reverse=True)


def _fits(row: dict[str, Any], wanted: Filter) -> bool:
    states = {"pending": "held" if row["is_disabled"] else "pending"}
    state = states.get(row["state"], row["state"])
    fits_state = {None: True, "owed": row["state"] == "pending"}
    return (
        fits_state.get(wanted.state, state == wanted.state)
        and wanted.endpoint_id in (None, row["endpoint_id"])
        and wanted.status in (None, row["last_status"])
        and wanted.error in (None, row["last_error"])
        and (not wanted.later or row["due_at"].year < 9000)
    )


async def test_the_time_is_when_it_was_settled_or_else_when_it_came_in(few: Kept) -> None:
    rows = await delivery_rows.every(few.connection)
    for state in STATES:
        moments = sorted(
            row["settled_at"] or row["created_at"]
            for row in rows
            if _fits(row, Filter(state=state))
        )
        since, until = moments[len(moments) // 4], moments[len(moments) // 2]
        wanted = Filter(state=state, since=since, until=until)

        found = await walked(few.connection, wanted, 50)

        assert len(found) == sum(since <= moment < until for moment in moments), state
        counted = [each async for each in storage.delivery_lists.count(few.connection, wanted)]
        assert len(found) == sum(counted)


async def test_an_orders_deliveries_are_its_story_to_every_endpoint(database: Database) -> None:
    for _ in range(2):
        await scenario.add_endpoint(database)
    orders = [await scenario.place(database) for _ in range(2)]
    for order in orders * 2:
        await scenario.append(database, order)
    await scenario.come_back(database, *await scenario.events(database))
    of = Filter(order_pk=(await database.ask(storage.orders.get, str(orders[0].order_id))).order_pk)
    async with database.connection() as connection:
        found = await walked(connection, of, 2)
        back = await walked(connection, of, 4, newest_first=True)
        shown = await storage.delivery_views.show(connection, found)

    assert [each.sequence for each in shown] == [1, 1, 2, 2, 3, 3]
    assert {each.order_id for each in shown} == {orders[0].order_id}
    assert shown[0].type == "order.created"
    assert back == found[::-1]


@pytest.mark.parametrize(
    "texts",
    [
        [],
        ["1"],
        ["1", "2", "3"],
        [1, 2],
        ["2026-01-01", "1"],
        ["2026-01-01T00:00:00", "1"],
        ["nonsense", "1"],
        ["2026-01-01T00:00:00+00:00", "-1"],
        ["2026-01-01T00:00:00+00:00", "9" * 19],
        ["2026-01-01T00:00:00+00:00", "\u0661"],
        [None, {}],
    ],
)
def test_a_place_of_another_list_is_refused(texts: list[Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        storage.delivery_lists.place_of(Filter(state="dead"), texts)


async def test_a_place_far_away_is_an_empty_page(few: Kept) -> None:
    for state in STATES:
        wanted = Filter(state=state)
        begin = await storage.delivery_lists.find(few.connection, wanted, after=None, at_most=1)
        assert begin.until is not None
        texts = [
            "0001-01-01T00:00:00+00:00" if ":" in text else "0" if text.isdigit() else text
            for text in storage.delivery_lists.written(begin.until)
        ]
        place = storage.delivery_lists.place_of(wanted, texts)
        found = await storage.delivery_lists.find(
            few.connection, wanted, after=place, at_most=9, newest_first=True
        )

        assert (found.ids, found.until) == ([], None), state


async def test_what_waits_shows_for_which_and_what_is_under_way_until_when(
    database: Database,
) -> None:
    await scenario.add_endpoint(database)
    order = await scenario.place(database)
    await scenario.append(database, order)
    await scenario.come_back(database, *await scenario.events(database))
    first, second = await delivery_rows.ids(database)
    claimed = await scenario.claim(database, first, lease=timedelta(hours=1))
    assert claimed is not None

    one, other = await database.ask(storage.delivery_views.show, [first, second])

    assert one.under_way_until is not None
    assert (one.waits_for, other.waits_for) == (None, first)
    assert (other.due_at, other.under_way_until) == (None, None)
