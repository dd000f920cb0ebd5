"""What is decided: each write is one transaction. Services are handed what they touch."""

import importlib
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orderbus.services import (
        adding,
        allocating,
        api_keys,
        built_in_endpoint,
        carts,
        conflicts,
        consumptions,
        dead_letters,
        deliveries,
        delivery_acts,
        delivery_jobs,
        delivery_lists,
        endpoint_tests,
        endpoints,
        erasing,
        health,
        inbox,
        jobs,
        kinds,
        letter_jobs,
        letter_lists,
        lost_events,
        maintenance,
        order_lists,
        order_moves,
        orders,
        outbox,
        owed,
        password_resets,
        passwords,
        processing,
        product_cache,
        products,
        reads,
        replay,
        restores,
        retention,
        seeds,
        shop_changes,
        shop_orders,
        stock,
        stock_imports,
        throttles,
        tokens,
        users,
    )


def __getattr__(name: str) -> ModuleType:
    """Load a subject when it is asked for: a command that needs one of them loads no gRPC."""
    module = f"{__name__}.{name}"
    if name.startswith("_") or find_spec(module) is None:
        raise AttributeError(name)
    return importlib.import_module(module)
