"""Whatever is sent to the front door, it answers as it promised.

``pytest --fuzz MINUTES`` says for how long; a minute in all unless it is said.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from orderbus.settings import Settings
from tests.fuzz.fuzzed_server import Fuzzed, documented, for_seconds
from tests.fuzz.signatures import verifier_is_never_surprised

pytestmark = pytest.mark.timeout(0)


@pytest.fixture
def seconds(request: pytest.FixtureRequest) -> float:
    """How long each of the three goes on."""
    return float(request.config.getoption("--fuzz")) * 60 / 3


@pytest.fixture
def fuzzed(settings: Settings) -> Iterator[Fuzzed]:
    fuzzed = Fuzzed(settings)
    with fuzzed.serving():
        yield fuzzed


def test_the_verifier_says_yes_or_one_typed_no_and_the_right_one(seconds: float) -> None:
    cases = 200_000 if seconds < 60 else 1_000_000

    no, yes = verifier_is_never_surprised(cases, seed=secrets.randbits(32))

    assert min(no, yes) > cases / 10


def test_an_order_is_taken_or_refused_with_a_reason_and_nothing_in_between(
    fuzzed: Fuzzed, seconds: float
) -> None:
    for_seconds(seconds, fuzzed.order)

    fuzzed.nothing_else_was_stored()
    assert fuzzed.asked > 100


def test_every_path_answers_every_request_without_a_fault_of_ours(
    fuzzed: Fuzzed, seconds: float
) -> None:
    for_seconds(seconds, fuzzed.anything)

    fuzzed.nothing_else_was_stored()
    assert fuzzed.asked > 100


def test_the_api_does_what_its_document_says(fuzzed: Fuzzed, seconds: float) -> None:
    assert documented(fuzzed.url, seconds) > 100
