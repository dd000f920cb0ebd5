"""States that nothing public brings about, forced by names that are private."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from orderbus import services, storage
from orderbus.actors import consumers
from orderbus.devtools.postgres import NativePostgres
from orderbus.egress import exchange
from orderbus.health_server import show
from orderbus.pubsub import leases, subscription
from orderbus.services.outbox import Relay
from orderbus.storage.database import Database
from orderbus.worker import health_server

#: Transactions after which a bridge that waits for locks in vain leaves the rest for later.
VAIN_TRANSACTIONS = 2 * services.inbox._VAIN_WAITS + 1


def wake_up_later(monkeypatch: pytest.MonkeyPatch, *, seconds: float) -> None:
    """Let a process that delivers have been frozen: its clock goes on by so much."""
    clock = services.taking.clock
    monkeypatch.setattr(services.taking, "clock", lambda: clock() + seconds)


def leave_more_to_publish(relay: Relay) -> None:
    """Let the last batch have been a full one."""
    relay._more_is_due = True


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
    folder: Path = stopped.folder
    folder.with_name(f"{folder.name}-password").unlink()
    (folder / "global" / "pg_control").unlink()


def socket_of(connection: Any) -> Any:
    """The socket by which a connection of asyncpg's speaks to PostgreSQL."""
    return connection._transport.get_extra_info("socket")


def take_back_at_most(monkeypatch: pytest.MonkeyPatch, events: int) -> None:
    """Publish lost events again in steps of so many."""
    monkeypatch.setattr(services.lost_events, "_STEP", events)


def extend_leases_every(monkeypatch: pytest.MonkeyPatch, *, seconds: float) -> None:
    """Tell Pub/Sub so often that a message is still being worked on."""
    monkeypatch.setattr(leases, "_EXTEND_EVERY", seconds)


def put_messages_off_for(monkeypatch: pytest.MonkeyPatch, *, seconds: float) -> None:
    """Have a message that is put off come again after so long."""
    monkeypatch.setattr(subscription, "_LATER", seconds)


def tell_health_server_to_stop(monkeypatch: pytest.MonkeyPatch, *, told: bool = True) -> None:
    """Let the process that shows a worker's metrics have heard a signal, or not."""
    monkeypatch.setattr(health_server, "_stopping", told)


def end_of_health_server() -> bool:
    """Say whether the process that shows a worker's metrics would end now."""
    return health_server._is_deserted()


def show_metrics_of_worker(port: int, host: str = "127.0.0.1") -> None:
    """Show them as that process does, from this one."""
    show(host, port, health_server._readiness, health_server._render)


def gather_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a batch from Pub/Sub that waits for more wait longer than any test."""
    monkeypatch.setattr(subscription, "_QUIET", 3600.0)
    monkeypatch.setattr(subscription, "_GATHER", 7200.0)


def gather_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a batch from Pub/Sub wait for more as long as a slow machine takes to bring it."""
    monkeypatch.setattr(subscription, "_QUIET", 0.2)
    monkeypatch.setattr(subscription, "_GATHER", 60.0)


def change_statement(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, was: str, is_now: str
) -> None:
    """Have a statement of storage say something else in every place where it says ``was``."""
    statement = getattr(module, name)
    assert was in statement
    monkeypatch.setattr(module, name, statement.replace(was, is_now))
