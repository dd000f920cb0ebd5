"""A processor says yes or no to an order, and the same thing however often it is asked."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from orderbus.domain.processing import Always, Inventory, Outcome, Priced, Processor, Random, Task
from orderbus.errors import Misconfigured
from orderbus.services.processing import chosen
from orderbus.settings import load
from tests.support import samples


def task(number: int = 1, **changes: Any) -> Task:
    event = samples.event()
    return Task(samples.event(order={**event.order, **changes}), f"key-{number}")


def outcome(processor: Processor, asked: Task) -> Outcome:
    return asyncio.run(processor.process(asked))


def test_random_says_the_same_thing_about_one_task_on_every_worker() -> None:
    answers = [outcome(Random(rate=0.5, seed=""), task(7)) for _ in range(20)]

    assert set(answers) == {answers[0]}


@pytest.mark.parametrize("rate", [0.0, 0.8, 1.0])
def test_random_says_yes_about_as_often_as_its_rate(rate: float) -> None:
    processor = Random(rate=rate, seed="a series")
    yes = sum(not outcome(processor, task(number)).refused for number in range(1000))

    assert abs(yes / 1000 - rate) < 0.05 if 0 < rate < 1 else yes == 1000 * rate


def test_another_seed_draws_another_series() -> None:
    series = [
        [outcome(Random(rate=0.5, seed=seed), task(number)).refused for number in range(50)]
        for seed in ("a", "b")
    ]

    assert series[0] != series[1]


@pytest.mark.parametrize("drawn", [True, False])
@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_random_says_what_was_drawn_when_the_task_began(rate: float, *, drawn: bool) -> None:
    kept = replace(task(), drawn=drawn)

    assert outcome(Random(rate=rate, seed="another"), kept).refused is not drawn


@pytest.mark.parametrize("total", ["0.00", "350.00", "99999999.99"])
def test_always_says_yes_to_the_total(total: str) -> None:
    assert outcome(Always(), task(total=total)) == Outcome(amount=Decimal(total))


@pytest.mark.parametrize(
    ("name", "kind"),
    [("priced", Priced), ("inventory", Inventory), ("always", Always), ("random", Random)],
)
def test_a_name_chooses_a_processor(name: str, kind: type) -> None:
    assert isinstance(chosen(load(_env_file=None, secret_key="k", processor=name)), kind)


def test_none_chooses_none() -> None:
    assert chosen(load(_env_file=None, secret_key="k", processor="none")) is None


def test_priced_charges_the_total_or_the_sum_of_the_lines_where_there_is_none() -> None:
    assert outcome(Priced(), task(total="340.00")).amount == Decimal("340.00")
    assert outcome(Priced(), task(total="0.00")).amount == Decimal("350.00")


def test_priced_refuses_an_amount_that_no_order_can_hold() -> None:
    dear = [{"sku": "A", "name": "A", "quantity": 1000, "unit_price": "99999999.99"}]

    assert "larger" in (outcome(Priced(), task(total="0.00", items=dear)).reason or "")


class Mine:
    async def process(self, task: Task) -> Outcome:
        return Outcome(amount=Decimal(task.order["total"]))


def test_a_path_chooses_a_class_of_ones_own() -> None:
    settings = load(_env_file=None, secret_key="k", processor="tests.unit.test_processing:Mine")

    assert isinstance(chosen(settings), Mine)


@pytest.mark.parametrize(
    "path", ["nowhere.at_all:Class", "orderbus.errors:Nobody", "orderbus.errors:NotFound"]
)
def test_a_path_that_leads_to_no_processor_is_refused_at_the_start(path: str) -> None:
    settings = load(_env_file=None, secret_key="k", processor=path)

    with pytest.raises(Misconfigured, match="ORDERBUS_PROCESSOR"):
        chosen(settings)


@pytest.mark.parametrize("name", ["unknown", "no spaces:Class", "module:", ":Class"])
def test_a_processor_that_is_none_is_refused_by_the_settings(name: str) -> None:
    with pytest.raises(Misconfigured, match="ORDERBUS_PROCESSOR"):
        load(_env_file=None, secret_key="k", processor=name)
