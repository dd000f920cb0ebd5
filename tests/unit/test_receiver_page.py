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
