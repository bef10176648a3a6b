"""The category tree with its counts, kept for a while by each process."""

import datetime as dt
from collections.abc import Sequence
from functools import cache

import asyncpg
from sqlalchemy import func

from app.db.kept import Kept, Made
from app.db.prepared import Prepared, prepare
from app.db.reads import Reads
from app.domain.catalog.queries import counted_categories
from app.domain.catalog.rules.trees import Branch, Node, two_levels

TREE_SECONDS = 600


class TreeService:
    """Reads without a transaction."""

    def __init__(self, reads: Reads, kept: Kept) -> None:
        self.reads = reads
        self.kept = kept

    async def tree(self) -> Sequence[Branch]:
        """Two levels by name, with counts of available products."""
        return await self.kept.get("tree", self._read)

    async def _read(self) -> Made[Sequence[Branch]]:
        return await self.reads.fetch(_statement().sql, (), _made)


@cache
def _statement() -> Prepared:
    return prepare(counted_categories().add_columns(func.clock_timestamp().label("now")))


def _made(rows: list[asyncpg.Record]) -> Made[Sequence[Branch]]:
    nodes = [Node(row["id"], row["name"], row["slug"], row["parent_id"], row["products"]) for row in rows]
    # Without a category there is nothing to keep.
    until = rows[0]["now"] + dt.timedelta(seconds=TREE_SECONDS) if rows else dt.datetime.min.replace(tzinfo=dt.UTC)
    return Made(two_levels(nodes), until)
