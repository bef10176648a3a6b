"""Answers whose bytes are ready: JSON without the assembly that headers, cookies and media types of all kinds need."""

from typing import Any, TypeVar

from litestar import Litestar, Request, Response
from litestar.enums import MediaType
from litestar.response.base import ASGIResponse
from litestar.serialization import encode_json
from litestar.types import Receive, Scope, Send

T = TypeVar("T")
BODILESS = frozenset({204, 304})


class Ready(ASGIResponse):
    """A status, a body and the two headers that say what it is."""

    def __init__(self, body: bytes, status_code: int) -> None:
        self.body, self.status_code, self.background = body, status_code, None
        self._raw = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        await send({"type": "http.response.start", "status": self.status_code, "headers": self._raw})
        await send({"type": "http.response.body", "body": self.body, "more_body": False})


class Answer(Response[T]):
    """What handlers return: `Ready` when it is JSON and a status, which almost all answers are, else Litestar's own."""

    def to_asgi_response(self, app: Litestar | None, request: Request[Any, Any, Any], **given: Any) -> ASGIResponse:
        status = self.status_code or given.get("status_code") or 200
        media = self.media_type or given.get("media_type") or MediaType.JSON
        if (
            media != MediaType.JSON
            or status in BODILESS
            or isinstance(self.content, str | bytes)
            or (self.headers or self.cookies or self.background or self.response_type_encoders)
            or any(value for name, value in given.items() if name not in {"status_code", "media_type"})
        ):
            return super().to_asgi_response(app, request, **given)
        return Ready(encode_json(self.content), status)
