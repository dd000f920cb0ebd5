"""Applies the migrations and undoes them: all of yoyo, and of the driver it needs, is here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlencode

import psycopg
import yoyo

from orderbus import files
from orderbus.domain import retries
from orderbus.errors import Busy, Misconfigured, Refused, Unavailable
from orderbus.settings import Settings
from orderbus.storage import database, grants, rollback_losses, sessions
from orderbus.storage.rollback_losses import Loss
from orderbus.waiting import block_until_it_works

FOLDER: Final = files.path_of("migrations")
#: ``schema.sql`` beside them shows what they make together: it is there to be read.
SNAPSHOT: Final = "schema"
#: Any fixed number: two starters that migrate at the same time wait for one another on it.
LOCK: Final = 0x6F726462
#: The oldest PostgreSQL whose features the migrations use.
OLDEST_VERSION: Final = 150_000


@contextmanager
def locked(
    settings: Settings, *, wait: timedelta, waiting: Callable[[str], None]
) -> Iterator[None]:
    """Wait until PostgreSQL answers, then keep every other migration out until the end.

    Calls ``waiting`` with a sentence when it has to wait. Raises ``Unavailable`` when the time is
    over, ``Misconfigured`` where waiting cannot help.
    """
    connection = block_until_it_works(
        lambda: _connect(settings),
        retries.MIGRATE,
        within=wait,
        away=lambda error: waiting(f"waiting for PostgreSQL: {error}"),
    )
    with connection:
        version = connection.info.server_version
        if version < OLDEST_VERSION:
            raise Misconfigured(f"PostgreSQL {version // 10_000} is too old: 15 or newer is needed")
        block_until_it_works(
            lambda: _lock(connection),
            retries.MIGRATE,
            within=wait,
            away=lambda error: waiting(f"waiting: {error}"),
        )
        yield


def _lock(connection: psycopg.Connection[Any]) -> None:
    if connection.execute("SELECT pg_try_advisory_lock(%s)", [LOCK]).fetchone():
        return
    holder = connection.execute(
        """
        SELECT format('process %%s of PostgreSQL, since %%s', pid, backend_start)
          FROM pg_locks
          JOIN pg_stat_activity USING (pid)
         WHERE locktype = 'advisory' AND classid = 0 AND objid = %s AND granted
           AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        """,
        [LOCK],
    ).fetchone()
    if holder is None:
        raise Busy("Another `orderbus migrate` has just ended")
    raise Busy(
        f"Another `orderbus migrate` is at work ({holder}). If it hangs, end it:"
        f" SELECT pg_terminate_backend({holder.split()[1]})"
    )


def _connect(settings: Settings) -> psycopg.Connection[Any]:
    """Connect, with rows that are their one value."""
    try:
        return psycopg.connect(
            settings.owner_url,
            connect_timeout=3,
            autocommit=True,
            row_factory=psycopg.rows.scalar_row,
            **_session(),
        )
    except psycopg.OperationalError as error:
        reason = str(error).strip().splitlines()[-1]
        if "authentication failed" in reason or "does not exist" in reason:
            raise Misconfigured(f"PostgreSQL refuses us: {reason}") from error
        raise Unavailable(f"PostgreSQL does not answer: {reason}") from error


def _session() -> dict[str, Any]:
    """Name us, with the limits of all our sessions: one that was killed keeps nobody out."""
    options = " ".join(f"-c {name}={value}" for name, value in database.SESSION.items())
    return {"application_name": "orderbus-migrate", "options": options, **sessions.KEEPALIVE}


def migrate(settings: Settings) -> list[str]:
    """Apply what is missing, in order; returns the names. Call it inside ``locked``.

    Each is applied and noted in one transaction. Raises ``Refused`` where one cannot be applied,
    ``Unavailable`` where what it changes is in use.
    """
    with _backend(settings) as backend:
        missing = list(backend.to_apply(_all()))
        for migration in missing:
            with _refused_as(f"{migration.id} cannot be applied"), backend.transaction():
                migration.process_steps(backend, "apply")
                backend.mark_one(migration)
        return [migration.id for migration in missing]


def grant(settings: Settings) -> list[str]:
    """Grant DB_USER what a running system needs; returns what was changed. Inside ``locked``.

    Nothing where it is the owner. Raises ``Misconfigured``, ``Refused``, ``Unavailable``.
    """
    if not settings.has_two_roles:
        return []
    with _refused_as("DB_USER cannot be granted what it needs"), _connect(settings) as connection:
        return grants.apply(connection, settings)


@dataclass(frozen=True, slots=True)
class Undoing:
    """Which migrations a rollback undoes, newest first, and what is lost with them."""

    names: list[str]
    losses: list[Loss]


def rollback(settings: Settings, *, newest: int, agreed: Sequence[Loss] | None) -> Undoing:
    """Undo the ``newest`` migrations that are applied, all or none. Call it inside ``locked``.

    Without ``agreed`` it only finds out what that would do, in a transaction that is rolled back.
    Raises ``Refused`` where it cannot be done, or not be migrated again afterwards, and if more
    would be lost than was ``agreed`` to.
    """
    if unknown := level(settings).unknown:
        raise Refused(
            f"This version does not know {', '.join(unknown)}, which would have to go first: roll "
            "back with the version that brought it"
        )
    with _backend(settings) as backend:
        migrations = list(backend.to_rollback(_all()))[:newest]
        rows = backend.connection.execute
        with (
            _refused_as("It cannot be undone"),
            backend.transaction(rollback_on_exit=agreed is None),
        ):
            before = rollback_losses.contents(rows)
            for migration in migrations:
                with _refused_as(f"The rollback of {migration.id} cannot work"):
                    migration.process_steps(backend, "rollback")
            down = rollback_losses.columns(rows)
            with backend.transaction(rollback_on_exit=True):
                for migration in reversed(migrations):
                    with _refused_as(f"After a rollback {migration.id} could not be applied again"):
                        migration.process_steps(backend, "apply")
                found = rollback_losses.between(before, down, rollback_losses.contents(rows))
            if agreed is not None and (more := rollback_losses.more(found, agreed)):
                raise Refused(
                    f"More would be lost than you agreed to: {'; '.join(map(str, more))}. "
                    "Stop all processes that write, and try again"
                )
            for migration in migrations:
                backend.unmark_one(migration)
    return Undoing([migration.id for migration in migrations], found)


@contextmanager
def _refused_as(what: str) -> Iterator[None]:
    """Turn PostgreSQL's errors into ours; whoever meets them is in a transaction that ends."""
    try:
        yield
    except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as error:
        raise Busy(
            f"{what} while what it changes is in use: nothing was changed, try again"
        ) from error
    except psycopg.OperationalError as error:
        raise Unavailable(f"{what}: PostgreSQL did not answer ({error})") from error
    except psycopg.Error as error:
        raise Refused(f"{what}, nothing was changed: {error}") from error


