"""Many dead letters are redriven or discarded, the oldest first."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

from pydantic import AfterValidator, Field, ValidationError

from orderbus import storage
from orderbus.domain import letters
from orderbus.domain.orders import faults
from orderbus.domain.text import storable
from orderbus.errors import Conflict, Invalid, NotFound, OrderbusError
from orderbus.services import dead_letters, kinds, processing
from orderbus.services.kinds import Kind, Moment, Outside
from orderbus.settings import Settings
from orderbus.storage.database import Connection
from orderbus.storage.jobs import Cursor, Refusal, Step
from orderbus.storage.letter_views import OpenLetter

#: Letters that one statement looks at, where few may fit.
_LOOK_AT: Final = 2_000
_COUNT_AT: Final = 5_000
#: Messages that are sent in one step at most, and their bytes: what is sent, and not committed
#: since the step ends in vain, is sent again.
_SENT: Final = 50
_BYTES: Final = 8 * 1024 * 1024


def _without_nul(value: str) -> str:
    if storable(value) != value:
        raise ValueError("must be text without NUL")
    return value


Text = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_without_nul)]


class Letters(kinds.Filter):
    """Open dead letters: all that fit everything that is given."""

    id: int | None = Field(None, ge=1, lt=2**63, description="this one alone")
    like: int | None = Field(
        None, ge=1, lt=2**63, description="all of one group with this one, which is open"
    )
    kind: letters.Kind | None = None
    endpoint_id: UUID | None = Field(None, description="deliveries to this endpoint")
    order: Text | None = Field(None, description="our uuid, or the sender's reference")
    subject: Annotated[str, AfterValidator(_without_nul)] | None = Field(
        None, max_length=255, description="an actor, a consumer or a type of event"
    )
    reason: Text | None = Field(None, description="the short word, such as retries_exhausted")
    error: Annotated[str, AfterValidator(_without_nul)] | None = Field(
        None, max_length=300, description="as a group has it"
    )
    created_at__gte: Moment | None = Field(None, description="written then or later")
    created_at__lt: Moment | None = Field(None, description="written before")
    through: int | None = Field(
        None, ge=0, lt=2**63, description="none newer than this one; when the job begins if unset"
    )

    def wanted(self) -> letters.Filter:
        """Say the same to a list."""
        members = self.model_dump(exclude={"id", "like", "note"})
        if self.id is not None:
            members["through"] = self.id
        return letters.Filter(**members)


class RedriveLetters(Letters):
    """Bring dead letters back on their way."""


class DiscardLetters(Letters):
    """Decide that dead letters stay dead; an event that could not be published is passed over."""

    note: Annotated[str, AfterValidator(_without_nul)] = Field(
        min_length=1, max_length=2000, description="why they may stay dead; kept with each"
    )


L = TypeVar("L", bound=Letters)


def read(kind: type[L], members: Mapping[str, object]) -> L:
    """Read which letters are meant. Raises ``Invalid``."""
    try:
        return kind.model_validate(members)
    except ValidationError as error:
        found = faults(error)
        message = f"{found[0].pointer.removeprefix('/')} {found[0].detail}"
        raise Invalid(message, found) from None


async def bound(connection: Connection, wanted: Letters, _settings: Settings) -> Any:  # noqa: ANN401 - the same class
    """Leave out what comes later, and say which group is meant. Raises ``NotFound``."""
    newest = await storage.letter_lists.newest(connection)
    known: dict[str, object] = {"through": min(newest, wanted.through or newest)}
    if wanted.like is not None:
        group = await storage.letter_lists.like(connection, wanted.like)
        if group is None:
            raise NotFound(f"No open dead letter {wanted.like}")
        known |= {name: getattr(group, name) for name in letters.OF_A_GROUP}
    return wanted.model_copy(update=known)


async def count(connection: Connection, wanted: Letters) -> AsyncGenerator[int, None]:
    """Count the letters that fit now."""
    after = _begin(wanted)
    while True:
        found = await storage.letter_lists.count_next(
            connection, wanted.wanted(), after=after, look_at=_COUNT_AT
        )
        yield found.count
        if found.until is None or found.looked_at < _COUNT_AT:
            return
        after = found.until


def _begin(wanted: Letters) -> int:
    return 0 if wanted.id is None else wanted.id - 1


async def _next(
    connection: Connection, wanted: Letters, cursor: Cursor | None, at_most: int
) -> tuple[Sequence[OpenLetter], int | None]:
    """Find the next letters that fit, and behind which one to go on; None where none is left."""
    after = int(cursor["after"]) if cursor else _begin(wanted)
    fits = wanted.wanted()
    look_at = max(at_most, _LOOK_AT) if fits.is_picky else at_most
    found = await storage.letter_lists.list_next(connection, fits, after=after, look_at=look_at)
    if len(found.letters) > at_most:
        return found.letters[:at_most], found.letters[at_most - 1].id
    return found.letters, found.until if found.looked_at == look_at else None


async def _redrive(
    connection: Connection,
    wanted: RedriveLetters,
    cursor: Cursor | None,
    at_most: int,
    outside: Outside,
) -> Step:
    found, until = await _next(connection, wanted, cursor, at_most)
    if wanted.id is not None and not found:
        return await _decided_before(connection, wanted.id)
    # The orders that are tried again, and their stock, come before the letters.
    tried = [letter.id for letter in found if _waits(letter)]
    if tried:
        await processing.lock_for_retry(connection, tried)
    free = await storage.dead_letters.lock_free(connection, [letter.id for letter in found])
    few = _few_to_send(found, free)
    if len(few) < len(found):
        until = few[-1].id
    rows = [letter for letter in few if letter.id in free]
    taken = await _publish(connection, [each.id for each in rows if each.kind == "pubsub"], outside)
    due: Counter[str] = Counter()

    async def redrive(letter: OpenLetter) -> None:
        if isinstance(error := taken.get(letter.id), OrderbusError):
            raise error
        owed = await dead_letters.redrive(
            connection, letter.id, actor=outside.asked_by, of_many=True
        )
        if owed.message is not None:
            await outside.enqueue(*owed.message)
        due["deliver_webhook"] += owed.deliveries

    return await _each(connection, rows, redrive, until, due)


async def _decided_before(connection: Connection, letter: int) -> Step:
    """Refuse the one letter that is meant, since somebody decided about it meanwhile."""
    why = "It does not fit any more"
    try:
        await storage.dead_letters.lock_open(connection, letter)
    except (NotFound, Conflict) as error:
        why = kinds.reason(error)
    return Step(0, 1, refusals=[Refusal(str(letter), why)])


def _few_to_send(found: Sequence[OpenLetter], sizes: Mapping[int, int]) -> Sequence[OpenLetter]:
    """Keep the first ones: as many as may be sent together, and one at least."""
    sent = size = 0
    for number, letter in enumerate(found):
        sent += letter.kind in {"message", "pubsub"}
        size += sizes.get(letter.id, 0)
        if number and (sent > _SENT or size > _BYTES):
            return found[:number]
    return found


async def _publish(
    connection: Connection, ids: Sequence[int], outside: Outside
) -> Mapping[int, str | OrderbusError]:
    """Publish the messages of letters together; says of each what became of it."""
    messages = [
        dead_letters.publication_of(await storage.dead_letters.get(connection, letter))
        for letter in ids
    ]
    return dict(zip(ids, await outside.publish(messages), strict=True)) if messages else {}


async def _discard(
    connection: Connection,
    wanted: DiscardLetters,
    cursor: Cursor | None,
    at_most: int,
    outside: Outside,
) -> Step:
    found, until = await _next(connection, wanted, cursor, at_most)
    # One that an order has to be locked for stands alone: its order comes before its letter.
    few = found[:1] if found and _waits(found[0]) else list(takewhile(_waits_not, found))
    if len(few) < len(found):
        until = few[-1].id
    if not any(map(_waits, few)):
        free = await storage.dead_letters.lock_free(connection, [letter.id for letter in few])
        few = [letter for letter in few if letter.id in free]
    due: Counter[str] = Counter()

    async def discard(letter: OpenLetter) -> None:
        freed = await dead_letters.discard(
            connection, letter.id, note=wanted.note, actor=outside.asked_by, of_many=True
        )
        due["deliver_webhook"] += len(freed)

    return await _each(connection, few, discard, until, due)


def _waits(letter: OpenLetter) -> bool:
    return letter.kind == "outbox" or letter.actor == processing.ACTOR


def _waits_not(letter: OpenLetter) -> bool:
    return not _waits(letter)


async def _each(
    connection: Connection,
    rows: Sequence[OpenLetter],
    act: Callable[[OpenLetter], Awaitable[None]],
    until: int | None,
    due: Counter[str],
) -> Step:
    step = await kinds.each(connection, rows, act, subject=lambda letter: str(letter.id))
    return replace(step, cursor=None if until is None else {"after": until}, due=+due)


REDRIVE: Final = Kind("redrive_dead_letters", RedriveLetters, count, _redrive, bound)
DISCARD: Final = Kind("discard_dead_letters", DiscardLetters, count, _discard, bound)
