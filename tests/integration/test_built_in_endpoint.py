"""WEBHOOK_OUTGOING_URL and what belongs to it take effect with ``orderbus migrate``."""

from __future__ import annotations

from typing import Any

import pytest

from orderbus import services, storage
from orderbus.domain import webhooks
from orderbus.egress.session import Session
from orderbus.errors import Conflict
from orderbus.settings import Settings
from orderbus.storage.database import Database
from orderbus.storage.endpoint_lists import Endpoint
from tests.support import endpoint_changes, endpoint_rows, scenario
from tests.support.receiver import Receiver
from tests.support.scenario import deliver

URL = "http://127.0.0.1:9/hooks"


async def migrated(database: Database, settings: Settings, **changes: Any) -> str | None:
    """Begin with other settings, as ``orderbus migrate`` does."""
    given = settings.model_copy(update={"webhook_outgoing_url": URL, **changes})
    async with database.transaction() as connection:
        return await services.built_in_endpoint.keep(connection, given, actor="command:test")


async def only(database: Database) -> Endpoint:
    (endpoint,) = await database.ask(storage.endpoint_lists.list_all)
    return endpoint


async def test_it_is_made_once_and_kept_as_it_is(database: Database, settings: Settings) -> None:
    done = [await migrated(database, settings) for _ in range(3)]
    (secret,) = await endpoint_rows.secrets(database)

    assert done == ["added", None, None]
    endpoint = await only(database)
    assert (endpoint.url, endpoint.format, endpoint.events) == (URL, "compact", ["order.created"])
    assert webhooks.can_sign(secret)


async def test_another_url_and_other_events_are_taken_over(
    database: Database, settings: Settings
) -> None:
    await migrated(database, settings)

    done = await migrated(
        database,
        settings,
        webhook_outgoing_url="http://127.0.0.1:7/",
        webhook_outgoing_events=("order.*",),
    )

    endpoint = await only(database)
    assert done == "changed"
    assert (endpoint.url, endpoint.events) == ("http://127.0.0.1:7/", ["order.*"])


async def test_emptied_it_is_told_nothing_and_set_again_it_gets_what_was_held(
    database: Database, settings: Settings, http: Session, receiver: Receiver
) -> None:
    await migrated(database, settings, webhook_outgoing_url=receiver.url)
    await scenario.place(database)
    await scenario.come_back(database, *await scenario.events(database))

    emptied = [await migrated(database, settings, webhook_outgoing_url=None) for _ in range(2)]
    await deliver(database, http, settings)
    disabled, told_meanwhile = await only(database), len(receiver.requests)
    again = await migrated(database, settings, webhook_outgoing_url=receiver.url)
    await deliver(database, http, settings)

    assert emptied == ["disabled", None]
    assert (disabled.disabled_reason, disabled.held) == ("WEBHOOK_OUTGOING_URL is not set", 1)
    assert told_meanwhile == 0
    assert again == "changed"
    assert len(receiver.accepted) == 1


async def test_one_that_a_person_disabled_stays_so(database: Database, settings: Settings) -> None:
    await migrated(database, settings)
    await endpoint_rows.disable(database, "by hand")

    done = [
        await migrated(database, settings),
        await migrated(database, settings, webhook_outgoing_url=None),
        await migrated(database, settings),
    ]

    assert done == [None, None, None]
    assert (await only(database)).disabled_reason == "by hand"


async def test_a_secret_that_is_given_anew_has_the_one_before_sign_for_another_day(
    database: Database, settings: Settings
) -> None:
    first, second = (webhooks.new_secret() for _ in range(2))
    given = type(settings).model_validate
    one = given({"secret_key": "k", "webhook_outgoing_secret": first}).webhook_outgoing_secret
    two = given({"secret_key": "k", "webhook_outgoing_secret": second}).webhook_outgoing_secret
    await migrated(database, settings, webhook_outgoing_secret=one)

    done = [await migrated(database, settings, webhook_outgoing_secret=two) for _ in range(2)]

    assert done == ["changed", None]
    assert await endpoint_rows.secrets(database) == [second, first]
    assert (await only(database)).old_secrets_until is not None


async def test_what_settings_say_is_changed_there_alone(
    database: Database, settings: Settings
) -> None:
    await migrated(database, settings)
    endpoint = await only(database)
    made_up = await endpoint_changes.rotate(database, settings, endpoint.id)

    changes: tuple[dict[str, Any], ...] = (
        {"url": "http://127.0.0.1:7/"},
        {"events": ["order.*"]},
        {"format": "event"},
    )
    for change in changes:
        with pytest.raises(Conflict, match="orderbus migrate"):
            await endpoint_changes.change(database, endpoint.id, **change)
    await endpoint_changes.change(database, endpoint.id, trace=True, headers={"X-A": "1"})
    given = settings.model_copy(update={"webhook_outgoing_secret": webhooks.new_secret()})
    with pytest.raises(Conflict, match="WEBHOOK_OUTGOING_SECRET"):
        await endpoint_changes.rotate(database, given, endpoint.id)

    assert (await endpoint_rows.secrets(database))[0] == made_up
