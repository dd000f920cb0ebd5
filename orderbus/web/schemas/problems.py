"""Refusals as they are answered: RFC 9457."""

from __future__ import annotations

from pydantic import Field

from orderbus.web.schemas.fields import Body


class ProblemFault(Body):
    """One thing that is wrong with a request."""

    pointer: str = Field(description="JSON pointer, RFC 6901", examples=["/items/0/quantity"])
    code: str = Field(examples=["greater_than"])
    detail: str


class Problem(Body):
    """Why a request was refused, or failed."""

    type: str = Field(description="/problems/ and the error's code, which is stable")
    title: str
    status: int
    detail: str
    instance: str = Field(description="the path that was asked")
    faults: list[ProblemFault] = Field([], description="the first 100 things that are wrong")
    part: str = Field("", description="the short name of the dependency that is away")
    source: str = Field("", alias="from", description="the order's status")
    target: str = Field("", alias="to", description="the status it cannot go to")
    error: str | dict[str, list[str]] = Field("", description="for clients of source documents")
    errors: dict[str, list[str]] = Field({}, description="the same; what is wrong by field")
