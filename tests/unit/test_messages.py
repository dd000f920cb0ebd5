"""What a Pub/Sub message holds, and what of it is believed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orderbus.domain.events import Announcement
from orderbus.errors import Poisoned
from orderbus.pubsub.messages import decode, encode
from tests import samples

EVENT = replace(samples.event(sequence=3), traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01")


def test_the_data_has_exactly_the_members_of_the_source_document() -> None:
    assert json.loads(encode(EVENT).data) == {
        "event": "order.created",
        "order_id": "SO-10045",
        "customer_name": "Jane Doe",
        "total": "350.00",
        "created_at": "2026-01-02T03:04:05.678901Z",
    }


def test_everything_else_travels_in_attributes() -> None:
    assert dict(encode(EVENT).attributes) == {
        "ce-id": str(EVENT.id),
        "ce-type": "order.created",
        "ce-source": "/orderbus",
        "ce-specversion": "1.0",
        "ce-time": "2026-01-02T03:04:05.678901Z",
        "ce-subject": str(EVENT.order_id),
        "sequence": "3",
        "schema-version": "1",
        "traceparent": EVENT.traceparent,
    }


def test_what_is_encoded_is_decoded() -> None:
    message = encode(EVENT)

    announced = decode(message.data, message.attributes)

    assert announced == Announcement(EVENT.id, EVENT.occurred_at)


def test_an_event_that_cannot_be_announced_is_poisoned_alone() -> None:
    with pytest.raises(Poisoned):
        encode(replace(EVENT, order={"order_id": "SO-1"}))


GOOD = dict(encode(EVENT).attributes)


@pytest.mark.parametrize(
    ("data", "attributes"),
    [
        (b"", GOOD),
        (b"\xff", GOOD),
        (b"[]", GOOD),
        (b"{}", GOOD),
        (b'{"event": NaN}', GOOD),
        (b'{"event": "x"}', {}),
        (b'{"event": "x"}', {**GOOD, "ce-id": "7"}),
        (b'{"event": "x"}', {**GOOD, "ce-time": "yesterday"}),
        (b'{"event": "x"}', {**GOOD, "ce-time": "2026-01-02T03:04:05"}),
        (b'{"event": "x"}', {**GOOD, "ce-time": "0001-01-01T00:00:00+23:59"}),
    ],
)
def test_what_is_not_one_of_ours_is_poisoned(data: bytes, attributes: dict[str, str]) -> None:
    with pytest.raises(Poisoned) as poisoned:
        decode(data, attributes)

    assert poisoned.value.reason == "undecodable"


@settings(max_examples=500, deadline=None, database=None)
@given(st.binary(max_size=60), st.dictionaries(st.sampled_from(list(GOOD)), st.text(max_size=40)))
def test_whatever_comes_is_decoded_or_poisoned(data: bytes, attributes: dict[str, str]) -> None:
    with pytest.raises(Poisoned):
        decode(data, attributes)
