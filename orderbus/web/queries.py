"""The query parameters of lists."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Annotated, Final, TypeVar
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema

from orderbus.domain import letters
from orderbus.domain.jobs import STATES, State
from orderbus.domain.orders import faults
from orderbus.domain.text import brief, moment
from orderbus.errors import Fault
from orderbus.storage.delivery_lists import Filter as DeliveryFilter
from orderbus.storage.delivery_views import STATES as DELIVERY_STATES
from orderbus.storage.delivery_views import State as DeliveryState
from orderbus.web.requests import invalid

_LONGEST_PAGE: Final = 100
_TEXT: Final = 255


def one_of(allowed: Collection[str]) -> Callable[[str], str]:
    """Take one of these words; others are refused with a list of them."""

    def check(value: str) -> str:
        if value not in allowed:
            raise ValueError(f"is {brief(value, 40)!r}: must be one of {', '.join(allowed)}")
        return value

    return check


def _plain(value: str) -> str:
    if not 1 <= len(value) <= _TEXT or not value.isprintable():
        raise ValueError(f"is {brief(value, 40)!r}: must be 1 to {_TEXT} printable characters")
    return value


def _moment(value: str) -> datetime:
    try:
        return moment(value)
    except ValueError as error:
        raise ValueError(f"{error} (a + is written %2B)") from None


def _limit(value: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", value) or not 1 <= int(value) <= _LONGEST_PAGE:
        message = f"is {brief(value, 40)!r}: must be a whole number from 1 to {_LONGEST_PAGE}"
        raise ValueError(message)
    return int(value)


def _decoded(cursor: str) -> str:
    try:
        return base64.b64decode(cursor, altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return ""


def _foreign(cursor: str) -> ValueError:
    return ValueError(f"is {brief(cursor, 40)!r}: must be the next_cursor of a page of this list")


def _position(cursor: str) -> int:
    text = _decoded(cursor)
    if not text.isdigit() or len(text) > 18:  # noqa: PLR2004 - a bigint's digits
        raise _foreign(cursor)
    return int(text)


def _endpoint(cursor: str) -> UUID:
    try:
        return UUID(_decoded(cursor))
    except ValueError:
        raise _foreign(cursor) from None


#: A text, or a moment with its time zone, that a list may be asked for.
Text = Annotated[
    str | SkipJsonSchema[None], Field(min_length=1, max_length=_TEXT), BeforeValidator(_plain)
]
When = Annotated[datetime | SkipJsonSchema[None], BeforeValidator(_moment)]


_CURSOR: Final = WithJsonSchema(
    {"type": "string", "description": "the next_cursor of the page before"}
)


class _Query(BaseModel):
    """Nothing but what is named."""

    model_config = ConfigDict(extra="forbid")


class Limited(_Query):
    """How many are asked for."""

    limit: Annotated[int, Field(ge=1, le=_LONGEST_PAGE), BeforeValidator(_limit)] = 10


class PageQuery(Limited):
    """How many are asked for, and from where on."""

    cursor: Annotated[
        int | None,
        BeforeValidator(_position),
        _CURSOR,
    ] = None


class JobQuery(PageQuery):
    """Which jobs are asked for, how many, and from where on."""

    state: Annotated[State | SkipJsonSchema[None], BeforeValidator(one_of(STATES))] = None
    kind: Annotated[Text, Field(description="such as replay")] = None


class _Letters(_Query):
    """Which open dead letters are asked for."""

    kind: Annotated[letters.Kind | SkipJsonSchema[None], BeforeValidator(one_of(letters.KINDS))] = (
        None
    )
    endpoint_id: Annotated[
        UUID | SkipJsonSchema[None], Field(description="deliveries to this endpoint")
    ] = None
    order: Annotated[Text, Field(description="our uuid, or the sender's reference")] = None
    subject: Annotated[Text, Field(description="an actor, a consumer or a type of event")] = None
    reason: Annotated[Text, Field(description="the short word, such as retries_exhausted")] = None
    error: Annotated[Text, Field(description="as a group has it")] = None
    created_at__gte: Annotated[When, Field(description="written then or later")] = None
    created_at__lt: Annotated[When, Field(description="written before")] = None

    def filter(self) -> letters.Filter:
        """Say which dead letters are asked for."""
        return letters.Filter(**self.model_dump(exclude={"limit", "cursor"}))


class LetterQuery(PageQuery, _Letters):
    """Which open dead letters are asked for, how many, and from where on."""


class LetterGroupQuery(Limited, _Letters):
    """Which open dead letters are grouped, and how many groups are asked for."""


class EndpointQuery(Limited):
    """How many endpoints are asked for, and after which one."""

    cursor: Annotated[UUID | None, BeforeValidator(_endpoint), _CURSOR] = None


def _uuid(value: str) -> UUID:
    try:
        return UUID(value)
    except ValueError:
        raise ValueError(f"is {brief(value, 40)!r}: must be a uuid") from None


def _http_status(value: str) -> int:
    if not re.fullmatch("[1-5][0-9][0-9]", value, re.ASCII):
        raise ValueError(f"is {brief(value, 40)!r}: must be a status from 100 to 599")
    return int(value)


class DeliveryQuery(Limited):
    """Which deliveries are asked for, how many, and from where on."""

    state: Annotated[
        DeliveryState | SkipJsonSchema[None], BeforeValidator(one_of(DELIVERY_STATES))
    ] = None
    endpoint_id: Annotated[UUID | SkipJsonSchema[None], BeforeValidator(_uuid)] = None
    order: Annotated[Text, Field(description="our uuid, or the sender's reference")] = None
    since: Annotated[When, Field(description="settled then or later; else come in")] = None
    until: Annotated[When, Field(description="settled before; else come in")] = None
    status: Annotated[
        int | SkipJsonSchema[None],
        Field(ge=100, le=599, description="of the last answer"),
        BeforeValidator(_http_status),
    ] = None
    error: Annotated[Text, Field(description="of the last attempt, such as timeout")] = None
    cursor: Annotated[Text, Field(description="the next_cursor of the page before")] = None

    def filter(self) -> DeliveryFilter:
        """Say which deliveries are asked for, but for their order."""
        return DeliveryFilter(**self.model_dump(exclude={"order", "limit", "cursor"}))


Query = TypeVar("Query", bound=BaseModel)


def read(request: web.Request, model: type[Query]) -> Query:
    """Read the query; raises ``Invalid`` for a slip, which must not return everything."""
    given = dict(request.query)
    twice = [name for name in given if len(request.query.getall(name)) > 1]
    found = [Fault(f"/{name}", "query", "is given twice: once is allowed") for name in twice]
    try:
        query = model.model_validate(given)
    except ValidationError as error:
        found = [_named(fault, model) for fault in faults(error)]
    else:
        if not found:
            return query
    raise invalid("query", found)


def _named(fault: Fault, model: type[BaseModel]) -> Fault:
    detail = fault.detail
    if fault.code == "extra_forbidden":
        detail = f"is no filter of this list: allowed are {', '.join(model.model_fields)}"
    return Fault(fault.pointer, "query", detail)


def cursor(number: int | UUID | None) -> str | None:
    """Write where a list goes on; None where it does not."""
    return None if number is None else base64.urlsafe_b64encode(str(number).encode()).decode()
