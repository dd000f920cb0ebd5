"""Five thousand good messages among which five hundred are bad."""

from __future__ import annotations

import pytest

from tests.end_to_end.bad_among_good import Bad, survives
from tests.support.system import System


@pytest.mark.native
@pytest.mark.timeout(900)
async def test_500_bad_messages_among_5000_good_ones_are_one_dead_letter_each(
    system: System,
) -> None:
    bad = Bad(kills=5, breaks=245, unreadable=200, unknown=50)
    await survives(system, good=5000, bad=bad, seconds=600)
