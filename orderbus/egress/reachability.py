"""Whether webhooks can arrive at an address, before any is sent."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from datetime import timedelta
from ipaddress import ip_network
from typing import Final
from urllib.parse import urlsplit

from orderbus.domain.addresses import Network, forbidden
from orderbus.egress.resolver import Resolver
from orderbus.errors import Fault, Invalid

#: How long somebody waits for the answer.
_WITHIN: Final = timedelta(seconds=3)


async def check(url: str, allowed: Sequence[Network]) -> str | None:
    """Pass if webhooks may go to ``url``; says why none would arrive at this moment, or None.

    Raises ``Invalid`` where the address filter will refuse every address it has.
    """
    host = urlsplit(url).hostname or ""
    resolver = Resolver()
    try:
        async with asyncio.timeout(_WITHIN.total_seconds()):
            found = await resolver.resolve(host, family=socket.AF_UNSPEC)
    except TimeoutError:
        return f"{host} could not be looked up within {_WITHIN.seconds} s"
    except OSError as error:
        return f"{host} has no address at this moment: {error.strerror or error}"
    finally:
        await resolver.close()
    addresses = list(dict.fromkeys(each["host"] for each in found))
    if addresses and all(forbidden(address, allowed) for address in addresses):
        network = ip_network(addresses[0].partition("%")[0])
        message = (
            f"No webhook may be sent to {host} ({', '.join(addresses)}), which is not public: if "
            "it is yours, have ORDERBUS_WEBHOOK_ALLOWED_NETWORKS hold its network, such as "
            f"{network}, here and where workers run"
        )
        raise Invalid(message, [Fault("/url", "refused_address", message)])
    return None
