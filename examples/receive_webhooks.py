"""A small receiver of webhooks, to begin your own from.

    WEBHOOK_SECRET=whsec_... python examples/receive_webhooks.py --port 9000

It verifies the signature, remembers which ids it has seen, answers 2xx first and thinks later.
``/`` shows what came, ``/received`` the same as JSON, under the names of this machine and those
given with ``--allow-host``. Needs aiohttp and nothing of orderbus.
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


def verify(secret: str, headers: Any, body: bytes) -> bool:  # noqa: ANN401 - any mapping of headers
    """Say whether the sender knows ``secret`` and signed in the last 5 minutes."""
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 12:  # noqa: PLR2004
        return False
    if abs(time.time() - int(timestamp)) > 300:  # noqa: PLR2004
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{message_id}.{timestamp}.".encode(errors="replace") + body
    expected = b"v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256))
    presented = headers.get("webhook-signature", "").encode(errors="replace").split(b" ")
    return any(hmac.compare_digest(expected, given) for given in presented)


async def receive(request: web.Request) -> web.Response:
    """Take a webhook: refuse what is not signed, and answer a repetition like the first."""
    try:
        body = await request.read()
    except web.RequestPayloadError:
        return web.json_response({"error": "the body cannot be read"}, status=400)
    secret, received = request.app[SECRET], request.app[RECEIVED]
    verified = bool(secret) and verify(secret, request.headers, body)
    if secret and not verified:
        return web.json_response({"error": "the signature is wrong"}, status=401)
    message_id = request.headers.get("webhook-id", "")
    received.appendleft(
        {
            "at": time.time(),
            "webhook_id": message_id,
            "sequence": request.headers.get("orderbus-sequence"),
            "verified": verified,
            "repeated": any(one["webhook_id"] == message_id for one in received),
            "path": request.path,
            "body": body.decode("utf-8", "replace"),
        }
    )
    return web.Response(status=204)


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


async def show(request: web.Request) -> web.Response:
    """Show a person what came, the newest first."""
    rows = "".join(
        f"<tr><td>{time.strftime('%H:%M:%S', time.localtime(one['at']))}"
        f"<td>{'verified' if one['verified'] else 'not verified'}"
        f"<td>{_visible(one['webhook_id'])}<td><code>{_visible(one['body'])}</code>"
        for one in request.app[RECEIVED]
    )
    return web.Response(
        content_type="text/html",
        text="<!doctype html><meta charset=utf-8><meta http-equiv=refresh content=2>"
        "<title>Webhooks received</title><style>body{font:15px system-ui;margin:2rem}"
        "td{padding:.2rem 1rem .2rem 0;vertical-align:top}</style>"
        f"<h1>{len(request.app[RECEIVED])} webhooks received</h1><table>{rows}</table>",
    )


async def received_as_json(request: web.Request) -> web.Response:
    """Show a machine what came, the newest first."""
    received = request.app[RECEIVED]
    return web.json_response(list(received))


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
    app[SECRET] = secret
    app.router.add_get("/", show)
    app.router.add_get("/received", received_as_json)
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
