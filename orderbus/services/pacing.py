"""How many exchanges an endpoint is given at a time: as many as it answers well."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final
from uuid import UUID

from orderbus.domain.webhooks import EndpointResponse

#: What an endpoint has before anything is known of it.
FIRST: Final = 4
#: What an answer in time adds; a bad one halves.
_MORE: Final = 0.25
#: An answer that takes longer shows that there are enough.
_IN_TIME: Final = timedelta(seconds=1)
_TOO_MANY_REQUESTS: Final = 429
_SERVER_ERROR: Final = 500


class Pacing:
    """Counts for each endpoint how many exchanges it may have under way, from 1 to ``most``.

    One that does not answer, or answers that it cannot, is down to one at a time after a few
    attempts, and so takes one place from the others while it is away. In one process.
    """

    def __init__(self, *, most: int) -> None:
        """Know nothing of any endpoint."""
        self._most = most
        self._places: dict[UUID, float] = {}

    @property
    def first(self) -> int:
        """Say what an endpoint has of which nothing is known."""
        return min(FIRST, self._most)

    @property
    def places(self) -> Mapping[UUID, int]:
        """Name those endpoints that have more or less than ``first``."""
        return {endpoint: int(places) for endpoint, places in self._places.items()}

    def hear(self, endpoint: UUID, response: EndpointResponse) -> None:
        """Take an answer into account, or that there was none."""
        places, status = self._places.get(endpoint, float(self.first)), response.status
        if (
            response.error is not None
            or status is None
            or status == _TOO_MANY_REQUESTS
            or status >= _SERVER_ERROR
        ):
            self._places[endpoint] = max(1.0, places / 2)
        elif response.duration <= _IN_TIME:
            self._places[endpoint] = min(float(self._most), places + _MORE)
