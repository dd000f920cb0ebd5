"""A cart has a total that can be trusted, or it is refused with the reason."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from orderbus.domain.carts import parse
from orderbus.errors import Invalid

ITEM = {"sku": "A", "name": "A thing", "quantity": 3, "unit_price": "1.10"}


@pytest.mark.parametrize(
    ("members", "amount"),
    [
        ({"total_amount": 100.5}, "100.50"),
        ({"total_amount": "100.50"}, "100.50"),
        ({"total_amount": 0}, "0.00"),
        ({"total_amount": "99999999.99"}, "99999999.99"),
        ({"items": [ITEM]}, "3.30"),
        ({"items": [ITEM, ITEM], "total_amount": "6.60"}, "6.60"),
    ],
)
def test_a_cart_comes_to_its_total_or_to_what_its_items_add_up_to(
    members: dict[str, Any], amount: str
) -> None:
    assert parse(json.dumps(members).encode()).amount() == Decimal(amount)


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[]",
        b"nonsense",
        b'{"total_amount": "invalid"}',
        b'{"total_amount": -1}',
        b'{"total_amount": 1.001}',
        b'{"total_amount": NaN}',
        b'{"total_amount": "NaN"}',
        b'{"total_amount": Infinity}',
        b'{"total_amount": 1e400}',
        b'{"total_amount": 100000000}',
        b'{"total_amount": true}',
        b'{"total_amount": null}',
        b'{"items": []}',
        b'{"items": null}',
        json.dumps({"items": [ITEM], "total_amount": "3.31"}).encode(),
        json.dumps({"items": [{**ITEM, "quantity": 2147483647}]}).encode(),
        json.dumps({"items": [{**ITEM, "name": "a NUL \0"}]}).encode(),
    ],
)
def test_what_is_no_cart_is_refused_with_each_place_that_is_wrong(body: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        parse(body)

    assert refused.value.faults
