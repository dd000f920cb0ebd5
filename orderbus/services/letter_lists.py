"""Lists and groups of the dead letters that nobody has decided about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from orderbus import storage
from orderbus.domain.letters import Filter
from orderbus.storage.database import Database
from orderbus.storage.letter_lists import Group
from orderbus.storage.letter_views import OpenLetter

#: Letters that one statement of a list looks at, where a filter fits few; and such statements.
_LOOK_AT: Final = 2_000
_STRETCHES: Final = 10
#: Letters that one statement puts into groups, and that are grouped in all.
_GROUP_AT: Final = 5_000
_GROUPED: Final = 100_000


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list of open dead letters; it goes on behind ``next_after``, None at its end."""

    letters: Sequence[OpenLetter]
    next_after: int | None


@dataclass(frozen=True, slots=True)
class Groups:
    """The largest groups, of so many letters; ``is_complete`` where these are all there are."""

    groups: Sequence[Group]
    letters: int
    is_complete: bool


async def list_open(database: Database, wanted: Filter, *, after: int = 0, at_most: int) -> Page:
    """List open dead letters that fit, oldest first, those behind the one numbered ``after``.

    Looks at 20,000 at most: where few fit, a page may have fewer than asked for, and go on.
    """
    letters: list[OpenLetter] = []
    for _ in range(_STRETCHES):
        look_at = max(at_most + 1, _LOOK_AT) if wanted.is_picky else at_most + 1
        found = await database.ask(
            storage.letter_lists.list_next, wanted, after=after, look_at=look_at
        )
        letters += found.letters
        if len(letters) > at_most:
            return Page(letters[:at_most], letters[at_most - 1].id)
        if found.until is None or found.looked_at < look_at:
            return Page(letters, None)
        after = found.until
    return Page(letters, after)


async def group(database: Database, wanted: Filter, *, at_most: int) -> Groups:
    """Put open dead letters that fit into groups of what is alike, the largest first.

    Looks at the oldest 100,000 alone, as the metrics do.
    """
    groups: dict[object, Group] = {}
    after, looked_at = 0, 0
    is_complete = False
    while looked_at < _GROUPED and not is_complete:
        found = await database.ask(
            storage.letter_lists.group_next, wanted, after=after, look_at=_GROUP_AT
        )
        for each in found.groups:
            known = groups.get(each.key)
            groups[each.key] = each if known is None else known.with_more(each)
        looked_at += found.looked_at
        is_complete = found.until is None or found.looked_at < _GROUP_AT
        after = found.until or after
    largest = sorted(groups.values(), key=lambda each: (-each.count, each.example))
    letters = sum(each.count for each in largest)
    return Groups(largest[:at_most], letters, is_complete and len(largest) <= at_most)
