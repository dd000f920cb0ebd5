"""Jobs as they are asked for, and as they are answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Union, cast

from pydantic import BaseModel, ConfigDict, Field, RootModel, Strict, create_model
from pydantic.config import JsonDict

from orderbus.domain.jobs import HIGHEST_RATE, RATE, State
from orderbus.services.jobs import KINDS
from orderbus.web.schemas.fields import Body, Moment, Reason
from orderbus.web.schemas.orders import Change

_EXAMPLE: Final[JsonDict] = {
    "kind": "replay",
    "filter": {"consumer": "count_event", "since": "2026-01-02T03:04:05Z"},
    "rate": 500,
    "reason": "a consumer that was added later",
}


class Asked(BaseModel):
    """What any job is asked for with."""

    model_config = ConfigDict(extra="forbid")

    rate: Annotated[int, Strict()] = Field(
        RATE, ge=1, le=HIGHEST_RATE, description="rows a second, at most"
    )
    reason: Reason = None
    dry_run: Annotated[bool, Strict()] = Field(
        default=False, description="only count the rows that fit"
    )


#: What is asked for each kind of job with.
NEW: Final[Mapping[str, type[Asked]]] = {
    name: create_model(
        "".join(word.title() for word in ("new", *name.split("_"), "job")),
        __base__=Asked,
        __doc__=kind.filter.__doc__,
        kind=cast("Any", (Literal[name], ...)),
        filter=(kind.filter, ...),
    )
    for name, kind in KINDS.items()
    if not kind.is_begun_with_lines
}
_any: Any = Union[tuple(NEW.values())]  # noqa: UP007 - of as many as there are


class NewJob(RootModel[_any]):
    """A job of one of the kinds that there are."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})


class Why(Change):
    """Why a job is paused, resumed or cancelled, if anybody says so."""

    model_config = ConfigDict(json_schema_extra={"example": {"reason": "the shop is overloaded"}})

    reason: Reason = None


class Refusal(Body):
    """A row that could not be dealt with, and why."""

    subject: str
    reason: str


class Job(Body):
    """A job, and how far it is."""

    id: int = Field(ge=1)
    kind: str = Field(examples=["replay"])
    state: State
    total: int = Field(description="rows that fitted when it began")
    is_at_least: bool = Field(description="whether they may be more: counting ends after seconds")
    done: int
    refused: int = Field(description="rows that could not be dealt with")
    rate: int = Field(description="rows a second, at most")
    filter: dict[str, Any] = Field(description="which rows; with what bounds it")
    asked_by: str
    reason: str | None
    created_at: Moment
    stepped_at: Moment | None = Field(description="when its last step was taken")
    finished_at: Moment | None
    error: str | None = Field(description="why it failed, or why its last step was in vain")
    refusals: list[Refusal] = Field(description="the first 20 of what was refused")


class JobPage(Body):
    """A page of jobs, from the newest on."""

    items: list[Job]
    next_cursor: str | None = Field(description="the cursor of the next page; null on the last")


class Counted(Body):
    """What a job would be about; nothing is done."""

    kind: str = Field(examples=["replay"])
    filter: dict[str, Any]
    total: int = Field(description="rows that fit")
    is_at_least: bool = Field(description="whether they may be more: counting ends after seconds")
    dry_run: Literal[True]
