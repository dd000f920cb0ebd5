"""Events are written in one place, so that none can be there without its pointer."""

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
