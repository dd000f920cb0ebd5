"""Which orders the front door takes, and what it says of the others."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orderbus.domain import orders
from orderbus.errors import Invalid
from tests.support import samples


def parse(**changes: Any) -> orders.PlaceOrder:
    return orders.parse(json.dumps(samples.order_body("SO-1", **changes)).encode())


def test_the_sample_order_of_the_source_document_is_taken() -> None:
    order = parse()

    assert order.content()["total"] == "350.00"
    assert order.items_total() == order.total


def test_however_its_json_is_written_an_order_has_one_hash() -> None:
    bodies = [
        samples.order_body("SO-1", total=total, note=note)
        for total in (350, 350.0, "350.00", "350")
        for note in (None, "ignored")
    ]

    texts = {orders.parse(json.dumps(body).encode()).canonical() for body in bodies}

    assert len({orders.content_hash(text) for text in texts}) == 1


def test_the_idempotency_key_is_not_part_of_the_content() -> None:
    assert parse(idempotency_key="a").canonical() == parse().canonical()


def test_money_is_never_a_float() -> None:
    assert parse(total="99999999.99").content()["total"] == "99999999.99"
    assert (
        orders.parse(
            json.dumps(samples.order_body("SO-1")).replace("350.0", "0.1").encode()
        ).content()["total"]
        == "0.10"
    )


@pytest.mark.parametrize(
    ("given", "kept"),
    [(10045, "10045"), (10045.0, "10045.0"), (2**80, str(2**80)), (" SO-1 ", " SO-1 ")],
)
def test_a_reference_may_be_a_number_and_its_digits_are_kept(given: object, kept: str) -> None:
    order = parse(order_id=given)

    assert order.external_ref == kept
    assert order.canonical() == parse(order_id=kept).canonical()


@pytest.mark.parametrize("quantity", ["2", " 2 ", "2.0", "+2", 2.00], ids=repr)
def test_a_quantity_may_be_quoted_or_written_as_a_fraction_that_is_none(quantity: object) -> None:
    order = parse(items=[{**ITEM, "quantity": quantity}])

    assert order.canonical() == parse(items=[{**ITEM, "quantity": 2}]).canonical()


@pytest.mark.parametrize("total", ["1e2", " 100 ", "+100.", "100.000", 1e2], ids=repr)
def test_money_is_read_as_old_clients_write_it(total: object) -> None:
    assert parse(total=total).canonical() == parse(total=100).canonical()


ITEM = {"sku": "A", "name": "B", "quantity": 1, "unit_price": 1}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no items": ({"items": []}, "/items"),
    "a negative total": ({"total": -1}, "/total"),
    "three decimals": ({"total": 1.234}, "/total"),
    "a total that is text": ({"total": "much"}, "/total"),
    "a total that is true": ({"total": True}, "/total"),
    "a total as NaN text": ({"total": "NaN"}, "/total"),
    "a total beyond the column": ({"total": 100_000_000}, "/total"),
    "a negative price": ({"items": [{**ITEM, "unit_price": -0.01}]}, "/items/0/unit_price"),
    "quantity zero": ({"items": [ITEM, {**ITEM, "quantity": 0}]}, "/items/1/quantity"),
    "half a quantity": ({"items": [{**ITEM, "quantity": 1.5}]}, "/items/0/quantity"),
    "a quantity in words": ({"items": [{**ITEM, "quantity": "two"}]}, "/items/0/quantity"),
    "a quantity that is true": ({"items": [{**ITEM, "quantity": True}]}, "/items/0/quantity"),
    "a quantity of 300 digits": ({"items": [{**ITEM, "quantity": "9" * 300}]}, "/items/0/quantity"),
    "a quantity beyond the column": ({"items": [{**ITEM, "quantity": 2**31}]}, "/items/0/quantity"),
    "a reference that is true": ({"order_id": True}, "/order_id"),
    "a reference that is a list": ({"order_id": [5]}, "/order_id"),
    "a reference too long": ({"order_id": "x" * 256}, "/order_id"),
    "an empty reference": ({"order_id": ""}, "/order_id"),
    "the NUL character": ({"shipping_address": "a\x00b"}, "/shipping_address"),
    "a lone surrogate": ({"shipping_address": "\ud800"}, "/shipping_address"),
    "no customer": ({"customer": None}, "/customer"),
    "an address that is none": (
        {"customer": {"name": "J", "email": "nowhere"}},
        "/customer/email",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_an_order_with_this_is_refused_and_the_place_is_named(what: str) -> None:
    changes, pointer = REFUSED[what]

    with pytest.raises(Invalid) as refusal:
        parse(**changes)

    assert pointer in {fault.pointer for fault in refusal.value.faults}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"\xff\xfe",
        b'{"total": NaN}',
        b'{"total": -Infinity}',
        b'{"order_id": "a", "order_id": "b"}',
        b"[" * 100_000,
        b"9" * 5_000,
    ],
)
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(Invalid):
        orders.parse(body)


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(Invalid) as refusal:
        parse(total=-1, items=[], order_id=None)

    assert len(refusal.value.faults) == 3
