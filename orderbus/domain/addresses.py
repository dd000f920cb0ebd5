"""The addresses that a webhook may be sent to."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

Network = IPv4Network | IPv6Network

#: Networks that ``ipaddress`` takes for global, or that hide an IPv4 address inside.
_RESERVED: Final[tuple[Network, ...]] = (
    IPv6Network("64:ff9b:1::/48"),  # local-use NAT64, RFC 8215
    IPv6Network("5f00::/16"),  # SRv6 segment ids, RFC 9602
    IPv6Network("2001::/32"),  # Teredo, RFC 4380
    IPv6Network("fec0::/10"),  # site-local, RFC 3879
    IPv6Network("3fff::/20"),  # documentation, RFC 9637
    IPv4Network("192.0.0.0/24"),  # protocol assignments, RFC 6890
    IPv4Network("192.88.99.0/24"),  # 6to4 relay anycast, RFC 7526
    IPv4Network("168.63.129.16/32"),  # Azure's platform, which answers every machine inside it
)
#: What of IPv4 is nobody's in public; of IPv6 everything but 2000::/3 (RFC 4291).
_PRIVATE: Final[tuple[Network, ...]] = tuple(
    IPv4Network(network)
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/3"),
    )
)
_PUBLIC: Final = IPv6Network("2000::/3")
_NAT64: Final = IPv6Network("64:ff9b::/96")


def forbidden(address: str, allowed: Sequence[Network]) -> bool:
    """Say whether a webhook must not be sent to ``address``.

    Private, loopback, link-local (cloud metadata), shared, multicast and reserved addresses are
    forbidden unless they lie in ``allowed``; an IPv6 address that carries an IPv4 one (mapped,
    NAT64, 6to4) is judged by that one. Anything that is no address is forbidden.
    """
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return True
    judged = _inner(ip) or ip
    if any(judged in network for network in allowed):
        return False
    public = judged.is_global and not judged.is_multicast and not judged.is_reserved
    return not public or any(judged in network for network in _RESERVED)


def _inner(ip: IPv4Address | IPv6Address) -> IPv4Address | None:
    if isinstance(ip, IPv4Address):
        return None
    if ip in _NAT64:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour


def is_private(network: Network) -> bool:
    """Say whether ``network`` holds an address that is not public."""
    if isinstance(network, IPv6Network) and not network.subnet_of(_PUBLIC):
        return True
    return any(network.overlaps(other) for other in (*_RESERVED, *_PRIVATE))


@lru_cache(maxsize=256)  # asked of every request
def is_loopback(host: str) -> bool:
    """Say whether binding to ``host`` keeps other machines out."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def in_url(host: str) -> str:
    """Write a host as URLs do: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
