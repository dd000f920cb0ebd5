"""What is sent to an endpoint, when, and what follows from its answer."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from standardwebhooks import Webhook

from orderbus.domain import retries, webhooks
from orderbus.domain.retries import DeadLetter, Delivered, Gone, NotCharged, Retry
from orderbus.domain.webhooks import EndpointResponse, Format
from tests.support import samples

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
MIDDLE = 0.5
DAY = timedelta(days=1)


def answer(status: int | None = None, **changes: Any) -> EndpointResponse:
    fields: dict[str, Any] = {
        "status": status,
        "retry_after": None,
        "error": None,
        "detail": "",
        "head": b"",
        "duration": timedelta(0),
        "address": None,
    }
    return EndpointResponse(**{**fields, **changes})


def judge(
    given: EndpointResponse,
    *,
    attempt: int = 1,
    jitter: float = MIDDLE,
    age: timedelta = timedelta(0),
) -> retries.Verdict:
    return retries.judge_response(
        given, attempt=attempt, jitter=jitter, first_sent_at=NOW - age, now=NOW
    )


def pause(retry_after: str | None, *, jitter: float = MIDDLE) -> timedelta:
    verdict = judge(answer(503, retry_after=retry_after), jitter=jitter)
    assert isinstance(verdict, Retry)
    return verdict.after


# -- signatures ----------------------------------------------------------------------------------


def test_the_signature_is_the_one_that_svix_publishes() -> None:
    signature = webhooks.sign(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
        body=b'{"test": 2432232314}',
    )

    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_with_two_secrets_either_verifies_with_the_reference_library() -> None:
    secrets = [webhooks.new_secret(), webhooks.new_secret()]
    event = samples.event()
    body = webhooks.body(event, Format.EVENT, sent_at=NOW)
    now = int(datetime.now(UTC).timestamp())

    headers = webhooks.headers(event, secrets=secrets, timestamp=now, body=body)

    assert headers["webhook-signature"].count("v1,") == 2
    for secret in secrets:
        assert Webhook(secret).verify(body, headers)["id"] == str(event.id)


def test_the_headers_of_an_attempt_name_the_event_and_its_number() -> None:
    event = samples.event(sequence=7)

    headers = webhooks.headers(
        event, secrets=[webhooks.new_secret()], timestamp=1614265330, body=b"{}"
    )

    assert headers["webhook-id"] == str(event.id)
    assert headers["webhook-timestamp"] == "1614265330"
    assert headers["orderbus-event-type"] == "order.created"
    assert headers["orderbus-sequence"] == "7"
    assert headers["Content-Type"] == "application/json"


# -- bodies --------------------------------------------------------------------------------------


def test_the_compact_body_has_exactly_the_five_members_of_the_source_document() -> None:
    body = webhooks.body(samples.event(), Format.COMPACT, sent_at=NOW)

    assert json.loads(body) == {
        "event": "order.created",
        "order_id": "SO-10045",
        "customer_name": "Jane Doe",
        "total": "350.00",
        "sent_at": "2026-01-02T03:04:05.000000Z",
    }


def test_the_event_body_holds_the_whole_order_as_it_was() -> None:
    event = samples.event(sequence=3)

    body = json.loads(webhooks.body(event, Format.EVENT, sent_at=NOW))

    assert body == {
        "id": str(event.id),
        "type": "order.created",
        "sequence": 3,
        "occurred_at": "2026-01-02T03:04:05.678901Z",
        "data": event.order,
    }


@pytest.mark.parametrize("body_format", Format)
def test_equal_arguments_give_equal_bytes(body_format: Format) -> None:
    event = samples.event()
    shuffled = samples.event(
        id=event.id, order=dict(sorted(event.order.items(), key=lambda member: member[0][::-1]))
    )

    bodies = {webhooks.body(one, body_format, sent_at=NOW) for one in (event, event, shuffled)}

    assert len(bodies) == 1


# -- the schedule --------------------------------------------------------------------------------


def test_the_schedule_is_the_one_the_documents_promise() -> None:
    hour = timedelta(hours=1)

    pauses = (
        timedelta(0),
        timedelta(seconds=5),
        timedelta(minutes=5),
        timedelta(minutes=30),
        *(2 * hour, 5 * hour, 10 * hour, 14 * hour, 20 * hour, 24 * hour),
    )
    assert pauses == retries.WEBHOOK_SCHEDULE


@pytest.mark.parametrize("attempt", range(1, 10))
def test_the_next_attempt_follows_within_a_tenth_of_its_pause(attempt: int) -> None:
    planned = retries.WEBHOOK_SCHEDULE[attempt]

    verdicts = [judge(answer(500), attempt=attempt, jitter=jitter) for jitter in (0.0, MIDDLE, 1.0)]

    assert verdicts[0] == Retry(planned * 0.9)
    assert verdicts[1] == Retry(planned)
    assert verdicts[2] == Retry(planned * 1.1)


@pytest.mark.parametrize("given", [answer(500), answer(404), answer(error="timeout")])
def test_after_the_tenth_attempt_the_schedule_is_over(given: EndpointResponse) -> None:
    assert isinstance(judge(given, attempt=9), Retry)
    assert judge(given, attempt=10) == DeadLetter("exhausted")
    assert judge(given, attempt=11) == DeadLetter("exhausted")


@pytest.mark.parametrize("attempt", [1, 10, 11])
def test_a_success_counts_on_any_attempt(attempt: int) -> None:
    assert judge(answer(200), attempt=attempt) == Delivered()
    assert judge(answer(410), attempt=attempt) == Gone()


# -- what an answer means ------------------------------------------------------------------------

AGAIN = Retry(timedelta(seconds=5))
MEANINGS = [
    *((answer(status), Delivered()) for status in (200, 201, 202, 204, 206, 299)),
    *((answer(status), AGAIN) for status in (300, 301, 302, 303, 304, 307, 308)),
    *((answer(status), AGAIN) for status in (100, 199, 400, 401, 403, 404, 408, 425, 429)),
    *((answer(status), AGAIN) for status in (500, 502, 503, 504, 599)),
    (answer(410), Gone()),
    *(
        (answer(error=error), AGAIN)
        for error in ("dns", "refused_address", "connect", "tls", "timeout", "protocol")
    ),
    (answer(error="dns_temporary"), NotCharged(timedelta(seconds=10))),
    (answer(error="stalled"), NotCharged(timedelta(seconds=5))),
    (answer(200, error="timeout"), AGAIN),
    (answer(410, error="protocol"), AGAIN),
]


@pytest.mark.parametrize(
    ("given", "verdict"),
    MEANINGS,
    ids=[f"{given.status or ''} {given.error or ''}".strip() for given, _ in MEANINGS],
)
def test_what_follows_from_an_answer(given: EndpointResponse, verdict: retries.Verdict) -> None:
    assert judge(given) == verdict


def test_our_own_fault_is_not_charged_even_when_the_schedule_is_over() -> None:
    assert isinstance(judge(answer(error="dns_temporary"), attempt=10), NotCharged)


def test_a_name_that_cannot_be_resolved_for_a_day_is_charged_like_any_failure() -> None:
    given, age = answer(error="dns_temporary"), timedelta(days=1)

    assert isinstance(judge(given, age=age), Retry)
    assert judge(given, attempt=10, age=age) == DeadLetter("exhausted")


# -- Retry-After ---------------------------------------------------------------------------------

RETRY_AFTER: dict[str, tuple[str | None, timedelta]] = {
    "none": (None, timedelta(seconds=5)),
    "seconds": ("120", timedelta(seconds=120)),
    "seconds with spaces": (" 120 ", timedelta(seconds=120)),
    "fewer seconds than the schedule": ("1", timedelta(seconds=5)),
    "zero": ("0", timedelta(seconds=5)),
    "over a day": ("86401", DAY),
    "5000 digits": ("9" * 5000, DAY),
    "a date": (format_datetime(NOW + timedelta(minutes=7), usegmt=True), timedelta(minutes=7)),
    "a date in another zone": ("Fri, 02 Jan 2026 04:04:15 +0100", timedelta(seconds=10)),
    "a date without a zone": ("Fri, 02 Jan 2026 03:05:05 -0000", timedelta(minutes=1)),
    "a date that is past": (format_datetime(NOW - DAY, usegmt=True), timedelta(seconds=5)),
    "a date over a day away": (format_datetime(NOW + 3 * DAY, usegmt=True), DAY),
    "garbage": ("soon", timedelta(seconds=5)),
    "empty": ("", timedelta(seconds=5)),
    "a negative number": ("-5", timedelta(seconds=5)),
    "a fraction": ("1.5", timedelta(seconds=5)),
    "a superscript digit": ("²", timedelta(seconds=5)),
    "digits of another script": ("١٢", timedelta(seconds=5)),
    "a date that is none": ("Fri, 99 Jan 2026 03:04:05 GMT", timedelta(seconds=5)),
    "a date beyond the calendar": ("Fri, 02 Jan 99999 03:04:05 GMT", timedelta(seconds=5)),
    "a date in an impossible zone": ("Fri, 02 Jan 2026 03:04:05 +9999", timedelta(seconds=5)),
    "a date that leaves the calendar": ("01 Jan 0001 00:00:00 +2300", timedelta(seconds=5)),
    "NUL": ("\x00", timedelta(seconds=5)),
}


@pytest.mark.parametrize(("value", "expected"), RETRY_AFTER.values(), ids=RETRY_AFTER)
def test_retry_after_is_honoured_up_to_a_day(value: str | None, expected: timedelta) -> None:
    assert pause(value) == expected


@pytest.mark.parametrize("jitter", [0.0, 1.0])
def test_jitter_never_cuts_a_retry_after_short(jitter: float) -> None:
    assert pause("120", jitter=jitter) == timedelta(seconds=120)
