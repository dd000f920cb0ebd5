"""Clients of the carts' first program find what they know: words, statuses, and what is taken."""

from __future__ import annotations

import json
from typing import Any

import aiohttp

from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.support import cart_rows, outbox_rows
from tests.support.api_client import PROBLEM, Client, serving

REQUIRED = {"total_amount": ["This field is required."]}
NO_NUMBER = {"total_amount": ["Enter a number."]}
ABSENT: tuple[Any, ...] = (None, "", [], {})
WORDS = ("invalid", " ", "NaN", "Infinity", "1e400", "0x10", "5,5", "5\0")
#: What the first program said of each total.
REFUSED: tuple[tuple[Any, dict[str, list[str]]], ...] = (
    ({}, REQUIRED),
    ({"other": 1}, REQUIRED),
    *(({"total_amount": absent}, REQUIRED) for absent in ABSENT),
    *(({"total_amount": total}, NO_NUMBER) for total in (*WORDS, [1], {"a": 1})),
)
#: What it took, and what is kept of it.
TAKEN = {
    "1e2": "100.00",
    " 5.50 ": "5.50",
    ".5": "0.50",
    "+5": "5.00",
    "5.": "5.00",
    "1e-2": "0.01",
    "-0": "0.00",
    0: "0.00",
    100.5: "100.50",
}


async def refused(response: aiohttp.ClientResponse, status: int) -> Any:
    """Read what a refusal says under ``error``, and check what every one has."""
    said = await response.json(content_type=PROBLEM)
    assert (response.status, said["status"]) == (status, status)
    assert response.headers["Correlation-ID"]
    return said["error"]


async def test_a_total_is_refused_under_its_name_in_the_words_of_the_first_program(
    client: Client, database: Database
) -> None:
    for body, words in REFUSED:
        assert await refused(await client.post("/carts", json=body), 400) == words, body

    assert await cart_rows.count(database) == 0


async def test_a_number_that_is_no_money_is_refused_under_its_name(client: Client) -> None:
    """The first program took a bool, rounded, and kept what was below zero."""
    for total in (b"1e400", b"-1", b'"1.001"', b'"1e8"', b'"0e99999999999999999999"', b"true"):
        response = await client.post("/carts", data=b'{"total_amount": %b}' % total)
        error = await refused(response, 400)

        assert list(error) == ["total_amount"], total
        assert len(error["total_amount"]) == 1, total


async def test_what_is_no_object_is_refused_for_no_field(client: Client) -> None:
    hostile = {
        "nothing": b"",
        "half": b"{",
        "a list": b"[]",
        "null": b"null",
        "no number": b'{"total_amount": NaN}',
        "one name twice": b'{"total_amount": 1, "total_amount": 2}',
        "another charset": '{"total_amount": "\xe9"}'.encode("latin-1"),
        "UTF-16": json.dumps({"total_amount": 1}).encode("utf-16"),
        "depth": b"[" * 100_000,
        "length": b'{"total_amount": %b}' % (b"9" * 5_000),
    }
    for name, body in hostile.items():
        error = await refused(await client.post("/carts", data=body), 400)

        assert list(error) == ["non_field_errors"], name


async def test_a_total_is_read_as_the_first_program_read_it(client: Client) -> None:
    for total in TAKEN:
        response = await client.post("/carts", json={"total_amount": total})
        said = await response.json()

        assert response.status == 201, total
        assert said == {"message": "Cart created successfully!", "cart_uuid": said["cart_uuid"]}
    carts = (await (await client.get("/carts")).json())["carts"]
    assert [cart["total_amount"] for cart in carts] == list(TAKEN.values())


async def test_whatever_its_clients_say_of_their_json_a_cart_is_made(client: Client) -> None:
    for media_type in (
        None,
        "text/plain;charset=UTF-8",
        "application/x-www-form-urlencoded",
        "application/octet-stream",
        "application/json; charset=utf-8",
        "application/vnd.cart+json",
    ):
        response = await client.post(
            "/carts",
            data=b'{"total_amount": "5.50"}',
            headers={"Content-Type": media_type} if media_type else {},
            skip_auto_headers=("Content-Type",),
        )
        assert response.status == 201, media_type


async def test_what_says_that_it_is_something_else_is_a_415_with_error(client: Client) -> None:
    for media_type in ("application/xml", "multipart/form-data; boundary=x", "image/png"):
        response = await client.post("/carts", data=b"{}", headers={"Content-Type": media_type})
        assert "must be application/json" in await refused(response, 415)

    packed = await client.post("/carts", data=b"{}", headers={"Content-Encoding": "gzip"})
    assert "none is allowed" in await refused(packed, 415)


async def test_what_is_not_there_is_a_404_with_error_and_no_way_to_ask_a_405(
    client: Client,
) -> None:
    for slash in ("", "/"):
        unknown = await client.put(f"/carts/17/checkout{slash}")
        nowhere = await client.get(f"/carts/17/items{slash}")
        carts = await client.delete(f"/carts{slash}")
        checkout = await client.get(f"/carts/17/checkout{slash}")

        assert await refused(unknown, 404) == "Cart not found"
        assert await refused(nowhere, 404) == "Not Found"
        assert await refused(carts, 405) == "Method Not Allowed"
        assert await refused(checkout, 405) == "Method Not Allowed"
        assert set(carts.headers["Allow"].split(",")) == {"GET", "HEAD", "POST"}


async def test_a_failure_of_ours_is_a_500_with_error(client: Client, database: Database) -> None:
    cart = (await (await client.post("/carts", json={"total_amount": 1})).json())["cart_uuid"]
    await outbox_rows.take_no_pointer(database)

    error = await refused(await client.put(f"/carts/{cart}/checkout"), 500)

    assert error == "The server failed"
    assert await cart_rows.closed_at(database) is None


async def test_a_page_elsewhere_makes_no_cart_by_a_form(client: Client, database: Database) -> None:
    """A browser sends such a media type without asking us first, but says whose page it is."""
    response = await client.post(
        "/carts",
        data=b'{"total_amount": 1}',
        headers={"Content-Type": "text/plain", "Origin": "http://evil.example"},
    )

    assert "origin" in await refused(response, 403)
    assert await cart_rows.count(database) == 0


async def test_who_shows_no_key_reads_why_under_error(settings: Settings) -> None:
    closed = settings.model_copy(update={"auth": "required", "webhook_secrets": ("s",)})
    async with serving(closed) as client:
        responses = [await client.get(path) for path in ("/carts", "/orders")]

        assert [await refused(each, 401) for each in responses] == [
            "The API key is missing: send Authorization: Bearer KEY"
        ] * 2
