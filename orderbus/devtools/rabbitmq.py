"""A private RabbitMQ with its management page, from the server that is installed."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path
from typing import Final

from orderbus.devtools.dependency import Dependency, urls_of
from orderbus.devtools.folders import write_private
from orderbus.devtools.processes import Sink, free_port, speaks, until
from orderbus.errors import Died

USER: Final = "orderbus"

_PLACES: Final = (
    "/usr/lib/rabbitmq/bin/rabbitmq-server",
    "/opt/homebrew/sbin/rabbitmq-server",
    "/usr/local/sbin/rabbitmq-server",
)
_EPMDS: Final = (
    "/usr/lib/erlang/bin/epmd",
    "/opt/homebrew/opt/erlang/lib/erlang/bin/epmd",
    "/usr/local/opt/erlang/lib/erlang/bin/epmd",
)


def server() -> Path | None:
    """Find ``rabbitmq-server``; Debian's wrapper in the path changes the user, so it is last."""
    return _first(*_PLACES, shutil.which("rabbitmq-server"))


def controls() -> list[str]:
    """Find ``rabbitmqctl``: beside the server, and the one in the path, which may change user."""
    found = server()
    beside = _first(str(found.with_name("rabbitmqctl"))) if found else None
    in_path = _first(shutil.which("rabbitmqctl"))
    return [str(place) for place in dict.fromkeys((beside, in_path)) if place is not None]


def _first(*places: str | None) -> Path | None:
    return next((Path(place) for place in places if place and Path(place).exists()), None)


class NativeRabbitmq(Dependency):
    """A node with its own name, home, ports and password, reached over loopback alone.

    It admits nobody but its own user: every program of this machine reaches loopback.
    It has its own epmd too, on a port of its own: two nodes never meet, and it ends with the node.
    """

    def __init__(self, data: Path, server: Path) -> None:
        super().__init__("RabbitMQ", f"private, {server}")
        #: What its control command needs to find the node.
        self.node_env: dict[str, str] = {}
        self._folder = data.absolute()
        self._mnesia = self._folder / "mnesia"
        self._server = server
        self._ports = [free_port() for _ in range(4)]  # kept over a restart

    async def start(self, sink: Sink) -> None:
        """Start epmd and the node, and wait until both its doors are open.

        A node that cannot read what an older version or a crash left begins anew: the queues hold
        wake-up messages only.
        """
        amqp, management, _, names = self._ports
        password = self._password()
        self.env = {
            "RABBITMQ_URL": f"amqp://{USER}:{password}@127.0.0.1:{amqp}/",
            # The same login, for people: the management page asks for it.
            "RABBIT_USER": USER,
            "RABBIT_PASS": password,
        }
        page = {"rabbitmq_management": f"http://127.0.0.1:{management}/"}
        self.urls = urls_of(self.env) | page
        self._configure(password)
        epmd = _first(shutil.which("epmd"), *_EPMDS)
        if epmd is not None:
            process = await self.launch("epmd", [str(epmd)], sink=sink, env=self.node_env, grace=2)
            await until(lambda: speaks(names), process, seconds=10, what="epmd")
        try:
            await self._start_node(sink)
        except Died:
            if not self._mnesia.exists():
                raise
            await self.processes.pop().stop()
            shutil.rmtree(self._mnesia)
            await self._start_node(sink)

    def _password(self) -> str:
        """Read the password, or make one up.

        The node takes it over when it begins. One that began without it admits somebody else, and
        begins anew.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._folder / "password"
        if not file.exists() or not file.read_text():
            if self._mnesia.exists():
                shutil.rmtree(self._mnesia)
            write_private(file, secrets.token_urlsafe(24))
        return file.read_text()

    def _configure(self, password: str) -> None:
        amqp, management, distribution, names = self._ports
        config = self._folder / "rabbitmq.conf"
        write_private(
            config,
            f"default_user = {USER}\ndefault_pass = {password}\n"
            f"listeners.tcp.1 = 127.0.0.1:{amqp}\n"
            f"management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {management}\n"
            "disk_free_limit.absolute = 50MB\nlog.console = true\nlog.console.level = warning\n"
            "log.console.use_colors = off\nlog.file = false\ncollect_statistics_interval = 2000\n",
        )
        plugins = self._folder / "enabled_plugins"
        plugins.write_text("[rabbitmq_management].\n")
        self.node_env = {
            "HOME": str(self._folder),
            # The server is a shell script that wants the usual tools, whatever PATH we have.
            "PATH": os.pathsep.join([os.environ.get("PATH", ""), os.defpath]).strip(os.pathsep),
            "ERL_EPMD_PORT": str(names),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": "orderbus@localhost",
            "RABBITMQ_NODE_PORT": str(amqp),
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_CONFIG_FILE": str(config),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
            "RABBITMQ_MNESIA_BASE": str(self._mnesia),
            "RABBITMQ_LOG_BASE": str(self._folder / "log"),
            "RABBITMQ_PID_FILE": str(self._folder / "pid"),
            "RABBITMQ_CONF_ENV_FILE": str(self._folder / "none"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +S 2:2"
            ),
        }

    async def _start_node(self, sink: Sink) -> None:
        node = await self.launch(
            "rabbitmq",
            [str(self._server)],
            sink=sink,
            env=self.node_env,
            cwd=self._folder,
            # An orderly end takes it six seconds, and there is nothing to put in order: the
            # queues hold wake-up messages for what PostgreSQL has.
            grace=0,
        )
        amqp, management, _, _ = self._ports
        await until(lambda: speaks(management), node, seconds=60, what="RabbitMQ")
        await until(lambda: speaks(amqp), node, seconds=10, what="RabbitMQ")
