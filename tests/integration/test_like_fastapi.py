"""Programs that expect FastAPI read its words: what was wrong, where, and what came."""

from __future__ import annotations

import json
from typing import Any

from tests.support.api_client import Client

PATH = "/api/v1/orders/new/"
LINE = {"product_id": "p", "quantity": 1}
NEW = {"user_id": "u", "products": [LINE], "amount": "1"}
NO_OBJECTS: tuple[Any, ...] = ([], "x", 5, False)
NO_MODEL = "Input should be a valid dictionary or object to extract fields from"
LARGEST = 2147483647

Fault = dict[str, Any]


def fault(kind: str, place: list[str | int], msg: str, given: Any, **ctx: Any) -> Fault:
    found: Fault = {"type": kind, "loc": ["body", *place], "msg": msg, "input": given}
    return {**found, "ctx": ctx} if ctx else found


def missing(name: str, given: Any, *place: str | int) -> Fault:
    return fault("missing", [*place, name], "Field required", given)


def of_text(name: str, given: Any) -> Fault:
    return fault("string_type", [name], "Input should be a valid string", given)


def of_quantity(kind: str, msg: str, given: Any, **ctx: Any) -> tuple[dict[str, Any], Fault]:
    products = [LINE, {**LINE, "quantity": given}]
    return {**NEW, "products": products}, fault(
        kind, ["products", 1, "quantity"], f"Input should be {msg}", given, **ctx
    )


#: Bodies, and what FastAPI 0.165 with pydantic 2.14 answers to the first program's models.
SAID: tuple[tuple[Any, list[Fault]], ...] = (
    ({}, [missing(name, {}) for name in NEW]),
    ({**NEW, "products": [{}]}, [missing(name, {}, "products", 0) for name in LINE]),
    ({**NEW, "user_id": None}, [of_text("user_id", None)]),
    ({**NEW, "user_id": 7.5}, [of_text("user_id", 7.5)]),
    ({**NEW, "amount": 140}, [of_text("amount", 140)]),
    (
        {**NEW, "user_id": ""},
        [
            fault(
                "string_too_short",
                ["user_id"],
                "String should have at least 1 character",
                "",
                min_length=1,
            )
        ],
    ),
    (
        {**NEW, "amount": "1" * 256},
        [
            fault(
                "string_too_long",
                ["amount"],
                "String should have at most 255 characters",
                "1" * 199 + "\u2026",  # ours: what is repeated of a request has an end
                max_length=255,
            )
        ],
    ),
    (
        {**NEW, "products": []},
        [
            fault(
                "too_short",
                ["products"],
                "List should have at least 1 item after validation, not 0",
                [],
                field_type="List",
                min_length=1,
                actual_length=0,
            )
        ],
    ),
    (
        {**NEW, "products": {"a": 1}},
        [fault("list_type", ["products"], "Input should be a valid list", {"a": 1})],
    ),
    (
        {**NEW, "products": ["x"]},
        [fault("model_attributes_type", ["products", 0], NO_MODEL, "x")],
    ),
    *(
        (body, [one])
        for body, one in (
            of_quantity("greater_than", "greater than 0", 0, gt=0),
            of_quantity(
                "less_than_equal", f"less than or equal to {LARGEST}", LARGEST + 1, le=LARGEST
            ),
            of_quantity(
                "int_from_float", "a valid integer, got a number with a fractional part", 1.5
            ),
            of_quantity(
                "int_parsing", "a valid integer, unable to parse string as an integer", "two"
            ),
            of_quantity("int_type", "a valid integer", None),
            of_quantity("int_type", "a valid integer", []),
        )
    ),
    *((body, [fault("model_attributes_type", [], NO_MODEL, body)]) for body in NO_OBJECTS),
)
#: Texts that are no JSON: how far they can be read, and why no further.
NO_JSON = {
    b"{": (1, "Expecting property name enclosed in double quotes"),
    b"nonsense": (0, "Expecting value"),
    b'{"user_id": "u" 1}': (16, "Expecting ',' delimiter"),
    b'{"a": 1}\n x': (10, "Extra data"),
}


async def asked(client: Client, body: bytes, media_type: str | None) -> tuple[int, Any]:
    response = await client.post(
        PATH,
        data=body,
        headers={"Content-Type": media_type} if media_type else {},
        skip_auto_headers=("Content-Type",),
    )
    assert response.headers["Correlation-ID"]
    return response.status, await response.json(content_type=None)


