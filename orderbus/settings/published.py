"""Secrets that are none, since everybody can read them in this repository."""

from __future__ import annotations

from typing import Final

from pydantic import SecretStr

INSECURE_SECRET_KEY: Final = "insecure-development-key-change-it"  # noqa: S105 - refused outside development

#: Every secret that .env.example or docker-compose.yml sets, passwords of URLs included.
PUBLISHED: Final = frozenset(
    {INSECURE_SECRET_KEY, "development-only-change-it", "guest", "postgres"}
)


def is_published(secret: SecretStr) -> bool:
    """Say whether everybody knows ``secret``."""
    return secret.get_secret_value() in PUBLISHED
