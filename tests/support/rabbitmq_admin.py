"""The operator's hand on the tests' RabbitMQ: its management API and its control command."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pika

from orderbus.devtools.dependency import Dependency
from orderbus.devtools.rabbitmq import NativeRabbitmq
from tests.support.waiting import PATIENCE


def login_of(rabbitmq: Dependency) -> tuple[str, str]:
    """The name and the password of the tests' user."""
    url = urlsplit(rabbitmq.env["RABBITMQ_URL"])
    return str(url.username), str(url.password)


def call(
    rabbitmq: Dependency,
    method: str,
    path: str,
    body: object = None,
    *,
    login: tuple[str, str] | None = None,
) -> Any:
    """Ask the management API; the answer's JSON, or None."""
    url = f"{rabbitmq.urls['rabbitmq_management']}api/{path}"
    request = urllib.request.Request(  # noqa: S310 - loopback
        url, data=None if body is None else json.dumps(body).encode(), method=method
    )
    known = ":".join(login or login_of(rabbitmq)).encode()
    request.add_header("Authorization", "Basic " + base64.b64encode(known).decode())
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310 - loopback
        text = answer.read()
    return json.loads(text) if text else None


def make_vhost(rabbitmq: Dependency, name: str) -> None:
    """Make a virtual host and let the tests' user in."""
    call(rabbitmq, "PUT", f"vhosts/{name}", {})
    rights = {"configure": ".*", "write": ".*", "read": ".*"}
    call(rabbitmq, "PUT", f"permissions/{name}/{login_of(rabbitmq)[0]}", rights)


def has_alarm(rabbitmq: Dependency) -> bool:
    """Say whether the node blocks whoever publishes."""
    return any(node["mem_alarm"] for node in call(rabbitmq, "GET", "nodes"))


def count_ready(url: str, queues: Iterable[str]) -> int:
    """Count the messages that wait in queues to be taken, as RabbitMQ knows at this moment."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        return sum(
            channel.queue_declare(name, passive=True).method.message_count for name in queues
        )


def control(rabbitmq: Dependency, *command: str) -> None:
    """Run ``rabbitmqctl`` against the tests' own node."""
    assert isinstance(rabbitmq, NativeRabbitmq)
    ctl = Path("/usr/lib/rabbitmq/bin/rabbitmqctl")
    program = str(ctl) if ctl.exists() else shutil.which("rabbitmqctl")
    assert program is not None
    subprocess.run(
        [program, *command],
        env={**os.environ, **rabbitmq.node_env},
        check=True,
        capture_output=True,
        timeout=PATIENCE,
    )
