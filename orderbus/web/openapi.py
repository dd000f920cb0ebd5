"""The description of the API, OpenAPI 3.1: made of the routes, the models and the errors."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema

from orderbus.errors import (
    Fault,
    IllegalMove,
    Invalid,
    OrderbusError,
    OutOfStock,
    PriceChanged,
    ShortLine,
)
from orderbus.web import problems
from orderbus.web.problems import Problem
from orderbus.web.reads import CONSISTENCY
from orderbus.web.routes import Route
from orderbus.web.schemas.orders import Change
from orderbus.web.schemas.refusals import ShopRefusal

_Json = dict[str, Any]
#: Each model, read or written, as a reference to its schema.
_Schemas = Mapping[Any, _Json]

_JSON: Final = "application/json"
_REFERENCE: Final = "#/components/schemas/{model}"
_UUID: Final = "0b7e2f3c-5a0f-4a53-9d6f-5a3c5f0e2b11"
#: Every header that is read or answered: what it is for, and an example.
_HEADERS: Final[Mapping[str, tuple[str, str]]] = {
    "Cache-Control": ("how long the answer may be kept", "no-cache"),
    "Content-Security-Policy": ("what the page may load", "default-src 'none'"),
    "Correlation-ID": ("names the request in its answer and in the logs", _UUID),
    "ETag": ("the version of what is answered", '"3"'),
    "Idempotency-Key": ("makes a repeated request have its effect only once", "try-1"),
    "Idempotent-Replayed": ("`true` where the answer was given before", "true"),
    "If-Match": ("the ETag under which the caller saw the order", '"3"'),
    "If-None-Match": ("the ETag of what the caller has already", '"3"'),
    "RateLimit-Limit": ("how often it may be tried in vain", "10"),
    "RateLimit-Remaining": ("how often it may still be tried", "0"),
    "RateLimit-Reset": ("seconds after which it may be tried again", "60"),
    "Orderbus-Consistency": (
        "what shows this change to whoever sends it with a read; opaque, and only where there is a "
        "replica",
        "0000000001a2b3c4",
    ),
    "Location": ("where it is", f"/orders/{_UUID}"),
    "Retry-After": ("seconds after which the same request may work", "1"),
    "traceparent": (
        "the trace that the request belongs to, W3C Trace Context",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    ),
    "Vary": ("which request headers decide about the answer", "Accept"),
    "X-Content-Type-Options": ("the media type is as it says", "nosniff"),
    "WWW-Authenticate": ("how to show who you are", 'Bearer realm="orderbus"'),
}
_PATH: Final = {
    "id": "our uuid; of an order the sender's reference, too",
    "sku": "the sku of a product",
    "job": "the number of a job",
    "delivery": "the number of a delivery",
    "order": "the order's number in the shop, its id there",
    "customer": "the number of a customer",
    "key": "the number of an API key",
    "letter": "the number of a dead letter",
    "product": "the number of a product",
    "file": "the name of a file of the viewer",
}
#: Takes either: the token of somebody who signed in, or an API key.
_BEARER: Final = {"type": "http", "scheme": "bearer"}
_KEYS: Final = {
    "X-API-Key": "an API key",
    "X-Webhook-Signature": "hex HMAC-SHA256 of the body",
    "X-Shopify-Hmac-SHA256": "base64 HMAC-SHA256 of the body",
    "webhook-id": "Standard Webhooks 1.0: id of the message",
    "webhook-timestamp": "Standard Webhooks 1.0: seconds since 1970, at most 5 minutes old",
    "webhook-signature": "Standard Webhooks 1.0: `v1,` and base64 HMAC-SHA256",
}
#: The empty one says that it goes without where AUTH is open, from this machine.
_SECURITY: Final[Mapping[str, Sequence[Sequence[str]]]] = {
    "anybody": [],
    "key": [["bearer"], ["X-API-Key"], []],
    "signature": [
        ["X-Webhook-Signature"],
        ["X-Shopify-Hmac-SHA256"],
        ["webhook-id", "webhook-timestamp", "webhook-signature"],
        [],
    ],
}


class _PlainSchemas(GenerateJsonSchema):
    """Schemas without a title for each member: it would be the member's name again."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401 - pydantic's own
        """Say that it never should."""
        return not schema


def document(routes: Sequence[Route]) -> _Json:
    """Describe every route."""
    schemas, components = models_json_schema(
        sorted(_models(routes), key=str), ref_template=_REFERENCE, schema_generator=_PlainSchemas
    )
    paths: dict[str, _Json] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    schemes = {
        name: {"type": "apiKey", "in": "header", "name": name, "description": what}
        for name, what in _KEYS.items()
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "orderbus",
            "version": "0.1.0",
            "summary": "Orders in, webhooks out, provably.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": paths,
        "components": {
            "schemas": components["$defs"],
            "headers": {name: _header(name) for name in _HEADERS},
            "securitySchemes": {"bearer": _BEARER, **schemes},
        },
    }


