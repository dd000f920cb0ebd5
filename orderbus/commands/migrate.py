"""``orderbus migrate``: makes what has to be there before the first order comes in."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial

import click

from orderbus import settings as settings_module
from orderbus import storage, waiting
from orderbus.commands import terminal
from orderbus.domain import retries
from orderbus.errors import Misconfigured, Refused
from orderbus.pubsub import topology
from orderbus.services import built_in_endpoint, lost_events, maintenance
from orderbus.storage import migrations

_say = partial(terminal.say, err=True)


@click.command()
@click.option(
    "--wait", default=60.0, show_default=True, help="Seconds to wait for each dependency."
)
@click.option(
    "--rollback",
    type=click.IntRange(min=1),
    metavar="N",
    help="Undo the newest N migrations instead; says what that deletes, and asks.",
)
@click.option("--yes", is_flag=True, help="Answer the question of --rollback beforehand.")
@click.option("--lose-rows", is_flag=True, help="Let --rollback delete what it says it deletes.")
@terminal.as_json
def migrate(
    *, wait: float, rollback: int | None, yes: bool, lose_rows: bool, as_json: bool
) -> None:
    """Bring database and Pub/Sub to where this version needs them.

    Safe to run again and by several starters at once. Waits for the dependencies, applies what is
    missing, makes daily partitions, topics and subscriptions, and the built-in endpoint.
    """
    patience = timedelta(seconds=wait)
    if rollback is None:
        if yes or lose_rows:
            message = "--yes and --lose-rows belong to --rollback: leave them out, or give it too."
            raise click.UsageError(message)
        terminal.with_exit_code(lambda: _migrate(patience, as_json=as_json))
    else:
        terminal.with_exit_code(
            lambda: _rollback(patience, rollback, yes=yes, lose_rows=lose_rows, as_json=as_json)
        )


def _migrate(wait: timedelta, *, as_json: bool) -> None:
    settings = settings_module.load()
    with migrations.locked(settings, wait=wait, waiting=_say):
        applied = migrations.migrate(settings)
        granted = migrations.grant(settings)
        made = asyncio.run(_prepare(settings, wait))
    _report({"applied": applied, "granted": granted, "subscription_made": made}, as_json=as_json)


def _rollback(wait: timedelta, newest: int, *, yes: bool, lose_rows: bool, as_json: bool) -> None:
    settings = settings_module.load()
    with migrations.locked(settings, wait=wait, waiting=_say):
        undoing = migrations.rollback(settings, newest=newest, agreed=None)
        lost = [str(loss) for loss in undoing.losses]
        _say(f"undoes {', '.join(undoing.names) or 'nothing'}")
        for loss in lost:
            _say(f"deletes for good: {loss}")
        if lost and not lose_rows:
            raise Refused("Nothing was changed: add --lose-rows if all this may be lost")
        if not yes:
            _ask("Undo it?")
        undone = migrations.rollback(settings, newest=newest, agreed=undoing.losses)
    _report({"rolled_back": undone.names, "lost": lost}, as_json=as_json)


def _ask(question: str) -> None:
    if not terminal.is_person():
        raise Refused("Nothing was changed: nobody is here to be asked, so add --yes")
    if not click.confirm(question, err=True):
        raise Refused("Nothing was changed: the answer was no")


async def _prepare(settings: settings_module.Settings, wait: timedelta) -> bool:
    """Make what is missing; returns whether the subscription was."""
    async with storage.database.open_database(settings) as database:
        async with database.connection() as connection:
            room = (await storage.diagnostics.facts(connection)).max_connections
            if settings.db_pool_size >= room:
                raise Misconfigured(
                    f"ORDERBUS_DB_POOL_SIZE is {settings.db_pool_size}, but PostgreSQL admits "
                    f"{room} connections in all, and one process could lock out every other: make "
                    "it smaller, or raise max_connections"
                )
            await storage.maintenance.make_ahead(connection, days=maintenance.DAYS_AHEAD)
        async with database.transaction() as connection:
            done = await built_in_endpoint.keep(connection, settings, actor=terminal.actor())
        if done:
            _say(f"the built-in endpoint was {done}: WEBHOOK_OUTGOING_URL is {_url(settings)}")
        made = await waiting.until_it_works(
            lambda: topology.ensure(settings),
            retries.MIGRATE,
            within=wait,
            away=lambda error: _say(f"waiting for Pub/Sub: {error}"),
        )
        if made:
            await lost_events.take_back_all(database)
    if problems := await topology.check(settings):
        raise Misconfigured("\n".join(problems))
    return made


def _url(settings: settings_module.Settings) -> str:
    return settings.webhook_outgoing_url or "not set, so what it is owed is held"


def _report(outcome: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        terminal.show(outcome)
        return
    for what, value in outcome.items():
        names = ", ".join(value) if isinstance(value, list) else value
        terminal.say(f"{what.replace('_', ' ')}: {names or 'nothing'}")
