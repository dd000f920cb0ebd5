"""The real command ``dramatiq``, as an operator starts, asks and ends it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pika
from dramatiq import Message

from tests.support import reaper
from tests.support.tcp_proxy import TcpProxy
from tests.support.waiting import PATIENCE

ROOT = Path(__file__).resolve().parents[2]


class Worker:
    """One Dramatiq master with its processes, as an operator starts it."""

    def __init__(self, env: dict[str, str], log: Path, *options: str, app: str) -> None:
        self.port = int(env["ORDERBUS_WORKER_METRICS_PORT"])
        self._log = log
        with log.open("ab") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dramatiq", app, *options],
                env={**os.environ, **env, "PYTHONPATH": str(ROOT)},
                cwd=log.parent,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )
        reaper.watch(self.process.pid)

    @property
    def log(self) -> str:
        return self._log.read_text()

    def said(self, event: str, **values: object) -> int:
        """Count the log lines of an event."""
        lines = re.findall(r'^\{.*"event": .*\}$', self.log, re.MULTILINE)
        wanted = {"event": event, **values}
        return sum(wanted.items() <= json.loads(line).items() for line in lines)

    def ask(self, path: str) -> tuple[int, str]:
        try:
            url = f"http://127.0.0.1:{self.port}{path}"
            with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def reaches(self, **parts: bool) -> bool:
        """Whether readiness says so of these parts."""
        status, body = self.ask("/readyz")
        return bool(status) and parts.items() <= json.loads(body)["parts"].items()

    def is_ready(self) -> bool:
        return self.ask("/readyz")[0] == 200

    def count(self, actor: str, outcome: str = "done") -> float:
        line = rf'^orderbus_actor_messages_total{{actor="{actor}",outcome="{outcome}"}} (\S+)$'
        found = re.search(line, self.ask("/metrics")[1], re.MULTILINE)
        return float(found[1]) if found else 0.0

    def wait(self, seconds: float = PATIENCE) -> int:
        return self.process.wait(seconds)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """SIGKILL all of it."""
        if self.is_there():
            os.killpg(self.process.pid, signal.SIGKILL)
        self.wait()
        reaper.forget(self.process.pid)

    def is_there(self) -> bool:
        """Whether any of its processes is."""
        self.process.poll()
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return False
        return True


Start = Callable[..., Worker]


def through(proxies: dict[str, TcpProxy], rabbitmq_url: str) -> dict[str, str]:
    place = f"127.0.0.1:{proxies['rabbitmq'].port}"
    return {
        "DB_HOST": "127.0.0.1",
        "DB_PORT": str(proxies["postgres"].port),
        "RABBITMQ_URL": elsewhere(rabbitmq_url, place),
        "PUBSUB_EMULATOR_HOST": f"127.0.0.1:{proxies['pubsub'].port}",
    }


def elsewhere(url: str, place: str) -> str:
    """The same URL, login included, at another ``host:port``."""
    login = urlsplit(url).netloc.rpartition("@")[0]
    return urlsplit(url)._replace(netloc=f"{login}@{place}").geturl()


def send(url: str, queue: str, actor: str, **kwargs: Any) -> None:
    """Put a message on a queue, made as the workers make it."""
    message: Message[Any] = Message(queue, actor, (), kwargs, {})
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish("", queue, message.encode(), mandatory=True)