def _models(routes: Sequence[Route]) -> set[tuple[type[BaseModel], JsonSchemaMode]]:
    """Name every model once: as it is written where we answer it, as it is read elsewhere."""
    answered = [each for route in routes for kinds in route.answers.values() for each in kinds]
    taken = [route.takes for route in routes if route.takes is not None]
    written = [each for each in answered if not isinstance(each, str)]
    return {
        (Problem, "serialization"),
        (ShopRefusal, "serialization"),
        *((model, "serialization") for model in written),
        *((model, "validation") for model in taken),
    }


def _operation(route: Route, schemas: _Schemas) -> _Json:
    summary, _, more = _docstring(route.handler).partition("\n\n")
    described: _Json = {
        "operationId": route.name,
        "tags": [route.tag],
        "summary": summary,
        "description": more,
        "security": [{key: [] for key in names} for names in _SECURITY[route.access]],
        "parameters": list(_parameters(route)),
        "responses": _responses(route, schemas),
    }
    if route.takes is not None:
        example = route.takes.model_json_schema().get("example", {})
        content = {_JSON: {"schema": schemas[route.takes, "validation"], "example": example}}
        required = not issubclass(route.takes, Change)
        described["requestBody"] = {"required": required, "content": content}
    return described


def _parameters(route: Route) -> Iterable[_Json]:
    for name in re.findall(r"{(\w+)}", route.path):
        member = {"description": _PATH[name], "schema": {"type": "string"}}
        yield {"name": name, "in": "path", "required": True, **member}
    if route.query is not None:
        query = route.query.model_json_schema(
            ref_template=_REFERENCE, schema_generator=_PlainSchemas
        )
        for name, member in query["properties"].items():
            schema = {key: value for key, value in member.items() if value is not None}
            what = schema.pop("description", "")
            yield {"name": name, "in": "query", "description": what, "schema": schema}
    always = () if route.access == "anybody" else ("Correlation-ID", "traceparent")
    for name in (*route.requires, *route.reads, *always):
        required = name in route.requires
        yield {"name": name, "in": "header", "required": required, **_header(name)}


def _responses(route: Route, schemas: _Schemas) -> _Json:
    found: dict[int, _Json] = {}
    for status, kinds in route.answers.items():
        content = {
            kind if isinstance(kind, str) else _JSON: {
                "schema": {} if isinstance(kind, str) else schemas[kind, "serialization"]
            }
            for kind in kinds
        }
        shows = () if route.method == "GET" else (CONSISTENCY,)
        found[status] = _response(HTTPStatus(status).phrase, (*route.headers, *shows), content)
    for code, status, what, headers, body in _refusals(route):
        response = found.setdefault(status, _response("", (), {}))
        response["description"] = f"{response['description']}\n\n`{code}`: {what}".strip()
        response["headers"] |= _response("", headers, {})["headers"]
        empty = {"schema": schemas[type(body), "serialization"], "examples": {}}
        content = response["content"].setdefault(problems.content_type(route.path), empty)
        content.setdefault("examples", {})[code] = {"value": body.members()}
    return {str(status): found[status] for status in sorted(found)}


def _refusals(route: Route) -> Iterable[tuple[str, int, str, Iterable[str], Problem | ShopRefusal]]:
    """Name each refusal by its code, with status, reason, headers and an example."""
    for kind in sorted(route.refusals(), key=lambda kind: kind.code):
        error = _example(kind)
        body = problems.body_of(error, route.path)
        status = problems.status_of(error, route.path)
        yield kind.code, status, _docstring(kind), problems.headers_of(error), body
    possible = {
        HTTPStatus.BAD_REQUEST: not route.any_host,
        HTTPStatus.REQUEST_TIMEOUT: route.takes is not None,
    }
    for status, (code, detail) in problems.OTHERS.items():
        if possible.get(status, True):
            body = problems.body(status, code=code, detail=detail, path=route.path)
            yield code, status, detail, (), body


def _example(kind: type[OrderbusError]) -> OrderbusError:
    what = _docstring(kind).partition("\n")[0]
    if issubclass(kind, IllegalMove):
        return kind(what, source="cancelled", target="in_progress", allowed=["ship"])
    if issubclass(kind, OutOfStock):
        return kind(what, short=[ShortLine("ABC123", 2, 1)])
    if issubclass(kind, PriceChanged):
        return kind(
            what, total="300.00", prices=[{"sku": "ABC123", "quantity": 2, "unit_price": "150.00"}]
        )
    if kind is Invalid:
        return Invalid(what, [Fault("/total", "value_error", "must be a number")])
    return kind(what)


def _response(what: str, headers: Iterable[str], content: _Json) -> _Json:
    names = ("Correlation-ID", *headers)
    references = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    return {"description": what, "headers": references, "content": content}


def _header(name: str) -> _Json:
    what, example = _HEADERS[name]
    return {"description": what, "schema": {"type": "string", "examples": [example]}}


def _docstring(of: object) -> str:
    return inspect.cleandoc(of.__doc__ or "").replace("``", "`")
