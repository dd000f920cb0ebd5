"""Which addresses a webhook is sent to, and which it never is."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from orderbus.domain.addresses import forbidden

FORBIDDEN = {
    "private 10/8": "10.0.0.1",
    "private 172.16/12": "172.31.255.255",
    "private 192.168/16": "192.168.1.1",
    "loopback": "127.0.0.1",
    "the rest of loopback": "127.255.255.254",
    "link-local": "169.254.0.1",
    "cloud metadata": "169.254.169.254",
    "cloud metadata at Oracle": "192.0.0.192",
    "cloud metadata at Alibaba": "100.100.100.200",
    "the platform at Azure": "168.63.129.16",
    "carrier-grade NAT": "100.64.0.1",
    "the end of carrier-grade NAT": "100.127.255.255",
    "unspecified": "0.0.0.0",  # noqa: S104 - it is refused
    "this network": "0.1.2.3",
    "multicast": "224.0.0.1",
    "global multicast": "233.252.0.1",
    "reserved for ever": "240.0.0.1",
    "broadcast": "255.255.255.255",
    "documentation 1": "192.0.2.1",
    "documentation 2": "198.51.100.1",
    "documentation 3": "203.0.113.1",
    "benchmarks": "198.18.0.1",
    "protocol assignments": "192.0.0.1",
    "6to4 relays": "192.88.99.1",
    "v6 loopback": "::1",
    "v6 unspecified": "::",
    "v6 link-local": "fe80::1",
    "v6 link-local with its zone": "fe80::1%eth0",
    "v6 unique local": "fc00::1",
    "v6 cloud metadata": "fd00:ec2::254",
    "v6 site-local": "fec0::1",
    "v6 multicast": "ff02::1",
    "v6 global multicast": "ff0e::1",
    "v6 documentation": "2001:db8::1",
    "v6 documentation, the newer": "3fff::1",
    "v6 discard": "100::1",
    "SRv6 segments": "5f00::1",
    "v4-mapped loopback": "::ffff:127.0.0.1",
    "v4-mapped loopback in hex": "::ffff:7f00:1",
    "v4-mapped private": "::ffff:10.0.0.1",
    "v4-mapped metadata": "::ffff:169.254.169.254",
    "v4-compatible loopback": "::127.0.0.1",
    "NAT64 of loopback": "64:ff9b::7f00:1",
    "NAT64 of metadata": "64:ff9b::169.254.169.254",
    "local NAT64": "64:ff9b:1::1",
    "6to4 of loopback": "2002:7f00:1::",
    "6to4 of a private address": "2002:a00:1::1",
    "Teredo": "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "Teredo's first": "2001::1",
}
PUBLIC = {
    "v4": "93.184.215.14",
    "v4 just before private 10/8": "9.255.255.255",
    "v4 just behind private 10/8": "11.0.0.0",
    "v4 just before carrier-grade NAT": "100.63.255.255",
    "v4 just behind carrier-grade NAT": "100.128.0.0",
    "v4 just behind 172.16/12": "172.32.0.1",
    "v4 just behind the platform at Azure": "168.63.129.17",
    "v4 just before multicast": "223.255.255.255",
    "v6": "2606:4700:4700::1111",
    "v6 of another registry": "2a00:1450:4001:81b::200e",
    "v4-mapped": "::ffff:93.184.215.14",
    "NAT64": "64:ff9b::5db8:d70e",
    "6to4": "2002:5db8:d70e::1",
}
NO_ADDRESS = ("", "localhost", "example.com", "1.2.3", "1.2.3.4.5", "0x7f.1", "2130706433", "[::1]")


@pytest.mark.parametrize("address", FORBIDDEN.values(), ids=FORBIDDEN)
def test_an_address_that_is_not_public_is_forbidden(address: str) -> None:
    assert forbidden(address, ())


@pytest.mark.parametrize("address", PUBLIC.values(), ids=PUBLIC)
def test_a_public_address_is_allowed(address: str) -> None:
    assert not forbidden(address, ())


@pytest.mark.parametrize("text", NO_ADDRESS)
def test_what_is_no_address_is_forbidden(text: str) -> None:
    everything = (ip_network("0.0.0.0/0"), ip_network("::/0"))

    assert forbidden(text, ())
    assert forbidden(text, everything)


@pytest.mark.parametrize(
    "address", ["10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::a01:203", "2002:a01:203::"]
)
def test_a_network_on_the_list_lets_its_addresses_through_however_they_are_written(
    address: str,
) -> None:
    assert not forbidden(address, (ip_network("10.0.0.0/8"),))


@pytest.mark.parametrize("address", ["192.168.0.1", "::ffff:127.0.0.1", "fd00::1", "::1"])
def test_a_network_on_the_list_lets_no_others_through(address: str) -> None:
    assert forbidden(address, (ip_network("10.0.0.0/8"),))


def test_a_v6_network_on_the_list_lets_its_addresses_through() -> None:
    allowed = (ip_network("fd00::/8"),)

    assert not forbidden("fd12::1", allowed)
    assert forbidden("fe80::1", allowed)


def test_a_v6_network_on_the_list_does_not_open_the_v4_addresses_inside_it() -> None:
    assert forbidden("::ffff:127.0.0.1", (ip_network("::/0"),))
