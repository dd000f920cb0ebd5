"""The glossary stays short enough to be read before the code is."""

from __future__ import annotations

import re
from pathlib import Path

GLOSSARY = Path(__file__).resolve().parents[2] / "docs" / "glossary.md"
MOST_WORDS = 60


def entries() -> list[tuple[str, str]]:
    """Read each word with what it means."""
    rows = re.findall(r"^\| (.+?) \| (.+) \|$", GLOSSARY.read_text(), re.MULTILINE)
    assert rows[0][0] == "word"
    return rows[1:]


def test_the_glossary_has_at_most_sixty_words() -> None:
    assert 0 < len(entries()) <= MOST_WORDS


def test_the_glossary_is_sorted_and_names_each_word_once() -> None:
    words = [word for word, _ in entries()]

    assert words == sorted(set(words))


def test_each_word_is_explained_in_one_sentence() -> None:
    odd = [
        word for word, meaning in entries() if not re.fullmatch(r"[A-Z`](?:(?!\. ).)+\.", meaning)
    ]

    assert odd == []


def test_the_readme_leads_to_the_glossary() -> None:
    assert "(docs/glossary.md)" in (GLOSSARY.parents[1] / "README.md").read_text()
