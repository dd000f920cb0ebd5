"""What each path takes and answers, said once, beside its handler."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel

from orderbus import errors
from orderbus.domain import rights
from orderbus.web.schemas.fields import Body

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Kind = type[errors.OrderbusError]
_Handler = TypeVar("_Handler", bound=Handler)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A path, how it is answered and by whom; the handler's docstring is its summary."""

    method: str
    path: str
    handler: Handler
    name: str
    tag: str
    #: By status: models are answered as JSON, the others are media types.
    answers: Mapping[int, tuple[type[Body] | str, ...]]
    headers: tuple[str, ...] = ()
    takes: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    #: Names of request headers; those in ``requires`` have to be there.
    reads: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    #: What is refused beside what follows from the rest, see ``refusals``.
    errors: tuple[Kind, ...] = ()
    #: Answers under any host name: who probes or scrapes goes by address or by service name. It
    #: must tell nobody anything of an order or a customer.
    any_host: bool = False
    #: Takes an order: one that is refused is counted.
    takes_order: bool = False

    @property
    def access(self) -> rights.Access:
        """Say how the caller shows who they are, see ``domain.rights``: who that may be.

        A ``key``, or the token of somebody who signed in, is looked at before the handler is
        called; it asks for a ``signature`` itself.
        """
        return rights.access(self.name)

    def refusals(self) -> set[Kind]:
        """Name what may be refused: it follows from what the route takes, and from whom."""
        named = {*self.reads, *self.requires}
        following: dict[Kind, bool] = {
            errors.Unauthenticated: self.access != "anybody",
            errors.Unavailable: self.access != "anybody",
            errors.Misconfigured: self.access != "anybody",
            errors.Forbidden: self.access != "anybody",
            errors.Invalid: bool(self.takes or self.query or "Idempotency-Key" in named),
            errors.TooLarge: self.takes is not None,
            errors.UnknownMediaType: self.takes is not None,
            errors.KeyReused: "Idempotency-Key" in named,
            errors.UnderWay: "Idempotency-Key" in named and self.access == "key",
            errors.Changed: "If-Match" in named,
            errors.Unseen: "If-Match" in self.requires,
            errors.NotFound: "{" in self.path,
        }
        return {*self.errors, *(kind for kind, follows in following.items() if follows)}


class Routes(list[Route]):
    """The routes of one subject, in the order in which they are written down."""

    def __init__(self, tag: str) -> None:
        super().__init__()
        self._tag = tag

    def __call__(
        self,
        method: str,
        *paths: str,
        name: str,
        **about: Any,  # noqa: ANN401 - as a Route takes it
    ) -> Callable[[_Handler], _Handler]:
        """Answer requests to each of ``paths`` with the decorated handler."""

        def register(handler: _Handler) -> _Handler:
            given = {"method": method, "tag": self._tag, "handler": handler, **about}
            for number, path in enumerate(paths):
                self.append(Route(path=path, name=name + "_v1" * number, **given))
            return handler

        return register
