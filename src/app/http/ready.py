"""Answers whose bytes are ready: JSON without the assembly that headers, cookies and media types of all kinds need."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from litestar import Litestar, Request, Response
from litestar.enums import MediaType
from litestar.response.base import ASGIResponse
from litestar.serialization import encode_json, get_serializer
from litestar.types import Receive, Scope, Send

T = TypeVar("T")
Encoders = frozenset[tuple[type, Callable[[Any], Any]]]
BODILESS = frozenset({204, 304})


class Ready(ASGIResponse):
    """A status, a body, the two headers that say what it is, and further ones."""

    def __init__(self, body: bytes, status_code: int, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        self.body, self.status_code, self.background = body, status_code, None
        self._raw = list(headers)
        if status_code not in BODILESS:
            self._raw += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        await send({"type": "http.response.start", "status": self.status_code, "headers": self._raw})
        await send({"type": "http.response.body", "body": self.body, "more_body": False})


class Answer(Response[T]):
    """What handlers return: `Ready` when it is JSON and a status, which almost all answers are, else Litestar's own."""

    def to_asgi_response(self, app: Litestar | None, request: Request[Any, Any, Any], **given: Any) -> ASGIResponse:
        status = self.status_code or given.get("status_code") or 200
        if (
            (self.media_type or given.get("media_type") or MediaType.JSON) != MediaType.JSON
            or status in BODILESS
            or isinstance(self.content, str | bytes)
            or (self.headers or self.cookies or self.background or given.get("headers") or given.get("cookies"))
            or (given.get("background") or given.get("is_head_response") or given.get("encoded_headers"))
        ):
            return super().to_asgi_response(app, request, **given)
        encoders = {**(given.get("type_encoders") or {}), **self.response_type_encoders}
        return Ready(encode_json(self.content, _serializer(frozenset(encoders.items()))), status)


@lru_cache(maxsize=64)
def _serializer(encoders: Encoders) -> Callable[[Any], Any]:
    """What encodes the types that are not JSON's own; the same few sets come again and again."""
    return get_serializer(dict(encoders))


class Written(Response[T]):
    """An answer whose JSON somebody has written already; `T` says what it is."""

    def __init__(self, body: bytes, status_code: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        super().__init__(None, status_code=status_code)  # type: ignore[arg-type]
        self._ready = Ready(body, status_code, headers)

    def to_asgi_response(self, app: Litestar | None, request: Request[Any, Any, Any], **given: Any) -> ASGIResponse:  # noqa: ARG002 - Litestar's signature
        return self._ready
