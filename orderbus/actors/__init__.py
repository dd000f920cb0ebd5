"""Work after the answer: ``dramatiq orderbus.actors`` runs it."""

from orderbus.worker import shared_state  # first: it names where the metrics of a worker are kept

# isort: split

from orderbus.actors import (
    bridge,
    broker,
    consumers,
    count_event,
    create_order,
    jobs,
    process_order,
    startup,
    wake_ups,
)
