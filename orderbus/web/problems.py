"""Refusals over HTTP: RFC 9457 ``application/problem+json``, or as the shop's clients read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web
from pydantic import Field

from orderbus import errors
from orderbus.domain.text import brief, storable
from orderbus.errors import Fault, Invalid, OrderbusError
from orderbus.handling import handling
from orderbus.web import shop_refusals
from orderbus.web.schemas.fields import Body
from orderbus.web.schemas.refusals import ShopRefusal

#: Under which an answer carries why it refuses; the middleware logs it.
REFUSAL: Final = web.ResponseKey("refusal", dict[str, str])
#: Characters and faults of a refusal that are logged.
_LOGGED: Final = 500
_LOGGED_FAULTS: Final = 3

CONTENT_TYPE: Final = "application/problem+json"
#: Characters of a sentence: what is echoed in it is cut at 200 before.
_LONGEST_SENTENCE: Final = 300
#: Paths of source documents, whose clients read ``error`` and ``errors`` beside the problem's own.
SOURCE_PATH: Final = "/webhooks/orders/create"
CARTS_PATH: Final = "/carts"
_PATHS_WITH_ERROR: Final = {SOURCE_PATH, CARTS_PATH, "/orders", "/metrics"}

#: Refusals that are no errors of ours, by their status: code and detail.
OTHERS: Final[Mapping[HTTPStatus, tuple[str, str]]] = {
    HTTPStatus.BAD_REQUEST: ("unknown_host", "The host 'a.example' is not among ALLOWED_HOSTS"),
    HTTPStatus.REQUEST_TIMEOUT: ("request_timeout", "Request Timeout"),
    HTTPStatus.INTERNAL_SERVER_ERROR: ("internal", "The server failed"),
}


class ProblemFault(Body):
    """One thing that is wrong with a request."""

    pointer: str = Field(description="JSON pointer, RFC 6901", examples=["/items/0/quantity"])
    code: str = Field(examples=["greater_than"])
    detail: str


class ProblemShortLine(Body):
    """A product of which less could be had than is wanted."""

    sku: str
    wanted: int
    available: int = Field(description="how many could be had when it was refused")


class ProblemPrice(Body):
    """What a line costs now, each."""

    sku: str
    quantity: int
    unit_price: str = Field(examples=["150.00"])


class Problem(Body):
    """Why a request was refused, or failed."""

    type: str = Field(description="/problems/ and the error's code, which is stable")
    title: str
    status: int
    detail: str
    instance: str = Field(description="the path that was asked")
    faults: list[ProblemFault] = Field([], description="the first 100 things that are wrong")
    short: list[ProblemShortLine] = Field([], description="what there is not enough of")
    total: str = Field("", description="what the order comes to now")
    prices: list[ProblemPrice] = Field([], description="what each of its lines costs now")
    part: str = Field("", description="the short name of the dependency that is away")
    source: str = Field("", alias="from", description="where the order is")
    target: str = Field("", alias="to", description="where it cannot go")
    allowed: list[str] = Field([], description="what can be done to the order now")
    error: str | dict[str, list[str]] = Field("", description="for clients of source documents")
    errors: dict[str, list[str]] = Field({}, description="the same; what is wrong by field")


def response_to(error: OrderbusError, request: web.BaseRequest) -> web.Response:
    """Answer a request with the problem that ``error`` is."""
    body = body_of(error, request.path)
    faults = getattr(error, "faults", ())[:_LOGGED_FAULTS]
    why = "; ".join([str(error), *(f"{fault.pointer}: {fault.detail}" for fault in faults)])
    return noted(_answer(status_of(error, request.path), body, headers_of(error)), error.code, why)


def status_of(error: OrderbusError, path: str) -> int:
    """Say with which status ``error`` is answered to whoever asked for ``path``."""
    return shop_refusals.status_of(error) if shop_refusals.reads(path) else handling(error).status


def body_of(error: OrderbusError, path: str) -> Problem | ShopRefusal:
    """Say what ``error`` is to whoever asked for ``path``."""
    if shop_refusals.reads(path):
        return shop_refusals.body_of(error, path)
    members: dict[str, Any] = {"detail": error.detail}
    if isinstance(error, Invalid) and error.faults:
        members["faults"] = [asdict(fault) for fault in _faults(error)]
    if error.dependency:
        members["part"] = error.dependency
    if isinstance(error, errors.OutOfStock):
        members["short"] = [_short_line(line) for line in error.short]
    if isinstance(error, errors.PriceChanged):
        members |= {"total": error.total, "prices": [_price(line) for line in error.prices]}
    if isinstance(error, errors.IllegalMove):
        members |= {"from": error.source, "to": error.target, "allowed": [*error.allowed]}
    members |= _members_of_the_path(error, path.rstrip("/"))
    return _problem(handling(error).status, code=error.code, path=path, **members)


def noted(answer: web.Response, code: str, detail: str) -> web.Response:
    """Note on an answer why it refuses, for its line in the log."""
    answer[REFUSAL] = {"code": code, "detail": detail[:_LOGGED]}
    return answer


def _faults(error: Invalid) -> list[Fault]:
    return [
        Fault(storable(brief(fault.pointer)), fault.code, _short(fault.detail))
        for fault in error.faults
    ]


def _short_line(line: errors.ShortLine) -> ProblemShortLine:
    return ProblemShortLine(
        sku=storable(brief(line.sku)), wanted=line.wanted, available=line.available
    )


def _price(line: errors.Prices) -> ProblemPrice:
    return ProblemPrice.model_validate({**line, "sku": storable(brief(str(line["sku"])))})


def headers_of(error: OrderbusError) -> dict[str, str]:
    """Say when to ask again, or how to show who one is."""
    if isinstance(error, errors.Unauthenticated):
        return {"WWW-Authenticate": 'Bearer realm="orderbus"'}
    if error.retry_after is None:
        return {}
    seconds = str(max(1, round(error.retry_after.total_seconds())))
    if isinstance(error, errors.TooMany):
        limits = {"Limit": str(error.limit), "Remaining": "0", "Reset": seconds}
        named = {f"RateLimit-{name}": value for name, value in limits.items()}
        return {"Retry-After": seconds, **named}
    return {"Retry-After": seconds}


def _members_of_the_path(error: OrderbusError, path: str) -> dict[str, Any]:
    """Say it as the clients of a source document read it, beside the problem's own members."""
    if path.endswith("/status") and isinstance(error, errors.NotFound):
        return {"detail": "Order not found"}
    if path == SOURCE_PATH and isinstance(error, errors.Unauthenticated):
        return {"error": "Invalid signature"}
    if isinstance(error, Invalid) and error.faults and _reads_error(path):
        return {"errors" if path == SOURCE_PATH else "error": _by_field(error)}
    return _error(path, error.detail)


