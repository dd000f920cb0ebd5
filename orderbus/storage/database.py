"""Connections to PostgreSQL, and its errors as ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, TypeVar

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from orderbus.errors import Busy, Misconfigured, Unavailable
from orderbus.settings import Settings
from orderbus.storage import sessions

if TYPE_CHECKING:
    _Session = asyncpg.Connection[asyncpg.Record]
    Connection = _Session | PoolConnectionProxy[asyncpg.Record]
    Pool = asyncpg.Pool[asyncpg.Record]
else:  # asyncpg's own classes take no parameters while running
    _Session = asyncpg.Connection
    Connection = asyncpg.Connection | PoolConnectionProxy
    Pool = asyncpg.Pool

P = ParamSpec("P")
T = TypeVar("T")

#: Longest wait for a free connection, and for one statement, in seconds.
ACQUIRE_TIMEOUT: Final = 3.0
COMMAND_TIMEOUT: Final = 10.0

#: What PostgreSQL does about a session whose process stands still, or whose machine is gone: its
#: transaction, and the locks of it that others wait for, end within seconds. And nobody waits for
#: a lock as long as for an answer.
SESSION: Final = {
    "idle_in_transaction_session_timeout": "10s",
    "lock_timeout": "3s",
    "client_connection_check_interval": "2s",
    "tcp_user_timeout": "10s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
#: Plans that stay good while a table grows. A prepared statement keeps the plan that was made when
#: the day's partition was empty or tiny, and then reads it from end to end for the rest of the day.
#: Every statement of ours finds its rows by an index, or reads so much that it does not matter. So
#: it is planned once: for arrays PostgreSQL would plan each time, a fifth of its time for an order.
PLANS: Final = {"jit": "off", "enable_seqscan": "off", "plan_cache_mode": "force_generic_plan"}

_WRONG_SETTINGS = (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError)
_SCHEMA_MISSING = (
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.UndefinedFunctionError,
    asyncpg.InvalidSchemaNameError,
)
#: The last is what a full table of locks raises: whoever asks for fewer may get them.
_BUSY = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError, asyncpg.OutOfMemoryError)
#: Conditions that pass without anybody changing the statement.
_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    asyncpg.TransactionRollbackError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InternalClientError,
)


@asynccontextmanager
async def _lent(lending: AbstractAsyncContextManager[T]) -> AsyncIterator[T]:
    """Lend something of asyncpg's; whoever is cancelled meanwhile hears that above all.

    While PostgreSQL stands still nothing can be given back either, and asyncpg raises that instead:
    whoever goes on when PostgreSQL is away would not end.
    """
    cancelled: asyncio.CancelledError | None = None
    try:
        async with lending as lent:
            try:
                yield lent
            except asyncio.CancelledError as error:
                cancelled = error
                raise
    except Exception:
        if cancelled is not None:
            raise cancelled from None
        raise


@contextmanager
def our_errors() -> Iterator[None]:
    """Turn asyncpg's errors into ours.

    Raises ``Unavailable`` where the same call may work later (``Busy`` where a lock was waited
    for), ``Misconfigured`` where a person has to change a setting. What migrations or maintenance
    make passes with them, so it is ``Unavailable`` too. Every other error is a bug.
    """
    try:
        yield
    except asyncpg.CheckViolationError as error:
        if error.constraint_name is None and "partition" in str(error):
            message = "A daily partition is missing: run `orderbus migrate`"
            raise Unavailable(message, dependency="partitions") from error
        raise
    except _WRONG_SETTINGS as error:
        message = "PostgreSQL refuses us"
        raise Misconfigured(message, because=str(error), dependency="postgres") from error
    except asyncpg.InsufficientPrivilegeError as error:
        message = "DB_USER lacks a right that this version needs: run `orderbus migrate`"
        raise Unavailable(message, because=str(error), dependency="grants") from error
    except _SCHEMA_MISSING as error:
        message = "The schema is missing or older than this version: run `orderbus migrate`"
        raise Unavailable(message, because=str(error), dependency="schema") from error
    except _BUSY as error:
        message = "Somebody else has locked what this needs in PostgreSQL"
        raise Busy(message, because=str(error), dependency="postgres") from error
    except _AWAY as error:
        because = str(error) or type(error).__name__
        raise Unavailable(
            "PostgreSQL did not answer", because=because, dependency="postgres"
        ) from error


class _Remembering(_Session):
    """A session with PostgreSQL that remembers what follows when its work is committed."""

    __slots__ = ("follow_ups",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as asyncpg's
        super().__init__(*args, **kwargs)
        self.follow_ups: list[Callable[[Database], None]] = []


def after_commit(connection: Connection, follow_up: Callable[[Database], None]) -> None:
    """Call ``follow_up`` once what ``connection`` does is known to be committed."""
    _follow_ups(connection).append(follow_up)


def _follow_ups(connection: Any) -> list[Callable[[Database], None]]:  # noqa: ANN401 - asyncpg's proxy
    return connection.follow_ups


class Database:
    """A pool that connects when first used, so that its owner starts while PostgreSQL is away."""

    def __init__(self, pool: Pool, settings: Settings) -> None:
        """Use ``open_database``."""
        self._pool = pool
        self._settings = settings
        #: Longest wait for a free connection, where that is another than of all.
        self._patience: float | None = None
        #: Set when this process has committed an event, for whoever wakes the dispatcher.
        self.outbox_written = asyncio.Event()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection for statements that each stand for themselves.

        What follows their commit runs when it is given back, and fails with errors of its own.
        """
        with ExitStack() as following, our_errors():
            async with _lent(
                self._pool.acquire(timeout=self._patience or ACQUIRE_TIMEOUT)
            ) as connection:
                follow_ups = _follow_ups(connection)
                try:
                    yield connection
                finally:
                    while follow_ups:  # the stack calls first what came last to it
                        following.callback(follow_ups.pop(), self)

    async def ask(
        self,
        question: Callable[Concatenate[Connection, P], Awaitable[T]],
        *given: P.args,
        **named: P.kwargs,
    ) -> T:
        """Ask one thing on a connection, and give it back."""
        async with self.connection() as connection:
            return await question(connection, *given, **named)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Lend a connection inside one transaction; an error rolls everything back."""
        async with self.connection() as connection:
            follow_ups = _follow_ups(connection)
            try:
                async with _lent(connection.transaction()):
                    yield connection
            except BaseException:
                follow_ups.clear()
                raise

    async def ping(self) -> None:
        """Return when PostgreSQL answers; raises ``Unavailable`` when it does not."""
        async with self.connection() as connection:
            await connection.execute("SELECT 1")

    @asynccontextmanager
    async def listening(self, channel: str) -> AsyncIterator[Callable[[float], Awaitable[bool]]]:
        """Hear the notifications of ``channel`` on a connection of its own.

        Yields ``wait(seconds)``: true as soon as one came, false when the time is over. It raises
        ``Unavailable`` when the connection breaks. Needs a direct connection: a proxy that pools
        by transaction drops LISTEN silently.
        """
        heard = asyncio.Event()
        with our_errors():
            connection = await asyncpg.connect(
                self._settings.database_url,
                timeout=ACQUIRE_TIMEOUT,
                server_settings={"application_name": "orderbus-listen", **SESSION},
            )
        sessions.keep_alive(connection)
        connection.add_termination_listener(lambda _: heard.set())
        try:
            with our_errors():
                await connection.add_listener(channel, lambda *_: heard.set())

            async def wait(seconds: float) -> bool:
                try:
                    await asyncio.wait_for(heard.wait(), seconds)
                except TimeoutError:
                    return False
                if connection.is_closed():
                    raise Unavailable("The connection that listens was closed")
                heard.clear()
                return True

            yield wait
        finally:
            connection.terminate()

    async def notify(self, channel: str) -> None:
        """Wake whoever listens to ``channel``; never call it inside an order's transaction."""
        async with self.connection() as connection:
            await connection.execute("SELECT pg_notify($1, '')", channel)


