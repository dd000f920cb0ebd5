"""Dead letters are listed, grouped, shown, redriven and discarded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from orderbus import services, storage
from orderbus.domain.jobs import RATE
from orderbus.errors import Conflict
from orderbus.storage.database import Connection
from orderbus.web import queries, requests
from orderbus.web.app_keys import DATABASE, SETTINGS
from orderbus.web.idempotency import REPLAYED, act_once, answer_once
from orderbus.web.requests import CALLER
from orderbus.web.routes import Routes
from orderbus.web.schemas import dead_letters as bodies
from orderbus.web.schemas.jobs import Job

ROUTES: Final = Routes("dead letters")
_DECISION: Final[Mapping[str, Any]] = {"reads": ("Idempotency-Key",), "errors": (Conflict,)}
#: Kinds of which a message has to be sent: a worker does it, since web speaks to PostgreSQL alone.
_SENT: Final = {"message", "pubsub"}


@ROUTES(
    "GET",
    "/api/v1/dead-letters",
    name="list_dead_letters",
    query=queries.LetterQuery,
    answers={200: (bodies.LetterPage,)},
)
async def list_page(request: web.Request) -> web.Response:
    """List the dead letters nobody has decided about, from the oldest on, a page at a time."""
    query = queries.read(request, queries.LetterQuery)
    page = await services.letter_lists.list_open(
        request.app[DATABASE], query.filter(), after=query.cursor or 0, at_most=query.limit
    )
    items = [bodies.LetterInBrief.of(letter) for letter in page.letters]
    return bodies.LetterPage(items=items, next_cursor=queries.cursor(page.next_after)).response()


@ROUTES(
    "GET",
    "/api/v1/dead-letters/groups",
    name="group_dead_letters",
    query=queries.LetterGroupQuery,
    answers={200: (bodies.LetterGroups,)},
)
async def group(request: web.Request) -> web.Response:
    """Group the open dead letters by kind, subject, endpoint, reason and error."""
    query = queries.read(request, queries.LetterGroupQuery)
    found = await services.letter_lists.group(
        request.app[DATABASE], query.filter(), at_most=query.limit
    )
    return bodies.LetterGroups.of(found).response()


@ROUTES(
    "GET",
    "/api/v1/dead-letters/{letter}",
    name="show_dead_letter",
    answers={200: (bodies.Letter,)},
)
async def show(request: web.Request) -> web.Response:
    """Show a dead letter, open or not, with all that it carries."""
    number = requests.number(request, "letter")
    return bodies.Letter.of(
        await request.app[DATABASE].ask(storage.dead_letters.get, number)
    ).response()


@ROUTES(
    "POST",
    "/api/v1/dead-letters/{letter}/redrive",
    name="redrive_dead_letter",
    takes=bodies.Redrive,
    answers={200: (bodies.Decided,), 202: (Job,)},
    headers=("Location", REPLAYED),
    **_DECISION,
)
async def redrive(request: web.Request) -> web.Response:
    """Bring a dead letter back on its way.

    A message that has to be sent again is sent by a worker: 202, with the job that does it.
    """
    number = requests.number(request, "letter")

    async def redrive(connection: Connection, _: bodies.Redrive) -> web.Response:
        letter = await storage.dead_letters.get(connection, number)
        if letter.kind in _SENT and letter.resolved_at is None:
            return await _send(connection, request, number)
        owed = await services.dead_letters.redrive(connection, number, actor=request[CALLER])
        return _decided(number, "redriven", owed.held_by)

    return await act_once(request, bodies.Redrive, redrive)


async def _send(connection: Connection, request: web.Request, number: int) -> web.Response:
    wanted = services.letter_jobs.RedriveLetters(id=number)
    planned = await services.jobs.plan(
        connection, services.letter_jobs.REDRIVE.name, wanted, request.app[SETTINGS]
    )
    job = await services.jobs.begin(connection, planned, rate=RATE, asked_by=request[CALLER])
    return Job.of(job).response(202, {"Location": f"/api/v1/jobs/{job.id}"})


@ROUTES(
    "POST",
    "/api/v1/dead-letters/{letter}/discard",
    name="discard_dead_letter",
    takes=bodies.Discard,
    answers={200: (bodies.Decided,)},
    headers=(REPLAYED,),
    **_DECISION,
)
async def discard(request: web.Request) -> web.Response:
    """Decide that a dead letter stays dead, and say why; its order goes on without it."""
    number = requests.number(request, "letter")
    body = await requests.body(request)
    why = requests.valid(bodies.Discard, requests.members(body))

    async def discard(connection: Connection) -> web.Response:
        await services.dead_letters.discard(
            connection, number, note=why.note, actor=request[CALLER]
        )
        return _decided(number, "discarded", None)

    return await answer_once(request, body, discard)


def _decided(number: int, resolution: str, held_by: object) -> web.Response:
    decided = {"id": number, "resolution": resolution, "held_by": held_by}
    return bodies.Decided.model_validate(decided).response()
