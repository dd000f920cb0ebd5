"""``orderbus demo``: sends an order and a cart, sells a product out, and shows each step."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import uuid4

import click

from orderbus import files, services, storage, waiting
from orderbus import settings as settings_module
from orderbus.commands import demo_shop, terminal
from orderbus.commands.up import with_provider
from orderbus.devtools import processes, stack
from orderbus.devtools.folders import free_folder
from orderbus.domain import events, retries
from orderbus.errors import Died

if TYPE_CHECKING:
    from orderbus.devtools.providers import Provider
    from orderbus.devtools.stack import Stack
    from orderbus.storage.database import Database
    from orderbus.storage.journey import Journey

T = TypeVar("T")

#: How long each step may take.
PATIENCE: Final = timedelta(seconds=30)

#: Characters of the longest step, so that all tables have the same columns.
_WIDEST: Final = len("order.processing_started")

#: The demo's order is not signed, whatever the environment says of other senders.
_UNSIGNED: Final = {"WEBHOOK_SECRET": "", "WEBHOOK_SECRETS": "", "ALLOWED_HOSTS": ""}


@click.command()
@with_provider
@terminal.as_json
def demo(*, provider: Provider | None, as_json: bool) -> None:
    """Send one order all the way to a receiver that verifies it. Shows each step.

    Then close a cart, show how it becomes an order and is processed, and sell a product until
    there is none left. Starts everything on ports of its own, and stops it again. Exits 0 only if
    the webhook arrived, its signature held, nobody was sold more than there was, and the counters
    of the stock are the sum of what moved.
    """
    terminal.with_exit_code(lambda: asyncio.run(_demo(provider, as_json=as_json)))


async def _demo(provider: Provider | None, *, as_json: bool) -> None:
    stack.check_settings(_UNSIGNED)
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - it runs
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, task.cancel)
    with (
        free_folder(files.default_data().absolute(), "demo") as folder,
        (folder / "log").open("w", buffering=1) as log,  # line by line
    ):

        def sink(name: str, line: str) -> None:
            log.write(f"{name:9} {line}\n")

        try:
            with terminal.errors.status("finding the dependencies") as status:

                def say(sentence: str) -> None:
                    status.update(terminal.plain(sentence))

                async with stack.running_stack(
                    folder, sink=sink, say=say, provider=provider, changes=_UNSIGNED
                ) as running:
                    say("sending the order")
                    report = await _send(running)
        except asyncio.CancelledError:
            terminal.fail("stopped", code=130)
        except (Died, BaseExceptionGroup) as error:
            terminal.say((folder / "log").read_text()[-4000:], err=True, lines=True)
            raise stack.first_error(error) from None
    _show(report, as_json=as_json)


async def _send(running: Stack) -> dict[str, Any]:
    order = json.loads(files.path_of("examples/order.json").read_text())
    order["order_id"] = f"{order['order_id']}-{uuid4().hex[:8]}"
    began = time.time()
    await processes.ask("POST", f"{running.urls['api']}/webhooks/orders/create/", order)
    accepted = time.time()
    webhook = await _received(f"{running.urls['receiver']}received", order["order_id"])
    cart = await _close_a_cart(running.urls["api"])
    settings = settings_module.load(_env_file=None, **running.env)
    async with storage.database.open_database(settings) as database:
        shop = await demo_shop.sell_out(running.urls["api"], database)
        journey = await _journey(database, order["order_id"])
    report = _report(running, journey, webhook, began=began, accepted=accepted)
    return {**report, "cart": cart, "shop": shop}


async def _close_a_cart(api: str) -> dict[str, Any]:
    """Check a cart out, and wait until the order it became has been processed."""
    began = time.time()
    opened = await processes.ask("POST", f"{api}/carts", {"total_amount": "100.50"})
    cart = json.loads(opened)["cart_uuid"]
    await processes.ask("PUT", f"{api}/carts/{cart}/checkout")
    closed = time.time()

    async def processed() -> list[dict[str, Any]]:
        asked = await processes.ask("GET", f"{api}/orders/{cart}/history")
        history: list[dict[str, Any]] = json.loads(asked)["history"]
        if all(event["type"] != events.ORDER_PROCESSED for event in history):
            raise Died(f"The cart's order was not processed within {PATIENCE.seconds} s")
        return history

    history = await _until(processed)
    steps = [("cart checked out", closed, f"cart {cart}")]
    steps += [(event["type"], event["at"], f"by {event['actor']}") for event in history]
    return {"cart_uuid": cart, "steps": _steps(steps, began)}


async def _until(seen: Callable[[], Awaitable[T]]) -> T:
    return await waiting.until_it_works(seen, retries.STARTED, retry_on=Died, within=PATIENCE)


def _steps(steps: Sequence[tuple[str, str | float, str]], began: float) -> list[dict[str, Any]]:
    return [
        {"step": step, "ms": round(1000 * (_seconds(at) - began), 1), "what": what}
        for step, at, what in steps
    ]


async def _received(url: str, reference: str) -> dict[str, Any]:
    async def arrived() -> dict[str, Any]:
        for webhook in json.loads(await processes.ask("GET", url)):
            if json.loads(webhook["body"])["order_id"] == reference and webhook["verified"]:
                return dict(webhook)
        raise Died(f"No verified webhook arrived within {PATIENCE.seconds} s")

    return await _until(arrived)


async def _journey(database: Database, reference: str) -> Journey:
    """Read the order's journey, once the worker has written down that it was delivered."""

    async def delivered() -> Journey:
        journey = await services.order_lists.journey(database, reference)
        if not any(delivery.delivered_at for delivery in journey.events[0].deliveries):
            raise Died(f"The worker did not note within {PATIENCE.seconds} s that it delivered")
        return journey

    return await _until(delivered)


def _report(
    running: Stack, journey: Journey, webhook: dict[str, Any], *, began: float, accepted: float
) -> dict[str, Any]:
    event = journey.events[0]
    delivery = event.deliveries[0]
    steps = [
        ("committed", event.occurred_at, f"event {event.event_id}"),
        ("accepted", accepted, f"201, order {journey.external_ref}"),
        ("published", event.published_at, f"message id {event.message_id}"),
        ("received by the bridge", event.received_at, f"delivery {delivery.id} made"),
        ("delivered", webhook["at"], "signature verified by the receiver"),
    ]
    return {
        "order_id": journey.external_ref,
        "verified": webhook["verified"],
        "steps": _steps(steps, began),
        "parts": {dependency.name: dependency.how for dependency in running.dependencies},
    }


def _seconds(at: str | float) -> float:
    return at if isinstance(at, float) else datetime.fromisoformat(at).timestamp()


def _show(report: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        terminal.show(report)
        return
    for steps in (report["steps"], report["cart"]["steps"], report["shop"]["steps"]):
        rows = [
            (f"{each['step']:{_WIDEST}}", f"{each['ms']:9.1f}", terminal.cell(each["what"]))
            for each in steps
        ]
        terminal.show_table(("step", "       ms", "what"), rows)
    for name, how in report["parts"].items():
        terminal.say(f"{name}: {how}")
    said = "the webhook arrived, its signature held, and nothing was sold twice"
    terminal.say("", head=click.style(said, fg="green"))
