"""A RabbitMQ node of a test's own, which may be killed, blocked and cut off."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pika

from orderbus.devtools.rabbitmq import NativeRabbitmq, server
from tests.support import rabbitmq_admin
from tests.support.dependencies import Background
from tests.support.ports import with_kept_ports
from tests.support.waiting import until, until_async

__all__ = ["Node", "ready", "until", "until_async"]


class Node:
    """One private node. Everything done to it is real: nothing stands in for RabbitMQ."""

    def __init__(self, folder: Path) -> None:
        program = server()
        assert program is not None
        self._folder = folder
        self._background = Background()
        self._part = with_kept_ports(NativeRabbitmq(folder, program))

    def start(self) -> None:
        self._background.run(self._part.start(lambda *_: None))

    def kill(self) -> None:
        """SIGKILL the node; nothing is flushed and nobody is told."""
        os.kill(int((self._folder / "pid").read_text()), signal.SIGKILL)
        self._background.run(self._part.stop())

    def close(self) -> None:
        self._background.run(self._part.stop())
        self._background.close()

    def vhost(self) -> str:
        """Make a virtual host and return its URL."""
        name = f"test-{uuid4().hex[:12]}"
        rabbitmq_admin.make_vhost(self._part, name)
        return self._part.env["RABBITMQ_URL"].rstrip("/") + f"/{name}"

    def alarm(self, *, on: bool) -> None:
        """Raise the memory alarm, or clear it: publishers are blocked meanwhile."""
        alarm = "{resource_limit, memory, node()}"
        call = f"set_alarm({{{alarm}, []}})" if on else f"clear_alarm({alarm})"
        self.control("eval", f"rabbit_alarm:{call}.")

    def refuse_connections(self, *, on: bool) -> None:
        """Stop listening, or listen again; connections that are open stay."""
        self.control("suspend_listeners" if on else "resume_listeners")

    def close_connections(self, url: str) -> None:
        """Close every connection of a virtual host from RabbitMQ's side."""
        self.control("close_all_connections", "--vhost", vhost_of(url), "a test wants it")

    def queues(self, url: str) -> dict[str, dict[str, Any]]:
        """List a virtual host's queues with their arguments."""
        listed = rabbitmq_admin.call(self._part, "GET", f"queues/{vhost_of(url)}")
        return {queue["name"]: queue["arguments"] for queue in listed}

    @property
    def env(self) -> dict[str, str]:
        """What the control command needs to find the node."""
        return self._part.node_env

    def control(self, *command: str) -> None:
        rabbitmq_admin.control(self._part, *command)


def vhost_of(url: str) -> str:
    return url.rpartition("/")[2]


def ready(url: str, queue: str) -> int:
    """Count the messages of a queue that nobody has taken."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    try:
        declared = connection.channel().queue_declare(queue, passive=True)
        return int(declared.method.message_count)
    finally:
        connection.close()
