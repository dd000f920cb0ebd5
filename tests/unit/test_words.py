"""Names are made of the words that the glossary and this field use, and of no word of our own."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.metrics import MetricWrapperBase

from orderbus import telemetry

ROOT = Path(__file__).parents[2]
#: Words of our own that puzzled readers, and what is said instead.
RETIRED = {
    "beat": "dispatcher",
    "buried": "dead letter",
    "fate": "state",
    "bury": "keep as a dead letter",
    "give_up": "on_dead_letter",
    "guard": "address filter, or supervisor",
    "hint": "wake-up message, or enqueue",
    "intake": "validation",
    "line_up": "queue",
    "making": "generation",
    "part": "dependency",
    "parts": "dependencies",
    "tell": "log, or notify",
    "told": "enqueued, or logged",
    "turn": "crash isolation",
    "turns": "crash isolation",
    "watchpoint": "health server",
    "way": "provider",
    "whole": "stack",
}
_FIND_DUE = {"consumptions.py", "deliveries.py", "outbox.py"}
#: What is left, and where: names that people outside use, and what finds the rows that are due,
#: which is made anew as a whole.
LEFT = {
    "give_up": {"actors/consumers.py"},
    "hint": {f"{room}/{file}" for room in ("services", "storage") for file in _FIND_DUE},
    "part": {"services/health.py", "services/outbox.py", "web/problems.py"},
    "parts": {"web/schemas/monitoring.py"},
}


def words(name: str) -> str:
    """Write the words of a name as a snake, with one at each end."""
    return "_" + "_".join(re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)).lower() + "_"


def retired(name: str) -> list[str]:
    plain = words(name).replace("_under_way_", "_")
    return [word for word in RETIRED if f"_{word}_" in plain]


def identifiers(path: Path) -> Iterator[str]:
    """Find the names that a file defines, takes or uses; and its own."""
    yield path.stem
    for node in ast.walk(ast.parse(path.read_text())):
        for field in ("id", "attr", "name", "arg", "asname"):
            name = getattr(node, field, None)
            if isinstance(name, str):
                yield name


def files(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


@pytest.mark.parametrize("path", files("orderbus"), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_identifier_or_file_has_a_retired_word(path: Path) -> None:
    file = str(path.relative_to(ROOT / "orderbus"))
    found = {name: retired(name) for name in identifiers(path) if retired(name)}
    wrong = {
        name: [RETIRED[word] for word in has if file not in LEFT.get(word, ())]
        for name, has in found.items()
    }

    assert {name: say for name, say in wrong.items() if say} == {}, "say these instead"


def test_no_table_or_column_has_a_retired_word() -> None:
    schema = (ROOT / "migrations" / "schema.sql").read_text()
    tables = re.findall(r"^CREATE TABLE (\S+) \((.*?)^\)", schema, re.DOTALL | re.MULTILINE)
    columns = [re.findall(r"^    ([a-z_]+) ", body, re.MULTILINE) for _, body in tables]
    names = {name for name, _ in tables} | {name for each in columns for name in each}

    assert {"ops.outbox", "event_id"} <= names
    assert {name for name in names if retired(name)} == set()


def test_no_metric_has_a_retired_word() -> None:
    metrics = [each for each in vars(telemetry).values() if isinstance(each, MetricWrapperBase)]
    names = {described.name for metric in metrics for described in metric.describe()}

    assert "orderbus_orders_accepted" in names
    assert {name for name in names if retired(name)} == set()


def test_no_module_begins_with_a_question() -> None:
    first = {
        path: (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0]
        for path in files("orderbus")
    }

    assert [str(path) for path, line in first.items() if line.endswith("?")] == []
