"""The built-in endpoint: as the settings say, from one ``orderbus migrate`` to the next."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from orderbus import storage
from orderbus.domain import webhooks
from orderbus.domain.webhooks import Format
from orderbus.services.endpoints import KEEP_OLD_SECRETS, MOST_SECRETS
from orderbus.settings import Settings
from orderbus.storage.database import Connection
from orderbus.storage.endpoint_changes import Kept

#: Why it is told nothing where its setting names none.
NO_URL: Final = "WEBHOOK_OUTGOING_URL is not set"


async def keep(connection: Connection, settings: Settings, *, actor: str) -> str | None:
    """Make the built-in endpoint, or bring it up to date; says what was done, or None.

    Without a URL it is disabled and what it is owed is held, until there is one again or a person
    removes it. A secret that is given anew has the one before sign for another day. In the caller's
    transaction.
    """
    kept = await storage.endpoint_changes.lock_built_in(connection)
    if kept is None:
        return await _add(connection, settings, actor) if settings.webhook_outgoing_url else None
    changed = _as_settings_say(kept, settings)
    if changed == kept:
        return None
    what = "disabled" if changed.disabled_reason == NO_URL else "changed"
    await _begin(connection, actor, what)
    await storage.endpoint_changes.write(connection, changed)
    return what


async def _add(connection: Connection, settings: Settings, actor: str) -> str:
    given = settings.webhook_outgoing_secret
    await _begin(connection, actor, "added")
    await storage.endpoints.add(
        connection,
        url=settings.webhook_outgoing_url or "",
        secrets=[given.get_secret_value() if given else webhooks.new_secret()],
        format=Format.COMPACT,
        ordering="order",
        events=settings.webhook_outgoing_events,
        built_in=True,
    )
    return "added"


async def _begin(connection: Connection, actor: str, action: str) -> None:
    await storage.audit.begin(
        connection, actor=actor, action=f"endpoint.{action}", reason="settings"
    )


def _as_settings_say(kept: Kept, settings: Settings) -> Kept:
    if settings.webhook_outgoing_url is None:
        if kept.disabled_at is not None:
            return kept
        return replace(kept, disabled_at=kept.now, disabled_reason=NO_URL)
    changed = replace(
        kept,
        url=settings.webhook_outgoing_url,
        events=list(settings.webhook_outgoing_events),
    )
    if kept.disabled_reason == NO_URL:
        changed = replace(changed, disabled_at=None, disabled_reason=None)
    given = settings.webhook_outgoing_secret
    if given is None or given.get_secret_value() == kept.secrets[0]:
        return changed
    new = given.get_secret_value()
    old = [secret for secret in kept.secrets if secret != new]
    secrets = [new, *old][:MOST_SECRETS]
    return replace(changed, secrets=secrets, old_secrets_until=kept.now + KEEP_OLD_SECRETS)
