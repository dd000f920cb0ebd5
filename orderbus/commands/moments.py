"""Moments and lengths of time as people type them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

import click

from orderbus.domain.text import brief

_AGO: Final = re.compile(r"([0-9]{1,6})([smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def moment(text: str) -> datetime:
    """Read RFC 3339, or how long ago; a moment without a time zone is UTC."""
    try:
        if ago := _AGO.fullmatch(text):
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        message = f"{brief(text)!r} is no moment: give one such as 2026-01-02T03:04:05Z, or 2h, 7d."
        raise click.BadParameter(message) from None


def later(text: str) -> datetime:
    """Read RFC 3339, or how long from now; a moment that is over is refused."""
    ahead = _AGO.fullmatch(text)
    found = datetime.now(UTC) + span(text) if ahead else moment(text)
    if found <= datetime.now(UTC):
        raise click.BadParameter(f"{brief(text)!r} is over: give a moment to come, or 90d, 12h.")
    return found


def span(text: str) -> timedelta:
    """Read how long: 90s, 30m, 24h, 7d, or 0."""
    if text == "0":
        return timedelta(0)
    if ago := _AGO.fullmatch(text):
        return timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    raise click.BadParameter(f"{brief(text)!r} is no length of time: give 90s, 30m, 24h, 7d or 0.")
