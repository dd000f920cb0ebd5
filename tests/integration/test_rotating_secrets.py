"""An endpoint's secret is rotated while webhooks go on, and none is refused."""

from __future__ import annotations

import asyncio

from orderbus.egress.session import Session
from orderbus.services.maintenance import Maintenance
from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.support import endpoint_changes, endpoint_rows, scenario
from tests.support.commands import answered, answered_apart, typed
from tests.support.receiver import Receiver
from tests.support.scenario import deliver
from tests.support.verifying import Verifying


async def orders(database: Database, count: int) -> None:
    """Place so many orders, and bring their events back."""
    for _ in range(count):
        await scenario.place(database)
    await scenario.come_back(database, *await scenario.events(database))


async def test_while_a_secret_is_rotated_no_webhook_is_refused(
    database: Database, settings: Settings, http: Session, receiver: Receiver, env: dict[str, str]
) -> None:
    made = await answered(env, "endpoints", "add", receiver.url)
    customer = receiver.answer = Verifying(made["secret"])
    await orders(database, 20)

    traffic = asyncio.create_task(deliver(database, http, settings))
    rotated = await answered_apart(env, "endpoints", "rotate-secret", made["id"])
    await traffic
    await orders(database, 3)
    await deliver(database, http, settings)  # signed with both, and it holds the old one
    customer.secret = rotated["secret"]
    await orders(database, 3)
    await deliver(database, http, settings)
    await endpoint_rows.end_old_secrets(database)
    await orders(database, 3)
    await deliver(database, http, settings)

    assert {request.status for request in receiver.requests} == {204}
    assert len(receiver.requests) == 29
    assert receiver.requests[-4].headers["webhook-signature"].count("v1,") == 2
    assert receiver.requests[-1].headers["webhook-signature"].count("v1,") == 1


async def test_an_old_secret_is_forgotten_by_itself_once_its_time_is_over(
    database: Database, env: dict[str, str]
) -> None:
    made = await answered(env, "endpoints", "add", "http://127.0.0.1:9/")
    new = (await answered(env, "endpoints", "rotate-secret", made["id"]))["secret"]

    await Maintenance(database).tick()
    before = await endpoint_rows.secrets(database)
    await endpoint_rows.end_old_secrets(database)
    await Maintenance(database).tick()

    assert before == [new, made["secret"]]
    assert await endpoint_rows.secrets(database) == [new]
    assert (await answered(env, "endpoints", "secret", made["id"]))["secret"] == new


async def test_a_secret_that_leaked_is_dropped_at_once(
    database: Database, env: dict[str, str]
) -> None:
    made = await answered(env, "endpoints", "add", "http://127.0.0.1:9/")

    said = await answered(env, "endpoints", "rotate-secret", made["id"], "--keep", "0")

    assert said["old_until"] is None
    assert await endpoint_rows.secrets(database) == [said["secret"]]


async def test_two_who_rotate_at_once_both_get_a_secret_that_signs(
    database: Database, settings: Settings
) -> None:
    endpoint = await scenario.add_endpoint(database)
    (first,) = await endpoint_rows.secrets(database)

    both = await asyncio.gather(
        endpoint_changes.rotate(database, settings, endpoint),
        endpoint_changes.rotate(database, settings, endpoint),
    )

    secrets = await endpoint_rows.secrets(database)
    assert sorted(secrets) == sorted([first, *both])
    assert secrets[-1] == first


async def test_a_fifth_secret_is_the_last_until_old_ones_end(
    database: Database, env: dict[str, str]
) -> None:
    made = await answered(env, "endpoints", "add", "http://127.0.0.1:9/")
    for _ in range(4):
        await answered(env, "endpoints", "rotate-secret", made["id"])

    refused = await typed(env, "endpoints", "rotate-secret", made["id"])
    dropped = await answered(env, "endpoints", "rotate-secret", made["id"], "--keep", "0")

    assert refused.exit_code == 1
    assert "--keep 0" in refused.stderr
    assert await endpoint_rows.secrets(database) == [dropped["secret"]]
