"""Posting to receivers of webhooks: addresses that strangers chose, so that nothing about them is taken on trust.

A name is looked up once, each address it has must be allowed, and the connection goes to one of those addresses: a name
that means something else a moment later leads nowhere else. Redirects are not followed, proxies are not used,
connections are not shared between receivers, and of an answer the status and `Retry-After` are read, never the body.
"""

import asyncio
import ipaddress
import socket
import time
from collections.abc import Callable, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
import msgspec

from app.clients.owned import OwnsHttp
from app.clients.trust import trusted

ANSWER_SECONDS = 15.0
USER_AGENT = "Relampago-Webhooks/1.0"
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Allowed = Callable[[Address], bool]


class Outcome(msgspec.Struct, frozen=True):
    """What a try came to: a status, or an error in a few words."""

    seconds: float
    status: int | None = None
    error: str = ""
    retry_after: float | None = None


class NotAllowed(Exception):
    """A receiver's name leads to an address that nothing is sent to."""


class WebhookClient(OwnsHttp):
    """Sends; every failure is an outcome. Close it with `aclose()`, or use it in `async with`."""

    def __init__(self, *, allowed: Allowed, seconds: float = ANSWER_SECONDS) -> None:
        self._allowed = allowed
        self._seconds = seconds
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        self._http = httpx.AsyncClient(
            verify=trusted(),
            timeout=httpx.Timeout(seconds),
            limits=limits,
            follow_redirects=False,
            trust_env=False,
            # Receivers at one address would be sent each other's.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Outcome:
        """One try, at most `seconds` in all."""
        begun = time.monotonic()
        try:
            async with asyncio.timeout(self._seconds):
                status, retry_after = await self._post(url, headers, body)
        except TimeoutError:
            return Outcome(time.monotonic() - begun, error=f"no answer in {self._seconds:g} s")
        except NotAllowed as error:
            return Outcome(time.monotonic() - begun, error=str(error))
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            return Outcome(time.monotonic() - begun, error=_words(error))
        return Outcome(time.monotonic() - begun, status, retry_after=retry_after)

    async def reach(self, url: str) -> str:
        """Opens a connection as `post` would and says nothing; why there is none, or an empty text."""
        parts = urlsplit(url)
        host, secure = parts.hostname or "", parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
        names: dict[str, Any] = {"ssl": trusted(), "server_hostname": host} if secure else {}
        try:
            async with asyncio.timeout(self._seconds):
                _, writer = await asyncio.open_connection(str(await self._address(host, port)), port, **names)
        except TimeoutError:
            return f"no answer in {self._seconds:g} s"
        except NotAllowed as error:
            return str(error)
        except (OSError, ValueError) as error:
            return _words(error)
        writer.close()
        return ""

    async def _post(self, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, float | None]:
        parts = urlsplit(url)
        host = parts.hostname or ""
        address = await self._address(host, parts.port or (443 if parts.scheme == "https" else 80))
        place = f"[{address}]" if address.version == 6 else str(address)
        port = f":{parts.port}" if parts.port else ""
        name = f"[{host}]" if ":" in host else host
        sent = {
            **headers,
            "host": f"{name}{port}",
            "content-type": "application/json",
            "user-agent": USER_AGENT,
            "connection": "close",
        }
        target = urlunsplit((parts.scheme, f"{place}{port}", parts.path or "/", parts.query, ""))
        # The certificate has to be the name's, not the address's.
        names = {"sni_hostname": host} if parts.scheme == "https" else {}
        async with self._http.stream("POST", target, content=body, headers=sent, extensions=names) as answer:
            return answer.status_code, _seconds(answer.headers.get("retry-after", ""))

    async def _address(self, host: str, port: int) -> Address:
        """One of the name's addresses. Raises NotAllowed when any of them is not, OSError for a name that has none."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
        if not addresses or not all(self._allowed(each) for each in addresses):
            raise NotAllowed("the name leads to an address that is not public")
        return addresses[0]


def _seconds(text: str) -> float | None:
    """`Retry-After` in seconds; a date is not read."""
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 8 else None


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")[:200]
