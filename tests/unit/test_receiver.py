"""The example that customers begin their own receiver from does what it says."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from standardwebhooks import Webhook

from orderbus.domain.webhooks import new_secret

EXAMPLE = Path(__file__).parents[2] / "examples" / "receive_webhooks.py"
SECRET = new_secret()
BODY = json.dumps({"order_id": "SO-10045"}).encode()

Client = TestClient[Any, Any]


def signed(
    message_id: str = "id-1",
    *,
    age: timedelta = timedelta(),
    secret: str = SECRET,
    body: bytes = BODY,
) -> dict[str, str]:
    """Headers as the reference library signs them."""
    at = datetime.now(UTC) - age
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, at, body.decode()),
    }


@asynccontextmanager
async def receiver_with(secret: str, **options: Any) -> AsyncIterator[Client]:
    """The receiver as the file has it."""
    spec = importlib.util.spec_from_file_location("receive_webhooks", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    async with TestClient(TestServer(example.build_app(secret, **options))) as client:
        yield client


@pytest.fixture
async def receiver() -> AsyncIterator[Client]:
    async with receiver_with(SECRET) as client:
        yield client


async def test_what_the_reference_library_signs_is_received_and_shown(receiver: Client) -> None:
    answer = await receiver.post("/webhooks", data=BODY, headers=signed())
    received = await (await receiver.get("/received")).json()
    page = await (await receiver.get("/")).text()

    assert answer.status == 204
    assert [(one["webhook_id"], one["verified"], one["repeated"]) for one in received] == [
        ("id-1", True, False)
    ]
    assert json.loads(received[0]["body"]) == json.loads(BODY)
    assert "id-1" in page


async def test_a_repetition_is_answered_like_the_first_and_marked(receiver: Client) -> None:
    answers = [await receiver.post("/", data=BODY, headers=signed()) for _ in range(2)]
    received = await (await receiver.get("/received")).json()

    assert [answer.status for answer in answers] == [204, 204]
    assert [one["repeated"] for one in received] == [True, False]


async def test_one_good_signature_among_several_is_enough(receiver: Client) -> None:
    headers = signed()
    other = signed(secret=new_secret())["webhook-signature"]
    headers["webhook-signature"] = f"v1a,xx {other} {headers['webhook-signature']}"

    assert (await receiver.post("/", data=BODY, headers=headers)).status == 204


FORGED = {
    "another id": {"webhook-id": "another"},
    "an id beyond ASCII": {"webhook-id": "\xff"},
    "an old time": {"webhook-timestamp": "0"},
    "a time that is no whole number": {"webhook-timestamp": "1e9"},
    "a time without end": {"webhook-timestamp": "9" * 400},
    "no time": {"webhook-timestamp": ""},
    "no signature": {"webhook-signature": ""},
    "an empty signature": {"webhook-signature": "v1,"},
    "a signature beyond ASCII": {"webhook-signature": "v1,\xff"},
    "another secret": signed(secret=new_secret()),
    "signed too long ago": signed(age=timedelta(days=1)),
    "signed in the future": signed(age=timedelta(days=-1)),
}


@pytest.mark.parametrize("forged", FORGED)
async def test_what_is_not_signed_now_by_who_knows_the_secret_is_refused(
    receiver: Client, forged: str
) -> None:
    answer = await receiver.post("/", data=BODY, headers={**signed(), **FORGED[forged]})

    assert answer.status == 401
    assert await (await receiver.get("/received")).json() == []


@pytest.mark.parametrize("secret", ["development-only-change-it", "whsec_", "whsec_*", "whsec_abc"])
def test_a_secret_that_cannot_verify_is_refused_at_the_start_and_not_with_every_webhook(
    secret: str,
) -> None:
    started = subprocess.run(
        [sys.executable, EXAMPLE, "--port", "0"],
        env={**os.environ, "WEBHOOK_SECRET": secret},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert started.returncode == 2
    assert "WEBHOOK_SECRET is not whsec_ and base64" in started.stderr


async def test_a_body_that_cannot_be_read_is_its_senders_fault(receiver: Client) -> None:
    response = await receiver.post(
        "/hooks", data=b"no gzip", headers={"Content-Encoding": "gzip", **signed()}
    )

    assert response.status == 400
