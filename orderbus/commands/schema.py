"""How does the database get to the schema this code expects, and back?

All of yoyo and psycopg is here.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import psycopg
import yoyo

from orderbus.errors import Busy, Misconfigured, Unavailable
from orderbus.settings import Settings
from orderbus.storage import database

_BESIDE: Final = Path(__file__).resolve().parents[2] / "migrations"
#: Beside the package in a checkout and in the image; a wheel carries them to its prefix.
FOLDER: Final = (
    _BESIDE if _BESIDE.is_dir() else Path(sys.prefix) / "share" / "orderbus" / "migrations"
)
#: Any fixed number: two starters that migrate at the same time wait for one another on it.
LOCK: Final = 0x6F726462
#: The oldest PostgreSQL whose features the migrations use.
OLDEST_VERSION: Final = 150_000


@contextmanager
def locked(
    settings: Settings, *, wait: timedelta, waiting: Callable[[str], None]
) -> Iterator[None]:
    """Wait until PostgreSQL answers, then keep every other migration out until the end.

    Calls ``waiting`` with a sentence each time it has to wait. Raises ``Unavailable`` when the
    time is over, ``Misconfigured`` where waiting cannot help.
    """
    with _connected(settings, wait=wait, waiting=waiting) as connection:
        if connection.info.server_version < OLDEST_VERSION:
            version = connection.info.server_version
            raise Misconfigured(f"PostgreSQL {version // 10_000} is too old: 15 or newer is needed")
        _take_lock(connection, wait=wait, waiting=waiting)
        yield


def _take_lock(
    connection: psycopg.Connection, *, wait: timedelta, waiting: Callable[[str], None]
) -> None:
    deadline = time.monotonic() + wait.total_seconds()
    while not _got(connection.execute("SELECT pg_try_advisory_lock(%s)", (LOCK,))):
        if time.monotonic() > deadline:
            raise Unavailable("Another migration is under way, or stands still: it has the lock")
        waiting("waiting for another migration")
        time.sleep(0.5)


def _got(cursor: psycopg.Cursor[tuple[bool]]) -> bool:
    row = cursor.fetchone()
    return row is not None and row[0]


def _connected(
    settings: Settings, *, wait: timedelta, waiting: Callable[[str], None]
) -> psycopg.Connection:
    deadline = time.monotonic() + wait.total_seconds()
    while True:
        try:
            return psycopg.connect(
                settings.database_url, connect_timeout=3, autocommit=True, **_session()
            )
        except psycopg.OperationalError as error:
            reason = str(error).strip().splitlines()[-1]
            if "authentication failed" in reason or "does not exist" in reason:
                raise Misconfigured(f"PostgreSQL refuses us: {reason}") from error
            if time.monotonic() > deadline:
                raise Unavailable(f"PostgreSQL does not answer: {reason}") from error
            waiting(f"waiting for PostgreSQL: {reason}")
            time.sleep(0.5)


def _session() -> dict[str, Any]:
    options = " ".join(f"-c {name}={value}" for name, value in database.SESSION.items())
    return {"options": options, **database.KEEPALIVE}


def migrate(settings: Settings) -> list[str]:
    """Apply what is missing, in order; returns the names. Call it inside ``locked``.

    Raises ``Busy`` where somebody else uses a table: each migration is applied whole or not at all.
    """
    with _backend(settings) as backend, _waiting_briefly():
        missing = backend.to_apply(_all())
        backend.apply_migrations(missing)
        return [migration.id for migration in missing]


def rollback(settings: Settings, *, newest: int = 1) -> list[str]:
    """Undo the ``newest`` migrations that are applied; returns their names."""
    with _backend(settings) as backend, _waiting_briefly():
        applied = backend.to_rollback(_all())[:newest]
        backend.rollback_migrations(applied)
        return [migration.id for migration in applied]


@dataclass(frozen=True, slots=True)
class Level:
    """Which migrations are applied: the newest, those that miss, and those we do not know."""

    newest: str
    missing: list[str]
    unknown: list[str]


def level(settings: Settings) -> Level:
    """Compare what is applied with what this version has; changes nothing.

    Raises ``Unavailable``, ``Misconfigured``.
    """
    ours = [migration.id for migration in _all()]
    never = timedelta(0)
    with _connected(settings, wait=never, waiting=print) as connection:
        there = connection.execute("SELECT to_regclass('_yoyo_migration') IS NOT NULL").fetchone()
        applied: list[str] = []
        if there and there[0]:
            rows = connection.execute("SELECT migration_id FROM _yoyo_migration ORDER BY 1")
            applied = [row[0] for row in rows.fetchall()]
    return Level(
        newest=max(applied, default="none"),
        missing=[name for name in ours if name not in applied],
        unknown=[name for name in applied if name not in ours],
    )


def _all() -> yoyo.migrations.MigrationList:
    if not FOLDER.is_dir():
        raise Misconfigured(f"No migrations at {FOLDER}: run from a checkout or the image")
    return yoyo.read_migrations(str(FOLDER))


@contextmanager
def _backend(settings: Settings) -> Iterator[yoyo.backends.DatabaseBackend]:
    url = settings.database_url.replace("postgresql", "postgresql+psycopg", 1)
    url += ("&" if "?" in url else "?") + urlencode(_session())
    backend = yoyo.get_backend(url)
    try:
        yield backend
    finally:
        backend.connection.close()


@contextmanager
def _waiting_briefly() -> Iterator[None]:
    """Give up a lock that does not come soon: every order would wait behind us."""
    try:
        yield
    except psycopg.errors.LockNotAvailable as error:
        message = f"Somebody else uses what is to be migrated: run it again ({error})"
        raise Busy(message) from error
