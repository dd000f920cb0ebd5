"""The example receiver shows what came to this machine alone, and nothing in it runs."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from tests.unit.test_receiver import SECRET, receiver_with, signed

Client = TestClient[Any, Any]
STRANGERS = (
    "evil.example",
    "evil.example:9000",
    "localhost.evil.example",
    "127.0.0.1.nip.io",
    "localhost@evil.example",
    "evil.example#localhost",
    "[::1].evil.example",
    "[::1",
    "192.168.0.7:9000",
    "",
)
KNOWN = ("localhost", "LOCALHOST:9000", "127.0.0.1", "[::1]:9000", "hooks.internal:9000")


@pytest.mark.parametrize("path", ["/", "/received", "/other"])
@pytest.mark.parametrize("host", STRANGERS)
async def test_what_came_is_shown_under_no_name_that_is_not_known(host: str, path: str) -> None:
    async with receiver_with(SECRET, hosts=["hooks.internal"]) as receiver:
        await receiver.post("/", data=b"{}", headers=signed(body=b"{}"))

        answer = await receiver.get(path, headers={"Host": host})

        assert answer.status in {400, 421}
        assert "id-1" not in await answer.text()


@pytest.mark.parametrize("host", KNOWN)
async def test_what_came_is_shown_under_the_names_of_this_machine_and_those_given(
    host: str,
) -> None:
    async with receiver_with(SECRET, hosts=["hooks.internal"]) as receiver:
        answer = await receiver.get("/", headers={"Host": host})

        assert answer.status == 200


async def test_webhooks_are_taken_under_any_name_since_they_are_signed() -> None:
    async with receiver_with(SECRET) as receiver:
        answer = await receiver.post(
            "/", data=b"{}", headers={**signed(body=b"{}"), "Host": "shop.example"}
        )

        assert answer.status == 204


@pytest.mark.parametrize("path", ["/", "/received", "/none", "/%3Cscript%3E"])
async def test_every_answer_forbids_scripts_frames_and_guessing(path: str) -> None:
    async with receiver_with(SECRET) as receiver:
        answer = await receiver.get(path)

        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "script" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_the_page_shows_what_came_as_text() -> None:
    body = '{"name": "</code><script>alert(1)</script>\u202e\x1b[31m"}'.encode()
    async with receiver_with("") as receiver:
        await receiver.post("/", data=body, headers={"webhook-id": "<img src=x>"})

        page = await (await receiver.get("/")).text()

        assert "<script" not in page
        assert "<img" not in page
        assert "&lt;script&gt;alert(1)" in page
        assert r"\u202e\x1b[31m" in page


async def test_the_page_shows_type_sequence_path_and_repeats() -> None:
    about = {"orderbus-event-type": "order.created", "orderbus-sequence": "7"}
    async with receiver_with(SECRET) as receiver:
        for _ in range(2):
            headers = {**signed(body=b"{}"), **about}
            await receiver.post("/hooks/shop", data=b"{}", headers=headers)

        page = await (await receiver.get("/")).text()

    rows = page.split("<tr>")[2:4]
    assert "2 webhooks received" in page
    assert "0 webhooks refused" in page
    for row, repeats in zip(rows, ("repeated", "first time"), strict=True):
        for cell in ("order.created", "7", "/hooks/shop", "id-1", "verified", repeats):
            assert f"<td>{cell}" in row


async def test_what_was_refused_is_shown_with_why_and_without_its_body() -> None:
    about = {"orderbus-event-type": "<i>x</i>", "orderbus-sequence": "7"}
    stale = {"webhook-timestamp": "0"}
    async with receiver_with(SECRET) as receiver:
        await receiver.post("/hooks", data=b"forged", headers={**signed(body=b"{}"), **about})
        await receiver.post("/hooks", data=b"{}", headers={**signed(body=b"{}"), **stale})
        await receiver.post("/hooks", data=b"{}")

        page = await (await receiver.get("/")).text()
        refused = await (await receiver.get("/refused")).json()
        received = await (await receiver.get("/received")).json()

    reasons = ("missing, or no number", "more than 5 minutes away", "no signature fits the body")
    assert received == []
    assert [one["status"] for one in refused] == [401, 401, 401]
    for one, reason in zip(refused, reasons, strict=True):
        assert reason in one["reason"]
        assert reason in page
    assert "3 webhooks refused" in page
    assert "&lt;i&gt;x&lt;/i&gt;" in page
    assert "forged" not in page
