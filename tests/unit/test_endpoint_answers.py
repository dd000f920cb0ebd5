"""What an endpoint's answer to a sample means is said in words, for every answer there is."""

from __future__ import annotations

import pytest

from orderbus.domain import endpoint_answers
from tests.unit.test_webhooks import answer

ERRORS = ("dns", "dns_temporary", "refused_address", "connect", "tls", "timeout", "protocol")


@pytest.mark.parametrize("status", range(100, 600))
def test_every_status_has_its_words_and_2xx_alone_is_delivered(status: int) -> None:
    judged = endpoint_answers.judge(answer(status))

    assert judged.delivered == (status // 100 == 2)
    assert judged.meaning
    assert judged.todo


@pytest.mark.parametrize("error", [*ERRORS, "stalled", "of a later version"])
def test_every_error_has_its_words_whatever_the_answer_began_with(error: str) -> None:
    judged = endpoint_answers.judge(answer(200, error=error))

    assert not judged.delivered
    assert judged.meaning
    assert judged.todo


def test_what_was_refused_by_us_names_the_setting() -> None:
    judged = endpoint_answers.judge(answer(error="refused_address"))

    assert "ORDERBUS_WEBHOOK_ALLOWED_NETWORKS" in judged.todo
