"""How is a refusal said over HTTP?

As RFC 9457 ``application/problem+json``. On the path of the source document the members its
clients read (``error``, ``errors``) stand beside the problem's own.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web

from orderbus.errors import (
    Conflict,
    Invalid,
    KeyReused,
    NotFound,
    OrderbusError,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UnknownMediaType,
)

CONTENT_TYPE: Final = "application/problem+json"
SOURCE_PATH: Final = "/webhooks/orders/create"

#: The first class that fits decides.
STATUSES: Final = (
    (Unauthenticated, HTTPStatus.UNAUTHORIZED),
    (NotFound, HTTPStatus.NOT_FOUND),
    (TooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (UnknownMediaType, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    (Invalid, HTTPStatus.BAD_REQUEST),
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
    status = status_of(error)
    members: dict[str, Any] = {}
    headers = {}
    if isinstance(error, Invalid) and error.faults:
        members["faults"] = [
            {"pointer": fault.pointer, "code": fault.code, "detail": fault.detail}
            for fault in error.faults
        ]
    if isinstance(error, Unavailable):
        headers["Retry-After"] = str(max(1, round(error.retry_after.total_seconds())))
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="orderbus"'
    if request.path.rstrip("/") == SOURCE_PATH:
        members |= _members_of_the_source(error)
    return problem(
        status, code=error.code, detail=str(error), path=request.path, headers=headers, **members
    )


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
        "detail": detail,
        "instance": path,
        **members,
    }
    return web.Response(
        status=status,
        body=json.dumps(body).encode(),
        headers={"Content-Type": CONTENT_TYPE, **(headers or {})},
    )


def _members_of_the_source(error: OrderbusError) -> dict[str, Any]:
    if isinstance(error, Unauthenticated):
        return {"error": "Invalid signature"}
    if isinstance(error, Invalid):
        errors: dict[str, list[str]] = {}
        for fault in error.faults:
            field = fault.pointer.removeprefix("/") or "non_field_errors"
            errors.setdefault(field, []).append(fault.detail)
        return {"errors": errors}
    return {"error": str(error)}
