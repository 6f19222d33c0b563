"""Where a registry may send us: not to what only this machine or its network can reach.

A registry names the address of its token service, and redirects to its store. One that is hostile
could so have requests sent to what trusts its network: the metadata service of a cloud, a database
on this machine (as go-containerregistry refuses since its #2243). Names are looked up too, and the
address that a connection really has is checked again, as a name may lead elsewhere the next time.

Source: the IANA IPv4 and IPv6 special-purpose address registries, by Python's ``ipaddress``.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from typing import Literal
from urllib.parse import urlsplit

__all__ = ["Reach", "addresses_of", "is_loopback", "may_lead_to", "reach_of"]

Reach = Literal["public", "private", "loopback", "link-local"]
"""Who can reach an address: all, a network, this machine, what is on the same link."""

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_METADATA = frozenset(
    map(
        ipaddress.ip_address,
        ("169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192"),
    )
)
"""Metadata services of clouds (Amazon, Google, Azure, Alibaba, Oracle), some not link-local."""

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052, 2.1


def _meant(text: str) -> _Address:
    """Return an address; of one that carries an IPv4 address, that."""
    # "fe80::1%eth0": the zone of a link-local address is no part of it (RFC 4007, 11).
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        # ::ffff:a.b.c.d reaches a.b.c.d itself, and 2002::/16 by a relay (RFC 3056).
        return address.ipv4_mapped or address.sixtofour or address
    return address


def reach_of(text: str) -> Reach:
    """Return who can reach an IP address. Raises :class:`ValueError` for what is none."""
    address = _meant(text)
    if address in _METADATA or address.is_link_local:
        return "link-local"
    if address.is_loopback or address.is_unspecified:  # 0.0.0.0 leads to this machine
        return "loopback"
    return "public" if address.is_global and not address.is_multicast else "private"


def is_loopback(host: str) -> bool:
    """Whether a host, perhaps with a port, is this machine by its name or literal address."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def addresses_of(host: str) -> frozenset[str]:
    """Return the IP addresses of a host; empty where it has none that can be found here."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return frozenset()
    return frozenset(str(address[0]) for *_, address in found)


def may_lead_to(addresses: Iterable[str], own: Iterable[str]) -> bool:
    """Whether a registry that is at its ``own`` addresses may send us to these others.

    A public one may lead to public addresses, one of a private network to that as well, one on
    this machine to all but link-local addresses. There only what is there itself may lead.
    """
    own = frozenset(own)
    allowed: set[Reach] = {"public"}
    for each in own:
        reach = reach_of(each)
        allowed |= {"private", "loopback"} if reach == "loopback" else {reach} - {"link-local"}
    return all(each in own or reach_of(each) in allowed for each in addresses)