async def said_of(client: Client, body: bytes, media_type: str | None = "application/json") -> Any:
    status, said = await asked(client, body, media_type)
    assert status == 422, said
    assert set(said) == {"detail"}
    return said["detail"]


async def test_each_fault_has_fastapis_kind_place_and_words(client: Client) -> None:
    for body, faults in SAID:
        assert await said_of(client, json.dumps(body).encode()) == faults


async def test_a_body_that_is_none_is_missing(client: Client) -> None:
    for media_type in ("application/json", "text/plain", None):
        assert await said_of(client, b"", media_type) == [
            {"type": "missing", "loc": ["body"], "msg": "Field required", "input": None}
        ]
    assert await said_of(client, b"null") == [fault("model_attributes_type", [], NO_MODEL, None)]


async def test_what_is_no_json_is_named_by_how_far_it_can_be_read(client: Client) -> None:
    for body, (place, why) in NO_JSON.items():
        assert await said_of(client, body) == [
            fault("json_invalid", [place], "JSON decode error", {}, error=why)
        ]


async def test_what_does_not_say_that_it_is_json_is_a_text_and_no_order(client: Client) -> None:
    body = json.dumps(NEW).encode()
    for media_type in ("text/plain", "application/x-www-form-urlencoded", "application/xml"):
        assert await said_of(client, body, media_type) == [
            fault("model_attributes_type", [], NO_MODEL, body.decode())
        ]


async def test_what_fastapi_took_is_taken(client: Client) -> None:
    quoted = {**NEW, "products": [{**LINE, "quantity": "2"}, {**LINE, "quantity": 2.0}]}
    for media_type in (None, "application/json; charset=latin-1", "application/vnd.order+json"):
        status, said = await asked(client, json.dumps(quoted).encode(), media_type)
        assert status == 201, said

        order = await (await client.get(f"/orders/{said['id']}")).json()
        assert [item["quantity"] for item in order["items"]] == [2, 2]


async def test_what_no_two_readers_read_alike_is_no_json(client: Client) -> None:
    hostile = {
        "deep": b"[" * 100_000,
        "one name twice": b'{"user_id": "a", "user_id": "b"}',
        "an exponent": b'{"amount": 1e400000}',
        "NaN": b'{"amount": NaN}',
        "digits": b'{"amount": %b}' % (b"9" * 5_000),
        "latin-1": b'{"user_id": "\xe9"}',
        "UTF-16": "{}".encode("utf-16"),
    }
    for name, body in hostile.items():
        (found,) = await said_of(client, body)

        assert (found["type"], found["loc"], found["input"]) == ("json_invalid", ["body", 0], {})
        assert 5 < len(found["ctx"]["error"]) < 200, name


async def test_nul_and_a_number_without_end_are_faults_of_their_place(client: Client) -> None:
    large = json.dumps(NEW).replace('"quantity": 1', '"quantity": 1e400')
    (nul,) = await said_of(client, json.dumps({**NEW, "user_id": "a\0"}).encode())
    (number,) = await said_of(client, large.encode())

    assert (nul["loc"], nul["input"]) == (["body", "user_id"], "a\0")
    assert number["loc"] == ["body", "products", 0, "quantity"]
    assert number["input"] == "1E+400"


async def test_the_status_of_what_is_no_uuid_is_refused_in_fastapis_words(client: Client) -> None:
    for given, why in (
        ("17", "invalid length: found 2"),
        ("nonsense", "invalid character: found `n` at 0"),
        ("x" * 200, "invalid length: found 200"),
    ):
        response = await client.get(f"/api/v1/orders/{given}/status")
        (found,) = (await response.json())["detail"]

        assert response.status == 422
        assert (found["type"], found["loc"]) == ("uuid_parsing", ["path", "order_id"])
        assert found["input"] == given
        assert found["msg"] == f"Input should be a valid UUID, {why}"
        assert found["ctx"] == {"error": why}


async def test_a_way_that_is_not_there_or_not_so_is_told_under_detail(client: Client) -> None:
    for method, path, status, words in (
        ("PUT", PATH, 405, "Method Not Allowed"),
        ("POST", "/api/v1/orders/17/status", 405, "Method Not Allowed"),
        ("GET", "/api/v1/nothing", 404, "Not Found"),
    ):
        response = await client.request(method, path)
        said = await response.json(content_type=None)

        assert (response.status, said["detail"]) == (status, words)
