"""The API described, for machines and for people."""

from __future__ import annotations

import json
from functools import cache
from html import escape
from typing import Any, Final

from aiohttp import web

from orderbus.web.openapi import document

_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem}"
    "h2{margin-top:2.5rem;font:600 1.1rem ui-monospace,monospace}"
    "b{display:inline-block;min-width:3.5rem;color:#06c}"
    "pre{background:#f4f4f4;padding:1rem;overflow:auto;border-radius:6px}"
    "td{padding:.15rem 1rem .15rem 0;vertical-align:top}"
)


async def openapi(_: web.Request) -> web.Response:
    """Answer with the OpenAPI document."""
    return web.Response(body=_json(), content_type="application/json")


async def page(_: web.Request) -> web.Response:
    """Show the same document to a person; the page asks no other host for anything."""
    return web.Response(
        text=_html(),
        content_type="text/html",
        headers={"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"},
    )


@cache
def _json() -> bytes:
    return json.dumps(document(), indent=2).encode()


@cache
def _html() -> str:
    described = document()
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>orderbus API</title>"
        f"<style>{_STYLE}</style><h1>orderbus API</h1>"
        f"<p>{escape(described['info']['summary'])} For machines: "
        "<a href=/openapi.json>/openapi.json</a></p>"
    ]
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            parts.append(_operation(method, path, operation))
    schemas = json.dumps(described["components"]["schemas"], indent=2)
    parts.append(f"<h2>Schemas</h2><pre>{escape(schemas)}</pre></html>")
    return "".join(parts)


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{escape(status)}<td>{escape(response['description'])}"
        for status, response in sorted(operation["responses"].items())
    )
    content = operation.get("requestBody", {}).get("content", {})
    examples = "".join(
        f"<pre>{escape(json.dumps(kind['example'], indent=2))}</pre>"
        for kind in content.values()
        if "example" in kind
    )
    return (
        f"<h2><b>{method.upper()}</b> {escape(path)}</h2><p>{escape(operation['summary'])}</p>"
        f"{examples}<table>{rows}</table>"
    )
