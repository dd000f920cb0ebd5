"""What all answers have in common, and the kinds of values in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Self
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

from orderbus.domain.events import rfc3339
from orderbus.domain.text import brief, storable

_LONGEST_REASON: Final = 2000

Id = Annotated[UUID, Field(examples=["0b7e2f3c-5a0f-4a53-9d6f-5a3c5f0e2b11"])]
Reference = Annotated[str, Field(description="the sender's reference", examples=["SO-10045"])]
Amount = Annotated[
    Decimal,
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]+[.][0-9]{2}$", "examples": ["350.00"]}),
]
Hash = Annotated[
    bytes,
    PlainSerializer(bytes.hex, return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^[0-9a-f]{64}$"}),
]
Moment = Annotated[
    datetime,
    PlainSerializer(rfc3339),
    WithJsonSchema(
        {"type": "string", "format": "date-time", "examples": ["2026-01-02T03:04:05.678901Z"]}
    ),
]


def _reason(value: object) -> object:
    is_reason = isinstance(value, str) and 1 <= len(value) <= _LONGEST_REASON
    if value is not None and not (is_reason and storable(str(value)) == value):
        message = "is {given}: must be a text of 1 to {most} characters, without NUL"
        bounds = {"given": brief(ascii(value), 40), "most": _LONGEST_REASON}
        raise PydanticCustomError("text", message, bounds)
    return value


Reason = Annotated[
    str | None, Field(min_length=1, max_length=_LONGEST_REASON), BeforeValidator(_reason)
]

#: The same, where one has to be given.
Note = Annotated[str, Field(min_length=1, max_length=_LONGEST_REASON), BeforeValidator(_reason)]


RequiredReason = Annotated[
    str, Field(min_length=1, max_length=_LONGEST_REASON), BeforeValidator(_reason)
]


def _without_defaults(schema: dict[str, Any]) -> None:
    for member in schema.get("properties", {}).values():
        member.pop("default", None)


class Body(BaseModel):
    """What is answered as JSON: a member with a default is left out where it was not set."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_by_name=True, json_schema_extra=_without_defaults
    )

    @classmethod
    def of(cls, row: Any) -> Self:  # noqa: ANN401 - any row with such fields
        """Write a row as it is answered."""
        return cls.model_validate(row, from_attributes=True)

    def members(self) -> dict[str, Any]:
        """Write the members as JSON values."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)

    def encoded(self) -> bytes:
        """Write it as JSON."""
        return json.dumps(self.members()).encode()

    def response(self, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
        """Answer with it."""
        media_type = {"Content-Type": "application/json; charset=utf-8"}
        return web.Response(
            status=status, body=self.encoded(), headers={**media_type, **(headers or {})}
        )
