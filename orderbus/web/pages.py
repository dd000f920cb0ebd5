"""Lists as clients of the shop read them: so many from an offset on, with links to others."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from aiohttp import web
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from orderbus.web import senders

LONGEST_PAGE: Final = 100
#: Beyond it nobody reads on, and PostgreSQL would have to count that far.
_FARTHEST: Final = 10**9


def _number(least: int) -> BeforeValidator:
    def read(value: object) -> object:
        if isinstance(value, str):
            if not re.fullmatch("[0-9]{1,9}", value) or int(value) < least:
                code, sentence = "invalid", "A valid integer is required."
                raise PydanticCustomError(code, sentence)
            return int(value)
        return value

    return BeforeValidator(read)


class OffsetQuery(BaseModel):
    """How many are asked for, and from where on; of more than a page has, as many as it has."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1), _number(1)] = 10
    offset: Annotated[int, Field(ge=0, le=_FARTHEST), _number(0)] = 0

    @property
    def at_most(self) -> int:
        """How many there may be on the page."""
        return min(self.limit, LONGEST_PAGE)


def links(request: web.Request, query: OffsetQuery, count: int) -> dict[str, Any]:
    """Count all, and link to the pages beside this one, where there are any."""
    after, before = query.offset + query.at_most, query.offset - query.at_most
    return {
        "count": count,
        "next": _link(request, query, after) if after < count else None,
        "previous": _link(request, query, before) if query.offset > 0 else None,
    }


def _link(request: web.Request, query: OffsetQuery, offset: int) -> str:
    asked = {**request.query, "limit": str(query.at_most), "offset": str(offset)}
    if offset <= 0:
        del asked["offset"]
    url = request.rel_url.with_query(asked)
    return f"{senders.base_url(request)}{url.raw_path_qs}"
