"""Guard against requests to internal addresses (SSRF): only public ones, and what the job allows, may be connected to.

The check is made where a socket is made (`open_socket`, which aiohttp's connector calls): it sees the very address that is
then connected to, whether it stood in the URL or came from a resolver, at the first request or after a redirect.  So no
second answer of a name server and no way of writing an address gets around it.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from yarl import URL

from pipeline.core.errors import ConfigError

Network = IPv4Network | IPv6Network
AddressInfo = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[Any, ...]]

# IANA's registries of special-purpose addresses; `is_global` of the standard library differs by its version
_NOT_PUBLIC: list[tuple[Network, str]] = [
    (ip_network(network), reason)
    for reason, networks in {
        "loopback": "127.0.0.0/8 ::1/128",
        "private": "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fc00::/7 fec0::/10",
        "link-local": "169.254.0.0/16 fe80::/10",
        "unspecified": "0.0.0.0/8 ::/128",
        "shared": "100.64.0.0/10",
        "multicast": "224.0.0.0/4 ff00::/8",
        "of a cloud's host": "168.63.129.16/32",  # Azure's; the other clouds' metadata lie in networks above and below
        "reserved": "192.0.0.0/24 192.88.99.0/24 198.18.0.0/15 240.0.0.0/4 2001::/23",
        "for documentation": "192.0.2.0/24 198.51.100.0/24 203.0.113.0/24 2001:db8::/32 3fff::/20",
        "IPv4 inside IPv6": "::ffff:0:0/96",
        "NAT64": "64:ff9b::/96 64:ff9b:1::/48",
        "Teredo": "2001::/32",
    }.items()
    for network in networks.split()
]
_NOT_PUBLIC.sort(key=lambda entry: -entry[0].prefixlen)  # the narrowest network gives the reason
# the last label has a letter
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*\.)?[a-z0-9-]*[a-z][a-z0-9-]*|[a-z]", re.ASCII)
_GLOBAL_V6 = ip_network("2000::/3")
_NAT64 = ip_network("64:ff9b::/96")


class RefusedAddress(OSError):
    """An address that may not be connected to; the text says which and why."""


class SsrfGuard:
    """Guard of a job's connections.  `allow`: networks ("10.0.0.0/8", "::1") and host names (with any address) from the job.

    Raises ConfigError for an entry that is neither.
    """

    def __init__(self, allow: Sequence[str] = ()) -> None:
        self._networks: list[Network] = []
        self._names: set[str] = set()
        for entry in allow:
            try:
                self._networks.append(ip_network(entry.strip(), strict=False))
            except ValueError:
                self._names.add(_host_name(entry))

    def trusts(self, host: str) -> bool:
        """Return whether the job allows a host by its name."""
        return host.lower().rstrip(".") in self._names

    def refusal(self, address: str) -> str | None:
        """Return why an IP address may not be connected to, in a few words, or None where it may."""
        try:
            ip = ip_address(address)
        except ValueError:
            return "no IP address in its usual form"
        if any(ip.version == network.version and ip in network for network in self._networks):
            # allowing NAT64 does not allow the private addresses that it can embed
            embedded = _embedded_ipv4(ip)
            return self.refusal(str(embedded)) if embedded else None
        return self._not_public(ip)

    def _not_public(self, ip: IPv4Address | IPv6Address) -> str | None:
        for network, reason in _NOT_PUBLIC:
            if ip.version == network.version and ip in network:
                return f"a {reason} address" if reason[0] != "u" else f"an {reason} address"
        if ip.version == 4:
            return None
        if ip not in _GLOBAL_V6:
            return "a reserved address"
        embedded = _embedded_ipv4(ip)
        return self.refusal(str(embedded)) if embedded else None

    def host_refusal(self, host: str) -> str | None:
        """Return why a URL's host may not be connected to; None for a name, whose addresses are checked later.

        What other software may take for an address (0x7f000001, 2130706433, 127.1, 0177.0.0.1) is refused unread.
        """
        last = host.rstrip(".").rpartition(".")[2].lower()
        if ":" not in host and not last.isdigit() and not last.startswith("0x"):
            return None
        return None if self.trusts(host) else self.refusal(host)

    def open_socket(self, info: AddressInfo) -> socket.socket:
        """Return a new socket for an address that is about to be connected to.  Raises RefusedAddress."""
        # Here and not where a name is resolved: a name server may say another address the next time, and what is checked must be
        # what is connected to.
        family, kind, protocol, _, address = info
        if reason := self.refusal(str(address[0])):
            raise RefusedAddress(f"{address[0]} is {reason}")
        return socket.socket(family, kind, protocol)


def _embedded_ipv4(ip: IPv4Address | IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that packets for an IPv6 address end at, or None."""
    if isinstance(ip, IPv4Address):
        return None
    if ip in _NAT64:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour


def _host_name(entry: str) -> str:
    """Return a host name in the form that it has in a request (IDNA).  Raises ConfigError."""
    try:
        name = URL.build(scheme="http", host=entry.strip().rstrip(".")).raw_host or ""
    except ValueError:
        name = ""
    if not _HOST.fullmatch(name):
        raise ConfigError(f"allow: {entry!r} is neither a network (10.0.0.0/8) nor a host name")
    return name


def is_loopback(host: str) -> bool:
    """Return whether a URL's host is this machine itself."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"
