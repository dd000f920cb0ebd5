"""Signs and reads the tokens of who signed in: JSON Web Tokens (RFC 7519) by HS256, and no other.

An access token says who calls, for minutes. A refresh token is good for once: it is replaced by the
next one, all of a sign-in are a family, and one that comes a second time was copied, so the whole
family is refused from then on.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

import jwt

from orderbus import storage, telemetry
from orderbus.domain.rights import Caller, Role
from orderbus.errors import BadToken, NotFound
from orderbus.settings import Settings
from orderbus.storage.database import Connection, Database
from orderbus.storage.users import User

_ALGORITHM: Final = "HS256"
_CLAIMS: Final = ("exp", "iat", "jti", "token_type", "user_id", "version", "family")
#: Not before when it was given out: another server's clock may go ahead of ours.
_OPTIONS: Final[Any] = {"require": list(_CLAIMS), "verify_iat": False}
_EXPIRED: Final = "Token is invalid or expired"


@dataclass(frozen=True, slots=True)
class Pair:
    """What somebody who signed in is given."""

    access: str
    refresh: str


def looks_like_one(presented: str) -> bool:
    """Say whether it is a token rather than an API key, by its form alone."""
    return presented.count(".") == 2  # noqa: PLR2004 - head, claims and signature


async def issue(connection: Connection, settings: Settings, user: User, *, now: datetime) -> Pair:
    """Begin a family: somebody has signed in."""
    return await _pair(connection, settings, user, family=uuid4(), now=now, refresh=uuid4())


async def rotate(database: Database, settings: Settings, presented: str, *, now: datetime) -> Pair:
    """Give a new pair for a refresh token, which is used up. Raises ``BadToken``."""
    claims = _read(settings, presented, "refresh")
    async with database.transaction() as connection:
        user = await _lock(connection, claims)
        kept = await storage.tokens.lock(connection, UUID(claims["jti"]))
        if kept is None or kept.revoked_at is not None:
            raise BadToken("Token is blacklisted")
        if kept.replaced_by is None:
            return await _replace(connection, settings, user, claims, now=now)
        await storage.tokens.revoke_family(connection, kept.family)
    telemetry.log.warning("refresh_token_reused", user_id=kept.user_id)
    raise BadToken("Token is blacklisted")


async def _lock(connection: Connection, claims: dict[str, Any]) -> User:
    """Lock whose token it is, before any token: so nobody who writes tokens waits in a circle."""
    try:
        return await storage.users.lock(connection, claims["user_id"])
    except NotFound:
        raise BadToken(_EXPIRED) from None


async def _replace(
    connection: Connection,
    settings: Settings,
    user: User,
    claims: dict[str, Any],
    *,
    now: datetime,
) -> Pair:
    if user.disabled_at is not None or user.token_version != claims["version"]:
        raise BadToken(_EXPIRED)
    refresh = uuid4()
    await storage.tokens.replace(connection, UUID(claims["jti"]), by=refresh)
    family = UUID(claims["family"])
    return await _pair(connection, settings, user, family=family, now=now, refresh=refresh)


async def verify(database: Database, settings: Settings, presented: str) -> None:
    """Pass a token of either kind that is good. Raises ``BadToken``."""
    claims = _read(settings, presented, None)
    if await _holder(database, claims) is None:
        raise BadToken(_EXPIRED)


async def check(database: Database, settings: Settings, presented: str) -> Caller:
    """Say who calls with an access token. Raises ``BadToken``, ``Unavailable``."""
    holder = await _holder(database, _read(settings, presented, "access"))
    if holder is None:
        raise BadToken(_EXPIRED)
    return Caller(
        f"user {holder.id}", frozenset({Role(holder.role)}), user_id=holder.id, customer=holder.uuid
    )


async def log_out(database: Database, settings: Settings, presented: str) -> None:
    """Refuse all that follow from the sign-in of a refresh token. Raises ``BadToken``."""
    claims = _read(settings, presented, "refresh")
    async with database.transaction() as connection:
        await _lock(connection, claims)
        await storage.tokens.revoke_family(connection, UUID(claims["family"]))


async def _holder(database: Database, claims: dict[str, Any]) -> storage.tokens.Holder | None:
    return await database.ask(
        storage.tokens.holder,
        claims["user_id"],
        version=claims["version"],
        family=UUID(claims["family"]),
    )


async def _pair(
    connection: Connection,
    settings: Settings,
    user: User,
    *,
    family: UUID,
    now: datetime,
    refresh: UUID,
) -> Pair:
    ends = now + settings.refresh_token_lifetime
    await storage.tokens.add(
        connection, jti=refresh, family=family, user_id=user.id, expires_at=ends
    )
    about = {
        "iat": now,
        "user_id": user.id,
        "email": user.email or "",
        "public_id": str(user.uuid),
        "version": user.token_version,
        "family": str(family),
    }
    access = {
        "token_type": "access",
        "exp": now + settings.access_token_lifetime,
        "jti": str(uuid4()),
        **about,
    }
    refreshing = {"token_type": "refresh", "exp": ends, "jti": str(refresh), **about}
    return Pair(_signed(settings, access), _signed(settings, refreshing))


def _signed(settings: Settings, claims: dict[str, Any]) -> str:
    return jwt.encode(claims, _key(settings), algorithm=_ALGORITHM)


def _read(settings: Settings, presented: str, kind: str | None) -> dict[str, Any]:
    """Read the claims of a token that we signed, of this ``kind`` unless it is None."""
    try:
        claims: dict[str, Any] = jwt.decode(
            presented, _key(settings), algorithms=[_ALGORITHM], options=_OPTIONS
        )
    except (jwt.PyJWTError, ValueError):  # also for what is no text that can be encoded
        raise BadToken(_EXPIRED) from None
    if kind not in {None, claims["token_type"]}:
        raise BadToken("Token has wrong type")
    return claims


def _key(settings: Settings) -> bytes:
    """Derive a key from ours, so that nothing else we sign can pass for a token."""
    secret = settings.secret_key.get_secret_value().encode()
    return hmac.digest(secret, b"orderbus tokens", hashlib.sha256)
