"""The command line: ``orderbus --help`` lists everything an operator can do."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from typing import Final

import click

#: Each command: its module, and what ``orderbus --help`` says of it; nothing where it is hidden.
COMMANDS: Final = {
    "audit": ("audit", "Show who did what, and why."),
    "bridge": ("bridge", "Receive the events from Pub/Sub and record them in the inbox."),
    "check": ("check", "Check the settings alone."),
    "conflicts": ("conflicts", "Show what else came under the references of orders."),
    "consumers": ("consumers", "Look at the consumers of events."),
    "create-superuser": ("create_superuser", "Add somebody who may do everything."),
    "createsuperuser": ("create_superuser", ""),
    "dead-letters": ("dead_letters", "List, show, redrive and discard dead letters."),
    "deliveries": ("deliveries", "List and show deliveries; retry, skip and resend them."),
    "demo": ("demo", "Send one order all the way to a receiver that verifies it."),
    "doctor": ("doctor", "Check every dependency and setting, and say what to do."),
    "endpoints": (
        "endpoints",
        "Add, list, change, test, disable, enable and remove the endpoints that receive webhooks.",
    ),
    "jobs": ("jobs", "Watch, pause, resume and cancel what is done to many rows."),
    "keys": ("keys", "Create, list and revoke API keys."),
    "migrate": ("migrate", "Bring database and Pub/Sub to where this version needs them."),
    "orders": ("orders", "Look at orders."),
    "outbox": ("outbox", "Look at what waits on its way."),
    "products": (
        "products",
        "Add products to the catalogue, list them, sell them no more or again.",
    ),
    "pubsub-double": ("pubsub_double", "Run a Pub/Sub in memory that can be told to have faults."),
    "replay": ("replay", "Give a consumer the events of the past, each once."),
    "restore-check": (
        "restore_check",
        "Say what a restored database does not know, before workers and bridge begin.",
    ),
    "rights": ("rights", "Print who may do what."),
    "seed": ("seed", "Fill an empty catalogue with 20 guitars, and add two users."),
    "states": ("states", "Print the moves of an order as Mermaid diagrams."),
    "stock": ("stock", "Show stock, book it in and out, and verify its counters."),
    "subscribe_order_created": ("bridge", ""),
    "up": ("up", "Run everything on this machine until Ctrl-C."),
    "users": ("users", "Add, list, disable and enable people who sign in."),
    "web": ("web", "Run the web server."),
    "workers": ("workers", "Run the workers."),
}


class _Later:
    """Has modules of ours loaded when something in them is used, and not before."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None, _target: object = None
    ) -> ModuleSpec | None:
        """Find all but the commands themselves."""
        if not name.startswith("orderbus.") or name.startswith("orderbus.commands"):
            return None
        spec = PathFinder.find_spec(name, path)
        if spec and spec.loader:
            spec.loader = LazyLoader(spec.loader)
        return spec


@contextmanager
def _as_asked_for() -> Iterator[None]:
    """Load the command alone for whoever asks for its help: what it works with is not used."""
    if not {"-h", "--help"} & set(sys.argv):
        yield
        return
    sys.meta_path.insert(0, _Later)
    try:
        yield
    finally:
        sys.meta_path.remove(_Later)


class _Commands(click.Group):
    """Loads a command when it is asked for, and nothing for the list of all of them."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the module of the command."""
        if cmd_name not in COMMANDS:
            return None
        with _as_asked_for():
            module = import_module(f"orderbus.commands.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands as the table has them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items() if text])


@click.group(
    cls=_Commands,
    commands=[click.Command(name) for name in COMMANDS],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="orderbus", prog_name="orderbus")
def main() -> None:
    """orderbus: the order bus that can prove what became of each order.

    Settings come from the environment and `.env` (see .env.example). Exit codes: 0 done, 1 refused,
    2 settings that cannot work, 3 a dependency is away.
    """
