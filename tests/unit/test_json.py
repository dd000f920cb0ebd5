"""What is read of a JSON text, and how much that may cost."""

from __future__ import annotations

import json as standard
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest

from orderbus.domain import json, orders
from orderbus.errors import MOST_FAULTS, Invalid, Poisoned
from orderbus.pubsub import messages
from tests.support import costly_json, samples

N = 262_144  # 4n is what the front door takes at most
ATTRIBUTES = {
    "ce-id": "6f2a7c1e-0000-4000-8000-00000000000e",
    "ce-time": "2026-01-02T03:04:05Z",
}


def read(text: bytes) -> None:
    with suppress(Invalid):
        json.loads(text)


@pytest.mark.parametrize("name", costly_json.VALUES)
def test_reading_a_text_four_times_as_long_costs_about_four_times_as_much(name: str) -> None:
    value = costly_json.VALUES[name]

    def cost(n: int) -> float:
        text = value(n)
        return costly_json.cpu(lambda: read(text))

    assert costly_json.grows_linearly(cost, N)


@pytest.mark.parametrize("name", costly_json.VALUES)
def test_a_message_from_pubsub_costs_no_more_than_its_length(name: str) -> None:
    def decode(data: bytes) -> None:
        with pytest.raises(Poisoned) as poisoned:
            messages.decode(data, ATTRIBUTES)
        assert poisoned.value.reason == "undecodable"
        assert len(str(poisoned.value)) <= 300

    def cost(n: int) -> float:
        data = costly_json.VALUES[name](n)
        return costly_json.cpu(lambda: decode(data))

    assert costly_json.grows_linearly(cost, 16_000)


TOO_MUCH = {
    "an exponent": b"1e3000000",
    "a small exponent": b"1E-3000000",
    "an exponent of four digits": b"1e1000",
    "a long number": b"1" * 101,
    "a long negative number": b"-" + b"1" * 100,
    "a long fraction": b"0." + b"1" * 100,
    "an exponent with zeros before it": b"1e" + b"0" * 100 + b"1",
    "a nest of lists": b"[" * 65 + b"]" * 65,
    "a nest of objects": b'{"a":' * 65 + b"1" + b"}" * 65,
    "a nest that is never closed": b'[{"a":' * 33,
    "more lists than any order has": b"[" + b"[]," * 50_000 + b"1]",
    "more objects than any order has": b"[" + b"{}," * 50_000 + b"1]",
    "a name twice": b'{"a":1,"b":2,"a":3}',
}


@pytest.mark.parametrize("name", TOO_MUCH)
@pytest.mark.parametrize("around", [b"%b", b'{"unknown": [%b]}'])
def test_what_is_out_of_bounds_is_refused_wherever_it_stands(name: str, around: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        json.loads(around % TOO_MUCH[name])

    assert [fault.code for fault in refused.value.faults] == ["malformed"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"1e999", Decimal("1e999")),
        (b"-1.5E-0099", Decimal("-1.5e-99")),
        (b"1.7976931348623157e+308", Decimal("1.7976931348623157e+308")),
        (b"9" * 100, int("9" * 100)),
        (b'"' + b"9" * 5000 + b'"', "9" * 5000),
        (b'"' + b"[" * 5000 + b'"', "[" * 5000),
        (b'"\\"[[' + b"[" * 100 + b'\\\\"', '"[[' + "[" * 100 + "\\"),
        (b"[[], []]" + b" " * 1000, [[], []]),
        (b"[" + b"[]," * 49_998 + b"[]]", [[]] * 49_999),
    ],
)
def test_what_is_within_bounds_is_read_exactly(text: bytes, value: object) -> None:
    assert json.loads(text) == value


def test_what_is_read_can_be_written_again_from_deep_down() -> None:
    value = json.loads(b'{"a":[' * 32 + b"1" + b"]}" * 32)

    assert standard.loads(json.dumps(value)) == value


def test_the_name_that_is_there_twice_is_said_and_cut() -> None:
    with pytest.raises(Invalid) as refused:
        json.loads(b'{"%b": 1, "%b": 2}' % (b"a" * 1000, b"a" * 1000))

    assert "'aaaa" in refused.value.faults[0].detail
    assert len(refused.value.faults[0].detail) <= 200


def test_of_many_faults_the_first_hundred_are_said() -> None:
    wrong: Any = samples.order_body(items=[{}] * 1000)

    with pytest.raises(Invalid) as refused:
        orders.parse(standard.dumps(wrong).encode())

    assert MOST_FAULTS == 100
    assert [fault.pointer for fault in refused.value.faults[:3]] == [
        "/items/0/sku",
        "/items/0/name",
        "/items/0/quantity",
    ]
    assert len(refused.value.faults) == MOST_FAULTS


def test_a_list_that_is_too_long_is_one_fault_whatever_it_holds() -> None:
    wrong: Any = samples.order_body(items=[{}] * 1001)

    with pytest.raises(Invalid) as refused:
        orders.parse(standard.dumps(wrong).encode())

    (fault,) = refused.value.faults
    assert (fault.pointer, fault.code) == ("/items", "too_long")
    assert "at most 1000" in fault.detail
    assert "1001" in fault.detail
