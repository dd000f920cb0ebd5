"""Which of PostgreSQL's refusals pass by themselves, so that nobody is charged for them?"""

from __future__ import annotations

import asyncpg
import pytest

from orderbus.errors import Busy, Misconfigured, Unavailable
from orderbus.storage.database import our_errors


@pytest.mark.parametrize(
    "sqlstate",
    [
        *("53000", "53100", "53200", "53300", "53400"),  # no disk, memory or connection is left
        *("57P01", "57P02", "57P03", "57014"),  # it is being shut down, or starts
        *("08000", "08003", "08006", "58030", "40001", "40P01", "55P03", "25006"),
    ],
)
def test_what_passes_by_itself_is_unavailable(sqlstate: str) -> None:
    error = asyncpg.PostgresError.new({"C": sqlstate, "M": "no"})

    with pytest.raises(Unavailable), our_errors():
        raise error


@pytest.mark.parametrize("sqlstate", ["55P03", "40P01", "53200"])
def test_a_lock_or_the_room_for_one_that_somebody_else_has_is_busy(sqlstate: str) -> None:
    """What is busy is tried in smaller batches: those may find room in a table of locks."""
    error = asyncpg.PostgresError.new({"C": sqlstate, "M": "no"})

    with pytest.raises(Busy), our_errors():
        raise error


@pytest.mark.parametrize("sqlstate", ["28P01", "28000", "3D000"])
def test_what_a_person_has_to_change_is_misconfigured(sqlstate: str) -> None:
    error = asyncpg.PostgresError.new({"C": sqlstate, "M": "no"})

    with pytest.raises(Misconfigured), our_errors():
        raise error


def test_a_statement_that_is_wrong_is_a_bug_and_goes_on_as_it_is() -> None:
    error = asyncpg.PostgresError.new({"C": "42601", "M": "syntax error"})

    with pytest.raises(asyncpg.PostgresSyntaxError), our_errors():
        raise error
