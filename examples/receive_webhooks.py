"""A small receiver of webhooks, to begin your own from.

    WEBHOOK_SECRET=whsec_... python examples/receive_webhooks.py --port 9000

It verifies the signature, remembers which ids it has seen, answers 2xx first and thinks later.
``/`` shows what came, ``/received`` the same as JSON and ``/refused`` what was not taken, under the
names of this machine and those given with ``--allow-host``. Needs aiohttp and nothing of orderbus.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import os
import re
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from html import escape
from typing import Any

from aiohttp import web

RECEIVED = web.AppKey("received", deque[dict[str, Any]])
REFUSED = web.AppKey("refused", deque[dict[str, Any]])
SECRET = web.AppKey("secret", str)
HOSTS = web.AppKey("hosts", frozenset[str])
#: The names of this machine: no page that a browser got from elsewhere can bear one of them.
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
#: Whatever came in, nothing of it runs, and nobody else shows it.
PROTECTION = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def why_not(secret: str, headers: Any, body: bytes) -> str | None:  # noqa: ANN401 - any mapping
    """Say why not to believe that whoever knows ``secret`` sent this in the last 5 minutes.

    None where it is so.
    """
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 12:  # noqa: PLR2004
        return "webhook-timestamp is missing, or no number of seconds"
    if abs(time.time() - int(timestamp)) > 300:  # noqa: PLR2004
        return "webhook-timestamp is more than 5 minutes away: is a clock wrong, or is it a replay?"
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{message_id}.{timestamp}.".encode(errors="replace") + body
    expected = b"v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256))
    presented = headers.get("webhook-signature", "").encode(errors="replace").split(b" ")
    if any(hmac.compare_digest(expected, given) for given in presented):
        return None
    return "no signature fits the body: another secret, or a body that was changed on its way"


async def receive(request: web.Request) -> web.Response:
    """Take a webhook: refuse what is not signed, and answer a repetition like the first."""
    try:
        body = await request.read()
    except web.RequestPayloadError:
        return _refuse(request, 400, "the body cannot be read")
    except web.HTTPRequestEntityTooLarge:
        return _refuse(request, 413, "the body is too large")
    secret, received = request.app[SECRET], request.app[RECEIVED]
    reason = why_not(secret, request.headers, body) if secret else None
    if reason is not None:
        return _refuse(request, 401, reason)
    entry = _entry(request)
    entry["verified"] = bool(secret)
    entry["repeated"] = any(one["webhook_id"] == entry["webhook_id"] for one in received)
    entry["body"] = body.decode("utf-8", "replace")
    received.appendleft(entry)
    return web.Response(status=204)


def _entry(request: web.Request) -> dict[str, Any]:
    return {
        "at": time.time(),
        "webhook_id": request.headers.get("webhook-id", ""),
        "type": request.headers.get("orderbus-event-type"),
        "sequence": request.headers.get("orderbus-sequence"),
        "path": request.path,
    }


def _refuse(request: web.Request, status: int, reason: str) -> web.Response:
    """Refuse a webhook, and remember why, but nothing of a body that nobody vouches for."""
    request.app[REFUSED].appendleft({**_entry(request), "status": status, "reason": reason})
    return web.json_response({"error": reason}, status=status)


@web.middleware
async def protect(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Show what came under known names only: DNS lets any name lead here, and its page read it."""
    if request.method != "POST" and _name(request) not in request.app[HOSTS]:
        return web.Response(status=421, text="This name is not known here", headers=PROTECTION)
    try:
        response = await handler(request)
    except web.HTTPException as error:
        error.headers.update(PROTECTION)
        raise
    response.headers.update(PROTECTION)
    return response


def _name(request: web.Request) -> str | None:
    """Read the host as browsers write it, without its port; None where it is anything else."""
    host = HOST.fullmatch(request.headers.get("Host", ""))
    return host[1].lower() if host else None


def _visible(text: str) -> str:
    """Write a text as HTML, and what could not be seen in it as Python writes it."""
    return escape("".join(char if char.isprintable() else ascii(char)[1:-1] for char in text))


def _row(one: dict[str, Any], *more: str) -> str:
    at = time.strftime("%H:%M:%S", time.localtime(one["at"]))
    cells = (at, one["type"] or "-", one["sequence"] or "-", one["path"], one["webhook_id"], *more)
    return "<tr>" + "".join(f"<td>{_visible(cell)}" for cell in cells)


def _table(title: str, rows: Sequence[str], *more: str) -> str:
    names = ("time", "type", "sequence", "path", "webhook-id", *more)
    head = "".join(f"<th>{name}" for name in names)
    return f"<h1>{len(rows)} {title}</h1><table><tr>{head}{''.join(rows)}</table>"


async def show(request: web.Request) -> web.Response:
    """Show a person what came, and what was refused and why, the newest first."""
    received = [
        _row(
            one,
            "verified" if one["verified"] else "not verified",
            "repeated" if one["repeated"] else "first time",
            one["body"],
        )
        for one in request.app[RECEIVED]
    ]
    refused = [_row(one, str(one["status"]), one["reason"]) for one in request.app[REFUSED]]
    return web.Response(
        content_type="text/html",
        text="<!doctype html><meta charset=utf-8><meta http-equiv=refresh content=2>"
        "<title>Webhooks received</title><style>body{font:15px system-ui;margin:2rem}"
        "td,th{padding:.2rem 1rem .2rem 0;vertical-align:top;text-align:left}</style>"
        + _table("webhooks received", received, "signature", "repeats", "body")
        + _table("webhooks refused", refused, "answered", "why"),
    )


async def received_as_json(request: web.Request) -> web.Response:
    """Show a machine what came, the newest first."""
    received = request.app[RECEIVED]
    return web.json_response(list(received))


async def refused_as_json(request: web.Request) -> web.Response:
    """Show a machine what was refused and why, the newest first."""
    refused = request.app[REFUSED]
    return web.json_response(list(refused))


def is_secret(secret: str) -> bool:
    """Say whether ``secret`` is one that orderbus signs with: ``whsec_`` and base64."""
    try:
        return secret.startswith("whsec_") and bool(base64.b64decode(secret[6:], validate=True))
    except ValueError:
        return False


def build_app(secret: str, *, hosts: Sequence[str] = ()) -> web.Application:
    """Build the receiver; without a secret it takes everything and verifies nothing.

    ``hosts`` are names under which it shows what came, beside this machine's own.
    """
    app = web.Application(client_max_size=10 * 2**20, middlewares=[protect])
    app[HOSTS] = frozenset(name.lower() for name in (*LOOPBACK, *hosts))
    app[RECEIVED] = deque(maxlen=10_000)
    app[REFUSED] = deque(maxlen=1_000)
    app[SECRET] = secret
    app.router.add_get("/", show)
    app.router.add_get("/received", received_as_json)
    app.router.add_get("/refused", refused_as_json)
    app.router.add_post("/{path:.*}", receive)
    return app


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Receives webhooks and shows them.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9000)
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="Show what came there, too.",
    )
    arguments = parser.parse_args()
    secret = os.environ.get("WEBHOOK_SECRET", "")
    if secret and not is_secret(secret):
        parser.error("WEBHOOK_SECRET is not whsec_ and base64: it is what orderbus signs with")
    app = build_app(secret, hosts=arguments.allow_host)
    web.run_app(app, host=arguments.host, port=arguments.port, print=None, access_log=None)
