"""What the statements of ``storage`` keep to: events have one writer, and ids one name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import orderbus

ROOT = Path(orderbus.__file__).parent


@pytest.mark.parametrize("table", ["ops.events", "ops.outbox", "orders.order_history"])
def test_one_file_writes_it(table: str) -> None:
    writes = re.compile(rf"INSERT\s+INTO\s+{re.escape(table)}\b")
    writers = [path for path in ROOT.rglob("*.py") if writes.search(path.read_text())]

    assert [str(path.relative_to(ROOT)) for path in writers] == ["storage/events.py"]


def test_no_statement_gives_an_id_the_name_of_another_one() -> None:
    misnamed = re.compile(r"\b(?:AS|as) (?:id|order_id|external_ref)\b")

    found = {path.name: misnamed.findall(path.read_text()) for path in ROOT.glob("storage/*.py")}

    assert {name: aliases for name, aliases in found.items() if aliases} == {}
