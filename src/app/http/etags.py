"""Entity tags: what was read is tagged, and a write that names a tag is refused when the object has changed since."""

import hashlib
from typing import Any, TypeVar

import msgspec
from litestar import Response
from litestar.connection import ASGIConnection

from app.errors import PreconditionFailed
from app.http.ready import Written

Connection = ASGIConnection[Any, Any, Any, Any]
T = TypeVar("T")
IF_MATCH = "if-match"
IF_NONE_MATCH = "if-none-match"


def etag_of(body: Any) -> str:
    """A strong tag of an answer's content."""
    return _tag(msgspec.json.encode(body))


def _tag(written: bytes) -> str:
    return f'"{hashlib.sha256(written).hexdigest()[:32]}"'


def read_of(request: Connection, body: Any) -> Response[Any]:
    """A public read: with its tag, and 304 for whom has it already. Bytes are JSON already.

    Staff are shown more than others, so the answer depends on who asks; and it is asked for again each time, since time
    alone may change it. What is sent to somebody signed in is not stored at all, which the edge says.
    """
    written = body if isinstance(body, bytes) else msgspec.json.encode(body)
    tag = _tag(written)
    headers = [(b"etag", tag.encode()), (b"vary", b"Authorization")]
    if "authorization" not in request.headers:
        headers.append((b"cache-control", b"no-cache"))
    wanted = request.headers.get(IF_NONE_MATCH)
    if wanted is not None and _has(wanted, tag):
        return Written(b"", 304, headers)
    return Written(written, 200, headers)


def _has(wanted: str, tag: str) -> bool:
    """Whether a list of tags has this one; a weak one is as good for a read."""
    return wanted.strip() == "*" or tag in {each.strip().removeprefix("W/") for each in wanted.split(",")}


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
