"""What happens to every request: it is named, let in, answered and logged, in this order."""

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
from orderbus.web import problems, reads, requests
from orderbus.web.app_keys import IN_FLIGHT, PRODUCTS, SETTINGS
from orderbus.web.open_access import host_name

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

REQUEST_ID: Final = "Correlation-ID"


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
        route = requests.route_of(request)
        if route and route.takes_order and (refusal := response.get(problems.REFUSAL)):
            telemetry.REFUSED.labels(refusal["code"]).inc()
    except Exception:  # noqa: BLE001 - a door: the caller gets a 500 without a traceback, the log has it
        telemetry.log.exception("request_failed", path=brief(request.path))
        response = problems.problem(request, 500, "internal", "The server failed")
    finally:
        in_flight.requests -= 1
        if request.method not in {hdrs.METH_GET, hdrs.METH_HEAD}:
            request.app[PRODUCTS].look_again()
    resource = request.match_info.route.resource
    path = resource.canonical if resource is not None else "none"
    method = request.method if request.method in hdrs.METH_ALL else "other"
    telemetry.HTTP_REQUESTS.labels(path, method, response.status).inc()
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
    route = requests.route_of(request)
    allowed = request.app[SETTINGS].allowed_hosts
    if not (host_name(request) in allowed or "*" in allowed or (route and route.any_host)):
        detail = f"The host {brief(host_name(request))!r} is not among ALLOWED_HOSTS"
        return problems.problem(request, 400, "unknown_host", detail)
    try:
        if route and route.access == "key":
            await requests.authorize(request, route.name)
        return await reads.with_what_shows_it(request, await handler(request))
    except OrderbusError as error:
        return problems.response_to(error, request)
    except web.HTTPException as error:
        allow = {name: value for name, value in error.headers.items() if name == "Allow"}
        code = error.reason.lower().replace(" ", "_")
        return problems.problem(request, error.status, code, error.reason, **allow)
