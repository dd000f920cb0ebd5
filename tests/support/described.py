"""Holds every answer of a server to what the server's own description says of it."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import jsonschema
from aiohttp import web

from orderbus.web.app import description

#: What HTTP itself puts into every answer.
OF_HTTP = {
    *("Accept-Ranges", "Connection", "Content-Length", "Content-Type", "Date", "Last-Modified"),
    *("Server", "Transfer-Encoding"),
}


class Described:
    """What was answered, and what of it is not in the description."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, int]] = set()
        self.wrong: list[str] = []

    async def look(self, request: web.Request, response: web.StreamResponse) -> None:
        """Compare an answer that is about to be sent; a path that is not there has no operation."""
        operation = operations().get((request.method, canonical(request)))
        if operation is None:
            return
        self.seen.add((operation["operationId"], response.status))
        body = response.body if isinstance(response, web.Response) else None
        self.wrong += [
            f"{request.method} {request.path}: {response.status}: {wrong}"
            for wrong in differences(operation, response, body if isinstance(body, bytes) else None)
        ]


def canonical(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return "" if resource is None else resource.canonical.rstrip("/") or "/"


#: Under which a server of a test keeps what it answered.
DESCRIBED = web.AppKey("described", Described)


@cache
def operations() -> dict[tuple[str, str], dict[str, Any]]:
    """Every operation by its method and path, without a trailing slash."""
    return {
        (method.upper(), path.rstrip("/") or "/"): operation
        for path, methods in description()["paths"].items()
        for method, operation in methods.items()
    }


def differences(
    operation: dict[str, Any], response: web.StreamResponse, body: bytes | None
) -> list[str]:
    """Say what of an answer is not described: its status, its headers, its media type, its body."""
    described = operation["responses"].get(str(response.status))
    if described is None:
        return ["no such status is described"]
    names = {name.lower() for name in {*OF_HTTP, *described["headers"]}}
    found = [
        f"no header {name} is described" for name in response.headers if name.lower() not in names
    ]
    if response.status in (web.HTTPNotModified.status_code, web.HTTPNoContent.status_code):
        return found
    content = described["content"].get(response.content_type)
    if content is None:
        return [*found, f"no {response.content_type} is described"]
    if body is None or not response.content_type.endswith("json"):
        return found
    return found + invalid(json.loads(body), content["schema"])


def invalid(value: Any, schema: dict[str, Any]) -> list[str]:
    """Say why a value does not fit a schema of the description."""
    whole = {**schema, "components": description()["components"]}
    return [
        f"{e.json_path}: {e.message:.300}" for e in validator(json.dumps(whole)).iter_errors(value)
    ]


@cache
def validator(schema: str) -> jsonschema.Draft202012Validator:
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    return jsonschema.Draft202012Validator(json.loads(schema), format_checker=checker)