@dataclass(frozen=True, slots=True)
class Level:
    """Which migrations are applied: the newest, those that miss, and those we do not know."""

    newest: str
    missing: list[str]
    unknown: list[str]


def level(settings: Settings) -> Level:
    """Compare what is applied with what this version has. Raises ``Unavailable``."""
    ours = [migration.id for migration in _all()]
    applied: list[str] = []
    with _connect(settings) as connection:
        if connection.execute("SELECT to_regclass('_yoyo_migration') IS NOT NULL").fetchone():
            applied = connection.execute(
                "SELECT migration_id FROM _yoyo_migration ORDER BY 1"
            ).fetchall()
    return Level(
        newest=max(applied, default="none"),
        missing=[name for name in ours if name not in applied],
        unknown=[name for name in applied if name not in ours],
    )


def _all() -> yoyo.migrations.MigrationList:
    if not FOLDER.is_dir():
        raise Misconfigured(f"No migrations at {FOLDER}: this orderbus is not installed whole")
    found = yoyo.read_migrations(str(FOLDER))
    migrations = yoyo.migrations.MigrationList(each for each in found if each.id != SNAPSHOT)
    for migration in migrations:
        migration.load()
        if not migration.use_transactions:
            raise Misconfigured(
                f"{migration.id} is not transactional: killed in the middle, it would stay half"
            )
    return migrations


@contextmanager
def _backend(settings: Settings) -> Iterator[yoyo.backends.DatabaseBackend]:
    url = settings.owner_url.replace("postgresql", "postgresql+psycopg", 1)
    url += ("&" if "?" in url else "?") + urlencode(_session())
    backend = yoyo.get_backend(url)
    try:
        # Ours is the lock that counts: a row in yoyo's is of a migration that was killed.
        backend.break_lock()
        yield backend
    finally:
        backend.connection.close()
