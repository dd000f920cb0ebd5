"""The front door as a server under fire, in a thread of its own, and what must hold of it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from random import Random
from typing import Any

import aiohttp
import hypothesis
import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from schemathesis.checks import CHECKS

from orderbus.settings import Settings
from orderbus.storage.database import open_database
from orderbus.web import shop_refusals
from tests.fuzz import orders
from tests.support import event_rows, order_rows, outbox_rows
from tests.support.api_client import http_server
from tests.support.dependencies import Background
from tests.support.waiting import PATIENCE

#: Examples between two looks at the clock.
_ROUND = 100
_NOT_FOR_US = {
    # Every order of the schema is taken, but for rules that a schema cannot say (a total that is
    # the sum of its items, a reference that is taken already).
    "positive_data_acceptance",
    # Paths of one order are read with a key that the caller may not have.
    "ensure_resource_availability",
    "use_after_free",
    "max_response_time",
}


class Fuzzed:
    """A server on a database of its own, and every order that it said it took."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._background = Background()
        self._stack = AsyncExitStack()
        self.url = ""
        self.asked = 0
        self._created = 0

    @contextmanager
    def serving(self) -> Iterator[None]:
        self._background.run(self._open())
        try:
            yield
        finally:
            self._background.run(self._stack.aclose())
            self._background.close()

    async def _open(self) -> None:
        server = await self._stack.enter_async_context(http_server(self._settings))
        self.url = str(server.make_url("")).rstrip("/")
        self._http = await self._stack.enter_async_context(
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE))
        )
        self._database = await self._stack.enter_async_context(open_database(self._settings))

    # -- what may be sent, and what must come back -------------------------------------------------

    def order(self, random: Random) -> None:
        """Send an order, or what is none."""
        self._background.run(
            self._ask(
                "POST",
                "/webhooks/orders/create/",
                orders.headers(random),
                orders.order_bytes(random),
            )
        )

    def anything(self, random: Random) -> None:
        """Ask for any path in any way."""
        method = random.choice(("GET", "GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"))
        path = orders.path(random)
        self._background.run(self._ask(method, path, orders.headers(random), b""))

    async def _ask(self, method: str, path: str, headers: dict[str, str], data: bytes) -> None:
        self.asked += 1
        async with self._http.request(
            method, self.url + path, data=data, headers=headers, allow_redirects=False
        ) as answer:
            text = await answer.text()
            said = f"{method} {path} {headers} {data!r:.2000}: {answer.status} {text[:500]}"
            assert answer.status < 500, said
            assert "Traceback" not in text, said
            if answer.status >= 400 and method != "HEAD":
                is_shop = shop_refusals.reads(answer.url.path)
                kind = shop_refusals.CONTENT_TYPE if is_shop else "application/problem+json"
                assert answer.content_type == kind, said
            if answer.status == 201:
                self._created += 1

    def nothing_else_was_stored(self) -> None:
        """See that there is one order, with its event, for each 201."""
        for rows in (order_rows, event_rows, outbox_rows):
            assert self._background.run(rows.count(self._database)) == self._created, rows


def for_seconds(duration: float, promise: Callable[[Random], None]) -> None:
    """Try a promise with what hypothesis thinks of, new every time; it says how to try it again."""
    until = time.monotonic() + duration
    while time.monotonic() < until:
        seed = secrets.randbits(64)

        @_hasty
        @hypothesis.seed(seed)
        @hypothesis.given(st.randoms(use_true_random=False))
        def tried(random: Random) -> None:
            promise(random)

        try:
            tried()
        except BaseException as error:
            error.add_note(f"hypothesis.seed({seed})")
            raise


def documented(url: str, duration: float, headers: Mapping[str, str] | None = None) -> int:
    """Try what the OpenAPI document promises with schemathesis; returns how often it asked.

    ``headers`` say who asks. Operations have their turn in any order, as long as there is time.
    """
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    checks: Any = [
        CHECKS.get_one(name) for name in CHECKS.get_all_names() if name not in _NOT_FOR_US
    ]
    operations: list[Any] = [found.ok() for found in schema.get_all_operations()]  # type: ignore[union-attr]
    asked = 0
    until = time.monotonic() + duration
    while time.monotonic() < until:
        secrets.SystemRandom().shuffle(operations)
        for operation in operations:
            if headers and time.monotonic() >= until:
                break
            for mode in schemathesis.GenerationMode:
                seed = secrets.randbits(64)

                @_brief
                @hypothesis.seed(seed)
                @hypothesis.given(operation.as_strategy(generation_mode=mode))
                def tried(case: schemathesis.Case[Any]) -> None:
                    nonlocal asked
                    asked += 1
                    case.call_and_validate(
                        checks=checks, timeout=PATIENCE, headers=dict(headers or {})
                    )

                try:
                    tried()
                except hypothesis.errors.Unsatisfiable:
                    continue  # nothing could be wrong with it
                except BaseException as error:
                    error.add_note(f"{operation.label}, {mode}, hypothesis.seed({seed})")
                    raise
    return asked


_hasty = hypothesis.settings(
    max_examples=_ROUND,
    deadline=None,
    database=None,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)
#: All operations have their turn within a minute, and then another one while there is time.
_brief = hypothesis.settings(_hasty, max_examples=_ROUND // 10)
