"""Every setting of orderbus, read once per process, at its door."""

from orderbus.settings.dependencies import QUEUES_IN_MEMORY
from orderbus.settings.loaded import Settings, load
from orderbus.settings.published import INSECURE_SECRET_KEY, PUBLISHED

__all__ = ["INSECURE_SECRET_KEY", "PUBLISHED", "QUEUES_IN_MEMORY", "Settings", "load"]
