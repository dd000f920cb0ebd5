"""Dead letters as they are answered, and what is said to discard one."""

from __future__ import annotations

import base64
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from orderbus import storage
from orderbus.domain.letters import Kind
from orderbus.web.schemas.fields import Body, Moment, Note

#: Bytes of a message that are answered.
_SHOWN: Final = 1_048_576


class LetterInBrief(Body):
    """A dead letter, and whose order and whose URL it is about."""

    id: int = Field(ge=1)
    kind: Kind
    subject: str | None = Field(description="the actor, the consumer or the type of event")
    reason: str = Field(examples=["retries_exhausted"])
    error: str = Field(examples=["The last answer was 500"])
    external_ref: str | None = Field(description="the sender's reference", examples=["SO-10045"])
    order_id: UUID | None = Field(description="our uuid of the order")
    endpoint_id: UUID | None
    url: str | None = Field(description="the endpoint's", examples=["https://shop.example/hook"])
    delivery_id: int | None
    event_id: UUID | None
    actor: str | None
    message_id: str | None
    created_at: Moment


class LetterPage(Body):
    """Open dead letters, the oldest first; a page may have fewer than asked for, and go on."""

    items: list[LetterInBrief]
    next_cursor: str | None = Field(description="the cursor of the next page; null on the last")


class Letter(LetterInBrief):
    """A dead letter with all that it carries."""

    occurred_at: Moment | None = Field(description="when its event happened")
    consumption_id: int | None
    arguments: Any = Field(description="of a queue message: args and kwargs")
    attributes: dict[str, str] | None = Field(description="of a message, or its headers")
    data: str | None = Field(description="base64 of a message's bytes, the first 1,048,576 of them")
    data_size: int | None = Field(description="how many bytes the message has")
    traceback: str | None
    resolved_at: Moment | None = Field(description="null while it is open")
    resolution: Literal["redriven", "discarded"] | None
    note: str | None = Field(description="why it was discarded")
    decided_by: str | None = Field(description="who did either")

    @classmethod
    def of(cls, letter: storage.dead_letters.DeadLetter) -> Letter:
        """Write a dead letter as it is answered."""
        data = letter.data
        written = {name: getattr(letter, name, None) for name in cls.model_fields}
        written["data"] = None if data is None else base64.b64encode(data[:_SHOWN]).decode()
        written["data_size"] = None if data is None else len(data)
        return cls.model_validate(written)


class LetterGroup(Body):
    """Open dead letters that are alike; ids and long numbers in their error are #."""

    kind: Kind
    subject: str | None
    endpoint_id: UUID | None
    url: str | None
    reason: str
    error: str
    count: int = Field(ge=1)
    oldest: Moment
    newest: Moment
    example: int = Field(description="the oldest of them; a job takes it as like")


class LetterGroups(Body):
    """The largest groups."""

    groups: list[LetterGroup]
    letters: int = Field(description="how many letters fit, of the oldest 100,000")
    is_complete: bool = Field(description="whether these are all the groups there are")


class Decided(Body):
    """What was decided about a dead letter."""

    id: int = Field(ge=1)
    resolution: Literal["redriven", "discarded"]
    held_by: UUID | None = Field(description="the endpoint that is disabled and holds the delivery")


class Redrive(BaseModel):
    """What is sent to redrive a dead letter: all of it may be left out."""

    model_config = ConfigDict(extra="forbid")


class Discard(BaseModel):
    """Why a dead letter may stay dead."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"note": "a test"}})

    note: Note = Field(description="kept with it")
