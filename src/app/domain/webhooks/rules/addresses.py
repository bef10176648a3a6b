"""Where a message may be sent to. Pure: names are looked up where it is sent."""

import ipaddress
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
# An IPv4 address inside an IPv6 one leads where the IPv4 one does.
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
# Nobody's, though Python takes parts of them for somebody's: clouds answer there to the machines inside.
_NOBODYS = (ipaddress.ip_network("192.0.0.0/24"), ipaddress.ip_network("fec0::/10"))
LONGEST = 2000
BAD = "Enter a URL like https://example.com/hooks, without a user name and without a fragment."
INSECURE = "The URL begins with https://."
PRIVATE = "The address is not a public one."


def problem_of(url: str, *, allow_http: bool, allow_private: bool) -> str:
    """Why a URL cannot be a receiver's; empty when it can."""
    if len(url) > LONGEST or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return BAD
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return BAD
    if parts.scheme not in {"http", "https"} or not host or parts.username is not None or "#" in url or port == 0:
        return BAD
    if parts.scheme == "http" and not allow_http:
        return INSECURE
    address = literal(host)
    if not allow_private and (host == "localhost" or (address is not None and not is_public(address))):
        return PRIVATE
    return ""


def literal(host: str) -> Address | None:
    """The address that a host's name is by itself, if it is one."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def is_public(address: Address) -> bool:
    """Whether an address is somebody's on the internet: not this machine's, a local network's, or nobody's."""
    inner = _embedded(address)
    if inner is not None:
        return is_public(inner)
    if any(address in network for network in _NOBODYS):
        return False
    special = address.is_multicast or address.is_reserved or address.is_unspecified or address.is_loopback
    return address.is_global and not special and not address.is_link_local and not address.is_private


def _embedded(address: Address) -> ipaddress.IPv4Address | None:
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _TRANSLATED:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)
