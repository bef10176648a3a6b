"""Origins: those on the list may read our answers; the requests of others are served as if they had named none.

The framework refuses their preflight with a text of its own, and tells them on other answers which methods and headers
it would take. Here they read nothing about origins at all, which is what makes a browser refuse.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from litestar.config.cors import CORSConfig
from litestar.types import Receive, Scope, Send

from app.http.idempotency import REPLAYED

# What a browser's script may read beside the body.
EXPOSED_HEADERS = [
    *("X-Request-Id", "ETag", "Retry-After", "WWW-Authenticate", REPLAYED),
    *("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"),
]
Inner = Callable[[Scope, Receive, Send], Awaitable[None]]


def cors_for(origins: Sequence[str]) -> CORSConfig | None:
    """None where no page of another origin may read anything."""
    return CORSConfig(allow_origins=list(origins), expose_headers=EXPOSED_HEADERS) if origins else None


class KnownOrigins:
    """Wraps the application; takes the header `Origin` off requests from elsewhere, and keeps caches from mixing."""

    def __init__(self, inner: Inner, config: CORSConfig) -> None:
        self.inner = inner
        self.config = config

    @classmethod
    def around(cls, inner: Inner, config: CORSConfig | None) -> Inner:
        """The application itself where no origin is named or every one may."""
        return inner if config is None or config.is_allow_all_origins else cls(inner, config)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if any(name == b"origin" and not self._is_known(value) for name, value in scope["headers"]):
            # Not a copy of the scope: the route that is found is written into it, for those around this to read.
            scope["headers"] = [pair for pair in scope["headers"] if pair[0] != b"origin"]

        async def send_varying(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": _varying(message.get("headers", []))}
            await send(message)

        await self.inner(scope, receive, send_varying)

    def _is_known(self, origin: bytes) -> bool:
        return self.config.is_origin_allowed(origin.decode("latin-1"))


def named_origins(scope: Any, config: CORSConfig | None) -> list[tuple[bytes, bytes]]:
    """The headers that let a browser's script read an answer which the framework does not make."""
    if config is None:
        return []
    headers = [] if config.is_allow_all_origins else [(b"vary", b"Origin")]
    origin = next((value for name, value in scope["headers"] if name == b"origin"), None)
    if origin is None or not config.is_origin_allowed(origin.decode("latin-1")):
        return headers
    allowed = {"Access-Control-Allow-Origin": origin.decode("latin-1"), **config.simple_headers}
    return [*headers, *((name.lower().encode(), value.encode("latin-1")) for name, value in allowed.items())]


def _varying(headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers with one `Vary` of all that it names and the origin.

    The framework puts its own in the place of the application's, so the one that matters is said again: what has a tag
    is what caches keep, and it depends on who asks (etags.py).
    """
    named = [(name.lower(), value) for name, value in headers]
    words = [word.strip() for name, value in named if name == b"vary" for word in value.split(b",")]
    if any(name == b"etag" for name, _ in named):
        words.append(b"Authorization")
    words.append(b"Origin")
    others = [pair for pair in headers if pair[0].lower() != b"vary"]
    return [*others, (b"vary", b", ".join(dict.fromkeys(words)))]
