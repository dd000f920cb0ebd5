"""A private RabbitMQ with its management page, from the server that is installed."""

from __future__ import annotations

import asyncio
import shutil
import signal
from pathlib import Path
from typing import Final

from orderbus.local.processes import Process, Sink, free_port, until

_PLACES: Final = (
    "/usr/lib/rabbitmq/bin/rabbitmq-server",
    "/opt/homebrew/sbin/rabbitmq-server",
    "/usr/local/sbin/rabbitmq-server",
)


def server() -> Path | None:
    """Find ``rabbitmq-server``; Debian's wrapper in the path changes the user, so it is last."""
    for place in (*_PLACES, shutil.which("rabbitmq-server") or ""):
        if place and Path(place).exists():
            return Path(place)
    return None


class NativeRabbitmq:
    """A node with its own name, home and ports, reached over loopback alone.

    It has its own epmd too, on a port of its own: two nodes never meet, and it ends with the node.
    """

    name = "RabbitMQ"

    def __init__(self, data: Path, server: Path) -> None:
        """Keep everything in ``data``."""
        self.how = f"private, {server}"
        self.env: dict[str, str] = {}
        self.urls: dict[str, str] = {}
        #: What its control command needs to find the node.
        self.node_env: dict[str, str] = {}
        self._folder = data.absolute()
        self._server = server
        self._ports: list[int] = []
        self._processes: list[Process] = []

    async def start(self, sink: Sink) -> None:
        """Start epmd and the node, and wait until it speaks AMQP."""
        self._folder.mkdir(parents=True, exist_ok=True)
        if not self._ports:
            self._ports = [free_port() for _ in range(4)]  # the same again after a restart
        amqp, management, distribution, names = self._ports
        config = self._folder / "rabbitmq.conf"
        config.write_text(
            f"listeners.tcp.1 = 127.0.0.1:{amqp}\n"
            f"management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {management}\n"
            "disk_free_limit.absolute = 50MB\nlog.console = true\nlog.console.level = warning\n"
            "log.file = false\ncollect_statistics_interval = 2000\n"
        )
        plugins = self._folder / "enabled_plugins"
        plugins.write_text("[rabbitmq_management].\n")
        env = self.node_env = {
            "HOME": str(self._folder),
            "ERL_EPMD_PORT": str(names),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": "orderbus@localhost",
            "RABBITMQ_NODE_PORT": str(amqp),
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_CONFIG_FILE": str(config),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
            "RABBITMQ_MNESIA_BASE": str(self._folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self._folder / "log"),
            "RABBITMQ_PID_FILE": str(self._folder / "pid"),
            "RABBITMQ_CONF_ENV_FILE": str(self._folder / "none"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +S 2:2"
            ),
        }
        epmd = shutil.which("epmd")
        if epmd is not None:
            self._processes.append(await Process.start("epmd", [epmd], sink=sink, env=env, grace=2))
            await until(lambda: _connects(names), self._processes[0], seconds=10, what="epmd")
        node = await Process.start(
            "rabbitmq",
            [str(self._server)],
            sink=sink,
            env=env,
            cwd=self._folder,
            stop_signal=signal.SIGTERM,
            # An orderly end takes it six seconds, and there is nothing to put in order: the
            # queues hold hints, and PostgreSQL has what they hint at.
            grace=1.5,
        )
        self._processes.append(node)
        self.env = {"RABBITMQ_URL": f"amqp://guest:guest@127.0.0.1:{amqp}/"}
        self.urls = {
            "rabbitmq": f"amqp://127.0.0.1:{amqp}/",
            "rabbitmq_management": f"http://127.0.0.1:{management}/",
        }
        await until(lambda: _speaks_amqp(amqp), node, seconds=60, what="RabbitMQ")

    async def stop(self) -> None:
        """Stop the node, then its epmd."""
        while self._processes:
            await self._processes.pop().stop()


async def _connects(port: int) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()


async def _speaks_amqp(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"AMQP\x00\x00\x09\x01")
        async with asyncio.timeout(2):
            await reader.readexactly(7)
    finally:
        writer.close()
