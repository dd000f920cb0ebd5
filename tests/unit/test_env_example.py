"""``.env.example`` says what the settings say."""

from __future__ import annotations

import ast
import inspect
import itertools
import re
from pathlib import Path

import pytest
from pydantic import AliasChoices

from orderbus.settings import Settings

EXAMPLE = Path(__file__).parents[2] / ".env.example"
#: Settings that .env.example sets to something else than their default, for a first run.
FIRST_RUN = {"DEBUG", "PUBSUB_EMULATOR_HOST", "RABBIT_USER", "WEBHOOK_SECRET"}


def environment_names() -> dict[str, str]:
    """Map each setting's field to the first name it has in the environment."""
    names = {}
    for field, details in Settings.model_fields.items():
        assert isinstance(details.validation_alias, AliasChoices)
        names[field] = str(details.validation_alias.choices[0])
    return names


def sentences() -> dict[str, str]:
    """Map each setting's field to the sentence below it."""
    sections = [each for each in Settings.__mro__ if each.__module__.startswith("orderbus.")]
    bodies = [ast.parse(inspect.getsource(each)).body[0] for each in sections]
    return {
        field.target.id: " ".join(str(ast.literal_eval(sentence.value)).split()).replace("``", "")
        for section in bodies
        if isinstance(section, ast.ClassDef)
        for field, sentence in itertools.pairwise(section.body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(sentence, ast.Expr)
    }


def example() -> dict[str, str]:
    """Map each name in .env.example to the comment above it."""
    paragraphs = re.findall(r"((?:^# .*\n)*)^([A-Z_]+)=", EXAMPLE.read_text(), re.MULTILINE)
    return {
        name: re.sub(r"\s*# Here: .*", "", comment).replace("\n# ", " ").strip("# \n")
        for comment, name in paragraphs
    }


@pytest.fixture
def as_the_example_says(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Load .env.example with nothing else set."""
    for details in Settings.model_fields.values():
        assert isinstance(details.validation_alias, AliasChoices)
        for name in details.validation_alias.choices:
            monkeypatch.delenv(str(name), raising=False)
    return Settings(_env_file=EXAMPLE)


def test_the_example_has_every_setting_in_the_order_of_the_class() -> None:
    assert list(example()) == list(environment_names().values())


def test_the_example_explains_each_setting_with_the_sentence_of_the_class() -> None:
    told = sentences()

    assert example() == {name: told[field] for field, name in environment_names().items()}


def test_the_example_loads_as_it_is(as_the_example_says: Settings) -> None:
    as_the_example_says.require_signatures()


def test_the_example_shows_defaults_but_for_a_first_run(as_the_example_says: Settings) -> None:
    differing = {
        name
        for field, name in environment_names().items()
        if getattr(as_the_example_says, field) != Settings.model_fields[field].default
    }

    assert differing == FIRST_RUN
