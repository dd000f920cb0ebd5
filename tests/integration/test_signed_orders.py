"""An order is taken from whoever signed it with a secret that is known, and from nobody else."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook

from orderbus.domain.webhooks import new_secret
from orderbus.storage.database import Database
from tests.conftest import settings_from
from tests.support import order_rows
from tests.support.api_client import Client, body, post, problem, serving

SECRET = "shared"


STANDARD = new_secret()


@pytest.fixture
async def guarded(env: dict[str, str]) -> AsyncIterator[Client]:
    """A front door that wants signatures and API keys."""
    settings = settings_from(env, auth="required", webhook_secrets=f"{SECRET},{STANDARD}")
    async with serving(settings) as client:
        yield client


def signed(data: bytes, secret: str = SECRET) -> dict[str, str]:
    return {
        "X-Webhook-Signature": hmac.digest(secret.encode(), data, hashlib.sha256).hex(),
    }


def signed_at(moment: datetime, data: bytes) -> dict[str, str]:
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(STANDARD).sign("msg_1", moment, data.decode()),
    }


@pytest.mark.parametrize(
    "sign",
    [signed, lambda data: signed_at(datetime.now(UTC), data)],  # when it is sent, not before
    ids=["hex", "standard"],
)
async def test_a_signed_order_is_taken(
    guarded: Client, sign: Callable[[bytes], dict[str, str]]
) -> None:
    assert (await post(guarded, **sign(body()))).status == 201


UNSIGNED: dict[str, dict[str, str]] = {
    "missing": {},
    "of another secret": signed(body(), "other"),
    "of another body": signed(b"{}"),
    "malformed": {"X-Webhook-Signature": "zz"},
    "stale": signed_at(datetime.now(UTC) - timedelta(days=1), body()),
    "from the future": signed_at(datetime.now(UTC) + timedelta(days=1), body()),
}


@pytest.mark.parametrize("headers", UNSIGNED.values(), ids=UNSIGNED)
async def test_an_order_that_nobody_known_signed_is_refused_before_it_is_read(
    guarded: Client, database: Database, lent: list[Database], headers: dict[str, str]
) -> None:
    response = await post(guarded, **headers)

    refused = await problem(response, 401, "unauthenticated")
    assert refused["error"] == "Invalid signature"
    assert "WWW-Authenticate" in response.headers
    assert lent == []
    assert await order_rows.count(database) == 0
