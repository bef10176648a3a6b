"""Discounts by weekday: written, switched by hand, and marked for people. Prices look at them by the clock alone."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.marketing import models
from app.domain.marketing.queries import scheduled as queries
from app.domain.marketing.rules.marks import due_of, is_marked, window_of
from app.domain.marketing.rules.writing import check_window
from app.domain.marketing.schemas.scheduled import (
    DAY_NAMES,
    Applied,
    Preview,
    ScheduledDay,
    ScheduledDiscount,
    Switched,
)
from app.domain.marketing.service.desk import Desk, Statement
from app.domain.pricing.rules.windows import is_on, is_within, next_edge
from app.errors import Invalid
from app.http.principal import Principal
from app.settings import Settings

TWICE = Invalid.whole("The fields category, day_of_week must make a unique set.")
# What was decided by hand was decided about these.
_SCHEDULE = ("day_of_week", "start_time", "end_time", "active", "valid_from", "valid_until", "category_id")
_SAME = tuple(
    name
    for name in ScheduledDiscount.__struct_fields__
    if name not in {"category", "day_name", "is_active_now", "affected_products_count"}
)
_NO_OVERRIDE = {"override": None, "override_since": None, "override_until": None}


class ScheduledDesk(Desk[ScheduledDiscount]):
    """Reads and writes discounts by weekday in the caller's transaction, by the shop's clock."""

    table = models.ScheduledDiscount
    content_type = "scheduleddiscount"
    noun = "descuento programado"
    refusals: ClassVar[Any] = {"uq_scheduled_discount_category_id_day_of_week": TWICE}
    unlogged = frozenset({"id", "category_name", "day_name", "is_active_now", "affected_products_count"})

    def __init__(self, session: AsyncSession, settings: Settings) -> None:
        super().__init__(session)
        self.zone = settings.zone
        self.zone_name = settings.time_zone

    def listed(self, *, active: bool | None = None, day: int | None = None, category: int | None = None) -> Statement:
        """Newest first; `active` is the stored flag."""
        statement = queries.scheduled(self.zone_name)
        if active is not None:
            statement = statement.where(self.table.active.is_(active))
        if day is not None:
            statement = statement.where(self.table.day_of_week == day)
        return statement if category is None else statement.where(self.table.category_id == category)

    async def shown(self, rows: Sequence[Any]) -> list[ScheduledDiscount]:
        return [_shown(row) for row in rows]

    def checked(self, given: dict[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
        check_window({**before, **given})
        columns = {("category_id" if name == "category" else name): value for name, value in given.items()}
        moved = any(columns[name] != before.get(name) for name in _SCHEDULE if name in columns)
        return columns | _NO_OVERRIDE if moved and before else columns

    async def create(self, given: dict[str, Any], actor: Principal) -> ScheduledDiscount:
        await self._check_category(given)
        return await super().create(given, actor)

    async def change(self, key: UUID, given: dict[str, Any], actor: Principal) -> ScheduledDiscount:
        """Writes what was sent; the category is locked before the discount, as its removal does. Raises as `Desk`."""
        await self.get(key)
        await self._check_category(given)
        return await super().change(key, given, actor)

    async def today(self) -> list[ScheduledDiscount]:
        """Those of the shop's day, whatever the hour."""
        return await self.all(self.listed().where(queries.is_of_today(self.zone_name)))

    async def by_day(self) -> list[ScheduledDay]:
        """All of them in seven days, Monday first."""
        found = await self.all(self.listed())
        return [
            ScheduledDay(day, name, [each for each in found if each.day_of_week == day])
            for day, name in enumerate(DAY_NAMES)
        ]

    async def apply_now(self, key: UUID, actor: Principal) -> Switched:
        """It is on until its next start or end, from now on. Raises NotFound."""
        row = await self._row(key)
        window = window_of(row)
        if is_on(window, row.now, self.zone) and is_marked(row, self.zone):
            return Switched("El descuento ya estaba aplicado", 0, _shown(row))
        by_clock = row.active and is_within(window, row.now.astimezone(self.zone))
        values = _NO_OVERRIDE if by_clock else self._override(row, "applied")
        return await self._switch(row, {**values, "last_applied": row.now}, actor, "Descuento aplicado")

    async def remove_now(self, key: UUID, actor: Principal) -> Switched:
        """It is off until its next start or end, from now on. Raises NotFound."""
        row = await self._row(key)
        window = window_of(row)
        if not is_on(window, row.now, self.zone):
            return Switched("El descuento no estaba aplicado", 0, _shown(row))
        by_clock = row.active and is_within(window, row.now.astimezone(self.zone))
        values = self._override(row, "removed") if by_clock else _NO_OVERRIDE
        return await self._switch(row, {**values, "last_removed": row.now}, actor, "Descuento quitado")

    async def preview(self) -> Preview:
        """What `apply_due` would mark now."""
        rows = (await self.session.execute(self.listed())).all()
        now = rows[0].now if rows else (await self.session.execute(select(queries.NOW))).scalar_one()
        due = [(due_of(row, self.zone), _shown(row)) for row in rows]
        return Preview(
            would_apply=[shown for mark, shown in due if mark == "apply"],
            would_remove=[shown for mark, shown in due if mark == "remove"],
            checked_at=now,
        )

    async def apply_due(self) -> Applied:
        """Mark what has started and has ended since the last call. No price depends on it; twice is once."""
        await self.session.execute(select(self.table.id).order_by(self.table.id).with_for_update(key_share=True))
        rows = (await self.session.execute(self.listed())).all()
        marked = {"apply": [row for row in rows if due_of(row, self.zone) == "apply"]}
        marked["remove"] = [row for row in rows if due_of(row, self.zone) == "remove"]
        for mark, column in (("apply", "last_applied"), ("remove", "last_removed")):
            if ids := [row.id for row in marked[mark]]:
                statement = update(self.table).where(self.table.id.in_(ids))
                await self.session.execute(statement.values({column: marked[mark][0].now}))
        covered = sum(row.products for found in marked.values() for row in found)
        return Applied(len(marked["apply"]), len(marked["remove"]), covered)

    async def _row(self, key: UUID) -> Any:
        await self.locked(key)
        return (await self.session.execute(self.listed().where(self.table.id == key))).one()

    def _override(self, row: Any, decided: Literal["applied", "removed"]) -> dict[str, Any]:
        until = next_edge(window_of(row), row.now, self.zone)
        return {"override": decided, "override_since": row.now, "override_until": until}

    async def _switch(self, row: Any, values: dict[str, Any], actor: Principal, message: str) -> Switched:
        await self.session.execute(update(self.table).where(self.table.id == row.id).values(values))
        after = await self.get(row.id)
        await self.note(actor, row.id, _shown(row), after)
        return Switched(message, row.products, after)

    async def _check_category(self, given: Mapping[str, Any]) -> None:
        """Raises Invalid."""
        if "category" in given:
            await self.check_known("category", [given["category"]], "category")


def _shown(row: Any) -> ScheduledDiscount:
    return ScheduledDiscount(
        **{name: getattr(row, name) for name in _SAME},
        category=row.category_id,
        day_name=DAY_NAMES[row.day_of_week],
        is_active_now=row.is_on,
        affected_products_count=row.products,
    )
