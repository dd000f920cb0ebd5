"""``--since`` of a command takes a moment or how long ago, and refuses the rest in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click
import pytest

from orderbus.commands.moments import moment


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05+02:00", datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC)),
        ("2026-01-02", datetime(2026, 1, 2, tzinfo=UTC)),
    ],
)
def test_a_moment_is_rfc_3339_and_utc_where_it_does_not_say(text: str, meant: datetime) -> None:
    assert moment(text) == meant


def test_a_moment_may_be_how_long_ago() -> None:
    before = datetime.now(UTC)

    assert before <= moment("2h") + timedelta(hours=2) <= datetime.now(UTC)


@pytest.mark.parametrize("text", ["", "soon", "7", "999999d", "0001-01-01T00:00:00+02:00"])
def test_what_is_no_moment_is_said_with_what_is_allowed(text: str) -> None:
    with pytest.raises(click.BadParameter) as refused:
        moment(text)

    assert repr(text) in refused.value.message
    assert "2h, 7d" in refused.value.message