def _error(path: str, detail: str) -> dict[str, Any]:
    return {"error": _short(detail)} if _reads_error(path) else {}


def _reads_error(path: str) -> bool:
    return path in _PATHS_WITH_ERROR or path.startswith(f"{CARTS_PATH}/")


def problem(
    request: web.Request, status: int, code: str, detail: str, **headers: str
) -> web.Response:
    """Answer with a problem that is no error of ours."""
    old = _error(request.path.rstrip("/"), detail)
    found = body(status, code=code, detail=detail, path=request.path, **old)
    return noted(_answer(status, found, headers), code, detail)


def body(
    status: int,
    *,
    code: str,
    detail: str,
    path: str,
    **members: Any,  # noqa: ANN401 - extension members of the problem
) -> Problem | ShopRefusal:
    """Write a problem; ``code`` becomes its type."""
    if shop_refusals.reads(path):
        return ShopRefusal(detail=_short(detail))
    return _problem(status, code=code, detail=detail, path=path, **members)


def _problem(status: int, *, code: str, detail: str, path: str, **members: Any) -> Problem:  # noqa: ANN401 - as above
    return Problem(
        type=f"/problems/{code.replace('_', '-')}",
        title=HTTPStatus(status).phrase,
        status=int(status),
        detail=_short(detail),
        instance=storable(brief(path)),
        **members,
    )


def content_type(path: str) -> str:
    """Name the media type of what is refused under ``path``."""
    return shop_refusals.CONTENT_TYPE if shop_refusals.reads(path) else CONTENT_TYPE


def _answer(status: int, body: Problem | ShopRefusal, headers: Mapping[str, str]) -> web.Response:
    kind = CONTENT_TYPE if isinstance(body, Problem) else shop_refusals.CONTENT_TYPE
    return body.response(status, {**headers, "Content-Type": kind})


def _short(sentence: str) -> str:
    return storable(brief(sentence, _LONGEST_SENTENCE))


def _by_field(error: Invalid) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for fault in _faults(error):
        field = fault.pointer.removeprefix("/") or "non_field_errors"
        found.setdefault(field, []).append(fault.detail)
    return found
