"""What the pages show can be typed, and their links lead somewhere."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from orderbus.commands.cli import main

ROOT = Path(__file__).parents[2]
DOCS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
#: What stands in the place of something, in a command that a page shows.
PLACEHOLDER = re.compile(r"[A-Z_]+|\.\.\.")


def commands_of(path: Path) -> Iterator[str]:
    """Find every command of ours that a page shows: in a line of its own, or in its text."""
    text = path.read_text()
    yield from re.findall(
        r"^\$ (?:docker compose exec \w+ |\.venv/bin/)?(orderbus .*)$", text, re.MULTILINE
    )
    yield from re.findall(r"`(?:docker compose exec \w+ |\.venv/bin/)?(orderbus [^`]+)`", text)


def parse(words: list[str]) -> None:
    """Have click read a command as it would be typed, and run nothing."""
    command: click.Command = main
    context = click.Context(command, info_name="orderbus")
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name, command_or_none, words = command.resolve_command(context, words)
        assert command_or_none is not None
        command = command_or_none
        context = click.Context(command, parent=context, info_name=name)
    command.make_context(context.info_name, list(words), parent=context.parent)


def refusal(shown: str) -> str | None:
    """Why a command that a page shows cannot be typed so; None where it can."""
    words = shlex.split(shown.partition(" #")[0])[1:]
    words = words[: words.index("|")] if "|" in words else words
    try:
        parse(words)
    except click.exceptions.Exit:  # --help, --version
        return None
    except (click.BadParameter, click.BadOptionUsage) as error:
        stands_for_something = any(PLACEHOLDER.fullmatch(word) for word in words)
        is_a_mention = isinstance(error, click.MissingParameter | click.BadOptionUsage)
        return None if stands_for_something or is_a_mention else error.format_message()
    except click.UsageError as error:
        return error.format_message()
    return None


@pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_that_a_page_shows_is_one_that_can_be_typed(path: Path) -> None:
    refused = {shown: why for shown in commands_of(path) if (why := refusal(shown)) is not None}

    assert refused == {}


def test_a_command_that_there_is_not_would_be_found() -> None:
    assert refusal("orderbus dead-letters revive ID")
    assert refusal("orderbus dead-letters redrive --every")
    assert refusal("orderbus endpoints enable 12")
    assert refusal("orderbus endpoints enable ID") is None


@pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_target_that_a_page_shows_is_in_the_makefile(path: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z][\w-]*(?: [a-z][\w-]*)*):", makefile, re.MULTILINE))
    every = {name for line in targets for name in line.split()} | {".env"}
    shown = set(re.findall(r"(?:`|^\$ )make ([\w.-]+)", path.read_text(), re.MULTILINE))

    assert shown - every == set()


@pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path: Path) -> None:
    gone = []
    for target in re.findall(r"\]\(([^)#\s]*(?:#[^)\s]*)?)\)", path.read_text()):
        file, _, heading = target.partition("#")
        if "://" in file:
            continue
        to = (path.parent / file).resolve() if file else path
        if not to.exists() or (heading and heading not in headings_of(to)):
            gone.append(target)

    assert gone == []


def headings_of(path: Path) -> set[str]:
    """List the anchors of a page, as GitHub makes them of its headings."""
    if path.is_dir() or path.suffix != ".md":
        return set()
    found = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in found}


def test_the_readme_says_what_it_is_what_it_can_how_it_is_made_and_what_its_database_has() -> None:
    text = (ROOT / "README.md").read_text()
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    schemas = re.findall(r"CREATE SCHEMA (\w+)", (ROOT / "migrations" / "schema.sql").read_text())

    assert {"Overview", "Features", "High level design", "Database"} <= {*headings}
    assert schemas
    assert [schema for schema in schemas if f"| `{schema}` |" not in text] == []
