"""One table says who may do what, and every route is in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from orderbus.domain import rights
from orderbus.domain.rights import BEFORE_SCOPES, RIGHTS, Caller, Role, Scope, extent, may_act_on
from orderbus.errors import Forbidden
from orderbus.web.app import ROUTES

DOCS = Path(__file__).resolve().parents[2] / "docs" / "rights.md"
NAMED = [route for right in RIGHTS for route in right.routes]


def test_every_route_is_in_the_table_once_and_nothing_else_is() -> None:
    assert sorted(NAMED) == sorted({*NAMED})
    assert {route.name for route in ROUTES} | rights.WITHIN_ROUTES == {*NAMED}


def test_a_route_that_is_not_in_the_table_is_for_nobody() -> None:
    everything = Caller("all", frozenset({*Role, *Scope}))

    with pytest.raises(Forbidden, match="not in the table"):
        extent(everything, "made_up")


def test_the_docs_hold_the_table_that_the_command_prints() -> None:
    assert f"\n\n{rights.table()}\n\n" in DOCS.read_text()


def test_a_role_that_may_do_more_may_do_all_that_one_below_it_may() -> None:
    """But for what is their own, which is theirs whatever they are."""
    ladder = [Role.ANONYMOUS, *rights.OF_PEOPLE]

    for right in RIGHTS:
        may = [role in right.who for role in ladder]
        assert may == sorted(may), right.what


def test_support_changes_nothing_but_what_is_its_own() -> None:
    changing = {
        route.name
        for route in ROUTES
        if route.method != "GET" and rights.right_to(route.name).who.get(Role.SUPPORT) == "all"
    }

    assert all(rights.access(name) == "anybody" for name in changing)


def test_no_key_manages_people_or_keys() -> None:
    about_people = {
        route.name
        for route in ROUTES
        if route.path.startswith("/api/identity/") and route.access == "key"
    }

    assert about_people
    for name in about_people:
        assert not {*rights.right_to(name).who} & {*Scope}, name


def test_a_key_from_before_scopes_may_do_exactly_what_every_key_could() -> None:
    """What there was when keys had no scopes, by its tag."""
    key = Caller("key 1 shop", frozenset(BEFORE_SCOPES))
    tags = {
        *("orders", "orders by references", "carts", "webhook endpoints"),
        *("deliveries", "dead letters", "jobs"),
        "orders of the shop",  # which are orders
    }

    for route in ROUTES:
        if route.access != "key":
            continue
        if route.tag in tags:
            assert extent(key, route.name) == "all"
        else:
            with pytest.raises(Forbidden):
                extent(key, route.name)


@pytest.mark.parametrize("role", rights.OF_PEOPLE)
def test_nobody_changes_somebody_who_may_do_more(role: Role) -> None:
    caller = Caller("user 1", frozenset({role}))
    theirs = {
        Role.STAFF: {Role.CUSTOMER, Role.SUPPORT},
        Role.SUPERUSER: {*rights.OF_PEOPLE},
    }

    assert {each for each in rights.OF_PEOPLE if may_act_on(caller, each)} == theirs.get(
        role, set()
    )


def test_who_is_refused_hears_what_would_have_let_them_in() -> None:
    with pytest.raises(Forbidden, match="has not the scope orders:read"):
        extent(Caller("key 1", frozenset({Scope.ADMIN})), "show_order")
    with pytest.raises(Forbidden, match="Not for API keys"):
        extent(Caller("key 1", frozenset({Scope.ADMIN})), "me")
    with pytest.raises(Forbidden, match="Not for a customer"):
        extent(Caller("user 1", frozenset({Role.CUSTOMER})), "list_all_orders")
