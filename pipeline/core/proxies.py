"""Which way a request takes: the one place that reads `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`, in either case.

Clients read them each in its own way, so requests and checks of one endpoint would go by different routes.  Where the environment
names none, macOS and Windows have settings of the system, which count as they do for Python's own client.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, getproxies_environment, proxy_bypass

from pipeline.core.errors import EndpointError

PROXY_ASKS = "the proxy asks for a user name and password: write them into its address, http://user:password@host:port"
_PORTS = {"http": 80, "https": 443}
_SCHEMES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")


@dataclass(frozen=True)
class Proxy:
    """A proxy: its address as it is given (with a scheme), and how people are told of it."""

    url: str
    where: str  # host:port, without a user

    @property
    def is_socks(self) -> bool:
        """Whether it speaks SOCKS, not HTTP."""
        return self.url.startswith("socks")

    @property
    def secrets(self) -> list[str]:
        """The user and the password, as they are written and as they are meant."""
        userinfo = urlsplit(self.url).netloc.rpartition("@")[0]
        password = userinfo.partition(":")[2]
        return [part for part in dict.fromkeys((userinfo, unquote(userinfo), password, unquote(password))) if part]


def proxy_of(url: str) -> Proxy | None:
    """Return the proxy that a request to an address goes through, None where it goes straight there.

    Raises EndpointError for a proxy that cannot be one.
    """
    parts = urlsplit(url)
    proxies = getproxies()
    given = proxies.get(parts.scheme) or proxies.get("all")
    if not given or not parts.hostname:
        return None
    if getproxies_environment():
        port = parts.port or _PORTS.get(parts.scheme)
        is_exempt = any(
            _is_meant(entry, parts.hostname, port) for entry in re.split(r"[\s,]+", proxies.get("no", "")) if entry
        )
    else:
        is_exempt = bool(proxy_bypass(parts.hostname))
    return None if is_exempt else _read(given)


def _read(given: str) -> Proxy:
    """Return a proxy as the environment names it; one without a scheme speaks HTTP, as for curl."""
    url = given if "://" in given else f"http://{given.removeprefix('//')}"
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in _SCHEMES or not parts.hostname or port == -1:
        raise EndpointError(
            "the proxy that http_proxy, https_proxy or all_proxy names cannot be one; write it as http://host:port, or "
            "name hosts in no_proxy that need none"
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return Proxy(url, host if port is None else f"{host}:{port}")


def _is_meant(entry: str, host: str, port: int | None) -> bool:
    """Return whether an entry of no_proxy means a host: `*`, `host`, `host:port`, `.domain`, an address, a network."""
    scheme, separator, rest = entry.rpartition("://")
    if separator and scheme.lower() not in ("all", "http", "https"):
        return False
    name, entry_port = _split_port(rest.lower())
    if entry_port is not None and entry_port != port:
        return False
    host = host.lower().rstrip(".")
    if name == "*":
        return True
    if (address := _address(host)) is not None:
        return _holds(name, address)
    name = name.removeprefix("*").strip(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _split_port(entry: str) -> tuple[str, int | None]:
    """Return (name, port) of `host:port` and `[address]:port`; an address in IPv6 has colons of its own."""
    if match := re.fullmatch(r"\[([^\]]*)\](/\d+)?(?::(\d+))?", entry):
        return match[1] + (match[2] or ""), int(match[3]) if match[3] else None
    name, colon, port = entry.partition(":")
    return (name, int(port)) if colon and port.isdecimal() else (entry, None)


def _address(text: str) -> object | None:
    try:
        return ip_address(text.partition("%")[0])
    except ValueError:
        return None


def _holds(network: str, address: object) -> bool:
    try:
        return address in ip_network(network, strict=False)
    except ValueError:
        return False
