"""Whatever a shop's clients do at once comes to what it comes to one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from orderbus import storage
from orderbus.settings import Settings
from orderbus.storage.database import Database, open_database
from tests.support import forced, stock_rows
from tests.support.shop_clients import Shop
from tests.support.stock_model import (
    Book,
    Buy,
    Cancel,
    Command,
    Fail,
    Open,
    Place,
    Put,
    Send,
    SetAside,
    Ship,
    TakeAgain,
)

PRODUCTS = 2
#: Commands that are carried out at once.
MOST = 4
#: Carried out in each part, and in how many parts.
COMMANDS = 3_400
PARTS = 3
STEPS = 40

products = st.integers(0, PRODUCTS - 1)
units = st.integers(1, 4)
wanted = st.dictionaries(products, units, min_size=1)
#: One of the carts, or of the orders, that there are.
which = st.integers(0, 10_000)
commands = st.lists(
    st.one_of(
        st.tuples(st.just("book"), products, st.integers(-3, 6)),
        st.tuples(st.just("aside"), products, units),
        st.tuples(st.just("send"), products, units),
        st.tuples(st.just("open"), wanted),
        st.tuples(st.just("put"), which, products, st.integers(0, 4)),
        st.tuples(st.just("buy"), which),
        st.tuples(st.just("place"), wanted),
        st.tuples(st.sampled_from(["cancel", "fail", "ship", "again"]), which),
    ),
    min_size=2,
    max_size=MOST,
)


@dataclass
class Running:
    """A database, and a loop in which clients act on it."""

    runner: asyncio.Runner
    database: Database
    commands: int = 0
    disagrees: Exception | None = None

    def run(self, doing: Coroutine[Any, Any, Any]) -> Any:
        """Do something; what went wrong first is kept, since another time it may go well."""
        try:
            return self.runner.run(doing)
        except Exception as error:
            self.disagrees = self.disagrees or error
            raise


@pytest.fixture
def running(settings_of_many: Settings) -> Iterator[Running]:
    with asyncio.Runner() as runner:
        opened = open_database(settings_of_many)
        database = runner.run(opened.__aenter__())
        yield Running(runner, database)
        runner.run(opened.__aexit__(None, None, None))


@pytest.fixture(name="settings_of_many")
def _settings_of_many(request: pytest.FixtureRequest) -> Settings:
    given: Settings = request.getfixturevalue("settings")
    return given.model_copy(update={"db_pool_size": 2 * MOST})


def machine(running: Running) -> type[RuleBasedStateMachine]:
    class Clients(RuleBasedStateMachine):
        @initialize(on_hand=st.integers(0, 6))
        def open(self, on_hand: int) -> None:
            self.names = 0
            self.shop = running.run(Shop.opened(running.database, PRODUCTS))
            booked = [Book(product, on_hand) for product in range(PRODUCTS)]
            running.run(self.shop.all_at_once(booked))

        @rule(drawn=commands, too_late=st.integers(0, 9))
        def act_at_once(self, drawn: list[tuple[Any, ...]], too_late: int) -> None:
            if not too_late:
                running.run(self.shop.let_lapse())
            meant = [each for each in map(self._command, drawn) if each is not None]
            running.commands += len(meant)
            running.run(self.shop.all_at_once(meant))

        def _command(self, drawn: tuple[Any, ...]) -> Command | None:
            self.names += 1
            kind, *given = drawn
            named: dict[str, Callable[..., Command]] = {
                "book": Book,
                "aside": SetAside,
                "send": Send,
                "open": lambda units: Open(self.names, units),
                "place": lambda units: Place(self.names, units),
            }
            if kind in named:
                return named[kind](*given)
            model = self.shop.model
            there = list(model.carts if kind in {"put", "buy"} else model.orders)
            if not there:
                return None
            of = there[given.pop(0) % len(there)]
            if kind == "buy":
                return Buy(self.names, of)
            kinds: dict[str, Callable[..., Command]] = {
                "put": Put,
                "cancel": Cancel,
                "fail": Fail,
                "ship": Ship,
                "again": TakeAgain,
            }
            return kinds[kind](of, *given)

    return Clients


def carry_out(running: Running, *, seeded: int, examples: int = 20) -> None:
    run_state_machine_as_test(
        seed(seeded)(machine(running)),
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.once
@pytest.mark.parametrize("part", range(PARTS))
def test_what_clients_do_at_once_agrees_with_the_model(running: Running, part: int) -> None:
    seeded = 1_000 * part
    while running.commands < COMMANDS:
        seeded += 1
        carry_out(running, seeded=seeded)

    assert running.run(stock_rows.differences(running.database)) == []


# -- and what would not is found -----------------------------------------------------------------


GUARD = "+ wanted.on_hand - wanted.reserved - wanted.allocated < 0"
NO_GUARD = GUARD.replace("< 0", "< -1000")
LOCK = "FOR NO KEY UPDATE"


@pytest.mark.parametrize(
    ("module", "statement", "was", "is_now"),
    [
        pytest.param(storage.stock, "_MOVE", GUARD, NO_GUARD, id="no guard"),
        pytest.param(storage.stock, "_MOVE", LOCK, "", id="read, modify, write"),
        pytest.param(storage.allocating, "_ADD", LOCK, "", id="orders that lock nothing"),
        pytest.param(
            *(storage.stock, "_GIVE_BACK", "sum(allocated)", "sum(greatest(allocated, 0))"),
            id="given back twice",
        ),
        pytest.param(
            *(storage.reservations, "_LAPSE", "is_held = false", "is_held = true"),
            id="lapsed twice",
        ),
    ],
)
@pytest.mark.once
@pytest.mark.parametrize("checked", [True, False])
def test_a_guard_that_is_broken_is_found(
    running: Running,
    monkeypatch: pytest.MonkeyPatch,
    module: ModuleType,
    statement: str,
    was: str,
    is_now: str,
    checked: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    forced.change_statement(monkeypatch, module, statement, was, is_now)
    if not checked:
        running.run(stock_rows.check_nothing(running.database))

    for seeded in range(20):
        with suppress(Exception):
            carry_out(running, seeded=seeded)
        if running.disagrees is not None:
            break

    assert isinstance(running.disagrees, AssertionError | asyncpg.CheckViolationError)
