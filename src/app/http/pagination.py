"""Pages: the `{count, next, previous, results}` envelope, with links that keep the other parameters."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

import msgspec
from litestar.connection import ASGIConnection
from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import NotFound
from app.http.addresses import own_address

T = TypeVar("T")
MAX_PAGE_SIZE = 100
INVALID_PAGE = "Invalid page."


class Page(msgspec.Struct, Generic[T]):
    """One page of a list."""

    count: int
    next: str | None
    previous: str | None
    results: Sequence[T]


class PageRequest(msgspec.Struct, frozen=True):
    """Which page is asked for: `number` from 1, `size` rows a page; `last` asks for the last one."""

    number: int
    size: int
    last: bool = False

    @classmethod
    def of(cls, request: ASGIConnection[Any, Any, Any, Any], default_size: int) -> "PageRequest":
        """From the query. Raises NotFound for a page that cannot be; a size that cannot be is ignored."""
        size = _digits(_last_value(request, "page_size"))
        size = min(size, MAX_PAGE_SIZE) if size else default_size
        text = _last_value(request, "page")
        if text == "last":
            return cls(1, size, last=True)
        number = 1 if text is None else _digits(text)
        if not number:
            raise NotFound(INVALID_PAGE)
        return cls(number, size)

    def place(self, total: int) -> tuple[int, int]:
        """The page's number and how many there are, at least one. Raises NotFound for a page beyond the last."""
        pages = max(1, -(-total // self.size))
        number = pages if self.last else self.number
        if number > pages:
            raise NotFound(INVALID_PAGE)
        return number, pages


def wants_page(request: ASGIConnection[Any, Any, Any, Any]) -> bool:
    """Whether a list that is bare by default is asked for in pages."""
    return "page" in request.query_params or "page_size" in request.query_params


def _last_value(request: ASGIConnection[Any, Any, Any, Any], name: str) -> str | None:
    values = request.query_params.getall(name, [])
    return values[-1] if values else None


def _digits(text: str | None) -> int:
    """A plain positive number, else 0."""
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) <= 18 else 0


async def paginate(
    request: ASGIConnection[Any, Any, Any, Any],
    session: AsyncSession,
    statement: Select[Any],
    *,
    size: int,
    render: Callable[[Any], T],
) -> Page[T]:
    """Count and read one page of a statement that has a total order. `render` gets each row."""

    async def count() -> int:
        counted = select(func.count()).select_from(statement.order_by(None).subquery())
        return int((await session.execute(counted)).scalar_one())

    async def rows(limit: int, offset: int) -> list[T]:
        return [render(row) for row in (await session.execute(statement.limit(limit).offset(offset))).all()]

    return await page_of(request, size, count=count, rows=rows)


async def page_of(
    request: ASGIConnection[Any, Any, Any, Any],
    size: int,
    *,
    count: Callable[[], Awaitable[int]],
    rows: Callable[[int, int], Awaitable[Sequence[T]]],
) -> Page[T]:
    """One page of a list that a service counts and reads; `rows` gets limit and offset."""
    asked = PageRequest.of(request, size)
    total = await count()
    number, pages = asked.place(total)
    return envelope(request, total, number, pages, await rows(asked.size, (number - 1) * asked.size))


def envelope(
    request: ASGIConnection[Any, Any, Any, Any], count: int, number: int, pages: int, results: Sequence[T]
) -> Page[T]:
    return Page(
        count=count,
        next=_link(request, number + 1) if number < pages else None,
        previous=_link(request, number - 1) if number > 1 else None,
        results=results,
    )


def _link(request: ASGIConnection[Any, Any, Any, Any], number: int) -> str:
    """An absolute URL of another page: parameters sorted, `page` left out for the first."""
    pairs = [(name, value) for name, value in request.query_params.multi_items() if name != "page"]
    if number > 1:
        pairs.append(("page", str(number)))
    query = urlencode(sorted(pairs, key=lambda pair: pair[0]))
    # Litestar takes the final slash off its own path; a link keeps the path that the client wrote.
    path = request.scope.get("raw_path", b"").decode("latin-1") or request.url.path
    return f"{own_address(request)}{path}" + (f"?{query}" if query else "")
