"""What each operation of the API takes and answers, said once, beside its handler."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeVar

from aiohttp import web
from pydantic import BaseModel

from orderbus.errors import (
    Changed,
    Forbidden,
    Invalid,
    KeyReused,
    Misconfigured,
    NotFound,
    OrderbusError,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UnknownMediaType,
)
from orderbus.web.schemas.fields import Body

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_Handler = TypeVar("_Handler", bound=Handler)

_WRITING: Final = {"POST", "PUT"}


class Access(Enum):
    """Who may ask."""

    KEY = "whoever holds an API key"
    SIGNATURE = "whoever can sign the body"
    ANYBODY = "anybody"
    PROBE = "anybody, under any host name"

    @property
    def is_open(self) -> bool:
        """Whether nothing has to be shown."""
        return self in {Access.ANYBODY, Access.PROBE}


@dataclass(frozen=True, slots=True)
class Answer:
    """One way an operation is answered: with a model as JSON, or with text of a media type."""

    description: str
    model: type[Body] | None = None
    headers: tuple[str, ...] = ()
    text: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What a caller can ask for; its summary is the first line of the handler's docstring."""

    name: str
    answers: Mapping[int, Answer]
    takes: type[BaseModel] | None = None
    body_is_required: bool = True
    query: type[BaseModel] | None = None
    #: Names of request headers; those in ``requires`` have to be there.
    reads: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    #: What is refused beside what follows from the rest, see ``refusals``.
    errors: tuple[type[OrderbusError], ...] = ()
    access: Access = Access.KEY
    #: What stands in the path.
    path: str = "our uuid of the order, or the sender's reference"


@dataclass(frozen=True, slots=True)
class Route:
    """An operation under a path that it has."""

    tag: str
    method: str
    path: str
    operation: Operation
    handler: Handler
    name: str

    def refusals(self) -> set[type[OrderbusError]]:
        """Name what may be refused: it follows from what the operation takes, and from whom."""
        of, found = self.operation, {*self.operation.errors}
        if not of.access.is_open:
            found |= {Unauthenticated, Unavailable, Misconfigured}
            found |= {Forbidden} if self.method in _WRITING else set()
        if of.takes is not None:
            found |= {Invalid, TooLarge, UnknownMediaType}
        if of.query is not None:
            found |= {Invalid}
        if "Idempotency-Key" in of.reads + of.requires:
            found |= {Invalid, KeyReused}
        if "If-Match" in of.reads:
            found |= {Changed}
        if "{" in self.path:
            found |= {NotFound}
        return found


class Routes(list[Route]):
    """The routes of one subject, in the order in which they are written down."""

    def __init__(self, tag: str) -> None:
        """Begin with none."""
        super().__init__()
        self._tag = tag

    def add(self, method: str, *paths: str, operation: Operation) -> Callable[[_Handler], _Handler]:
        """Answer requests to each of ``paths`` with the decorated handler."""

        def register(handler: _Handler) -> _Handler:
            for number, path in enumerate(paths):
                name = operation.name + "_v1" * number
                self.append(Route(self._tag, method, path, operation, handler, name))
            return handler

        return register
