"""The proxy that the environment names for a server: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, in any case.

proxy = proxy_of("https", "api.example.com", 443)       # None where there is none
proxy.host, proxy.port, proxy.tls, proxy.headers
"""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

PORTS = {"http": 80, "https": 443}


class Proxy(NamedTuple):
    """tls: the connection to the proxy itself is secure. headers: those that the proxy wants, with its password."""

    host: str
    port: int
    tls: bool
    headers: Mapping[str, str]


def proxy_of(scheme: str, host: str, port: int) -> Proxy | None:
    """Raises ValueError, without the password, for an address that is no proxy of HTTP."""
    said = getproxies()
    url = said.get(scheme) or said.get("all")
    if not url or is_excepted(host, port, said.get("no", "")) or proxy_bypass(host):
        return None
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme not in PORTS or not parts.hostname:
        raise ValueError(f"a proxy of the kind {parts.scheme!r}; only those of HTTP serve")
    headers: dict[str, str] = {}
    if parts.username or parts.password:
        who = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
        headers["Proxy-Authorization"] = f"Basic {base64.b64encode(who.encode()).decode()}"
    try:
        at = parts.port or PORTS[parts.scheme]
    except ValueError:
        raise ValueError(f"the proxy {parts.hostname} has a port that is none") from None
    return Proxy(ascii_host(parts.hostname), at, parts.scheme == "https", headers)


def is_excepted(host: str, port: int, exceptions: str) -> bool:
    """Whether NO_PROXY names a server: `example.com` and `.example.com` with all below it, `*.example.com`,
    `example.com:8080`, addresses such as `::1` and `[::1]:8080`, networks such as `10.0.0.0/8`, or `*` for all.

    >>> is_excepted("api.example.com", 443, "localhost, .example.com")
    True
    """
    host = host.lower().rstrip(".")
    address = _address(host)
    for one in exceptions.replace(",", " ").split():
        name, at = _split(one.lower())
        if at not in ("", str(port)):
            continue
        if name == "*":
            return True
        if address is not None:
            if _holds(name, address):
                return True
        elif (name := name.removeprefix("*").strip(".")) and (host == name or host.endswith(f".{name}")):
            return True
    return False


def ascii_host(host: str) -> str:
    """Raises ValueError for a name that no server has."""
    return host if host.isascii() else host.encode("idna").decode()


def _split(said: str) -> tuple[str, str]:
    """Name and port; brackets of an address are left out."""
    if said.startswith("["):
        name, _, rest = said[1:].partition("]")
        return name, rest.removeprefix(":")
    name, colon, port = said.rpartition(":")
    return (name, port) if colon and ":" not in name and port.isdigit() else (said, "")


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _holds(network: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    try:
        return address in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
