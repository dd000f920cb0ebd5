"""No pause is ever longer than its cap, whatever the number of the attempt and whoever asks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import hypothesis
from hypothesis import strategies as st

from orderbus.domain import retries
from orderbus.domain.retries import DeadLetter, NotCharged, Retry
from orderbus.domain.webhooks import EndpointResponse
from orderbus.errors import Unavailable
from orderbus.worker.retries import judge

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LAST = len(retries.WEBHOOK_SCHEDULE)
any_case = hypothesis.settings(max_examples=300, deadline=None, database=None)
jitters = st.floats(0, 1)
attempts = st.integers(1, 2_147_483_647)
moments = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 - the strategy adds the zone
asked = st.one_of(
    st.none(),
    st.integers(0, 10**400).map(str),
    moments.map(lambda moment: format_datetime(moment, usegmt=True)),
    st.text(max_size=20),
)
answers = st.builds(
    EndpointResponse,
    status=st.none() | st.integers(100, 599),
    retry_after=asked,
    error=st.sampled_from([None, "timeout", "connect", "dns_temporary", "stalled", "protocol"]),
    detail=st.just(""),
    head=st.just(b""),
    duration=st.just(timedelta(0)),
    address=st.none(),
)


@any_case
@hypothesis.given(answers, attempts, jitters, moments)
def test_an_endpoint_is_told_again_within_the_longer_of_a_day_and_the_schedule(
    answer: EndpointResponse, attempt: int, jitter: float, first: datetime
) -> None:
    verdict = retries.judge_response(
        answer, attempt=attempt, jitter=jitter, first_sent_at=min(first, NOW), now=NOW
    )

    match verdict:
        case Retry(after):
            planned = retries.WEBHOOK_SCHEDULE[attempt]
            assert planned * 0.9 <= after <= max(planned * 1.1, timedelta(days=1))
        case NotCharged(after):
            assert timedelta(0) < after <= timedelta(seconds=10)
        case DeadLetter():
            assert attempt >= LAST


@any_case
@hypothesis.given(st.integers(1, LAST - 1), jitters)
def test_the_schedule_is_kept_to_within_a_tenth(attempt: int, jitter: float) -> None:
    planned = retries.WEBHOOK_SCHEDULE[attempt]

    assert planned * 0.9 <= retries.webhook_pause(attempt, jitter=jitter) <= planned * 1.1


def test_the_schedule_is_three_days_of_growing_pauses_and_none_is_longer_than_a_day() -> None:
    pauses = retries.WEBHOOK_SCHEDULE

    assert list(pauses) == sorted(pauses)
    assert max(pauses) == timedelta(days=1)
    assert timedelta(days=3) < sum(pauses, timedelta(0)) < timedelta(days=3.5)


@any_case
@hypothesis.given(st.integers(0, 2_147_483_647), st.integers(0, 10**9))
def test_a_message_is_tried_again_within_half_a_minute(times: int, seconds: int) -> None:
    away = Unavailable("away")
    away.retry_after = timedelta(seconds=seconds)
    most = 2_147_483_648
    verdicts = [
        judge(away, waits=times, retries=0, max_retries=3),
        judge(ValueError(), waits=0, retries=times, max_retries=most),
    ]

    for verdict in verdicts:
        assert isinstance(verdict, retries.Retry | retries.NotCharged)
        assert timedelta(0) < verdict.after <= timedelta(seconds=30)


def test_pauses_while_a_part_is_away_are_short_enough_to_be_back_within_seconds() -> None:
    assert retries.BRIDGE_BATCH.after(10**9) == timedelta(seconds=2)
    assert retries.DELIVERY_STEP.after(10**9) == timedelta(seconds=0.5)
