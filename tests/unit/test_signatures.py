"""The door says yes or one typed no, whatever is presented."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict
from standardwebhooks import Webhook

from orderbus.domain import signatures, webhooks
from orderbus.errors import Unauthenticated

NOW: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
STAMP: Final = str(int(NOW.timestamp()))
SECRET: Final = webhooks.new_secret()
BODY: Final = b'{"order_id": "SO-1"}'


def verify(
    headers: dict[str, str], body: bytes = BODY, secrets: tuple[str, ...] = (SECRET,)
) -> None:
    signatures.verify(CIMultiDict(headers), body, secrets, now=NOW)


def digest(secret: str = SECRET, body: bytes = BODY) -> bytes:
    return hmac.digest(secret.encode(), body, hashlib.sha256)


def standard(
    timestamp: str = STAMP, message_id: str = "msg_1", secret: str = SECRET, body: bytes = BODY
) -> dict[str, str]:
    signature = webhooks.sign([secret], message_id=message_id, timestamp=int(timestamp), body=body)
    return {
        "Webhook-Id": message_id,
        "Webhook-Timestamp": timestamp,
        "Webhook-Signature": signature,
    }


def test_a_hex_signature_is_believed() -> None:
    verify({"x-webhook-signature": digest().hex()})


def test_a_shopify_signature_is_believed() -> None:
    verify({"x-shopify-hmac-sha256": base64.b64encode(digest()).decode()})


def test_a_standard_webhooks_signature_is_believed() -> None:
    verify(standard())


def test_what_the_reference_library_signs_is_believed() -> None:
    signature = Webhook(SECRET).sign("msg_1", NOW, BODY.decode())

    verify({"webhook-id": "msg_1", "webhook-timestamp": STAMP, "webhook-signature": signature})


def test_any_of_several_secrets_is_believed() -> None:
    verify({"X-Webhook-Signature": digest("old").hex()}, secrets=(SECRET, "old"))


def test_the_body_may_hold_any_bytes() -> None:
    body = b"\xff\xfe\x00"

    verify(standard(body=body), body)


@pytest.mark.parametrize("minutes", [-4.9, 4.9])
def test_a_clock_that_is_a_little_off_is_believed(minutes: float) -> None:
    moment = NOW + timedelta(minutes=minutes)

    verify(standard(timestamp=str(int(moment.timestamp()))))


REFUSED: Final[dict[str, dict[str, str]]] = {
    "no header at all": {},
    "another secret": {"X-Webhook-Signature": digest("another").hex()},
    "hex that is none": {"X-Webhook-Signature": "zz" * 32},
    "hex too short": {"X-Webhook-Signature": digest().hex()[:-2]},
    "non-ASCII hex": {"X-Webhook-Signature": "é" * 64},
    "bad base64": {"X-Shopify-Hmac-SHA256": "!!!"},
    "non-ASCII base64": {"X-Shopify-Hmac-SHA256": "é"},
    "a stale timestamp": standard(str(int((NOW - timedelta(minutes=6)).timestamp()))),
    "a timestamp in the future": standard(str(int((NOW + timedelta(minutes=6)).timestamp()))),
    "a fractional timestamp": {**standard(), "Webhook-Timestamp": "1674087231.9"},
    "a timestamp with spaces": {**standard(), "Webhook-Timestamp": f" {STAMP}"},
    "a timestamp with underscores": {**standard(), "Webhook-Timestamp": "1_674_087_231"},
    "a timestamp in other digits": {**standard(), "Webhook-Timestamp": "١٦٧٤٠٨٧٢٣١"},
    "an endless timestamp": {**standard(), "Webhook-Timestamp": "9" * 5000},
    "no timestamp": {k: v for k, v in standard().items() if k != "Webhook-Timestamp"},
    "no id": {k: v for k, v in standard().items() if k != "Webhook-Id"},
    "an id with a dot": {**standard(), "Webhook-Id": "a.b"},
    "a token without a comma": {**standard(), "Webhook-Signature": "v1"},
    "a token with two commas": {**standard(), "Webhook-Signature": "v1,a,b"},
    "a token with bad base64": {**standard(), "Webhook-Signature": "v1,%%%"},
    "a leading space": {**standard(), "Webhook-Signature": " "},
    "a non-ASCII signature": {**standard(), "Webhook-Signature": "v1,é"},
    "another version alone": {**standard(), "Webhook-Signature": "v2,AAAA"},
    "five thousand signatures": {**standard(), "Webhook-Signature": "v1,AAAA " * 5000},
    "another secret's": standard(secret=webhooks.new_secret()),
}


@pytest.mark.parametrize("what", REFUSED)
def test_this_is_refused(what: str) -> None:
    with pytest.raises(Unauthenticated):
        verify(REFUSED[what])


def test_a_tampered_body_is_refused() -> None:
    with pytest.raises(Unauthenticated):
        verify(standard(), BODY + b" ")


def test_a_good_signature_among_bad_ones_is_believed() -> None:
    headers = standard()
    headers["Webhook-Signature"] = f"v1,%%% v2,x {headers['Webhook-Signature']}"

    verify(headers)


NAMES = [
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    "X-Webhook-Signature",
    "X-Shopify-Hmac-SHA256",
]


@settings(max_examples=1500, deadline=None, database=None)
@given(
    st.dictionaries(st.sampled_from(NAMES), st.text(max_size=80) | st.just(STAMP)),
    st.binary(max_size=50),
)
def test_whatever_is_presented_the_answer_is_one_typed_no(
    headers: dict[str, str], body: bytes
) -> None:
    with pytest.raises(Unauthenticated):
        verify(headers, body)
