"""Refusals over HTTP.

They are RFC 9457 ``application/problem+json``. On the path of the source document the members its
clients read (``error``, ``errors``) stand beside the problem's own.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web

from orderbus.domain.text import brief
from orderbus.errors import (
    Changed,
    Conflict,
    Fault,
    Forbidden,
    IllegalMove,
    Invalid,
    KeyReused,
    Misconfigured,
    NotFound,
    OrderbusError,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UnderWay,
    UnknownMediaType,
)

#: Under which an answer carries why it refuses; the middleware logs it.
REFUSAL: Final = web.ResponseKey("refusal", dict[str, str])
#: Characters and faults of a refusal that are logged.
_LOGGED: Final = 500
_LOGGED_FAULTS: Final = 3

CONTENT_TYPE: Final = "application/problem+json"
#: Characters of a sentence: what is echoed in it is cut at 200 before.
_LONGEST_SENTENCE: Final = 300
#: Paths of source documents, and what their clients read beside the problem's own members.
SOURCE_PATH: Final = "/webhooks/orders/create"
CARTS_PATH: Final = "/carts"

#: The first class that fits decides.
STATUSES: Final = (
    (Unauthenticated, HTTPStatus.UNAUTHORIZED),
    (Forbidden, HTTPStatus.FORBIDDEN),
    (NotFound, HTTPStatus.NOT_FOUND),
    (TooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (UnknownMediaType, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    (Invalid, HTTPStatus.BAD_REQUEST),
    (Changed, HTTPStatus.PRECONDITION_FAILED),
    (KeyReused, HTTPStatus.UNPROCESSABLE_ENTITY),
    (Conflict, HTTPStatus.CONFLICT),
    (Unavailable, HTTPStatus.SERVICE_UNAVAILABLE),
)


def status_of(error: OrderbusError) -> HTTPStatus:
    """Say which status an error of ours is answered with."""
    return next(
        (status for kind, status in STATUSES if isinstance(error, kind)),
        HTTPStatus.SERVICE_UNAVAILABLE,
    )


def response_to(error: OrderbusError, request: web.BaseRequest) -> web.Response:
    """Answer a request with the problem that ``error`` is."""
    members: dict[str, Any] = {"detail": error.told}
    if isinstance(error, Invalid) and error.faults:
        members["faults"] = [asdict(fault) for fault in _faults(error)]
    if isinstance(error, Unavailable | Misconfigured) and error.part:
        members["part"] = error.part
    if isinstance(error, IllegalMove):
        members |= {"from": error.source, "to": error.target}
    members |= _members_of_the_path(error, request.path.rstrip("/"))
    answer = problem(
        status_of(error),
        code=error.code,
        path=request.path,
        headers=_headers(error),
        **members,
    )
    faults = getattr(error, "faults", ())[:_LOGGED_FAULTS]
    why = "; ".join([str(error), *(f"{fault.pointer}: {fault.detail}" for fault in faults)])
    return noted(answer, error.code, why)


def noted(answer: web.Response, code: str, detail: str) -> web.Response:
    """Note on an answer why it refuses, for its line in the log."""
    answer[REFUSAL] = {"code": code, "detail": detail[:_LOGGED]}
    return answer


def _faults(error: Invalid) -> list[Fault]:
    return [
        Fault(brief(fault.pointer), fault.code, brief(fault.detail, _LONGEST_SENTENCE))
        for fault in error.faults
    ]


def _headers(error: OrderbusError) -> dict[str, str]:
    match error:
        case Unavailable():
            return {"Retry-After": str(max(1, round(error.retry_after.total_seconds())))}
        case UnderWay() | Misconfigured():
            return {"Retry-After": "1"}
        case Unauthenticated():
            return {"WWW-Authenticate": 'Bearer realm="orderbus"'}
    return {}


def _members_of_the_path(error: OrderbusError, path: str) -> dict[str, Any]:
    """Say it as the clients of a source document read it, beside the problem's own members."""
    if path == SOURCE_PATH:
        return _members_of_the_source(error)
    if path == CARTS_PATH or path.startswith(f"{CARTS_PATH}/"):
        said = brief(error.told, _LONGEST_SENTENCE)
        return {"error": _by_field(error) if isinstance(error, Invalid) else said}
    if path.endswith("/status") and isinstance(error, NotFound):
        return {"detail": "Order not found"}
    return {}


def problem(
    status: int,
    *,
    code: str,
    detail: str,
    path: str,
    headers: dict[str, str] | None = None,
    **members: Any,  # noqa: ANN401 - extension members of the problem
) -> web.Response:
    """Write a problem body; ``code`` becomes its type."""
    body = {
        "type": f"/problems/{code.replace('_', '-')}",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": brief(detail, _LONGEST_SENTENCE),
        "instance": brief(path),
        **members,
    }
    answer = web.Response(
        status=status,
        body=json.dumps(body).encode(),
        headers={"Content-Type": CONTENT_TYPE, **(headers or {})},
    )
    return noted(answer, code, detail)


def _members_of_the_source(error: OrderbusError) -> dict[str, Any]:
    if isinstance(error, Unauthenticated):
        return {"error": "Invalid signature"}
    if isinstance(error, Invalid):
        return {"errors": _by_field(error)}
    return {"error": brief(error.told, _LONGEST_SENTENCE)}


def _by_field(error: Invalid) -> dict[str, list[str]]:
    errors: dict[str, list[str]] = {}
    for fault in _faults(error):
        field = fault.pointer.removeprefix("/") or "non_field_errors"
        errors.setdefault(field, []).append(fault.detail)
    return errors
