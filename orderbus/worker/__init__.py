"""What a worker process is: how it begins, retries, watches, shows itself and ends."""

from orderbus.worker import shared_state  # first: it names where the metrics of a worker are kept

__all__ = ["shared_state"]
