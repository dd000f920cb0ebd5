"""``orderbus migrate`` grants what a running system needs in any database, or says what to type."""

from __future__ import annotations

import re
from collections.abc import Iterator

import psycopg
import pytest

from orderbus import services, storage
from orderbus.errors import Misconfigured
from orderbus.settings import Settings
from orderbus.storage.database import Database, open_database
from tests.conftest import settings_from
from tests.support import cart_rows, roles, scenario, stock_rows
from tests.support.shop_clients import Shop
from tests.support.stock_model import Book, Buy, Cancel, Open, Place, Put, Ship


@pytest.fixture
def plain(two: dict[str, str], settings: Settings, role: str) -> Iterator[Settings]:
    """A system whose owner is no superuser; ``settings`` are those of a superuser."""
    owner = role.replace("app", "own")
    roles.make_owner(settings, owner)
    yield settings_from({**two, "DB_OWNER_USER": owner, "DB_OWNER_PASSWORD": "a password"})
    roles.drop(settings, role)
    roles.drop(settings, owner)


async def test_carts_become_orders_which_are_allocated_and_shipped(running: Database) -> None:
    shop = await Shop.opened(running, 1)
    carts_and_orders = (
        Open(1, {0: 1}),
        Put(1, 0, 2),
        Buy(1, 1),
        Place(2, {0: 3}),
        Place(3, {0: 1}),
        Cancel(3),
        Ship(2),
    )
    for command in (Book(0, 10), *carts_and_orders):
        await shop.do(command)

    (left,) = await shop.counters()
    assert (left.on_hand, left.reserved, left.allocated, left.shipped) == (7, 0, 2, 3)


async def test_a_repair_moves_the_ids_on_and_none_back(least: Settings, settings: Settings) -> None:
    async with open_database(least, name=storage.restores.NAME) as database:
        await stock_rows.add(database, 10)
        await scenario.place(database)
        before = roles.next_ids(settings)
        compared = await services.restores.compare(database, [])
        await services.restores.repair(database, compared, margin=9, actor="ann", reason="lost")
        after = roles.next_ids(settings)
        await scenario.place(database)
        await cart_rows.add(database)

    assert after.keys() == before.keys()
    assert {name for name in after if after[name] < before[name] + 1_000_000} == set()
    assert roles.next_ids(settings)["orders.orders_id_seq"] == after["orders.orders_id_seq"] + 2


async def works(settings: Settings) -> None:
    """See that a running system finds its schema, and takes orders and carts."""
    async with open_database(settings) as database:
        async with database.connection() as connection:
            assert await storage.schema.missing(connection) == []
        await scenario.place(database)
        await cart_rows.add(database)


def hurt(settings: Settings, plain: Settings, before: str) -> None:
    """Do to a database what its superuser did to it."""
    names = {"owner": plain.db_owner_user, "database": plain.db_name, "role": plain.db_user}
    roles.execute(settings, *before.format(**names).split("; "))


@pytest.mark.parametrize(
    "before",
    [
        "CREATE SCHEMA anothers; CREATE TABLE anothers.things ()",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        "REVOKE ALL ON DATABASE {database} FROM PUBLIC",
        "GRANT CREATE ON SCHEMA public TO pg_database_owner, {role}, PUBLIC",
        "SET ROLE {owner}; GRANT CREATE ON SCHEMA public, ops TO {role}, PUBLIC",
    ],
)
async def test_an_owner_that_is_no_superuser_grants_enough_in_a_database_that_is_its_own(
    plain: Settings, settings: Settings, before: str
) -> None:
    roles.grant(plain)
    hurt(settings, plain, before)
    roles.grant(plain)

    assert roles.grant(plain) == []
    await works(plain)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        roles.execute(plain, "CREATE TABLE public.mine ()")


@pytest.mark.parametrize(
    ("before", "typed"),
    [
        ("GRANT CREATE ON SCHEMA public TO PUBLIC", 'REVOKE CREATE ON SCHEMA "public" FROM'),
        ("GRANT CREATE ON SCHEMA public TO {role}", 'REVOKE CREATE ON SCHEMA "public" FROM'),
        ("REVOKE ALL ON SCHEMA public FROM PUBLIC", 'GRANT USAGE ON SCHEMA "public" TO'),
        (
            "REVOKE ALL ON DATABASE {database} FROM PUBLIC; "
            "GRANT CONNECT ON DATABASE {database} TO {owner}",
            "GRANT CONNECT ON DATABASE",
        ),
    ],
)
async def test_what_only_a_superuser_may_grant_or_take_is_said_as_it_is_typed(
    plain: Settings, settings: Settings, before: str, typed: str
) -> None:
    roles.grant(plain)
    hurt(settings, plain, "ALTER DATABASE {database} OWNER TO CURRENT_USER")
    hurt(settings, plain, "ALTER SCHEMA public OWNER TO CURRENT_USER; " + before)
    with pytest.raises(Misconfigured, match=typed) as refused:
        roles.grant(plain)
    (statement,) = re.findall("superuser: (.*)[.] What", str(refused.value))
    roles.execute(settings, statement)

    assert roles.grant(plain) == []
    await works(plain)


async def test_what_it_may_as_anybody_or_with_a_column_is_taken(
    least: Settings, settings: Settings, role: str
) -> None:
    roles.execute(
        settings,
        f"GRANT UPDATE (actor) ON orders.order_history TO {role}",
        "GRANT UPDATE (actor) ON ops.audit_log TO PUBLIC",
        "GRANT DELETE ON ops.events TO PUBLIC",
        f"GRANT UPDATE ON SEQUENCE orders.orders_id_seq TO {role}",
        "GRANT EXECUTE ON FUNCTION ops.drop_day, ops.audit_row TO PUBLIC",
    )

    assert roles.grant(least) == [
        "no UPDATE on ops.audit_log",
        "no DELETE on ops.events",
        "no UPDATE on orders.order_history",
        "no UPDATE on orders.orders_id_seq",
        "no EXECUTE on ops.audit_row",
        "no EXECUTE on ops.drop_day",
    ]
    assert roles.grant(least) == []


@pytest.fixture
def others(settings: Settings, role: str) -> Iterator[str]:
    """A role that may delete what happened."""
    name = role.replace("app", "others")
    roles.execute(settings, f"CREATE ROLE {name}", f"GRANT DELETE ON ops.audit_log TO {name}")
    yield name
    roles.drop(settings, name)


async def test_what_it_may_as_a_member_of_another_role_is_refused(
    least: Settings, settings: Settings, role: str, others: str
) -> None:
    roles.execute(settings, f"GRANT {others} TO {role}")

    with pytest.raises(Misconfigured, match="a member of another role"):
        roles.grant(least)


async def test_a_role_of_a_test_is_gone_after_it(
    least: Settings, settings: Settings, role: str
) -> None:
    was_there = roles.is_there(settings, role)
    roles.drop(settings, role)

    assert (was_there, roles.is_there(settings, role)) == (True, False)
