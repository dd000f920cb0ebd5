"""The description of the API, OpenAPI 3.1: made of the routes, the models and the errors."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema

from orderbus.errors import OrderbusError, handling
from orderbus.web import problems
from orderbus.web.routes import Access, Answer, Route
from orderbus.web.schemas.problems import Problem

_Json = dict[str, Any]
_Schemas = Mapping[Any, _Json]

_JSON: Final = "application/json"
_REFERENCE: Final = "#/components/schemas/{model}"
_PATH: Final = "/orders/SO-10045"
_UUID: Final = "0b7e2f3c-5a0f-4a53-9d6f-5a3c5f0e2b11"
_TRACE: Final = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
#: Every header that is read or answered: what it is for, and an example.
_HEADERS: Final[Mapping[str, tuple[str, str]]] = {
    "Allow": ("which methods the path has", "GET,HEAD"),
    "Cache-Control": ("how long the answer may be kept", "no-cache"),
    "Content-Security-Policy": ("what the page may load", "default-src 'none'"),
    "Correlation-ID": ("names the request in the answer and in the logs", _UUID),
    "ETag": ("the version of what is answered", '"3"'),
    "Idempotency-Key": ("makes a repeated request have its effect only once", "try-1"),
    "Idempotent-Replayed": ("`true` where the answer was given before", "true"),
    "If-Match": ("the ETag under which the caller saw the order", '"3"'),
    "If-None-Match": ("the ETag of what the caller has already", '"3"'),
    "Location": ("where the order is", f"/orders/{_UUID}"),
    "Retry-After": ("seconds after which the same request may work", "1"),
    "traceparent": ("the trace the request belongs to, W3C Trace Context", _TRACE),
    "Vary": ("which request headers decide about the answer", "Accept"),
    "X-Content-Type-Options": ("the media type is as it says", "nosniff"),
    "WWW-Authenticate": ("how to show who you are", 'Bearer realm="orderbus"'),
}
#: Those that a request may have.
_READ: Final = ("Correlation-ID", "Idempotency-Key", "If-Match", "If-None-Match", "traceparent")
_SIGNED_BY: Final = {
    "X-Webhook-Signature": "hex HMAC-SHA256 of the body",
    "X-Shopify-Hmac-SHA256": "base64 HMAC-SHA256 of the body",
    "webhook-id": "Standard Webhooks 1.0: id of the message",
    "webhook-timestamp": "Standard Webhooks 1.0: seconds since 1970, at most 5 minutes old",
    "webhook-signature": "Standard Webhooks 1.0: `v1,` and base64 HMAC-SHA256",
}
_STANDARD: Final = ("webhook-id", "webhook-timestamp", "webhook-signature")
#: The last says that it goes without where AUTH is open, from this machine.
_SECURITY: Final[Mapping[Access, list[_Json]]] = {
    Access.ANYBODY: [],
    Access.PROBE: [],
    Access.KEY: [{"bearer": []}, {"X-API-Key": []}, {}],
    Access.SIGNATURE: [
        {"X-Webhook-Signature": []},
        {"X-Shopify-Hmac-SHA256": []},
        {name: [] for name in _STANDARD},
        {},
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
        sorted(_models(routes), key=str),
        ref_template=_REFERENCE,
        schema_generator=_PlainSchemas,
    )
    paths: dict[str, _Json] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
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
            "parameters": {name: _parameter("header", name, **_header(name)) for name in _READ},
            "examples": _examples(),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "an API key"},
                **{name: _key_in_header(name, what) for name, what in _SIGNED_BY.items()},
                "X-API-Key": _key_in_header("X-API-Key", "an API key"),
            },
        },
    }


def _models(routes: Iterable[Route]) -> Iterable[tuple[type[BaseModel], JsonSchemaMode]]:
    """Name every model once: as it is written where we answer it, as it is read elsewhere."""
    found: set[tuple[type[BaseModel], JsonSchemaMode]] = {(Problem, "serialization")}
    for route in routes:
        models = [answer.model for answer in route.operation.answers.values()]
        found |= {(model, "serialization") for model in models if model is not None}
        if route.operation.takes is not None:
            found.add((route.operation.takes, "validation"))
    return found


def _operation(route: Route, schemas: _Schemas) -> _Json:
    summary, _, more = _docstring(route.handler).partition("\n\n")
    described: _Json = {
        "operationId": route.name,
        "tags": [route.tag],
        "summary": summary,
        "description": more,
        "security": _SECURITY[route.operation.access],
        "parameters": list(_parameters(route)),
        "responses": _responses(route, schemas),
    }
    takes = route.operation.takes
    if takes is not None:
        content = {"schema": schemas[takes, "validation"], "example": _example_of(takes)}
        described["requestBody"] = {
            "required": route.operation.body_is_required,
            "content": {_JSON: content},
        }
    return described


def _example_of(model: type[BaseModel]) -> object:
    return model.model_json_schema().get("example", {})


def _parameters(route: Route) -> Iterable[_Json]:
    of = route.operation
    for name in re.findall(r"{(\w+)}", route.path):
        yield _parameter("path", name, of.path, {"type": "string"}, required=True)
    for name, schema in _members(of.query).items():
        yield _parameter("query", name, schema.pop("description", ""), schema)
    for name in of.requires:
        yield _parameter("header", name, **_header(name), required=True)
    always = () if of.access.is_open else ("Correlation-ID", "traceparent")
    for name in (*of.reads, *always):
        yield {"$ref": f"#/components/parameters/{name}"}


def _members(query: type[BaseModel] | None) -> Mapping[str, _Json]:
    if query is None:
        return {}
    schema = query.model_json_schema(ref_template=_REFERENCE, schema_generator=_PlainSchemas)
    return {
        name: {key: value for key, value in member.items() if value is not None}
        for name, member in schema["properties"].items()
    }


def _parameter(
    where: str, name: str, description: str, schema: _Json, *, required: bool = False
) -> _Json:
    about = {"description": description, "required": required, "schema": schema}
    return {"name": name, "in": where, **about}


def _responses(route: Route, schemas: _Schemas) -> _Json:
    found: dict[int, _Json] = {}
    for status, answer in route.operation.answers.items():
        found[status] = _response(answer.description, answer.headers, _content(answer, schemas))
    for code, status, what, headers in _refusals(route):
        response = found.setdefault(status, _response("", (), {}))
        response["description"] = f"{response['description']}\n\n`{code}`: {what}".strip()
        response["headers"] |= _header_references(headers)
        empty = {"schema": schemas[Problem, "serialization"], "examples": {}}
        content = response["content"].setdefault(problems.CONTENT_TYPE, empty)
        content["examples"][code] = _example_at(code, route.path)
    return {str(status): found[status] for status in sorted(found)}


def _refusals(route: Route) -> Iterable[tuple[str, int, str, Iterable[str]]]:
    """Name each refusal by its code, with its status, what it is for, and its headers."""
    for kind in sorted(route.refusals(), key=lambda kind: kind.code):
        error, what = problems.EXAMPLES[kind.code], _docstring(kind)
        yield kind.code, handling(error).status, what, problems.headers_of(error)
    for status, (code, detail) in problems.OTHERS.items():
        is_possible = {
            HTTPStatus.BAD_REQUEST: route.operation.access is not Access.PROBE,
            HTTPStatus.REQUEST_TIMEOUT: route.operation.takes is not None,
        }
        if is_possible.get(status, True):
            yield code, status, detail, ()


def _docstring(of: object) -> str:
    return inspect.cleandoc(of.__doc__ or "").replace("``", "`")


def _response(what: str, headers: Iterable[str], content: _Json) -> _Json:
    headers = _header_references(("Correlation-ID", *headers))
    return {"description": what, "headers": headers, "content": content}


def _header_references(names: Iterable[str]) -> _Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _content(answer: Answer, schemas: _Schemas) -> _Json:
    content: _Json = {
        kind: {"schema": {"type": "object" if kind == _JSON else "string"}} for kind in answer.text
    }
    if answer.model is not None:
        content[_JSON] = {"schema": schemas[answer.model, "serialization"]}
    return content


def _example_at(code: str, path: str) -> _Json:
    """Show a problem; only on the paths of source documents it has members of its own."""
    example = _example(problems.EXAMPLES[code], path) if code in problems.EXAMPLES else {}
    if {"error", "errors"} & set(example.get("value", ())):
        return example
    return {"$ref": f"#/components/examples/{code}"}


def _examples() -> _Json:
    others = {
        code: {"value": problems.body(status, code=code, detail=detail, path=_PATH).members()}
        for status, (code, detail) in problems.OTHERS.items()
    }
    return {code: _example(error) for code, error in problems.EXAMPLES.items()} | others


def _example(error: OrderbusError, path: str = _PATH) -> _Json:
    return {"value": problems.body_of(error, path).members()}


def _header(name: str) -> _Json:
    what, example = _HEADERS[name]
    return {"description": what, "schema": {"type": "string", "examples": [example]}}


def _key_in_header(name: str, what: str) -> _Json:
    return {"type": "apiKey", "in": "header", "name": name, "description": what}
