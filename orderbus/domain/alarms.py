"""Which page of ``docs/alarms`` tells what an alarm means, what to look at and what to type.

Each alarm names its page itself: log lines and the findings of ``orderbus doctor`` in a field or a
line of their own, rules of ``observability/alerts.yml`` in an annotation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

#: Log events that somebody has to look at, by page: each error, and the warnings that go before.
EVENTS: Final[Mapping[str, str]] = {
    "beat_ended": "process-ended",
    "beat_failed": "our-own-error",
    "bridge_waits": "dependency-away",
    "consumer_failed": "our-own-error",
    "dead_letter_written": "dead-letters",
    "delivery_failed_here": "our-own-error",
    "endpoint_disabled": "endpoint-disabled",
    "events_lost_by_pubsub": "events-do-not-come-back",
    "frozen_sessions_ended": "frozen-process",
    "given_up_not_kept": "our-own-error",
    "giving_up_failed": "our-own-error",
    "job_failed": "job-failed",
    "job_put_off": "job-failed",
    "message_not_settled": "our-own-error",
    "metrics_port_taken": "metrics-port-taken",
    "part_away": "dependency-away",
    "partition_horizon_short": "partitions-end-soon",
    "queue_differs": "queue-differs",
    "rabbitmq_blocked": "dependency-away",
    "request_failed": "our-own-error",
    "subscription_made_anew": "events-do-not-come-back",
    "subscription_refused_us": "events-do-not-come-back",
    "subscription_unreachable": "events-do-not-come-back",
    "threads_lost": "process-ended",
    "topic_vanished": "events-wait-to-be-published",
    "web_worker_died": "process-ended",
    "work_not_settled": "our-own-error",
}
#: What ``orderbus doctor`` examines, by page.
SUBJECTS: Final[Mapping[str, str]] = {
    "settings": "settings-refused",
    "incoming orders": "settings-refused",
    "PostgreSQL": "dependency-away",
    "replica": "replica-behind",
    "connections": "connections-run-out",
    "clock": "clocks-differ",
    "notifications": "notifications-unheard",
    "schema": "schema-differs",
    "partitions": "partitions-end-soon",
    "outbox": "events-wait-to-be-published",
    "endpoints": "endpoint-disabled",
    "consumers": "consumers-lag",
    "dead letters": "dead-letters",
    "RabbitMQ": "dependency-away",
    "queues": "queue-differs",
    "consumer_timeout": "consumer-timeout",
    "Pub/Sub": "dependency-away",
}


def page(name: str) -> str:
    """Say where the page of that name is, from the top of the checkout."""
    return f"docs/alarms/{name}.md"


def page_of_event(event: object) -> str | None:
    """Say which page tells about a log event; None where nobody has to look at it."""
    name = EVENTS.get(event) if isinstance(event, str) else None
    return name and page(name)


def page_of_subject(subject: str) -> str:
    """Say which page tells what to do about a finding; empty where none does."""
    name = SUBJECTS.get(subject)
    return page(name) if name else ""
