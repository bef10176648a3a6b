"""Our application as it would be if a list counted its products each time: what the exact counts that are kept save."""

from collections.abc import Callable, Hashable
from typing import Any

import asyncpg
from sqlalchemy import ColumnElement, func, select

from app.db.reads import Reads
from app.domain.catalog.models import Product
from app.domain.storefront.queries import listing
from app.server import Relampago
from app.server import create_app as create_real_app


def _count(shape: Any, below: Any) -> ColumnElement[Any]:
    """In place of the sum of the kept counts."""
    statement = select(func.count()).select_from(Product)
    if shape.availability is not None:
        statement = statement.where(Product.is_available.is_(shape.availability))
    if below is not None:
        statement = statement.where(Product.category_id.in_(select(below.c.id)))
    return statement.scalar_subquery()


async def _alone(
    self: Any,
    statement: str,
    arguments: tuple[Hashable, ...],
    use: Callable[[list[asyncpg.Record]], Any],
    *,
    primary: bool = False,  # noqa: ARG001 - there is no replica
) -> Any:
    """A statement for each request, also for equal ones that wait together."""
    async with self._room:
        line = self._free.pop()
        try:
            return use(await line.fetch(statement, *arguments))
        finally:
            self._free.append(line)


def create_sharing_app() -> Relampago:
    """Counts in every statement; equal requests that wait together still share one."""
    listing._tally = _count  # noqa: SLF001 - the one place where the count is made
    return create_real_app()


def create_app() -> Relampago:
    """Counts for each request."""
    Reads.fetch = _alone  # type: ignore[method-assign]
    return create_sharing_app()
