"""Every setting of orderbus, read once per process, at its door.

A file for each subject says which there are and what they mean, ``agreement`` which of them
contradict one another; ``loaded`` is what everybody else is handed.
"""

from orderbus.settings.loaded import Settings, load
from orderbus.settings.published import INSECURE_SECRET_KEY, PUBLISHED
from orderbus.settings.rabbitmq import QUEUES_IN_MEMORY

__all__ = ["INSECURE_SECRET_KEY", "PUBLISHED", "QUEUES_IN_MEMORY", "Settings", "load"]
