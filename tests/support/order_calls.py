"""Calls that move and change orders, so that every answer they have is given."""

from __future__ import annotations

from uuid import uuid4

from tests.support.api_client import Client, placed


async def move_and_change(client: Client, root: str) -> None:
    """Move an order and change it, each once as it may be and in each way that is refused."""
    order = await placed(client)
    one = f"{root}/{order['id']}"
    stale = {"If-Match": '"99"'}
    for action in ("hold", "release", "ship", "deliver"):
        key = {"Idempotency-Key": f"{action} {one}"}
        await client.post(f"{one}/{action}", headers=stale)
        await client.post(f"{one}/{action}", headers=key)
        await client.post(f"{one}/{action}", headers=key, json={"reason": "another"})
        await client.post(f"{one}/{action}")
    key = {"Idempotency-Key": f"change {one}", "If-Match": "*"}
    await client.patch(one, json={"metadata": {"a": 1}})
    await client.patch(one, headers=stale, json={"metadata": {"a": 1}})
    await client.patch(one, headers=key, json={"metadata": {"a": 1}})
    await client.patch(one, headers=key, json={"metadata": {"a": 2}})
    await client.patch(one, headers={"If-Match": "*"}, json={"shipping_address": "elsewhere"})
    await client.patch(f"{root}/{uuid4()}", headers={"If-Match": "*"}, json={})
