"""The faults that the double can be told to have."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

#: From 0, never, to 1, always.
Rate = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0, le=3600)]


class Faults(BaseModel):
    """The faults that are on; without any the double does what the service promises."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    nack: Rate = Field(0, description="Acks that are taken for nacks: the message comes again.")
    duplicate: Rate = Field(0, description="Messages that are delivered twice.")
    reorder: Rate = Field(0, description="Messages that later ones overtake.")
    delay: Seconds = Field(0, description="Seconds before a message may be delivered.")
    expire_acks: Rate = Field(
        0, description="Acks that get lost: the message comes again after its deadline."
    )
    lose_answers: Rate = Field(
        0, description="Requests to publish that are carried out and answered UNAVAILABLE."
    )
    refuse: str | None = Field(
        None,
        min_length=1,
        description="Refuse requests with a message that has this text in its data or attributes.",
    )
    full: int | None = Field(
        None,
        ge=0,
        description="Refuse to publish (RESOURCE_EXHAUSTED) while so many messages are kept.",
    )
    seed: int | None = Field(None, description="Makes what is random the same every time.")
