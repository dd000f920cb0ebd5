"""What a Pub/Sub message holds, and what is not one of ours."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orderbus.domain.events import Announcement
from orderbus.errors import Poisoned
from orderbus.pubsub import messages
from tests.support import samples

EVENT_ID = "6f2a7c1e-0000-4000-8000-00000000000e"
TIME = "2026-01-02T03:04:05.678901Z"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_the_data_has_exactly_the_five_members_of_the_source_document() -> None:
    message = messages.encode(samples.event())

    assert json.loads(message.data) == {
        "event": "order.created",
        "order_id": "SO-10045",
        "customer_name": "Jane Doe",
        "total": "350.00",
        "created_at": TIME,
    }


def test_everything_else_is_in_the_attributes() -> None:
    event = samples.event(id=UUID(EVENT_ID), sequence=3, traceparent=TRACE)

    message = messages.encode(event)

    assert message.attributes == {
        "ce-id": EVENT_ID,
        "ce-type": "order.created",
        "ce-source": "/orderbus",
        "ce-specversion": "1.0",
        "ce-time": TIME,
        "ce-subject": "6f2a7c1e-0000-4000-8000-000000000001",
        "sequence": "3",
        "schema-version": "1",
        "traceparent": TRACE,
    }


def test_a_message_names_the_request_that_its_event_follows_from() -> None:
    named = messages.encode(samples.event(request_id="c-1")).attributes

    assert named["request-id"] == "c-1"


def test_an_event_of_no_trace_and_no_request_has_no_attribute_for_them() -> None:
    unnamed = messages.encode(samples.event()).attributes

    assert not {"traceparent", "request-id"} & set(unnamed)


def test_equal_events_give_equal_messages() -> None:
    event = samples.event()

    again = samples.event(id=event.id, order=dict(reversed(list(event.order.items()))))

    assert messages.encode(event) == messages.encode(again)


@pytest.mark.parametrize("name", ["Jane Doe", "Zoë 李 🛒", 'quo"te', "a\nb"])
def test_what_is_encoded_is_read_back_as_the_event_it_announces(name: str) -> None:
    event = samples.event(
        order={**samples.event().order, "customer": {"name": name, "email": "a@b"}}
    )

    message = messages.encode(event)

    assert messages.decode(message.data, message.attributes) == Announcement(
        event.id, event.occurred_at, external_ref="SO-10045"
    )
    assert json.loads(message.data)["customer_name"] == name


@given(
    st.uuids(),
    st.datetimes(min_value=datetime(1000, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis adds the zone
)
@settings(max_examples=100, deadline=None, database=None)
def test_every_id_and_every_moment_come_back_as_they_were(
    event_id: UUID, occurred_at: datetime
) -> None:
    message = messages.encode(samples.event(id=event_id, occurred_at=occurred_at))

    announced = messages.decode(message.data, message.attributes)

    assert announced == Announcement(event_id, occurred_at, external_ref="SO-10045")


@pytest.mark.parametrize(
    "order",
    [
        {},
        {"order_id": "SO-1", "customer": None, "total": "1.00", "created_at": TIME},
        {"order_id": "SO-1", "customer": {}, "total": "1.00", "created_at": TIME},
        {"order_id": "SO-1", "customer": {"name": {1}}, "total": "1.00", "created_at": TIME},
        {"order_id": "SO-\ud800", "customer": {"name": "J"}, "total": "1", "created_at": TIME},
    ],
    ids=["empty", "no customer", "no name", "a name that is no text", "a lone surrogate"],
)
def test_an_order_that_cannot_be_announced_is_poisoned(order: dict[str, Any]) -> None:
    with pytest.raises(Poisoned) as poisoned:
        messages.encode(samples.event(order=order))

    assert poisoned.value.reason == "unencodable"


GOOD_DATA = b'{"event":"order.created"}'
GOOD = {"ce-id": EVENT_ID, "ce-time": TIME}
OURS = {
    "only what is needed": (GOOD_DATA, GOOD),
    "members and attributes we do not know": (
        b'{"event":"order.paid","later":[1]}',
        {**GOOD, "x": "y"},
    ),
    "a time in another zone": (GOOD_DATA, {**GOOD, "ce-time": "2026-01-02T04:04:05.678901+01:00"}),
}
MALFORMED: dict[str, tuple[bytes, dict[str, str]]] = {
    "no data": (b"", GOOD),
    "an exponent out of range": (b'{"event":1e9999999999999999999}', GOOD),
    "not JSON": (b"{", GOOD),
    "not UTF-8": (b"\xff\xfe", GOOD),
    "NUL": (b"\x00", GOOD),
    "a byte order mark": (b"\xef\xbb\xbf" + GOOD_DATA, GOOD),
    "NaN": (b'{"event":NaN}', GOOD),
    "a name twice": (b'{"event":"a","event":"b"}', GOOD),
    "a number": (b"1", GOOD),
    "a number of 5000 digits": (b"1" * 5000, GOOD),
    "a list": (b'["event"]', GOOD),
    "text": (b'"event"', GOOD),
    "null": (b"null", GOOD),
    "nested too deeply": (b"[" * 100_000, GOOD),
    "no member event": (b'{"order_id":"SO-1"}', GOOD),
    "no attributes": (GOOD_DATA, {}),
    "no ce-id": (GOOD_DATA, {"ce-time": TIME}),
    "no ce-time": (GOOD_DATA, {"ce-id": EVENT_ID}),
    "an empty ce-id": (GOOD_DATA, {**GOOD, "ce-id": ""}),
    "a ce-id that is no uuid": (GOOD_DATA, {**GOOD, "ce-id": "17"}),
    "an empty ce-time": (GOOD_DATA, {**GOOD, "ce-time": ""}),
    "a ce-time that is none": (GOOD_DATA, {**GOOD, "ce-time": "yesterday"}),
    "a ce-time without a zone": (GOOD_DATA, {**GOOD, "ce-time": TIME.removesuffix("Z")}),
    "a ce-time that leaves the calendar": (
        GOOD_DATA,
        {**GOOD, "ce-time": "0001-01-01T00:00:00+23:00"},
    ),
}


@pytest.mark.parametrize(("data", "attributes"), OURS.values(), ids=OURS)
def test_a_message_of_ours_is_read(data: bytes, attributes: dict[str, str]) -> None:
    announced = messages.decode(data, attributes)

    assert announced == Announcement(
        UUID(EVENT_ID), datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    )
    assert announced.occurred_at.utcoffset() == timedelta(0)


@pytest.mark.parametrize("given", ["null", "17", '["SO-1"]', '{"a":"SO-1"}'])
def test_a_reference_that_is_no_text_is_none_and_the_message_is_read(given: str) -> None:
    data = f'{{"event":"order.created","order_id":{given}}}'.encode()

    assert messages.decode(data, GOOD).external_ref is None


def test_no_reference_fills_the_log() -> None:
    data = json.dumps({"event": "order.created", "order_id": "x" * 60_000}).encode()

    assert len(str(messages.decode(data, GOOD).external_ref)) == 255


@pytest.mark.parametrize(("data", "attributes"), MALFORMED.values(), ids=MALFORMED)
def test_what_is_not_one_of_ours_is_poisoned(data: bytes, attributes: dict[str, str]) -> None:
    with pytest.raises(Poisoned) as poisoned:
        messages.decode(data, attributes)

    assert poisoned.value.reason == "undecodable"
    assert str(poisoned.value)


JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=8), inside),
    max_leaves=5,
).map(lambda value: json.dumps(value).encode())
ATTRIBUTES = st.dictionaries(
    st.sampled_from(["ce-id", "ce-time", "sequence"]),
    st.one_of(
        st.text(max_size=40),
        st.sampled_from([EVENT_ID, TIME]),
        st.datetimes(timezones=st.timezones() | st.none()).map(datetime.isoformat),
    ),
)


@settings(max_examples=300, deadline=None, database=None)
@given(st.one_of(st.binary(max_size=60), JSON_LIKE, st.just(GOOD_DATA)), ATTRIBUTES)
def test_whatever_comes_it_is_read_or_poisoned(data: bytes, attributes: dict[str, str]) -> None:
    try:
        announced = messages.decode(data, attributes)
    except Poisoned as poisoned:
        reason = poisoned.reason
    else:
        reason = "undecodable"
        assert announced.occurred_at.utcoffset() == timedelta(0)

    assert reason == "undecodable"
