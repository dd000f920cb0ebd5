"""An endpoint is given as many exchanges at a time as it answers well."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

from orderbus.domain.webhooks import EndpointResponse
from orderbus.services.deliveries import PLACES
from orderbus.services.pacing import FIRST, Pacing
from tests.support.settings_given import settings

ENDPOINT = uuid4()


def answer(status: int | None, *, seconds: float = 0.01) -> EndpointResponse:
    error = "timeout" if status is None else None
    return EndpointResponse(status, None, error, "", b"", timedelta(seconds=seconds), None)


def after(*answers: EndpointResponse, most: int = 32) -> int:
    pacing = Pacing(most=most)
    for each in answers:
        pacing.hear(ENDPOINT, each)
    return pacing.places.get(ENDPOINT, pacing.first)


def test_an_endpoint_that_nobody_knows_has_a_few() -> None:
    assert after() == FIRST
    assert after(most=1) == 1


def test_one_that_answers_well_is_given_more_up_to_the_most() -> None:
    assert after(*[answer(204)] * 8) == FIRST + 2
    assert after(*[answer(204)] * 1000) == 32


def test_one_that_answers_slowly_keeps_what_it_has() -> None:
    assert after(*[answer(200, seconds=5)] * 1000) == FIRST


def test_one_that_hangs_or_fails_is_soon_given_one_at_a_time() -> None:
    for bad in (answer(None), answer(429), answer(503)):
        assert after(bad, bad) == 1
        assert after(*[bad] * 100) == 1


def test_a_refusal_of_one_webhook_is_no_sign_of_too_many() -> None:
    assert after(*[answer(400)] * 4) == FIRST + 1


def test_one_that_comes_back_grows_again() -> None:
    assert after(*[answer(None)] * 9, *[answer(204)] * 12) == FIRST


def test_endpoints_are_counted_apart() -> None:
    pacing = Pacing(most=32)
    pacing.hear(ENDPOINT, answer(None))

    assert set(pacing.places) == {ENDPOINT}


def test_five_that_answered_well_and_stop_at_once_leave_places_to_the_others() -> None:
    assert 5 * settings().webhook_in_flight < PLACES
