"""From where a request was sent, and under which URL: as a proxy says it, if it is one of ours."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv6Address, ip_address

from aiohttp import web

from orderbus.domain.addresses import Network
from orderbus.web.app_keys import SETTINGS


def address_of(request: web.BaseRequest, proxies: Sequence[Network]) -> str:
    """Name the address that a request came from; of IPv6 the network, of which one has it all.

    What others said to a proxy of ours is not believed: the last address that is none of ours
    counts.
    """
    forwarded = ",".join(request.headers.getall("X-Forwarded-For", ()))
    hops = [request.remote or "", *reversed(forwarded.split(","))]
    for hop in hops:
        address = hop.strip()
        if not _is_ours(address, proxies):
            return _network_of(address) or _network_of(request.remote or "") or "unknown"
    return _network_of(hops[-1].strip()) or "unknown"


def base_url(request: web.Request) -> str:
    """Begin a URL of ours as the caller reached us."""
    scheme = request.scheme
    if _is_ours(request.remote or "", request.app[SETTINGS].trusted_proxies):
        scheme_there = request.headers.get("X-Forwarded-Proto", "")
        scheme = scheme_there if scheme_there in {"http", "https"} else scheme
    return f"{scheme}://{request.host}"


def _is_ours(address: str, proxies: Sequence[Network]) -> bool:
    try:
        return any(ip_address(address.partition("%")[0]) in network for network in proxies)
    except ValueError:
        return False


def _network_of(address: str) -> str | None:
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    if not isinstance(ip, IPv6Address):
        return str(ip)
    return str(ip.ipv4_mapped or f"{IPv6Address(int(ip) >> 64 << 64)}/64")
