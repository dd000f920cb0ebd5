"""Jobs of ten thousand rows each, over which two workers die."""

from __future__ import annotations

import pytest

from tests.end_to_end.killed_jobs import survive
from tests.support.system import System


@pytest.mark.native
@pytest.mark.timeout(900)
async def test_jobs_of_10000_rows_that_retry_redrive_and_resend_tell_each_once_and_in_order(
    system: System,
) -> None:
    await survive(system, events=10_000, rate=500, seconds=600)
