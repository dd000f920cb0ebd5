"""What `make shell` has at hand; run it with ``python -i``."""

import asyncio

from orderbus import domain, services, storage
from orderbus.settings import load
from orderbus.storage.database import open_database

settings = load()
run = asyncio.Runner().run
_opened = open_database(settings)
database = run(_opened.__aenter__())

print(
    """orderbus, on the database that the settings name. At hand:
  settings, database, and the rooms domain, services, storage
  run(...) waits for anything async: run(services.orders.find(database, 'SO-10045'))"""
)
__all__ = ["domain", "services", "storage"]
