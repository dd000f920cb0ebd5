"""Which signatures of incoming orders are believed."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict
from standardwebhooks import Webhook

from orderbus.domain.signatures import TOLERANCE, verify
from orderbus.domain.webhooks import new_secret
from orderbus.errors import Unauthenticated

BODY = b'{"order_id":"SO-10045"}'
SECRET = "shared"
STANDARD = new_secret()
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
STAMP = str(int(NOW.timestamp()))
SECOND = timedelta(seconds=1)


def check(
    headers: Mapping[str, str], body: bytes = BODY, *secrets: str, now: datetime = NOW
) -> None:
    """Verify as the front door does: names of headers in whatever case."""
    verify(CIMultiDict(headers), body, secrets or (SECRET, STANDARD), now=now)


def mac(body: bytes = BODY, secret: str = SECRET) -> bytes:
    return hmac.digest(secret.encode(), body, hashlib.sha256)


def in_hex(body: bytes = BODY, secret: str = SECRET) -> dict[str, str]:
    return {"X-Webhook-Signature": mac(body, secret).hex()}


def in_base64(body: bytes = BODY, secret: str = SECRET) -> dict[str, str]:
    return {"X-Shopify-Hmac-SHA256": base64.b64encode(mac(body, secret)).decode()}


def standard(
    body: str = BODY.decode(), secret: str = STANDARD, at: datetime = NOW
) -> dict[str, str]:
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign("msg_1", at, body),
    }


SCHEMES = {"hex": in_hex(), "base64": in_base64(), "Standard Webhooks": standard()}
WRONG_SECRET = {
    "hex": in_hex(secret="other"),
    "base64": in_base64(secret="other"),
    "Standard Webhooks": standard(secret=new_secret()),
}


@pytest.mark.parametrize("headers", SCHEMES.values(), ids=SCHEMES)
def test_a_body_signed_with_our_secret_is_believed(headers: dict[str, str]) -> None:
    check(headers)


@pytest.mark.parametrize("headers", SCHEMES.values(), ids=SCHEMES)
def test_the_case_of_a_headers_name_does_not_matter(headers: dict[str, str]) -> None:
    check({name.upper(): value for name, value in headers.items()})


@pytest.mark.parametrize("headers", SCHEMES.values(), ids=SCHEMES)
def test_another_body_under_the_same_signature_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(Unauthenticated, match="wrong"):
        check(headers, BODY + b" ")


@pytest.mark.parametrize("headers", WRONG_SECRET.values(), ids=WRONG_SECRET)
def test_a_signature_made_with_another_secret_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(Unauthenticated, match="wrong"):
        check(headers)


@pytest.mark.parametrize("headers", SCHEMES.values(), ids=SCHEMES)
def test_without_any_secret_nothing_is_believed(headers: dict[str, str]) -> None:
    with pytest.raises(Unauthenticated):
        verify(CIMultiDict(headers), BODY, (), now=NOW)


def test_a_missing_signature_is_refused_and_the_refusal_names_what_to_send() -> None:
    with pytest.raises(Unauthenticated, match="X-Webhook-Signature"):
        check({"Content-Type": "application/json"})


@pytest.mark.parametrize("secret", ["first", "second", "third"])
def test_any_of_several_secrets_may_have_signed(secret: str) -> None:
    check(in_hex(secret=secret), BODY, "first", "second", "third")
    check(in_base64(secret=secret), BODY, "first", "second", "third")


def test_any_of_several_whsec_secrets_may_have_signed() -> None:
    check(standard(), BODY, new_secret(), STANDARD)


def test_any_of_several_signatures_may_be_right() -> None:
    headers = standard()
    another = standard(secret=new_secret())["webhook-signature"]

    check({**headers, "webhook-signature": f"{another} {headers['webhook-signature']}"})


def test_the_hex_signature_may_be_in_capitals_and_may_name_its_algorithm() -> None:
    check({"X-Webhook-Signature": mac().hex().upper()})
    check({"X-Webhook-Signature": "sha256=" + mac().hex()})


@pytest.mark.parametrize("at", [NOW, NOW - TOLERANCE, NOW + TOLERANCE])
def test_a_timestamp_within_the_tolerance_is_fresh(at: datetime) -> None:
    check(standard(at=at))


@pytest.mark.parametrize("at", [NOW - TOLERANCE - SECOND, NOW + TOLERANCE + SECOND])
def test_a_timestamp_too_far_in_the_past_or_the_future_is_stale(at: datetime) -> None:
    with pytest.raises(Unauthenticated, match="stale"):
        check(standard(at=at))


@pytest.mark.parametrize("other", [in_hex(), in_base64()], ids=["hex", "base64"])
def test_the_scheme_with_a_time_decides_so_a_replay_cannot_choose_another(
    other: dict[str, str],
) -> None:
    stale = standard(at=NOW - timedelta(hours=1))

    with pytest.raises(Unauthenticated, match="stale"):
        check({**other, **stale})


def test_a_body_that_is_not_utf_8_is_signed_like_any_other() -> None:
    body = b"\xff\x00\xfe"
    signed = f"msg_1.{STAMP}.".encode() + body
    signature = base64.b64encode(hmac.digest(b"text", signed, hashlib.sha256)).decode()

    check(in_hex(body), body)
    check(in_base64(body), body)
    check({**standard(), "webhook-signature": f"v1,{signature}"}, body, "text")


GOOD = standard()["webhook-signature"]
BESIDE_A_GOOD_ONE = {
    "a leading space": f" {GOOD}",
    "two spaces": f"v1,AAAA  {GOOD}",
    "a token without a comma": f"v1 {GOOD}",
    "a token with two commas": f"v1,AAAA,AAAA {GOOD}",
    "bad base64": f"v1,%%% {GOOD}",
    "another version": f"v1a,AAAA {GOOD}",
    "a non-ASCII token": f"v1,ä {GOOD}",
}


@pytest.mark.parametrize("header", BESIDE_A_GOOD_ONE.values(), ids=BESIDE_A_GOOD_ONE)
def test_a_token_that_cannot_be_read_does_not_spoil_the_right_one_beside_it(header: str) -> None:
    check({**standard(), "webhook-signature": header})


MALFORMED: dict[str, dict[str, str]] = {
    "empty": {"webhook-signature": ""},
    "a token without a comma": {"webhook-signature": GOOD.replace(",", "")},
    "a token with two commas": {"webhook-signature": GOOD.replace(",", ",,")},
    "a trailing comma": {"webhook-signature": GOOD + ","},
    "bad base64": {"webhook-signature": "v1,%%%"},
    "base64 without its padding": {"webhook-signature": GOOD.rstrip("=")},
    "a space inside the token": {"webhook-signature": GOOD.replace(",", ", ")},
    "another version": {"webhook-signature": GOOD.replace("v1", "v2")},
    "non-ASCII": {"webhook-signature": GOOD[:-1] + "é"},
    "a lone surrogate": {"webhook-signature": "v1,\udcff"},
    "5000 signatures": {"webhook-signature": " ".join([GOOD] * 5000)},
    "the right one behind sixteen others": {"webhook-signature": "v1,AAAA " * 16 + GOOD},
    "an empty timestamp": {"webhook-timestamp": ""},
    "a timestamp with a fraction": {"webhook-timestamp": "1674087231.9"},
    "a timestamp with a space before it": {"webhook-timestamp": f" {STAMP}"},
    "a timestamp with a space behind it": {"webhook-timestamp": f"{STAMP} "},
    "a timestamp with a line end": {"webhook-timestamp": f"{STAMP}\n"},
    "a timestamp with an underscore": {"webhook-timestamp": f"{STAMP[:4]}_{STAMP[4:]}"},
    "a timestamp with a sign": {"webhook-timestamp": f"+{STAMP}"},
    "a negative timestamp": {"webhook-timestamp": f"-{STAMP}"},
    "a timestamp in Arabic digits": {"webhook-timestamp": "١٦٧٤٠٨٧٢٣١"},
    "a timestamp of 5000 digits": {"webhook-timestamp": "9" * 5000},
    "an empty id": {"webhook-id": ""},
    "an id with a full stop": {"webhook-id": "msg.1"},
    "an id that is not ASCII": {"webhook-id": "msg_ä"},
    "an id of 256 characters": {"webhook-id": "m" * 256},
}


@pytest.mark.parametrize("change", MALFORMED.values(), ids=MALFORMED)
def test_malformed_headers_of_standard_webhooks_are_refused(change: dict[str, str]) -> None:
    with pytest.raises(Unauthenticated):
        check({**standard(), **change})


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp"])
def test_a_missing_header_of_standard_webhooks_is_refused_by_name(name: str) -> None:
    headers = standard()
    del headers[name]

    with pytest.raises(Unauthenticated, match=name):
        check(headers)


ODD_VALUES = {
    "empty": lambda _: "",
    "a leading space": lambda value: f" {value}",
    "a line end": lambda value: f"{value}\n",
    "cut short": lambda value: value[:-2],
    "doubled": lambda value: value * 2,
    "non-ASCII": lambda value: value[:-1] + "ï",
    "a lone surrogate": lambda value: value[:-1] + "\udcff",
    "5000 signatures": lambda value: " ".join([value] * 5000),
}


@pytest.mark.parametrize("odd", ODD_VALUES.values(), ids=ODD_VALUES)
@pytest.mark.parametrize("headers", [in_hex(), in_base64()], ids=["hex", "base64"])
def test_a_malformed_plain_signature_is_refused(odd: object, headers: dict[str, str]) -> None:
    assert callable(odd)
    changed = {name: odd(value) for name, value in headers.items()}

    with pytest.raises(Unauthenticated, match="wrong"):
        check(changed)


NAMES = ("webhook-id", "webhook-timestamp", "webhook-signature", *in_hex(), *in_base64())
VALUES = st.one_of(
    st.text(max_size=100),
    st.from_regex(r"(v1,?[A-Za-z0-9+/=]{0,50} ?){0,5}"),
    st.sampled_from([STAMP, "msg_1", GOOD, mac().hex(), "whsec_"]),
)


@settings(max_examples=300, deadline=None, database=None)
@given(
    st.dictionaries(st.sampled_from(NAMES), VALUES),
    st.binary(max_size=50),
    st.lists(st.one_of(st.text(max_size=50), st.just(STANDARD))),
)
def test_whatever_comes_the_answer_is_yes_or_unauthenticated(
    headers: dict[str, str], body: bytes, secrets: list[str]
) -> None:
    with suppress(Unauthenticated):
        verify(CIMultiDict(headers), body, secrets, now=NOW)
