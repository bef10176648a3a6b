"""Whose address a request comes from, and under which of our own it arrived: what is seen, or what proxies say.

As many proxies are believed as the settings name.
"""

import ipaddress
from typing import Any
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection

from app.environment import is_loopback
from app.settings import Settings

Connection = ASGIConnection[Any, Any, Any, Any]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
# An address of IPv6 is one of as many as its owner likes; the network that a customer gets is what counts.
CUSTOMER_NETWORK_BITS = 64
UNKNOWN = "unknown"


def client_address(connection: Connection) -> str | None:
    """The client's address, None when there is none to tell (a socket of this machine).

    With `TRUSTED_PROXIES` 0 no header is looked at. With n it is the n-th address from the right of `X-Forwarded-For`:
    each of our proxies has added the peer it saw, and what stands further left is the client's own invention.
    """
    found = _forwarded(connection) or _peer(connection)
    return str(found) if found is not None else None


def client_network(connection: Connection) -> str:
    """What one client has for its calls to be counted by: an IPv4 address, or a network of IPv6."""
    address = _forwarded(connection) or _peer(connection)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, CUSTOMER_NETWORK_BITS), strict=False))
    return str(address) if address is not None else UNKNOWN


def own_address(connection: Connection) -> str:
    """Scheme and host under which the client reaches this API, for links back to it; without a slash at the end.

    The host is the one that was asked for, and its scheme the public one where it is the public host, or the one that
    a trusted proxy was asked by. Behind trusted proxies, which may hand on a host of their own, a public address that
    is not of this machine is the only one.
    """
    settings: Settings = connection.app.state.settings
    asked, public = connection.url, urlsplit(settings.public_url)
    behind_proxy = settings.trusted_proxies > 0
    if public.netloc == asked.netloc or (behind_proxy and not is_loopback(public.hostname or "localhost")):
        return f"{public.scheme}://{public.netloc}"
    return f"{_forwarded_scheme(connection) or asked.scheme}://{asked.netloc}"


def _forwarded_scheme(connection: Connection) -> str | None:
    """What the outermost trusted proxy was asked by; None without proxies, or when it says nothing that can be read."""
    hop = _trusted_hop(connection, b"x-forwarded-proto")
    return hop.strip().lower() if hop and hop.strip().lower() in {"http", "https"} else None


def _peer(connection: Connection) -> Address | None:
    client = connection.scope.get("client")
    return _address(client[0]) if client else None


def _forwarded(connection: Connection) -> Address | None:
    """What the outermost trusted proxy saw; None without proxies, or when it says nothing that can be read."""
    hop = _trusted_hop(connection, b"x-forwarded-for")
    return _address(hop) if hop is not None else None


def _trusted_hop(connection: Connection, header: bytes) -> str | None:
    """What the outermost trusted proxy wrote into a header that each proxy adds to; None without proxies."""
    proxies: int = connection.app.state.settings.trusted_proxies
    if not proxies:
        return None
    headers = [value for name, value in connection.scope["headers"] if name == header]
    hops = b",".join(headers).decode("latin-1").split(",") if headers else []
    # Fewer hops than proxies: the call came in behind the outermost ones, which is as far as can be seen.
    return hops[-min(proxies, len(hops))] if hops else None


def _address(text: str) -> Address | None:
    """An address, also with a port after it; IPv4 that is written as IPv6 is IPv4."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address
