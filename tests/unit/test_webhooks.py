"""What is sent, how it is signed, when it is tried again, what an answer means."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook

from orderbus.domain import webhooks
from orderbus.domain.webhooks import (
    SCHEDULE,
    Answer,
    Delivered,
    Exhausted,
    Format,
    Gone,
    NotCharged,
    Retry,
    Verdict,
)
from orderbus.errors import Invalid
from tests import samples

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
DAY = timedelta(days=1)


def answer(
    status: int | None = None, *, error: str | None = None, retry_after: str | None = None
) -> Answer:
    return Answer(status, retry_after, error, "", b"", timedelta(0), None)


def judge(given: Answer, *, attempt: int = 1, jitter: float = 0.5) -> Verdict:
    return webhooks.judge(given, attempt=attempt, jitter=jitter, now=NOW)


def test_the_published_vector_of_standard_webhooks_is_met() -> None:
    signature = webhooks.sign(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
        body=b'{"test": 2432232314}',
    )

    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_with_two_secrets_a_receiver_may_hold_either() -> None:
    secrets = [webhooks.new_secret(), webhooks.new_secret()]
    event = samples.event()
    body = webhooks.body(event, Format.EVENT, sent_at=NOW)

    headers = webhooks.headers(
        event, secrets=secrets, timestamp=int(datetime.now(UTC).timestamp()), body=body
    )

    for secret in secrets:
        assert Webhook(secret).verify(body, headers)["id"] == str(event.id)


def test_the_compact_body_has_exactly_the_five_members_of_the_source_document() -> None:
    body = webhooks.body(samples.event(), Format.COMPACT, sent_at=NOW)

    assert json.loads(body) == {
        "event": "order.created",
        "order_id": "SO-10045",
        "customer_name": "Jane Doe",
        "total": "350.00",
        "sent_at": "2026-01-02T03:04:05.000000Z",
    }


def test_the_event_body_holds_the_whole_order() -> None:
    event = samples.event(sequence=7)

    content = json.loads(webhooks.body(event, Format.EVENT, sent_at=NOW))

    assert set(content) == {"id", "type", "sequence", "occurred_at", "data"}
    assert (content["sequence"], content["data"]["items"][0]["sku"]) == (7, "ABC123")


@pytest.mark.parametrize("body_format", list(Format))
def test_equal_arguments_give_equal_bytes(body_format: Format) -> None:
    event = samples.event()

    bodies = {webhooks.body(event, body_format, sent_at=NOW) for _ in range(5)}

    assert len(bodies) == 1


def test_the_schedule_is_the_one_that_is_promised() -> None:
    assert [pause.total_seconds() for pause in SCHEDULE] == [
        0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400,
    ]  # fmt: skip


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_delivered(status: int) -> None:
    assert judge(answer(status)) == Delivered()


def test_410_disables_the_endpoint() -> None:
    assert judge(answer(410), attempt=10) == Gone()


@pytest.mark.parametrize(
    "given",
    [
        *(answer(status) for status in (301, 302, 307, 308, 400, 401, 403, 404, 408, 409, 413)),
        *(answer(status) for status in (422, 425, 429, 500, 501, 502, 503, 504, 599, 199)),
        *(answer(error=name) for name in ("dns", "refused_address", "connect", "tls")),
        *(answer(error=name) for name in ("timeout", "protocol")),
        answer(200, error="timeout"),
    ],
    ids=lambda given: f"{given.status}-{given.error}",
)
def test_everything_else_is_tried_again_and_dead_after_the_tenth(given: Answer) -> None:
    verdicts = [judge(given, attempt=attempt) for attempt in range(1, 11)]

    assert verdicts[:-1] == [Retry(pause) for pause in SCHEDULE[1:]]
    assert verdicts[-1] == Exhausted("exhausted")


def test_our_own_resolvers_failure_is_not_charged() -> None:
    assert isinstance(judge(answer(error="dns_temporary"), attempt=10), NotCharged)


@pytest.mark.parametrize(("jitter", "seconds"), [(0.0, 270.0), (0.5, 300.0), (1.0, 330.0)])
def test_a_pause_is_up_to_a_tenth_longer_or_shorter(jitter: float, seconds: float) -> None:
    verdict = judge(answer(500), attempt=2, jitter=jitter)

    assert verdict == Retry(timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("value", "pause"),
    [
        ("120", timedelta(seconds=120)),
        (" 120 ", timedelta(seconds=120)),
        ("1", timedelta(seconds=5)),  # never earlier than the schedule
        ("999999", DAY),
        ("9" * 100, DAY),
        ("Fri, 02 Jan 2026 03:14:05 GMT", timedelta(minutes=10)),
        ("Thu, 01 Jan 2026 00:00:00 GMT", timedelta(seconds=5)),
        ("Fri, 02 Jan 2099 00:00:00 GMT", DAY),
        ("soon", timedelta(seconds=5)),
        ("-5", timedelta(seconds=5)),
        ("1.5", timedelta(seconds=5)),
        ("١٢٠", timedelta(seconds=5)),
        ("", timedelta(seconds=5)),
    ],
)
def test_retry_after_is_honoured_up_to_a_day(value: str, pause: timedelta) -> None:
    assert judge(answer(503, retry_after=value)) == Retry(pause)


@pytest.mark.parametrize("url", ["https://a.example/", "http://a.example:8080/x?y=1"])
def test_a_url_with_a_host_is_taken(url: str) -> None:
    webhooks.check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a.example",
        "ftp://a.example/",
        "http://",
        "http:///x",
        "http://user:pass@a.example/",
        "http://a.example/#part",
        "http://a.example:0/",
        "http://a.example:99999/",
        "http://[::1/",
        "http://a.example/ x",
        "http://ä.example/",
        "file:///etc/passwd",
    ],
)
def test_a_url_that_cannot_work_is_refused(url: str) -> None:
    with pytest.raises(Invalid):
        webhooks.check_url(url)


def test_a_new_secret_is_one() -> None:
    webhooks.check_secret(webhooks.new_secret())


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "x" * 40, "whsec_!", "whsec_ä"])
def test_a_secret_that_cannot_work_is_refused(secret: str) -> None:
    with pytest.raises(Invalid):
        webhooks.check_secret(secret)
