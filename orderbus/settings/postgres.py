"""Where PostgreSQL is."""

from functools import cached_property
from urllib.parse import quote

from pydantic import SecretStr

from orderbus.domain.addresses import in_url
from orderbus.settings.types import Section, setting


class Postgres(Section):
    """Place, login and pool."""

    db_name: str = setting("orderdb", "DB_NAME", "POSTGRES_NAME")
    """Name of the database."""
    db_user: str = setting("postgres", "DB_USER", "POSTGRES_USER")
    """User that owns the schemas."""
    db_pass: SecretStr = setting(SecretStr("postgres"), "DB_PASS", "POSTGRES_PASSWORD")
    """Password of that user."""
    db_host: str = setting("localhost", "DB_HOST", "POSTGRES_HOST")
    """Host of PostgreSQL, or the folder of its socket."""
    db_port: int = setting(5432, "DB_PORT", "POSTGRES_PORT", ge=1, le=65535)
    """Port of PostgreSQL."""
    db_pool_size: int = setting(10, "ORDERBUS_DB_POOL_SIZE", ge=2, le=500)
    """Connections one process may hold."""

    @cached_property
    def database_url(self) -> str:
        """Where PostgreSQL is, with the password in it: never log it."""
        user, password = (
            quote(self.db_user, safe=""),
            quote(self.db_pass.get_secret_value(), safe=""),
        )
        if self.db_host.startswith("/"):
            place = f"@/{quote(self.db_name)}?host={quote(self.db_host)}&port={self.db_port}"
        else:
            place = f"@{in_url(self.db_host)}:{self.db_port}/{quote(self.db_name)}"
        return f"postgresql://{user}:{password}{place}"
