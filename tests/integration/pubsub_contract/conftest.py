"""Both servers that every promise is checked against: Google's emulator, and our double."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from google.cloud import pubsub_v1

from orderbus.devtools import emulator
from orderbus.devtools.emulator import DoublePubsub, NativeEmulator
from orderbus.errors import Misconfigured
from orderbus.settings import Settings
from tests.integration.pubsub_contract.pubsub import Server, at
from tests.support.dependencies import Background
from tests.support.ports import with_kept_ports


@pytest.fixture(scope="session", params=["emulator", "double"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server away from the one the other tests share, since it is stopped and started."""
    background = Background()
    running = Server(background, request.param, with_kept_ports(_part(request.param)))
    running.start()
    yield running
    running.stop()
    background.close()


@pytest.fixture
def pubsub_host(server: Server) -> str:
    """``host:port`` of the server."""
    return server.host


@pytest.fixture
def restartable(server: Server) -> Iterator[Server]:
    """A server that the test may stop and start; it forgets everything."""
    yield server
    server.stop()
    server.start()


@pytest.fixture
def settings(pubsub_host: str) -> Settings:
    """Settings with a topic and a subscription nobody else has."""
    return at(pubsub_host)


@pytest.fixture
def acked(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each ack id was acknowledged."""
    counted: Counter[str] = Counter()
    acknowledge = pubsub_v1.SubscriberClient.acknowledge

    def count(client: Any, *, request: dict[str, Any], **options: Any) -> Any:
        answer = acknowledge(client, request=request, **options)
        counted.update(request["ack_ids"])
        return answer

    monkeypatch.setattr(pubsub_v1.SubscriberClient, "acknowledge", count)
    return counted


def _part(name: str) -> NativeEmulator | DoublePubsub:
    if name == "double":
        return DoublePubsub()
    jar = emulator.jar()
    if jar is None:
        missing = "There is no Java, or no Pub/Sub emulator of the Cloud SDK"
        if os.environ.get("CI"):
            raise Misconfigured(missing)
        pytest.skip(missing)
    return NativeEmulator(jar)
