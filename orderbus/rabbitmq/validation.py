"""Refuses what a worker must not act on: whoever can write to a queue could otherwise stop it.

Dramatiq believes a message's options, its actor and its queue, so its bytes are judged before.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Annotated, Any, Final

import dramatiq
from dramatiq.common import current_millis, q_name
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from orderbus.domain import json as strict_json
from orderbus.domain.text import brief, storable
from orderbus.errors import BadMessage, Invalid
from orderbus.telemetry import UNKNOWN_ACTOR

#: Bytes of a message. Ours have 300.
AT_MOST: Final = 65_536
#: Milliseconds a message may ask to wait. Ours ask for 30 s; the rest is for clocks that differ.
WAIT_AT_MOST: Final = 600_000

_SHOWN: Final = 100
_BIGINT: Final = range(-(2**63), 2**63)

_Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,99}$")]
_Count = Annotated[int, Field(ge=0, lt=2**31)]


def _soon(eta: int) -> int:
    if eta >= current_millis() + WAIT_AT_MOST:
        raise ValueError(f"is more than {WAIT_AT_MOST} ms from now")
    return eta


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class _Message(_Strict):
    """What a message is made of."""

    queue_name: _Name
    actor_name: _Name
    args: list[Any]
    kwargs: dict[str, Any]
    options: dict[str, Any]
    message_id: Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,100}$")]
    message_timestamp: Annotated[int, Field(ge=0, lt=2**53)]


class _Options(_Strict):
    """What ``Retries`` counts."""

    waits: _Count = 0
    retries: _Count = 0


class _OptionsOfDelayed(_Options):
    """The same, and the moment until which a message waits."""

    eta: Annotated[int, Field(ge=0), AfterValidator(_soon)]


def check(body: bytes, queue: str, actors: Mapping[str, dramatiq.Actor[..., Any]]) -> None:
    """Pass if one of our ``actors`` may have this message of ``queue``; raises ``BadMessage``."""
    members = _members_within_bounds(body)
    sent = _shaped(members, _Options if q_name(queue) == queue else _OptionsOfDelayed)
    if sent.queue_name != queue:
        raise BadMessage(f"The message is for queue {sent.queue_name}, not for {queue}")
    _check_arguments(members, q_name(queue), actors)


def read(body: bytes) -> dramatiq.Message[Any]:
    """Read a message that no worker acts on now, whosever it is; raises ``BadMessage``.

    Its options are left out: they are of the version that sent it, or of who meant harm.
    """
    sent = _shaped(_members_within_bounds(body))
    return dramatiq.Message(**{**sent.model_dump(), "args": tuple(sent.args), "options": {}})


def stand_in(body: bytes, queue: str) -> dramatiq.Message[Any]:
    """Stand for a message that cannot be read; the same bytes have the same id."""
    mark = f"sha256:{hashlib.sha256(body).hexdigest()}"
    return dramatiq.Message(queue, UNKNOWN_ACTOR, (), {}, {}, message_id=mark, message_timestamp=0)


def _members_within_bounds(body: bytes) -> Any:  # noqa: ANN401 - any JSON
    if len(body) > AT_MOST:
        message = f"The message has {len(body)} bytes; {AT_MOST} are allowed"
        raise BadMessage(message, reason="too_large")
    return _members(body)


def _shaped(members: object, options: type[_Strict] | None = None) -> _Message:
    try:
        sent = _Message.model_validate(members)
        if options is not None:
            options.model_validate(sent.options)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False)[0]
        name = _shown(fault["loc"][-1]) if fault["loc"] else "body"
        value = "missing" if fault["type"] == "missing" else _shown(fault["input"])
        raise BadMessage(f"The message's {name} is {value}: {fault['msg']}") from error
    return sent


def _members(body: bytes) -> Any:  # noqa: ANN401 - any JSON
    try:
        strict_json.loads(body)
        members = json.loads(body)
    except Invalid as error:
        raise BadMessage(f"The message is {error.faults[0].detail}") from error
    for value in _all_within(members):
        if not _is_plain(value):
            raise BadMessage(f"The message holds {_shown(value)}, which is not allowed")
    return members


def _all_within(value: object) -> Iterator[object]:
    """List every value and every name within."""
    yield value
    inner: Iterable[object] = ()
    if isinstance(value, dict):
        inner = chain(*value.items())
    elif isinstance(value, list):
        inner = value
    for each in inner:
        yield from _all_within(each)


def _is_plain(value: object) -> bool:
    """Whether PostgreSQL can keep it: no huge number, no NUL, no half of a surrogate pair."""
    if isinstance(value, str):
        return (value.isascii() and "\0" not in value) or value == storable(value)
    if isinstance(value, float):
        return math.isfinite(value)
    return not isinstance(value, int) or value in _BIGINT


def _check_arguments(
    members: dict[str, Any], queue: str, actors: Mapping[str, dramatiq.Actor[..., Any]]
) -> None:
    message: dramatiq.Message[Any] = dramatiq.Message(**members)
    actor = actors.get(message.actor_name)
    if actor is None:
        # It may be a later version's: whoever redrives it then has all it needs.
        why = f"There is no actor {message.actor_name}"
        raise BadMessage(why, reason="unknown_actor", message=message)
    if actor.queue_name != queue:
        raise BadMessage(
            f"The actor {actor.actor_name} works on queue {actor.queue_name}", message=message
        )
    try:
        inspect.signature(actor.fn).bind(*message.args, **message.kwargs)
    except TypeError as error:
        why = f"The actor {actor.actor_name} does not take these arguments: {error}"
        raise BadMessage(why, message=message) from error


def _shown(value: object) -> str:
    return brief(storable(repr(value)), _SHOWN)
