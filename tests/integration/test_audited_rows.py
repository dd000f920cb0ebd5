"""Whoever changes people, keys, the catalogue or an endpoint, by whatever way, is in the trail."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from orderbus import services, storage, telemetry
from orderbus.domain import webhooks
from orderbus.domain.people import Person
from orderbus.domain.products import Changes
from orderbus.domain.rights import Caller, Role
from orderbus.settings import Settings
from orderbus.storage.audit import HIDDEN, Entry
from orderbus.storage.database import Database
from tests.support import audit_rows, endpoint_rows, identity, sign_in_rows, stock_rows

ANN = "command:ann"


async def entries(database: Database, **asked: Any) -> list[Entry]:
    """The entries, the oldest first."""
    return (await database.ask(storage.audit.list_newest, at_most=1000, **asked))[::-1]


async def test_61_changed_rows_make_61_entries_however_few_statements_change_them(
    database: Database,
) -> None:
    await audit_rows.change_products(database, added=30, changed=20, removed=11)

    written = [entry.action for entry in await entries(database)]

    assert len(written) == 61
    assert {action: written.count(action) for action in written} == {
        "product.added": 30,
        "product.changed": 20,
        "product.removed": 11,
    }


async def test_who_changes_something_past_the_application_is_named_as_the_database_does(
    database: Database, settings: Settings
) -> None:
    await audit_rows.change_products(database, added=1, changed=1, removed=0)

    added, changed = await entries(database)

    assert added.actor == changed.actor == f"database:{settings.db_user}"
    assert (added.before, changed.reason, changed.request_id) == (None, None, None)
    assert (changed.before, changed.after) == (
        {"price": 1.0, "version": 1},
        {"price": 2.0, "version": 2},
    )
    assert added.after is not None
    assert {"sku", "name", "price", "active"} <= set(added.after)


async def test_an_entry_names_who_acts_what_changed_and_the_request(database: Database) -> None:
    async with database.transaction() as connection:
        product = await services.products.add(
            connection, name="Tea", description="", price="3.00", actor=ANN
        )
    with telemetry.bound(request_id="r-1"):
        async with database.transaction() as connection:
            await services.products.change(
                connection, product.id, Changes(name="Green tea"), actor="key 1 shop"
            )
            await services.products.deactivate(connection, product.id, actor="key 1 shop")

    _, _, changed, gone = await entries(database)

    assert (changed.actor, changed.action, changed.request_id) == (
        "key 1 shop",
        "product.changed",
        "r-1",
    )
    assert (changed.subject_type, changed.subject_id) == ("product", str(product.id))
    assert (changed.before, changed.after) == (
        {"name": "Tea", "version": 1},
        {"name": "Green tea", "version": 2},
    )
    assert (gone.action, gone.after) == ("product.deactivated", {"active": False, "version": 3})


async def test_what_one_transaction_says_of_itself_the_next_on_its_connection_does_not(
    database: Database, settings: Settings
) -> None:
    async with database.connection() as connection:
        async with connection.transaction():
            await storage.audit.begin(
                connection, actor=ANN, action="category.made", reason="spring"
            )
            await storage.categories.add(connection, "tea", "Tea", parent=None)
        await storage.categories.add(connection, "cups", "Cups", parent=None)

    said, unsaid = await entries(database)

    assert (said.actor, said.action, said.reason) == (ANN, "category.made", "spring")
    assert unsaid.actor == f"database:{settings.db_user}"
    assert (unsaid.action, unsaid.reason) == ("category.added", None)


async def test_what_is_rolled_back_and_what_changes_nothing_leave_no_entry(
    database: Database,
) -> None:
    async def add_and_fail() -> None:
        async with database.transaction() as connection:
            await storage.categories.add(connection, "tea", "Tea", parent=None)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await add_and_fail()
    await audit_rows.change_products(database, added=1, changed=0, removed=0)
    await audit_rows.write_products_as_they_are(database)

    assert [entry.action for entry in await entries(database)] == ["product.added"]


async def test_every_act_on_a_person_is_there_and_nothing_that_says_who_it_is(
    database: Database,
) -> None:
    jane = await identity.add(database, "jane")
    by = Caller("user 99", frozenset({Role.SUPERUSER}), user_id=99)
    async with database.transaction() as connection:
        await services.password_resets.begin(connection, jane.id, by=by, own=False)
        await services.users.set_password(
            connection, jane.id, identity.cheap_hash("another horse"), actor=ANN
        )
    await sign_in_rows.add(database, jane.id, ended="1 hour")
    async with database.transaction() as connection:
        await services.users.erase(connection, jane.id, by, own=False)
        await services.users.remove(connection, jane.id, by, own=False)

    found = await entries(database)

    assert [(entry.action, entry.actor) for entry in found if entry.subject_type == "user"] == [
        ("user.created", "test"),
        ("user.password_changed", ANN),
        ("user.erased", "user 99"),
        ("user.removed", "user 99"),
    ]
    assert {entry.action for entry in found} >= {
        "customer.added",
        "customer.removed",
        "password_reset.added",
        "password_reset.removed",
    }
    (changed,) = (entry for entry in found if entry.action == "user.password_changed")
    assert changed.after == {"password_hash": HIDDEN, "token_version": 2}
    written = (await audit_rows.written(database)).lower()
    assert "jane" not in written
    assert "argon2" not in written
    assert "\\\\x" not in written  # as bytes are written


async def test_who_registers_is_their_own_actor(database: Database) -> None:
    async with database.transaction() as connection:
        user = await services.users.add(
            connection, Person(username="jane"), password_hash=None, actor=None
        )

    created = (await entries(database, subject=str(user.id)))[0]

    assert (created.action, created.actor) == ("user.created", f"user {user.id}")


async def test_no_secret_of_an_endpoint_or_a_key_is_shown_but_that_it_changed_is(
    database: Database, settings: Settings
) -> None:
    secret = webhooks.new_secret()
    new = services.endpoints.New(
        url="https://shop.example/?key=s3cret",
        secret=secret,
        headers={"X-Key": "s3cret", "Authorization": "s3cret"},
    )
    async with database.transaction() as connection:
        made = await services.endpoints.add(connection, new, actor=ANN)
        await services.endpoints.rotate_secret(connection, settings, made.id, actor=ANN)
    await endpoint_rows.disable(database, f"see HTTPS://a:s3cret@b/, not {secret}")
    key = await services.api_keys.create(database, settings, name="shop", actor=ANN)
    await database.ask(storage.api_keys.note_use, key.id)  # in its row, and no change of it

    added, rotated, _, created = await entries(database)

    assert added.after is not None
    assert added.after["url"] == "https://shop.example/?(hidden)"
    assert added.after["headers"] == ["Authorization", "X-Key"]
    assert rotated.before is not None
    assert (rotated.action, rotated.before["secrets"]) == ("endpoint.secret_rotated", HIDDEN)
    assert created.after is not None
    assert created.after["key_hash"] == HIDDEN
    written = await audit_rows.written(database)
    assert "s3cret" not in written
    assert not any(each in written for each in await endpoint_rows.secrets(database))


async def test_of_stock_the_limit_of_what_is_sold_beyond_it_is_there_and_no_movement(
    database: Database,
) -> None:
    tea = await stock_rows.add(database, 10)
    before = len(await entries(database))
    await stock_rows.reserve_for_a_cart(database, tea, 3)
    await stock_rows.allow_backorders(database, tea, 5)

    (changed,) = (await entries(database))[before:]

    assert (changed.action, changed.subject_id) == ("stock.changed", str(tea))
    assert (changed.before, changed.after) == ({"backorder_limit": 0}, {"backorder_limit": 5})


async def test_an_entry_is_neither_changed_nor_deleted(database: Database) -> None:
    await audit_rows.change_products(database, added=1, changed=0, removed=0)

    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="append-only"):
        await audit_rows.delete(database)
