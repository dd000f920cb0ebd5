"""The command line: ``orderbus --help`` lists everything an operator can do."""

from __future__ import annotations

import click

from orderbus.commands import (
    bridge,
    check,
    consumers,
    dead_letters,
    demo,
    doctor,
    endpoints,
    keys,
    migrate,
    orders,
    outbox,
    pubsub_double,
    replay,
    states,
    up,
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="orderbus", prog_name="orderbus")
def main() -> None:
    """orderbus: the order bus that can prove what became of each order.

    Settings come from the environment and `.env` (see .env.example). Exit codes: 0 done, 1 refused,
    2 settings that cannot work, 3 a dependency is away.
    """


for _command in (
    up.up,
    demo.demo,
    migrate.migrate,
    bridge.bridge,
    bridge.subscribe_order_created,
    endpoints.endpoints,
    orders.orders,
    consumers.consumers,
    replay.replay,
    states.states,
    outbox.outbox,
    dead_letters.dead_letters,
    keys.keys,
    doctor.doctor,
    check.check,
    pubsub_double.pubsub_double,
):
    main.add_command(_command)
