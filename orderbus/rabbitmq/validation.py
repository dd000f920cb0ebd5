"""Refuses what a worker must not act on: whoever can write to a queue could otherwise stop it.

Dramatiq believes a message's options, its actor and its queue, so its bytes are judged before.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, Final

import dramatiq
from dramatiq.common import current_millis, q_name

from orderbus.domain import json as strict_json
from orderbus.domain.text import brief, storable
from orderbus.errors import BadMessage, Invalid
from orderbus.telemetry import UNKNOWN_ACTOR

#: Bytes of a message. Ours have 300: they name rows.
AT_MOST: Final = 65_536
#: Milliseconds a message may ask to wait. Ours ask for 30 s; the rest is for clocks that differ.
WAIT_AT_MOST: Final = 600_000

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}")
_ID: Final = re.compile(r"[\x21-\x7e]{1,100}")
_SHOWN: Final = 100
_BIGINT: Final = range(-(2**63), 2**63)
_COUNT: Final = range(2**31)


def check(body: bytes, queue: str, actors: Mapping[str, dramatiq.Actor[..., Any]]) -> None:
    """Pass if one of our ``actors`` may have this message of ``queue``; raises ``BadMessage``."""
    if len(body) > AT_MOST:
        message = f"The message has {len(body)} bytes; {AT_MOST} are allowed"
        raise BadMessage(message, reason="too_large")
    members = _members(body)
    for name, allowed in _MEMBERS.items():
        if not allowed(members[name]):
            raise BadMessage(
                f"The message's {name} is {_shown(members[name])}, which is not allowed"
            )
    if members["queue_name"] != queue:
        raise BadMessage(
            f"The message is for queue {_shown(members['queue_name'])}, not for {queue}"
        )
    _check_options(members["options"], is_delayed=q_name(queue) != queue)
    _check_arguments(members, q_name(queue), actors)


def stand_in(body: bytes, queue: str) -> dramatiq.Message[Any]:
    """Stand for a message that cannot be read; the same bytes have the same id."""
    mark = f"sha256:{hashlib.sha256(body).hexdigest()}"
    return dramatiq.Message(queue, UNKNOWN_ACTOR, (), {}, {}, message_id=mark, message_timestamp=0)


def _members(body: bytes) -> dict[str, Any]:
    try:
        strict_json.loads(body)
        members = json.loads(body)
    except Invalid as error:
        raise BadMessage(f"The message is {error.faults[0].detail}") from error
    if not isinstance(members, dict) or members.keys() != _MEMBERS.keys():
        raise BadMessage(f"The message is not an object with the members {', '.join(_MEMBERS)}")
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


def _is_count(value: object, within: range) -> bool:
    return type(value) is int and value in within


def _matches(pattern: re.Pattern[str]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_a(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kind)


_MEMBERS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "queue_name": _matches(_NAME),
    "actor_name": _matches(_NAME),
    "args": _is_a(list),
    "kwargs": _is_a(dict),
    "options": _is_a(dict),
    "message_id": _matches(_ID),
    "message_timestamp": lambda value: _is_count(value, range(2**53)),
}


def _check_options(options: Mapping[str, Any], *, is_delayed: bool) -> None:
    """Allow what ``Retries`` counts, and the moment until which a delayed message waits."""
    known = {"waits": _COUNT, "retries": _COUNT}
    if is_delayed:
        known["eta"] = range(current_millis() + WAIT_AT_MOST)
        if "eta" not in options:
            raise BadMessage("The message's option eta is missing, in a queue of those that wait")
    for name, value in options.items():
        if name not in known:
            allowed = ", ".join(known)
            raise BadMessage(f"The message has the option {_shown(name)}; allowed are {allowed}")
        if not _is_count(value, known[name]):
            most = known[name][-1]
            raise BadMessage(
                f"The message's option {name} is {_shown(value)}; 0 to {most} is allowed"
            )


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
