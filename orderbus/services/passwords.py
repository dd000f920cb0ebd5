"""Hashes passwords by Argon2id (RFC 9106), in threads of their own and a few at a time.

A hash costs 19 MiB and some 20 ms on purpose. A flood of sign-ins is kept from taking the server's
memory and threads: two are worked out at once, and so many wait at most; the rest is told to come
again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from orderbus.errors import Unavailable

#: What OWASP asks for at least: 19 MiB, two passes, one lane.
_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
#: Hashes that are worked out at once in a process, and those that wait for that.
AT_ONCE: Final = 2
WAITING: Final = 32

T = TypeVar("T")


class Passwords:
    """The threads of one process that hash; they begin with the first hash, until ``close``."""

    def __init__(self, *, at_most: int = AT_ONCE + WAITING) -> None:
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="passwords")
        self._at_most = at_most
        self._under_way = 0
        #: Compared with where there is nobody, so that it costs the same.
        self._nobodys = _HASHER.hash("nobody")

    def close(self) -> None:
        """Let the threads end; who still waits for one is cancelled."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def hash(self, password: str) -> str:
        """Hash a password that was chosen. Raises ``Unavailable``."""
        return await self._run(lambda: _HASHER.hash(password))

    async def matches(self, password_hash: str | None, password: str) -> bool:
        """Say whether it is the password; without a hash it costs the same, and is none.

        Raises ``Unavailable``.
        """
        compared = password_hash or self._nobodys
        return await self._run(lambda: _is(compared, password)) and password_hash is not None

    async def _run(self, work: Callable[[], T]) -> T:
        if self._under_way >= self._at_most:
            raise Unavailable("Too many people sign in at this moment: try again")
        self._under_way += 1
        future = self._threads.submit(work)
        # Not when the caller is done, which may have left: when the thread is.
        loop = asyncio.get_running_loop()
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._done))
        return await asyncio.wrap_future(future)

    def _done(self) -> None:
        self._under_way -= 1


def _is(password_hash: str, password: str) -> bool:
    try:
        return _HASHER.verify(password_hash, password)
    except VerificationError:
        return False
