"""Entity tags: what was read is tagged, and a write that names a tag is refused when the object has changed since."""

import hashlib
from typing import Any, TypeVar

import msgspec
from litestar import Response
from litestar.connection import ASGIConnection

from app.errors import PreconditionFailed

Connection = ASGIConnection[Any, Any, Any, Any]
T = TypeVar("T")
IF_MATCH = "if-match"


def etag_of(body: Any) -> str:
    """A strong tag of an answer's content."""
    return f'"{hashlib.sha256(msgspec.json.encode(body)).hexdigest()[:32]}"'


def tagged(body: T, status_code: int = 200) -> Response[T]:
    """The answer with its tag."""
    return Response(body, status_code=status_code, headers={"ETag": etag_of(body)})


def is_conditional(request: Connection) -> bool:
    """Whether a write is bound to what was read."""
    return IF_MATCH in request.headers


def require_match(request: Connection, current: Any) -> None:
    """Raises PreconditionFailed unless If-Match is absent, `*`, or lists the current content's tag.

    Tags are compared strongly: a weak one (`W/...`) matches nothing.
    """
    wanted = request.headers.get(IF_MATCH)
    if wanted is None or wanted.strip() == "*":
        return
    if etag_of(current) not in {tag.strip() for tag in wanted.split(",")}:
        raise PreconditionFailed
