"""Whatever a service hands to the audit trail, nothing in it can be used as a secret."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orderbus.domain import webhooks
from orderbus.storage.audit import HIDDEN, without_secrets

SECRET = webhooks.new_secret()


@pytest.mark.parametrize(
    "value",
    [
        {"secrets": [SECRET]},
        {"password": "s3cret-s3cret"},
        {"headers": {"Authorization": "Bearer s3cret-s3cret", "X-Api-Key": "s3cret-s3cret"}},
        {"note": f"was {SECRET}, now another"},
        {"note": "obk_s3cret-s3cret"},
        {"url": "https://me:s3cret-s3cret@shop.example/hooks"},
        {"url": "https://shop.example/hooks?token=s3cret-s3cret&a=1"},
        {"deep": [{"er": {"access_token": ["s3cret-s3cret"]}}]},
    ],
)
def test_what_is_secret_is_hidden(value: dict[str, Any]) -> None:
    shown = json.dumps(without_secrets(value))

    assert HIDDEN in shown or "@" not in shown
    assert "s3cret" not in shown
    assert SECRET not in shown


@pytest.mark.parametrize(
    "value",
    [
        None,
        {"url": "https://shop.example/hooks", "events": ["order.*"], "trace": True, "count": 3},
        {"headers": ["X-Shop", "X-Tenant"], "old_secrets_until": None},
    ],
)
def test_all_else_stays_as_it_is(value: Any) -> None:
    assert without_secrets(value) == value
