"""``python -m bench.bare PORT FILE``: a handler that sends a file's bytes as JSON."""

from __future__ import annotations

import sys
from pathlib import Path

import uvloop
from aiohttp import web


def main(port: int, content: bytes) -> None:
    """Serve until it is ended."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=content, content_type="application/json")

    app = web.Application()
    app.router.add_get("/{any:.*}", answer)
    web.run_app(
        app,
        host="127.0.0.1",
        port=port,
        access_log=None,
        print=None,
        loop=uvloop.new_event_loop(),
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]).read_bytes())
