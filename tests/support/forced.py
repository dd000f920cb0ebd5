"""States that nothing public brings about, forced by names that are private."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from orderbus import services, storage
from orderbus.actors import consumers
from orderbus.devtools.postgres import NativePostgres
from orderbus.egress import exchange
from orderbus.storage.database import Database

#: Transactions after which a bridge that waits for locks in vain leaves the rest for later.
VAIN_TRANSACTIONS = 2 * services.inbox._VAIN_WAITS + 1


def wake_up_later(monkeypatch: pytest.MonkeyPatch, *, seconds: float) -> None:
    """Let a process that delivers have been frozen: its clock goes on by so much."""
    clock = services.deliveries._clock
    monkeypatch.setattr(services.deliveries, "_clock", lambda: clock() + seconds)


def never_take_oneself_for_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """However late a client notices that a deadline passed, it was not stopped meanwhile."""
    monkeypatch.setattr(exchange, "_STALLED", 3600.0)


def note_transactions_of_the_inbox(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note for how many messages each transaction is that records some."""
    noted: list[int] = []
    receive = services.inbox._receive

    async def counted(database: Database, chunk: Sequence[Any], wanted: Any) -> Any:
        noted.append(len(chunk))
        return await receive(database, chunk, wanted)

    monkeypatch.setattr(services.inbox, "_receive", counted)
    return noted


def hardly_wait_for_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a bridge give up at once what it waits for."""
    monkeypatch.setattr(storage.inbox, "_PATIENCE", "10ms")


def know_no_consumers(monkeypatch: pytest.MonkeyPatch, broker: Any) -> None:
    """Let no consumer have been registered, and have the next ones go to this broker."""
    monkeypatch.setattr(consumers, "broker", broker)
    monkeypatch.setattr(consumers, "_registered", {})


def interrupt_initdb(stopped: NativePostgres) -> None:
    """Leave of a stopped PostgreSQL's folder what an initdb leaves that was interrupted."""
    folder: Path = stopped._folder
    folder.with_name(f"{folder.name}-password").unlink()
    (folder / "global" / "pg_control").unlink()
