"""The log, and every metric, of a running orderbus.

Each metric is declared here, in one list, with the sentence an operator reads beside it. Names of
log events are fixed, since people search for them: ``docs/logs.md`` lists them with their fields.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, Final

import structlog
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from orderbus.domain.events import Event
from orderbus.domain.traces import trace_id

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

log: Final = structlog.get_logger()
#: Puts fields into every line that is written within.
bound: Final = structlog.contextvars.bound_contextvars

_SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 86400)

ACCEPTED = Counter(
    "orderbus_orders_accepted", "Orders stored; the same order again is not counted."
)
REFUSED = Counter(
    "orderbus_orders_refused", "Requests to take an order that were refused, by reason.", ["code"]
)
PUBLISHED = Counter("orderbus_events_published", "Events Pub/Sub took, repetitions included.")
RECEIVED = Counter("orderbus_events_received", "Events that came back and were new to the inbox.")
DUPLICATES = Counter(
    "orderbus_events_duplicate", "Events that came back again; they changed nothing."
)
DELIVERED = Counter("orderbus_webhooks_delivered", "Deliveries an endpoint answered with 2xx.")
ATTEMPTS = Counter(
    "orderbus_webhook_attempts", "Attempts by outcome: delivered, failed, not_charged.", ["outcome"]
)
CONSUMED = Counter(
    "orderbus_events_consumed",
    "Events by consumer and outcome: done, again, buried.",
    ["consumer", "outcome"],
)
MOVES = Counter(
    "orderbus_order_moves", "Moves of orders from status to status.", ["source", "target"]
)
PRODUCTS_SHOWN = Counter(
    "orderbus_products_shown",
    "Products and pages of them that were asked for, by where they came from: kept, read, "
    "changed_meanwhile (read, and not kept).",
    ["from"],
)
READS = Counter(
    "orderbus_reads",
    "Reads over HTTP where a replica is named, by the server that answered and why it: near, token "
    "(what the caller saw is there, or may not be), behind, away, failed, not_found.",
    ["server", "because"],
)
REPLICA_LAG = Gauge(
    "orderbus_replica_lag_seconds",
    "How far the replica is behind at most; it grows while nothing is heard of it.",
    ["server"],
    multiprocess_mode="mostrecent",
)
LAPSED = Counter("orderbus_reservations_lapsed", "Lines of carts that were held too long.")
DEAD_LETTERS = Counter(
    "orderbus_dead_letters_written",
    "Dead letters by kind: delivery, outbox, pubsub, message, consumption.",
    ["kind"],
)
ACTOR_MESSAGES = Counter(
    "orderbus_actor_messages",
    "Queue messages processed, by actor and outcome.",
    ["actor", "outcome"],
)
#: Stands for the actor of a message that names none we know, here and in the message itself.
UNKNOWN_ACTOR: Final = "unknown"
HTTP_REQUESTS = Counter(
    "orderbus_http_requests", "HTTP requests answered.", ["route", "method", "status"]
)
ACCEPT_TO_PUBLISH = Histogram(
    "orderbus_accept_to_publish_seconds",
    "Seconds from an event's commit until Pub/Sub took it.",
    buckets=_SECONDS,
)
ACCEPT_TO_DELIVERED = Histogram(
    "orderbus_accept_to_delivered_seconds",
    "Seconds from an event's commit until an endpoint answered 2xx.",
    buckets=_SECONDS,
)

#: What waits at each hop, asked of PostgreSQL at each scrape: field of the backlog, name, sentence.
BACKLOG: Final = (
    ("unpublished", "orderbus_outbox_unpublished", "Events that wait to be published."),
    ("awaiting_return", "orderbus_outbox_awaiting_return", "Events published and not back yet."),
    (
        "parked",
        "orderbus_outbox_parked",
        "Events that cannot be published; a person has to decide.",
    ),
    ("unconsumed", "orderbus_consumptions_pending", "Events that consumers have not had yet."),
    ("undelivered", "orderbus_deliveries_pending", "Deliveries that wait or are under way."),
    ("held", "orderbus_deliveries_held", "Deliveries that wait for a disabled endpoint."),
    (
        "disabled_endpoints",
        "orderbus_endpoints_disabled",
        "Endpoints that answered 410 and are told nothing until a person enables or removes them.",
    ),
    ("dead_letters", "orderbus_dead_letters_open", "Dead letters nobody has decided about."),
    ("running_jobs", "orderbus_jobs_running", "Jobs that workers take the steps of."),
    (
        "failed_jobs",
        "orderbus_jobs_failed",
        "Jobs that cannot go on until a person resumes or cancels them.",
    ),
    (
        "oldest_unpublished",
        "orderbus_outbox_oldest_unpublished_seconds",
        "Age of the oldest event that waits to be published.",
    ),
    (
        "oldest_undelivered",
        "orderbus_deliveries_oldest_pending_seconds",
        "Age of the oldest event an endpoint is still owed.",
    ),
    (
        "partition_days_ahead",
        "orderbus_partition_days_ahead",
        "Days ahead for which daily partitions exist; below 7 is an alarm.",
    ),
    (
        "publishing_paused",
        "orderbus_publishing_paused",
        "1 while Pub/Sub takes nothing and publishing waits for a probe.",
    ),
)


class _Asked(Collector):
    """What PostgreSQL was asked at this scrape."""

    def __init__(self, backlog: object | None, exact: Mapping[str, int] | None) -> None:
        self._backlog, self._exact = backlog, exact

    def collect(self) -> Iterable[Metric]:
        for field, name, sentence in BACKLOG if self._backlog is not None else ():
            yield GaugeMetricFamily(name, sentence, value=float(getattr(self._backlog, field)))
        for name, count in (self._exact or {}).items():
            sentence = "Counted from events, each exactly once, by all processes together."
            yield CounterMetricFamily(name, sentence, value=count)


def about(event: Event | None) -> dict[str, Any]:
    """Name an event, its order, and the trace and the request it follows from in a log line.

    The order by our uuid and by the sender's reference, which is None where all that is known of
    the order is its uuid.
    """
    if event is None:
        return {}
    return {
        "event_id": str(event.id),
        "order_id": str(event.order_id),
        "external_ref": event.order.get("order_id"),
        "sequence": event.sequence,
        "trace_id": trace_id(event.traceparent),
        "request_id": event.request_id,
    }


def request_id() -> str | None:
    """Name the request that what is done now follows from, as the lines about it do."""
    bound_id: str | None = structlog.contextvars.get_contextvars().get("request_id")
    return bound_id


def render(backlog: object | None = None, exact: Mapping[str, int] | None = None) -> bytes:
    """Write all metrics of this process and its siblings as Prometheus text.

    Siblings share ``PROMETHEUS_MULTIPROC_DIR``. ``backlog`` (see ``storage.diagnostics``) adds what
    waits at each hop, ``exact`` what consumers counted (see ``storage.metrics``).
    """
    return generate_latest(_counted()) + generate_latest(_Asked(backlog, exact))


def _counted() -> Collector:
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    return MultiProcessCollector(None)  # type: ignore[no-untyped-call]


def counts() -> dict[str, float]:
    """Sum each counter over its labels, by name."""
    sums: dict[str, float] = {}
    for metric in _counted().collect():
        if metric.type == "counter" and metric.name.startswith("orderbus_"):
            sums[metric.name] = sum(
                sample.value for sample in metric.samples if sample.name.endswith("_total")
            )
    return sums
