"""Health and counts as they are answered."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from orderbus.storage.metrics import Metric
from orderbus.web.schemas.fields import Body


class Alive(Body):
    """The process runs."""

    ok: Literal[True]


class Readiness(Body):
    """Whether the process can do its work."""

    ready: bool
    parts: dict[str, bool] = Field(description="each dependency, and whether it answers as needed")
    replica_lag: float = Field(
        0, ge=0, description="seconds that the replica is behind at most, where there is one"
    )
    detail: str = Field("", description="what is to be done about those that do not")


class Metrics(Body):
    """Everything that is counted."""

    metrics: list[Metric]
