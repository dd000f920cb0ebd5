"""What happens to every request, whatever it asks for.

One middleware, on the outside: it names the request, checks whom it was meant for, turns refusals
into problems, and writes one line about it.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Final
from uuid import uuid4

from aiohttp import hdrs, web

from orderbus import telemetry
from orderbus.domain.text import brief
from orderbus.domain.traces import request_id, trace_id
from orderbus.errors import OrderbusError
from orderbus.web import problems, requests
from orderbus.web.app_keys import IN_FLIGHT, SETTINGS
from orderbus.web.open_access import host_name

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

REQUEST_ID: Final = "Correlation-ID"
#: What tells nobody anything of an order or a customer.
WATCHING: Final = {"/healthz", "/readyz", "/metrics", "/metrics/prometheus", "/api/v1/metrics"}
#: Where an order that is refused is counted.
_TAKING_ORDERS: Final = {problems.SOURCE_PATH, "/api/v1/orders", "/api/v1/orders/new"}


@web.middleware
async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every request with an id, a problem where it is refused, and one log line.

    That id and the trace's are in every line that is written for the request.
    """
    id_ = request_id(request.headers.get(REQUEST_ID)) or str(uuid4())
    trace = trace_id(requests.traceparent(request))
    with telemetry.bound(request_id=id_, trace_id=trace):
        response = await _answer_and_log(request, handler)
    response.headers[REQUEST_ID] = id_
    return response


async def _answer_and_log(request: web.Request, handler: Handler) -> web.StreamResponse:
    began = time.perf_counter()
    in_flight = request.app[IN_FLIGHT]
    in_flight.begin(request.protocol)
    try:
        response = await _answer(request, handler)
        _count_refusal(request, response)
    except Exception:  # noqa: BLE001 - a door: the caller gets a 500 without a traceback, the log has it
        telemetry.log.exception("request_failed", path=brief(request.path))
        response = problems.problem(
            500, code="internal", detail="The server failed", path=request.path
        )
    finally:
        in_flight.requests -= 1
    resource = request.match_info.route.resource
    route = resource.canonical if resource is not None else "none"
    method = request.method if request.method in hdrs.METH_ALL else "other"
    telemetry.HTTP_REQUESTS.labels(route, method, response.status).inc()
    telemetry.log.info(
        "request",
        method=request.method,
        path=brief(request.path),
        status=response.status,
        ms=round((time.perf_counter() - began) * 1000, 1),
        remote=request.remote,
        **response.get(problems.REFUSAL, {}),
    )
    return response


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    if not _meant_for_us(request):
        detail = f"The host {brief(host_name(request))!r} is not among ALLOWED_HOSTS"
        return problems.problem(400, code="unknown_host", detail=detail, path=request.path)
    try:
        return await handler(request)
    except OrderbusError as error:
        return problems.response_to(error, request)
    except web.HTTPException as error:
        headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        return problems.problem(
            error.status,
            code=error.reason.lower().replace(" ", "_"),
            detail=error.reason,
            path=request.path,
            headers=headers,
        )


def _count_refusal(request: web.Request, response: web.StreamResponse) -> None:
    takes_orders = request.method == hdrs.METH_POST and request.path.rstrip("/") in _TAKING_ORDERS
    if takes_orders and (refusal := response.get(problems.REFUSAL)):
        telemetry.REFUSED.labels(refusal["code"]).inc()


def _meant_for_us(request: web.Request) -> bool:
    """Whether the name is ours; who probes or scrapes goes by address or by service name."""
    if request.path in WATCHING:
        return True
    allowed = request.app[SETTINGS].allowed_hosts
    return "*" in allowed or host_name(request) in allowed
