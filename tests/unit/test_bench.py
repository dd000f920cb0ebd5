"""What was measured is judged and written down by rules, and nothing is typed by hand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from bench import capacity, plot, statement_names, written
from bench.parts import ROOT
from bench.report import Goal, Plot, Raw, Run, Table
from bench.sustained import Held
from bench.system import Backlog

#: What a run of all measurements writes.
TABLES = {"machine", "goals", "accept", "relay", "hops", "counts", "statements"}
COSTS = {"web": 300.0, "workers": 900.0, "bridge": 200.0, "PostgreSQL for web": 200.0}
COUNTED = {"WAL bytes": 10_000.0, "events (Pub/Sub messages)": 4.0, "RabbitMQ messages": 0.5}


def measured(*results: Goal | Table | Plot) -> dict[str, Any]:
    speed = Raw("reference", {"rate": 20_000.0, "clients": 16, "scale": 1.0})
    return written.collect([speed, *results], {}, Run())


def held(*, growing: float, refused: int = 0) -> Held:
    samples = [(float(at), Backlog(0, int(50 + growing * at), 0)) for at in range(31)]
    return Held(100, 100, refused, samples)


def test_every_marked_table_is_one_that_is_measured() -> None:
    tables = TABLES | {table.name for table in capacity.of({"cpu": COSTS, "counted": COUNTED})}
    pages = {page: (ROOT / page).read_text() for page in written.PAGES}

    marked = {name for text in pages.values() for name in re.findall(r"<!-- bench: (.*) -->", text)}

    assert marked == tables
    assert all(
        text.count("<!-- bench:") == text.count("<!-- /bench -->") for text in pages.values()
    )


def test_a_page_is_written_between_its_marks_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "a\n<!-- bench: accept -->\nold\n<!-- /bench -->\nb\n"
        "<!-- bench: hops -->\nkept\n<!-- /bench -->\n"
    )
    monkeypatch.setattr(written, "ROOT", tmp_path)
    monkeypatch.setattr(written, "PAGES", ["page.md"])

    written.into_pages(measured(Table("accept", ["x"], [["1"]])))

    assert page.read_text() == (
        "a\n<!-- bench: accept -->\n| x |\n| --- |\n| 1 |\n<!-- /bench -->\nb\n"
        "<!-- bench: hops -->\nkept\n<!-- /bench -->\n"
    )


def test_the_report_says_which_goals_are_met_and_what_could_not_be_measured() -> None:
    goals = [
        Goal("fast", 1_200, 1_000, at_least=True, detail="so"),
        Goal("soon", 130, 120, at_least=False, detail="so"),
    ]

    report = written.markdown({**measured(*goals), "failures": {"relay": "away"}})

    assert "| fast | 1,200 | ≥ 1,000 | 1.20 | met | so |" in report
    assert "| soon | 130 | ≤ 120 | 0.92 | **missed** | so |" in report
    assert "- relay: away" in report


def test_a_backlog_is_flat_where_less_than_an_order_of_a_hundred_is_left_behind() -> None:
    assert held(growing=0).flat
    assert held(growing=-20).flat
    assert not held(growing=10).flat
    assert not held(growing=0, refused=1).flat


@pytest.mark.parametrize(
    ("rate", "first"), [(0, "none; PostgreSQL's CPU"), (-1, "**PostgreSQL's CPU**, 2.6 times")]
)
def test_the_first_bottleneck_of_a_size_is_named(rate: int, first: str) -> None:
    costs = {**COSTS, "PostgreSQL for workers": 800.0}

    table, _ = capacity.of({"cpu": costs, "counted": COUNTED})

    assert table.rows[rate][-1].startswith(first)


def test_a_plot_holds_each_line_by_its_name() -> None:
    drawn = plot.svg(Plot("p", "A & B", "s", "rows", {"one": [(0, 1), (2, 3)], "two": [(1, 1)]}))

    assert "A &amp; B" in drawn
    assert drawn.count("<polyline") == 2
    assert ">one</text>" in drawn


def test_a_statement_is_named_by_the_function_that_sends_it() -> None:
    assert statement_names.of("SELECT  ops.count_grown($2)") == "`maintenance.count_grown`"
    assert statement_names.of("COMMIT") == "`COMMIT`"
