"""Which row of a source became which of ours, and ids for those that come. In the caller's transaction."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ARRAY, Text, any_, bindparam, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Base
from app.domain.moving.models import MovedRow
from app.domain.moving.rules.judging import Moved

# One batch at a time, also of two imports at once: the second one finds done what the first one did.
BATCH_LOCK = 7_401_839_215_570_178
_LOCK = text("SELECT pg_advisory_xact_lock(:key), set_config('relampago.quiet', 'on', true), clock_timestamp()")
_SEQUENCE = "pg_get_serial_sequence(:name, 'id')"
_RAISE = text("SELECT ids_at_least(:name, :least)")
_NEXT = text(f"SELECT nextval({_SEQUENCE}) FROM generate_series(1, :count)")  # noqa: S608 - constants


class Choices(msgspec.Struct, frozen=True):
    """What the operator says about a source."""

    source: str
    # Statuses in which an order has taken its units.
    taken: frozenset[str]
    # The category of products whose table has no column for one.
    category: str
    cloud: str | None = None


class Desk:
    """One batch of one kind."""

    def __init__(self, session: AsyncSession, choices: Choices) -> None:
        self.session = session
        self.choices = choices
        self.now = dt.datetime.now(dt.UTC)

    async def open(self) -> None:
        """The transaction's first statement; what moves in is no news to those who follow the shop."""
        self.now = (await self.session.execute(_LOCK, {"key": BATCH_LOCK})).one()[2]

    async def known(self, kind: str, ids: Iterable[Any]) -> dict[str, str]:
        """Of these rows those that are done: our ids by theirs, as texts."""
        wanted = {str(each) for each in ids if each is not None}
        # One list, however long: who used the coupons of a batch may be more than a statement takes arguments.
        these = MovedRow.source_id == any_(bindparam(None, list(wanted), ARRAY(Text)))
        statement = select(MovedRow.source_id, MovedRow.target_id).where(
            MovedRow.source == self.choices.source, MovedRow.kind == kind, these
        )
        return {row.source_id: row.target_id for row in await self.session.execute(statement)} if wanted else {}

    async def numbers(self, kind: str, ids: Iterable[Any]) -> dict[Any, int]:
        """Our ids of these rows of theirs, by theirs; a row that did not come is missing."""
        asked = {each for each in ids if each is not None}
        found = await self.known(kind, asked)
        return {each: int(found[str(each)]) for each in asked if str(each) in found}

    async def keys(self, kind: str, ids: Iterable[Any]) -> dict[Any, UUID]:
        """As `numbers`, of rows with random keys."""
        asked = {each for each in ids if each is not None}
        found = await self.known(kind, asked)
        return {each: UUID(found[str(each)]) for each in asked if str(each) in found}

    async def record(self, kind: str, moved: Moved) -> None:
        rows = [
            {"source": self.choices.source, "kind": kind, "source_id": str(theirs), "target_id": str(ours)}
            for theirs, ours in moved.ids.items()
        ]
        if rows:
            await self.session.execute(insert(MovedRow), rows)

    async def make_room(self, model: type[Base], highest: int) -> None:
        """Let no new id of ours be one that a row of theirs may still want."""
        table = model.__tablename__
        ours = (await self.session.execute(select(func.max(model.__table__.c.id)))).scalar_one() or 0
        await self.session.execute(_RAISE, {"name": table, "least": max(highest, ours)})

    async def new_ids(self, model: type[Base], theirs: Sequence[int]) -> dict[int, int]:
        """Their ids where they are free here, else new ones."""
        column = model.__table__.c.id
        taken = set((await self.session.execute(select(column).where(column.in_(theirs)))).scalars())
        found = await self.session.execute(_NEXT, {"name": model.__tablename__, "count": len(taken)})
        fresh = iter(found.scalars().all())
        return {each: next(fresh) if each in taken else each for each in theirs}

    async def new_keys(self, model: type[Base], theirs: Sequence[UUID]) -> dict[UUID, UUID]:
        """As `new_ids`, of random keys."""
        column = model.__table__.c.id
        taken = list((await self.session.execute(select(column).where(column.in_(theirs)))).scalars())
        made = select(func.gen_random_uuid()).select_from(func.generate_series(1, len(taken)))
        fresh = iter([row[0] for row in await self.session.execute(made)])
        return {each: next(fresh) if each in taken else each for each in theirs}


def texts_of(rows: Sequence[Mapping[str, Any]], name: str) -> list[str]:
    """The texts of one column that are not empty."""
    return [str(row[name]) for row in rows if row.get(name)]


def lines_of(rows: Sequence[Mapping[str, Any]], name: str) -> list[Mapping[str, Any]]:
    """The rows that belong to these rows, by what they are."""
    return [line for row in rows for line in row[name]]
