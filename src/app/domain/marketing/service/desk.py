"""How marketing is written: one way for coupons, offers, promotions and discounts.

A row is locked before it is read and changed, its links to products and categories are replaced, and the log gets what
differs. What a subject shows and what may be written it says itself.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

import msgspec
from sqlalchemy import Select, Table, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.failures import constraint_of
from app.domain.activity.rules import differences
from app.domain.activity.service import ActivityService, Deed
from app.domain.marketing.queries.coupons import KNOWN
from app.errors import Invalid, NotFound
from app.http.principal import Principal

Shown = TypeVar("Shown", bound=msgspec.Struct)
Statement = Select[*tuple[Any, ...]]
# By whether there was nothing before, and whether there is nothing after.
_DEEDS = {
    (True, False): ("Nuevo", "create"),
    (False, False): ("Actualizado", "update"),
    (False, True): ("Eliminado", "delete"),
}


class Desk(ABC, Generic[Shown]):
    """Reads and writes one kind of rule in the caller's transaction."""

    table: ClassVar[Any]
    # What a row is called in the log, in the answer's words and for people.
    content_type: ClassVar[str]
    noun: ClassVar[str]
    # Fields that are lists of ids: the linking table and the table of what is linked.
    links: ClassVar[Mapping[str, tuple[Table, str]]] = {}
    # Constraints that a parallel writer may make one break, with what is told then.
    refusals: ClassVar[Mapping[str, Invalid]] = {}
    # Fields that are shown and are not the writer's.
    unlogged: ClassVar[frozenset[str]] = frozenset({"id", "created_at", "updated_at"})

    def __init__(self, session: AsyncSession) -> None:
        self.session = session
        self.log = ActivityService(session)

    @abstractmethod
    def listed(self) -> Statement:
        """The statement behind every read."""

    @abstractmethod
    async def shown(self, rows: Sequence[Any]) -> list[Shown]:
        """Rows of `listed` as they are answered, in their order."""

    @abstractmethod
    def checked(self, given: dict[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
        """What is written of what was sent. `before` is the row as it stands, empty for a new one. Raises Invalid."""

    async def all(self, statement: Statement) -> list[Shown]:
        return await self.shown((await self.session.execute(statement)).all())

    async def count(self, statement: Statement) -> int:
        counted = select(func.count()).select_from(statement.order_by(None).subquery())
        return int((await self.session.execute(counted)).scalar_one())

    async def get(self, key: UUID) -> Shown:
        """Raises NotFound."""
        found = await self.all(self.listed().where(self.table.id == key))
        if not found:
            raise NotFound
        return found[0]

    async def create(self, given: dict[str, Any], actor: Principal) -> Shown:
        """Raises Invalid."""
        columns, linked = await self._sorted(self.checked(given, {}))
        with self._refused():
            key: UUID = await self.session.scalar(insert(self.table).values(columns).returning(self.table.id))
        await self._link(key, linked)
        made = await self.get(key)
        await self.note(actor, key, None, made)
        return made

    async def change(self, key: UUID, given: dict[str, Any], actor: Principal) -> Shown:
        """Writes what was sent. Raises NotFound, Invalid."""
        before = await self.locked(key)
        columns, linked = await self._sorted(self.checked(given, before))
        seen = await self.get(key)
        if columns:
            with self._refused():
                await self.session.execute(update(self.table).where(self.table.id == key).values(columns))
        await self._link(key, linked, fresh=False)
        made = await self.get(key)
        await self.note(actor, key, seen, made)
        return made

    async def delete(self, key: UUID, actor: Principal) -> None:
        """Raises NotFound."""
        await self.locked(key)
        gone = await self.get(key)
        await self.session.execute(delete(self.table).where(self.table.id == key))
        await self.note(actor, key, gone, None)

    async def locked(self, key: UUID) -> Mapping[str, Any]:
        """The columns of a row that nobody else writes until the transaction ends. Raises NotFound."""
        statement = select(*self.table.__table__.columns).where(self.table.id == key)
        row = (await self.session.execute(statement.with_for_update(key_share=True))).mappings().one_or_none()
        if row is None:
            raise NotFound
        return dict(row)

    async def note(self, actor: Principal, key: UUID, before: Shown | None, after: Shown | None) -> None:
        """The log gets what differs between two states, if anything does; None is before it was, and after."""
        word, action = _DEEDS[before is None, after is None]
        if changes := differences(self._logged(before), self._logged(after)):
            description = f"{word}: {self.noun} {self._name(after or before)}"
            deed = Deed(object_id=str(key), description=description, changes=changes)
            await self.log.write(actor, action, self.content_type, deed)

    def _logged(self, state: Shown | None) -> dict[str, Any]:
        fields = {} if state is None else msgspec.structs.asdict(state)
        return {name: value for name, value in fields.items() if name not in self.unlogged}

    @staticmethod
    def _name(state: Any) -> str:
        return str(getattr(state, "name", None) or getattr(state, "code", ""))

    async def _sorted(self, values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, list[int]]]:
        """Columns, and the ids of what is linked. Raises Invalid for ids of nothing."""
        linked = {name: sorted(set(values.pop(name))) for name in self.links if name in values}
        for name, ids in linked.items():
            await self.check_known(name, ids, self.links[name][1])
        return values, linked

    async def check_known(self, field: str, ids: Sequence[int], table: str) -> None:
        """What is referred to exists, and does so until the transaction ends. Raises Invalid."""
        known = set((await self.session.execute(KNOWN[table], {"ids": ids})).scalars())
        if unknown := [wanted for wanted in ids if wanted not in known]:
            raise Invalid({field: [f'Invalid pk "{wanted}" - object does not exist.' for wanted in unknown[:10]]})

    async def _link(self, key: UUID, linked: dict[str, list[int]], *, fresh: bool = True) -> None:
        for name, ids in linked.items():
            table, _ = self.links[name]
            own, other = table.c
            if not fresh:
                await self.session.execute(delete(table).where(own == key))
            if ids:
                await self.session.execute(insert(table), [{own.name: key, other.name: each} for each in ids])

    @contextmanager
    def _refused(self) -> Iterator[None]:
        """The loser of two equal writes at once is told what a later writer would be told."""
        try:
            yield
        except IntegrityError as error:
            known = self.refusals.get(constraint_of(error))
            if known is None:
                raise
            raise known from error
