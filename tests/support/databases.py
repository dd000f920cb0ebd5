"""Databases beside the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from tests.conftest import settings_from


@contextmanager
def copied(name: str, env: dict[str, str]) -> Iterator[None]:
    """Copy a database that nobody uses to the one that ``env`` names, as a backup would."""
    copy = env["DB_NAME"]
    url = settings_from({**env, "DB_NAME": "postgres"}).database_url
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{copy}" TEMPLATE "{name}"')
        try:
            yield
        finally:
            connection.execute(f'DROP DATABASE "{copy}" WITH (FORCE)')
