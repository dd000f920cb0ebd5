"""Every setting of orderbus, read once per process, at its door.

A file for each subject says which there are and what they mean; ``loaded`` is what everybody else
is handed, and says which of them contradict one another.
"""

from orderbus.settings.dependencies import QUEUES_IN_MEMORY
from orderbus.settings.loaded import Settings, load
from orderbus.settings.published import INSECURE_SECRET_KEY, PUBLISHED

__all__ = ["INSECURE_SECRET_KEY", "PUBLISHED", "QUEUES_IN_MEMORY", "Settings", "load"]
