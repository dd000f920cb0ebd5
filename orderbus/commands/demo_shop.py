"""The part of ``orderbus demo`` that sells a product out, and counts what became of each unit."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from orderbus import services
from orderbus.devtools import processes
from orderbus.errors import Died

if TYPE_CHECKING:
    from orderbus.storage.database import Database

_UNITS: Final = 3
#: How much each buyer wants, one after the other; for the last nothing is left.
_WANTED: Final = (2, 1, 1)


async def sell_out(api: str, database: Database) -> dict[str, Any]:
    """Book a product in, sell all of it, have one buyer more refused, and verify the counters.

    Raises ``Died`` where the last buyer is not refused, or a counter is not what moved.
    """
    began, steps = time.time(), list[dict[str, Any]]()

    def note(step: str, what: str) -> None:
        steps.append({"step": step, "ms": round(1000 * (time.time() - began), 1), "what": what})

    sku = f"tea-{uuid4().hex[:8]}"
    product = {"sku": sku, "name": "Green tea", "description": "A tin", "price": "4.50"}
    await processes.ask("POST", f"{api}/api/catalog/products/", product)
    lines = {"items": [{"sku": sku, "delta": _UNITS}]}
    await processes.ask("POST", f"{api}/api/catalog/inventory/batch/", lines)
    note("booked in", f"{_UNITS} of {sku}")
    *buyers, last = [
        {"items": [{"sku": sku, "name": "Green tea", "quantity": units, "unit_price": "4.50"}]}
        for units in _WANTED
    ]
    for number, buyer in enumerate(buyers):
        cart = json.loads(await processes.ask("POST", f"{api}/carts", buyer))["cart_uuid"]
        await processes.ask("PUT", f"{api}/carts/{cart}/checkout")
        note("cart checked out", f"{_WANTED[number]} sold, cart {cart}")
    refused = json.loads(await processes.ask("POST", f"{api}/carts", last, status=409))
    short = refused["short"][0]
    note("refused", f"409: {short['wanted']} wanted, {short['available']} available")
    compared = [each async for each in services.stock.verify(database)]
    differences = [asdict(each) for one in compared for each in one.differences]
    if differences:
        raise Died(f"Counters differ from what moved: {differences}")
    note("verified", f"{sum(each.products for each in compared)} products, no difference")
    return {"sku": sku, "refusal": refused, "steps": steps}
