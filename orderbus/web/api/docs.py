"""The API described: for machines, and for people who want to try it."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from orderbus.errors import NotFound
from orderbus.web.app_keys import DESCRIPTION
from orderbus.web.routes import Routes

ROUTES: Final = Routes("documentation")
#: The viewer's files; ``swagger-ui.json`` there says which version they are of.
FOLDER: Final = Path(__file__).parents[1] / "static"
_TYPES: Final = {".css": "text/css", ".html": "text/html", ".js": "text/javascript"}
_FILES: Final = {path.name: path for path in FOLDER.rglob("*") if path.suffix in _TYPES}
#: Nothing of another host is loaded or asked, and nothing runs that is not in a file of ours.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
}
_DOCUMENT: Final = {200: ("application/json",)}
_ANY_FILE: Final = {200: tuple(_TYPES.values()), 304: ()}
_FILE: Final[Any] = {
    "headers": (*_HEADERS, "ETag"),
    "reads": ("If-None-Match",),
}


@ROUTES("GET", "/", name="root", answers={307: ("text/plain",)}, headers=("Location",))
async def root(_request: web.Request) -> web.Response:
    """Lead to the description for people."""
    return web.Response(status=307, text="See /docs\n", headers={"Location": "/docs"})


@ROUTES("GET", "/openapi.json", name="openapi", answers=_DOCUMENT)
async def openapi(request: web.Request) -> web.Response:
    """Describe the API to a machine."""
    return web.Response(body=request.app[DESCRIPTION], content_type="application/json")


@ROUTES("GET", "/docs", name="docs", answers={200: ("text/html",), 304: ()}, **_FILE)
async def page(request: web.Request) -> web.Response:
    """Describe the API to a person, who can try it."""
    return _file(request, "index.html")


@ROUTES("GET", "/docs/{file}", name="docs_file", answers=_ANY_FILE, **_FILE)
async def file(request: web.Request) -> web.Response:
    """Send a file that the description for people is shown with."""
    return _file(request, request.match_info["file"])


def _file(request: web.Request, name: str) -> web.Response:
    if name not in _FILES:
        raise NotFound(f"The viewer has no such file: there are {', '.join(sorted(_FILES))}")
    content, etag = _read(_FILES[name])
    headers = {**_HEADERS, "ETag": etag}
    if request.headers.get("If-None-Match") == headers["ETag"]:
        return web.Response(status=304, headers=headers)
    media_type = _TYPES[_FILES[name].suffix]
    return web.Response(body=content, headers={**headers, "Content-Type": media_type})


@cache
def _read(path: Path) -> tuple[bytes, str]:
    content = path.read_bytes()
    return content, f'"{hashlib.sha256(content).hexdigest()[:32]}"'
