"""An emulator of their own for the tests that stop and start it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from google.cloud import pubsub_v1

from orderbus.errors import Misconfigured
from tests.integration.pubsub import Emulator
from tests.parts import Background


@pytest.fixture(scope="session")
def own_emulator() -> Iterator[Emulator]:
    """Away from the one the other tests share, since it is stopped and started."""
    background = Background()
    try:
        running = Emulator(background)
        running.start()
        try:
            yield running
        finally:
            running.stop()
    except Misconfigured as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))
    finally:
        background.close()


@pytest.fixture(scope="session")
def pubsub_emulator(own_emulator: Emulator) -> str:
    """``host:port`` of an emulator: the one that is named, else one of our own."""
    return os.environ.get("PUBSUB_EMULATOR_HOST") or own_emulator.host


@pytest.fixture
def restartable(own_emulator: Emulator) -> Iterator[Emulator]:
    yield own_emulator
    own_emulator.stop()
    own_emulator.start()


@pytest.fixture
def acked(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each ack id was acknowledged."""
    counted: Counter[str] = Counter()
    acknowledge = pubsub_v1.SubscriberClient.acknowledge

    def count(client: Any, *, request: dict[str, Any], **options: Any) -> Any:
        counted.update(request["ack_ids"])
        return acknowledge(client, request=request, **options)

    monkeypatch.setattr(pubsub_v1.SubscriberClient, "acknowledge", count)
    return counted
