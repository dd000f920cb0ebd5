"""What a kind of job is: what is done to many rows, and how they are counted before."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from orderbus.domain.orders import faults
from orderbus.domain.text import brief, moment, storable
from orderbus.errors import Invalid, Misconfigured, OrderbusError, Unavailable
from orderbus.settings import Settings
from orderbus.storage.database import Connection, our_errors
from orderbus.storage.jobs import REFUSALS, Cursor, Refusal, Step

if TYPE_CHECKING:
    from orderbus.pubsub.messages import Message


def _moment(value: object) -> datetime:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC)
    return moment(value if isinstance(value, str) else repr(value))


#: A moment in a filter: text with its time zone.
Moment = Annotated[datetime, BeforeValidator(_moment)]


class Filter(BaseModel):
    """Which rows a job is about. It is kept as JSON, and what it does not know is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


F = TypeVar("F", bound=Filter)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outside:
    """What a step may use beside PostgreSQL; workers and commands hand it in.

    ``enqueue`` sends a message to an actor with ``args`` and ``kwargs``, ``publish`` answers for
    each message as ``Publisher.publish`` does, ``wake_up`` is for work that became due, counted by
    actor. ``wants`` has the pattern of each consumer there is. ``asked_by`` began the job
    ``job_id``.
    """

    settings: Settings
    enqueue: Callable[[str, Mapping[str, Any]], Awaitable[None]]
    publish: Callable[[Sequence[Message]], Awaitable[Sequence[str | OrderbusError]]]
    wake_up: Callable[[Mapping[str, int]], Awaitable[None]]
    wants: Mapping[str, str]
    asked_by: str = ""
    job_id: int = 0


async def _as_it_is(_connection: Connection, wanted: F, _settings: Settings) -> F:
    return wanted


@dataclass(frozen=True, slots=True)
class Kind(Generic[F]):
    """One thing that is done to many rows.

    ``filter`` is the model of what may be asked for, and its docstring says what is done.
    ``bound`` completes it when a job begins, so that what comes later is not in it (as the newest
    id), ``count`` says how many rows fit, those of one short statement after the other. ``step``
    deals with the next ``at_most`` rows behind the cursor (None: from the first on), in the order
    in which they became due, inside a transaction that ends with it: raising undoes all of it.
    ``Unavailable`` has it tried again later, any other error fails the job. One that
    ``is_begun_with_lines`` is no filter of rows that are there: only its own service begins it.
    """

    name: str
    filter: type[F]
    count: Callable[[Connection, F], AsyncGenerator[int, None]]
    step: Callable[[Connection, F, Cursor | None, int, Outside], Awaitable[Step]]
    bound: Callable[[Connection, F, Settings], Awaitable[F]] = _as_it_is
    is_begun_with_lines: bool = False


def read(model: type[F], members: Mapping[str, object]) -> F:
    """Read which rows are meant. Raises ``Invalid``."""
    try:
        return model.model_validate(members)
    except ValidationError as error:
        found = faults(error)
        message = f"{found[0].pointer.removeprefix('/')} {found[0].detail}".strip()
        raise Invalid(message, found) from None


@dataclass(frozen=True, slots=True)
class Counted(Generic[T]):
    """What was counted, piece by piece; ``is_at_least`` where there may be more."""

    pieces: Sequence[T]
    is_at_least: bool


async def counted(pieces: AsyncGenerator[T, None], patience: timedelta) -> Counted[T]:
    """Take what is counted, for so long at most, and one piece at least."""
    taken, end = list[T](), time.monotonic() + patience.total_seconds()
    async with aclosing(pieces):
        async for piece in pieces:
            taken.append(piece)
            if time.monotonic() >= end:
                return Counted(taken, is_at_least=True)
    return Counted(taken, is_at_least=False)


def reason(error: Exception) -> str:
    """Say why something failed, as PostgreSQL can keep it."""
    return storable(brief(str(error) or type(error).__name__, 500))


async def each(
    connection: Connection,
    rows: Iterable[T],
    act: Callable[[T], Awaitable[object]],
    *,
    subject: Callable[[T], str] = str,
) -> Step:
    """Deal with each row by itself: one that cannot be dealt with is refused, and undone alone.

    Returns a step without a cursor. Raises ``Unavailable`` and ``Misconfigured``, which are no
    fault of the row.
    """
    done, refused, refusals = 0, 0, list[Refusal]()
    for row in rows:
        try:
            with our_errors():
                async with connection.transaction():
                    await act(row)
        except (Unavailable, Misconfigured):
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the others go on
            refused += 1
            if len(refusals) < REFUSALS:
                refusals.append(Refusal(subject(row), reason(error)))
        else:
            done += 1
    return Step(done, refused, refusals=refusals)