@asynccontextmanager
async def open_database(settings: Settings, *, name: str = "orderbus") -> AsyncIterator[Database]:
    """Open the pool of a process, without connecting yet; close it gracefully at the end.

    ``name`` is what PostgreSQL calls its sessions, and begins with ``orderbus``.
    """
    async with open_pool(settings.database_url, name=name, size=settings.db_pool_size) as pool:
        yield Database(pool, settings)


@asynccontextmanager
async def open_pool(
    url: str, *, name: str, size: int, patience: float | None = None
) -> AsyncIterator[Pool]:
    """Open a pool of up to ``size`` sessions, as ``open_database`` does.

    ``patience`` is the longest wait for one to connect.
    """
    pool = asyncpg.create_pool(
        url,
        min_size=0,
        max_size=size,
        max_inactive_connection_lifetime=300,
        command_timeout=COMMAND_TIMEOUT,
        timeout=patience or ACQUIRE_TIMEOUT,
        server_settings={"application_name": name, **SESSION, **PLANS},
        connection_class=_Remembering,
        init=sessions.prepare,
        reset=sessions.leave_as_it_is,
    )
    async with pool:
        try:
            yield pool
        finally:
            try:
                await asyncio.wait_for(pool.close(), 5)
            except TimeoutError:
                pool.terminate()
