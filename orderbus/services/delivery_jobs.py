"""Many deliveries are retried, skipped or sent once more, an order's in the order of its story."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, Field, model_validator

from orderbus import storage
from orderbus.domain.text import storable
from orderbus.errors import Conflict
from orderbus.services import delivery_lists, kinds
from orderbus.services.kinds import Kind, Moment, Outside
from orderbus.settings import Settings
from orderbus.storage.database import Connection
from orderbus.storage.delivery_lists import Filter, Found
from orderbus.storage.jobs import REFUSALS, Cursor, Refusal, Step

#: Statements of one step that may look for what fits.
_LOOKS: Final = 5
_WHY_NOT: Final = (
    "it is under way or was settled meanwhile, its endpoint was removed, its payload is not kept, "
    "or somebody else is at work on it"
)


def _without_nul(value: str) -> str:
    if storable(value) != value:
        raise ValueError("must be text without NUL")
    return value


_Text = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_without_nul)]
_Reason = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_without_nul)]


class Deliveries(kinds.Filter):
    """Deliveries: all that fit everything that is given, which has to be something."""

    endpoint_id: UUID | None = None
    order: _Text | None = Field(None, description="our uuid, or the sender's reference")
    since: Moment | None = Field(None, description="settled then or later; else come in")
    until: Moment | None = Field(None, description="before; when the job begins if unset")
    status: int | None = Field(None, ge=100, le=599, description="of the last attempt's answer")
    error: _Text | None = Field(None, description="of the last attempt, such as timeout")

    @model_validator(mode="after")
    def _is_about_something(self) -> Self:
        asked = self.model_dump(exclude={"state", "reason", "attempted_before"}, exclude_none=True)
        if not asked:
            raise ValueError("give one of endpoint_id, order, since, until, status, error")
        return self


class RetryDeliveries(Deliveries):
    """Have deliveries attempted now that wait for a later try, and dead ones begin anew."""

    state: Literal["pending", "dead"] | None = Field(None, description="both if unset")
    reason: _Reason | None = None
    attempted_before: Moment | None = Field(
        None, description="of those pending: last attempted before; when the job begins if unset"
    )

    def fitting(self) -> Sequence[Filter]:
        """Say what fits; the dead come first: an order's first ones are among them.

        One that fails anew before the turn of those that wait was attempted since the job began.
        """
        every = (
            Filter(state="dead", letter=True),
            Filter(state="pending", later=True, attempted_before=self.attempted_before),
        )
        return [each for each in every if self.state in (None, each.state)]


class SkipDeliveries(Deliveries):
    """Let endpoints never have what they are owed; their orders go on."""

    state: Literal["pending", "held"] | None = Field(None, description="both if unset")
    reason: _Reason = Field(description="why; kept with each")

    def fitting(self) -> Sequence[Filter]:
        """Say what fits."""
        return [Filter(state=self.state or "owed")]


class ResendDeliveries(Deliveries):
    """Send once more what was delivered or skipped: the same ids and bodies."""

    state: Literal["delivered", "skipped"] = "delivered"
    reason: _Reason | None = Field(None, description="why; kept with each")

    def fitting(self) -> Sequence[Filter]:
        """Say what fits."""
        return [Filter(state=self.state)]


async def bound(connection: Connection, wanted: Any, _settings: Settings) -> Any:  # noqa: ANN401 - one of the above, and the same
    """Leave out what comes later, and name the order by its uuid.

    Raises ``NotFound``, and ``Conflict`` where nothing can be attempted now.
    """
    now = datetime.now(UTC)
    known: dict[str, object] = {"until": min(wanted.until or now, now)}
    if isinstance(wanted, RetryDeliveries):
        known["attempted_before"] = min(wanted.attempted_before or now, now)
    if wanted.order is not None:
        order = await storage.orders.get(connection, wanted.order)
        known["order"] = str(order.order_id)
    if wanted.endpoint_id is not None:
        is_disabled = await storage.delivery_acts.is_disabled(connection, wanted.endpoint_id)
        if is_disabled and isinstance(wanted, RetryDeliveries):
            todo = f"`orderbus endpoints enable {wanted.endpoint_id}` makes all due"
            raise Conflict(f"Endpoint {wanted.endpoint_id} is disabled: {todo} that it is owed")
    return wanted.model_copy(update=known)


async def _lists(connection: Connection, wanted: Any) -> list[Filter]:  # noqa: ANN401 - as above
    return [
        await delivery_lists.of_order(
            connection,
            Filter(
                state=each.state,
                later=each.later,
                letter=each.letter,
                attempted_before=each.attempted_before,
                **wanted.model_dump(include={"endpoint_id", "since", "until", "status", "error"}),
            ),
            wanted.order,
        )
        for each in wanted.fitting()
    ]


async def count(
    connection: Connection,
    wanted: Any,  # noqa: ANN401 - as above
) -> AsyncGenerator[int, None]:
    """Count what fits now."""
    for each in await _lists(connection, wanted):
        async for found in storage.delivery_lists.count(connection, each):
            yield found


async def _next(
    connection: Connection, wanted: Filter, cursor: Cursor, at_most: int, *, backwards: bool
) -> Found:
    """Find the next that fit, in a few statements; there may be none though the list goes on."""
    places = cursor.get("after")
    after = storage.delivery_lists.place_of(wanted, places) if places else None
    found = Found((), after)
    for _ in range(_LOOKS):
        found = await storage.delivery_lists.find(
            connection, wanted, after=found.until, at_most=at_most, newest_first=backwards
        )
        if found.ids or found.until is None:
            break
    return found


Act = Callable[[Connection, Sequence[int], Filter, Any, str], Awaitable[list[int]]]


def _kind(name: str, model: type[Deliveries], act: Act, *, backwards: bool = False) -> Kind[Any]:
    async def step(
        connection: Connection,
        wanted: Any,  # noqa: ANN401 - a ``model``
        cursor: Cursor | None,
        at_most: int,
        outside: Outside,
    ) -> Step:
        begun: Cursor = cursor or {"list": 0}
        lists, number = await _lists(connection, wanted), int(begun["list"])
        fits = lists[number]
        found = await _next(connection, fits, begun, at_most, backwards=backwards)
        done = await act(connection, found.ids, fits, wanted, outside.asked_by)
        left = sorted(set(found.ids) - set(done))
        after: Cursor | None = None
        if found.until is not None:
            after = {"list": number, "after": storage.delivery_lists.written(found.until)}
        elif number + 1 < len(lists):
            after = {"list": number + 1}
        return Step(
            done=len(done),
            refused=len(left),
            cursor=after,
            refusals=[Refusal(str(each), _WHY_NOT) for each in left[:REFUSALS]],
            due={"deliver_webhook": len(done)} if done else None,
        )

    return Kind(name, model, count, step, bound)


async def _retry(
    connection: Connection, ids: Sequence[int], fits: Filter, _wanted: object, by: str
) -> list[int]:
    if fits.state == "dead":
        return await storage.delivery_acts.redrive(connection, ids, by=by)
    return await storage.delivery_acts.retry(connection, ids)


async def _skip(
    connection: Connection, ids: Sequence[int], _fits: Filter, wanted: SkipDeliveries, by: str
) -> list[int]:
    return await storage.delivery_acts.skip(connection, ids, by=by, reason=wanted.reason)


async def _resend(
    connection: Connection, ids: Sequence[int], _fits: Filter, wanted: ResendDeliveries, by: str
) -> list[int]:
    return await storage.delivery_acts.resend(connection, ids, by=by, reason=wanted.reason)


RETRY: Final = _kind("retry_deliveries", RetryDeliveries, _retry)
#: The last ones of each line first: none is let go that is to be skipped, too.
SKIP: Final = _kind("skip_deliveries", SkipDeliveries, _skip, backwards=True)
RESEND: Final = _kind("resend_deliveries", ResendDeliveries, _resend)
