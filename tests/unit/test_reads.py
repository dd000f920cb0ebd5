"""How far a replica is behind is known from positions alone, and never too little is said."""

from __future__ import annotations

import pytest

from orderbus.services.reads import Progress


def progress(*looks: tuple[float, int, int]) -> Progress:
    """Look at some moments: when, how far the primary had written, how far the replica was."""
    found = Progress()
    for at, written, replayed in looks:
        found.wrote(written, at=at)
        found.replayed(replayed)
    return found


@pytest.mark.parametrize(
    ("looks", "covered"),
    [
        ([], None),
        ([(1, 100, 90)], None),  # nobody knows when the primary had no more than that
        ([(1, 100, 100)], 1),
        ([(1, 100, 200)], 1),  # the primary went on meanwhile
        ([(1, 100, 90), (2, 200, 110)], 1),
        ([(1, 100, 90), (2, 200, 110), (3, 300, 210)], 2),
        ([(1, 100, 100), (2, 100, 100), (3, 100, 100)], 3),  # nothing is written
        ([(1, 100, 100), (2, 200, 100), (3, 300, 100)], 1),  # it hears nothing more
    ],
)
def test_a_replica_has_what_the_primary_had_when_it_was_last_seen_to_be_level(
    looks: list[tuple[float, int, int]], covered: float | None
) -> None:
    assert progress(*looks).covered == covered


@pytest.mark.parametrize("later", [(3, 150, 200), (4, 250, 200)])
def test_one_that_has_what_the_primary_never_wrote_is_not_trusted_again_until_it_follows(
    later: tuple[float, int, int],
) -> None:
    apart = progress((1, 100, 200), (2, 140, 200), later)

    assert apart.covered is None
    apart.wrote(300, at=5)
    apart.replayed(300)
    assert apart.covered == 5


def test_what_is_remembered_of_a_replica_that_stays_away_has_an_end() -> None:
    behind = progress(*((number, number, 0) for number in range(1, 50_000)))

    behind.replayed(50_000)

    assert behind.covered == 49_999
