"""The known differences between the two servers are a table, and the table is true."""

from __future__ import annotations

from pathlib import Path

import pytest

from orderbus.settings import Settings
from tests.integration.pubsub_contract.differences import DIFFERENCES, Bench
from tests.integration.pubsub_contract.pubsub import Server

pytestmark = pytest.mark.once

DOCS = Path(__file__).parents[3] / "docs" / "pubsub-double.md"


@pytest.mark.parametrize("what", DIFFERENCES)
def test_a_server_does_what_the_table_says(server: Server, settings: Settings, what: str) -> None:
    probe, emulator, double = DIFFERENCES[what]
    bench = Bench(settings)
    try:
        seen = probe(bench)
    finally:
        bench.close()

    assert seen == {"emulator": emulator, "double": double}[server.name]


@pytest.mark.parametrize("what", DIFFERENCES)
def test_the_documentation_has_the_same_table(what: str) -> None:
    _, emulator, double = DIFFERENCES[what]

    assert f"| {what} | {emulator} | {double} |" in DOCS.read_text()
