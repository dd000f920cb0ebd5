"""What is kept of people and of what they sign in with."""

from __future__ import annotations

from typing import Any

from orderbus.storage.database import Database
from tests.support.scenario import value


async def everything(database: Database) -> str:
    """All that is kept of people, of their tokens and of what was done to them."""
    found: str = await value(
        database,
        """
        SELECT concat_ws(' ',
               (SELECT string_agg(to_jsonb(u)::text, ' ') FROM identity.users u),
               (SELECT string_agg(to_jsonb(c)::text, ' ') FROM identity.customers c),
               (SELECT string_agg(to_jsonb(t)::text, ' ') FROM identity.refresh_tokens t),
               (SELECT string_agg(to_jsonb(r)::text, ' ') FROM identity.password_resets r),
               (SELECT string_agg(to_jsonb(a)::text, ' ') FROM ops.audit_log a))
        """,
    )
    return found


async def tokens(database: Database) -> dict[str, int]:
    """How many refresh tokens there are, and how many of them are refused."""
    found: Any = await value(
        database,
        """
        SELECT jsonb_build_object('kept', count(*), 'revoked', count(revoked_at))
          FROM identity.refresh_tokens
        """,
    )
    return dict(found)


async def end_resets(database: Database) -> None:
    """Let every token that resets a password have expired."""
    await value(database, "UPDATE identity.password_resets SET expires_at = now()")
