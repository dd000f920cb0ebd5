"""What does it take for so many orders a second, and what is the first thing to run out?

Computed of what ``hops`` measured; the ceilings are assumptions and quotas, each with its source in
``docs/scaling.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.report import Table, number
from orderbus.pubsub.messages import encode
from tests.support import samples

SIZES = (100, 400, 1_000, 3_000, 10_000, 30_000, 100_000)
#: A core is planned to be busy for so much of the time.
_BUSY = 0.6


@dataclass(frozen=True, slots=True)
class Ceiling:
    """How much of something there is a second, and what to do where it does not suffice."""

    name: str
    limit: float
    then: str


_POSTGRES = Ceiling("PostgreSQL's CPU", 64 * _BUSY, "one more primary")
_WAL = Ceiling("PostgreSQL's WAL", 500e6, "one more primary")
_PUBSUB = Ceiling("Pub/Sub's quota", 200e6, "ask for more")
_RABBITMQ = Ceiling("RabbitMQ", 30_000, "one more cluster")


def of(hops: Mapping[str, Any]) -> list[Table]:
    """Make the table: what each size takes, and its first bottleneck."""
    costs, counted = hops["cpu"], hops["counted"]
    postgres = sum(cost for name, cost in costs.items() if name.startswith("PostgreSQL")) / 1e6
    message = encode(samples.event())
    size = len(message.data) + sum(len(k) + len(v) for k, v in message.attributes.items())
    published = counted["events (Pub/Sub messages)"] * size
    needs = {
        _POSTGRES: postgres,
        _WAL: counted["WAL bytes"],
        _PUBSUB: published,
        _RABBITMQ: counted["RabbitMQ messages"],
    }
    header = [
        "orders/s",
        *(f"{name}, cores" for name in ("web", "workers", "bridge")),
        "PostgreSQL, cores",
        "WAL, MB/s",
        "Pub/Sub, MB/s",
        "RabbitMQ, messages/s",
        "first bottleneck",
    ]
    rows = [
        [
            f"{rate:,}",
            *(_cores(rate * costs[name] / 1e6) for name in ("web", "workers", "bridge")),
            _cores(rate * postgres),
            number(rate * needs[_WAL] / 1e6),
            number(rate * published / 1e6),
            number(rate * needs[_RABBITMQ]),
            _first(rate, needs),
        ]
        for rate in SIZES
    ]
    return [Table("capacity", header, rows), _where_each_ends(needs, costs)]


def _cores(seconds: float) -> str:
    """Write how many cores that takes, none of them busier than planned."""
    return number(seconds / _BUSY)


def _first(rate: float, needs: Mapping[Ceiling, float]) -> str:
    used = {ceiling: rate * need / ceiling.limit for ceiling, need in needs.items()}
    ceiling = max(used, key=lambda each: used[each])
    if used[ceiling] <= 1:
        return f"none; {ceiling.name} at {used[ceiling]:.0%}"
    return f"**{ceiling.name}**, {used[ceiling]:.1f} times what there is: {ceiling.then}"


def _where_each_ends(needs: Mapping[Ceiling, float], costs: Mapping[str, float]) -> Table:
    """List at how many orders a second each ceiling is reached."""
    own = {name: cost for name, cost in costs.items() if name != "receiver"}
    all_on_two = 2 / (sum(own.values()) / 1e6)
    rows = [["two cores with everything on them, 100 % busy", number(all_on_two)]]
    rows += [
        [f"{ceiling.name}: {number(ceiling.limit)} a second", number(ceiling.limit / need)]
        for ceiling, need in needs.items()
        if need
    ]
    return Table("ceilings", ["what ends", "at orders/s"], rows)
