"""Jobs are begun, watched, paused, resumed and cancelled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from orderbus import services, storage
from orderbus.domain.jobs import Action
from orderbus.domain.text import brief
from orderbus.errors import Conflict, Fault, NotFound
from orderbus.services.jobs import Plan
from orderbus.settings import Settings
from orderbus.storage.database import Connection
from orderbus.web import queries, requests
from orderbus.web.app_keys import DATABASE, SETTINGS
from orderbus.web.idempotency import REPLAYED, act_once, answer_once
from orderbus.web.requests import CALLER
from orderbus.web.routes import Routes
from orderbus.web.schemas import jobs as bodies

ROUTES: Final = Routes("jobs")
_MOVE: Final[Mapping[str, Any]] = {
    "takes": bodies.Why,
    "answers": {200: (bodies.Job,)},
    "headers": (REPLAYED,),
    "reads": ("Idempotency-Key",),
    "errors": (Conflict,),
}


@ROUTES(
    "POST",
    "/api/v1/jobs",
    name="begin_job",
    takes=bodies.NewJob,
    answers={201: (bodies.Job,), 200: (bodies.Counted,)},
    headers=("Location", REPLAYED),
    reads=("Idempotency-Key",),
)
async def begin(request: web.Request) -> web.Response:
    """Count the rows that fit, and begin to deal with them, at a rate, in the workers.

    With dry_run they are only counted: 200.
    """
    body = await requests.body(request)
    asked: Any = _asked(requests.members(body))

    async def begin(connection: Connection) -> web.Response:
        planned = await _planned(connection, asked, request.app[SETTINGS])
        if asked.dry_run:
            written = planned.filter.model_dump(mode="json")
            counted = {"kind": asked.kind, "filter": written, "total": planned.total}
            counted |= {"is_at_least": planned.is_at_least, "dry_run": True}
            return bodies.Counted.model_validate(counted).response()
        job = await services.jobs.begin(
            connection, planned, rate=asked.rate, asked_by=request[CALLER], why=asked.reason
        )
        return bodies.Job.of(job).response(201, {"Location": f"/api/v1/jobs/{job.id}"})

    return await answer_once(request, body, begin)


async def _planned(connection: Connection, asked: Any, settings: Settings) -> Plan:  # noqa: ANN401 - any kind's
    try:
        return await services.jobs.plan(connection, asked.kind, asked.filter, settings)
    except (NotFound, Conflict) as error:  # what the filter names, as an endpoint
        raise requests.invalid("request", [Fault("/filter", error.code, error.detail)]) from None


def _asked(members: Mapping[str, Any]) -> bodies.Asked:
    kind = members.get("kind")
    if not isinstance(kind, str) or kind not in bodies.NEW:
        given = "missing" if kind is None else brief(ascii(kind), 40)
        detail = f"is {given}: must be one of {', '.join(bodies.NEW)}"
        raise requests.invalid("request", [Fault("/kind", "kind", detail)])
    return requests.valid(bodies.NEW[kind], members)


@ROUTES(
    "GET",
    "/api/v1/jobs",
    name="list_jobs",
    query=queries.JobQuery,
    answers={200: (bodies.JobPage,)},
)
async def list_page(request: web.Request) -> web.Response:
    """List jobs from the newest on, a page at a time; an unknown filter is refused."""
    query = queries.read(request, queries.JobQuery)
    found = await request.app[DATABASE].ask(
        storage.jobs.list_newest,
        state=query.state,
        kind=query.kind,
        before=query.cursor,
        at_most=query.limit + 1,
    )
    page = found[: query.limit]
    last = page[-1].id if len(found) > len(page) else None
    items = [bodies.Job.of(job) for job in page]
    return bodies.JobPage(items=items, next_cursor=queries.cursor(last)).response()


@ROUTES("GET", "/api/v1/jobs/{job}", name="show_job", answers={200: (bodies.Job,)})
async def show(request: web.Request) -> web.Response:
    """Show a job: how far it is, and what it refused and why."""
    job = await request.app[DATABASE].ask(storage.jobs.get, requests.number(request, "job"))
    return bodies.Job.of(job).response()


async def _move(request: web.Request, action: Action) -> web.Response:
    job_id = requests.number(request, "job")

    async def move(connection: Connection, why: bodies.Why) -> web.Response:
        job = await services.jobs.move(
            connection, job_id, action, asked_by=request[CALLER], why=why.reason
        )
        return bodies.Job.of(job).response()

    return await act_once(request, bodies.Why, move)


@ROUTES("POST", "/api/v1/jobs/{job}/pause", name="pause_job", **_MOVE)
async def pause(request: web.Request) -> web.Response:
    """Stop a job between two of its steps, until it is resumed."""
    return await _move(request, "pause")


@ROUTES("POST", "/api/v1/jobs/{job}/resume", name="resume_job", **_MOVE)
async def resume(request: web.Request) -> web.Response:
    """Let a job that is paused or failed go on where it was."""
    return await _move(request, "resume")


@ROUTES("POST", "/api/v1/jobs/{job}/cancel", name="cancel_job", **_MOVE)
async def cancel(request: web.Request) -> web.Response:
    """Stop a job for good; what was done stays done."""
    return await _move(request, "cancel")
