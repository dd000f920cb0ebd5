"""The headers that an endpoint is given: hostile ones are refused, and no value is repeated."""

from __future__ import annotations

import pytest

from orderbus.domain import own_headers
from orderbus.errors import Invalid


@pytest.mark.parametrize(
    "line",
    [
        "Authorization: Bearer abc",
        "X-Shop:1",
        "user-agent: shop/1",
        "X-Accept: a, b; q=0.5",
        "X-Tab: a\tb",
    ],
)
def test_a_header_is_given_as_name_and_value(line: str) -> None:
    name, _, value = line.partition(":")

    assert own_headers.parse([line]) == {name: value.strip()}


@pytest.mark.parametrize(
    "line",
    [
        "Host: evil.example",
        "HOST: evil.example",
        "Content-Type: text/plain",
        "content-length: 0",
        "Webhook-Id: 1",
        "webhook-signature: v1,x",
        "X-Webhook-Signature: x",
        "X-Shopify-Hmac-SHA256: x",
        "svix-signature: x",
        "Signature-Input: x",
        "orderbus-sequence: 1",
        "traceparent: 00",
        "Connection: close",
        "Transfer-Encoding: chunked",
        "Upgrade: h2c",
        "TE: trailers",
        "Proxy-Authorization: x",
        "Expect: 100-continue",
    ],
)
def test_what_orderbus_or_the_connection_says_cannot_be_given(line: str) -> None:
    with pytest.raises(Invalid, match="cannot be given"):
        own_headers.parse([line])


@pytest.mark.parametrize(
    "line",
    [
        "X-A: s3cret\r\nHost: evil.example",
        "X-A: s3cret\nX-B: 1",
        "X-A: s3cret\x00",
        "X-A: s3cret\x7f",
        "X-A: s3cret\u2028",
        "X-A: s3cret\xff",
        "X-A: ",
        "X-A: s3cret" + "x" * 2000,
        "X A: s3cret",
        "X-A\r: s3cret",
        ": s3cret",
        "s3cret",
        "X" * 101 + ": s3cret",
    ],
    ids=ascii,
)
def test_what_would_break_a_request_is_refused_and_its_value_not_repeated(line: str) -> None:
    with pytest.raises(Invalid) as refused:
        own_headers.parse([line])

    assert "s3cret" not in str(refused.value)


def test_a_header_is_given_once_whatever_its_case() -> None:
    with pytest.raises(Invalid, match="given twice"):
        own_headers.parse(["X-A: 1", "X-A: 2"])
    with pytest.raises(Invalid, match="given twice"):
        own_headers.parse(["X-A: 1", "x-a: 2"])


def test_there_are_so_many_at_most() -> None:
    lines = [f"X-{number}: 1" for number in range(own_headers.MOST + 1)]

    assert len(own_headers.parse(lines[1:])) == own_headers.MOST
    with pytest.raises(Invalid, match="20 headers"):
        own_headers.parse(lines)


def test_a_change_names_what_is_changed_and_leaves_the_rest() -> None:
    kept = {"X-A": "1", "X-B": "2"}

    assert own_headers.changed(kept, {"x-a": "3", "X-C": "4"}) == {
        "X-B": "2",
        "x-a": "3",
        "X-C": "4",
    }
    assert own_headers.changed(kept, {"x-A": None, "X-Z": None}) == {"X-B": "2"}
