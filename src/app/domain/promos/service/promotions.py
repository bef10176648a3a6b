"""Promotions as the shop makes, changes and ends them."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import func, insert, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.activity.rules import differences
from app.domain.activity.service import ActivityService, Deed
from app.domain.inventory.service import NotEnough, StockService
from app.domain.promos.models import FlashPromo
from app.domain.promos.queries import promotions as queries
from app.domain.promos.rules import UNKNOWN_PROMO, StateError, Status, check_price, check_window
from app.domain.promos.schemas import ActivePromo, Promo, PromoWrite, Reservation
from app.errors import Forbidden, Invalid, NotFound
from app.http.principal import Principal
from app.jobs.queue import defer


class PromoRow(msgspec.Struct, frozen=True):
    """A promotion with what its rules look at."""

    id: int
    store_product_id: int
    starts_at: datetime
    ends_at: datetime
    status: Status
    promo_price: Decimal | None
    discount_percent: Decimal | None
    max_units: int | None
    per_user_limit: int
    segments: list[str]
    radius_m: int
    created_at: datetime
    pool_id: int
    store_pool_id: int
    base_price: Decimal
    owner_id: int | None


class PromoService:
    """Staff may do everything, the owner of a store what concerns the own ones."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session
        self.stock = StockService(session)
        self.log = ActivityService(session)

    async def create(self, user: Principal, data: PromoWrite) -> Promo:
        """A new promotion; with `max_units` its units leave the store's stock now. Raises Invalid, Forbidden."""
        offer = await self._offer(user, data.store_product)
        check_window(data.starts_at, data.ends_at, await self._now())
        check_price(offer.base_price, data.promo_price, data.discount_percent)
        pool_id = await self._pool(offer.pool_id, data.max_units, data.ends_at)
        values = _columns(data.given()) | {"pool_id": pool_id}
        statement = insert(FlashPromo).values(**values).returning(FlashPromo.id)
        made = await self._row((await self.session.execute(statement)).scalar_one())
        await self._announce(made)
        await self._log(user, "create", f"Nueva promoción flash creada: {made.id}", None, made)
        return promo_of(made)

    async def change(self, user: Principal, promo_id: int, data: PromoWrite) -> Promo:
        """Before the start only. Raises NotFound, StateError, Invalid."""
        row = await self._row(promo_id, user, lock=True)
        if row.status != "scheduled":
            raise StateError(f"A promotion that is {row.status} cannot be changed.", code=f"promo_{row.status}")
        changes = data.given()
        offer = await self._offer(user, changes.get("store_product", row.store_product_id))
        merged = msgspec.structs.asdict(row) | changes
        check_window(merged["starts_at"], merged["ends_at"], await self._now())
        if {"promo_price", "discount_percent", "store_product"} & changes.keys():
            check_price(offer.base_price, merged["promo_price"], merged["discount_percent"])
        values = _columns(changes)
        if {"max_units", "ends_at", "store_product"} & changes.keys():
            await self._release(row)
            values["pool_id"] = await self._pool(offer.pool_id, merged["max_units"], merged["ends_at"])
        if values:
            await self._store(promo_id, values)
        changed = await self._row(promo_id)
        if changed.starts_at != row.starts_at:
            await self._announce(changed)
        await self._log(user, "update", f"Promoción flash actualizada: {promo_id}", row, changed)
        return promo_of(changed)

    async def cancel(self, user: Principal, promo_id: int) -> Promo:
        """No new hold from now on; live ones run out; what was set aside is the store's again. Raises StateError."""
        row = await self._row(promo_id, user, lock=True)
        if row.status in {"cancelled", "finished"}:
            raise StateError(f"The promotion is {row.status}.", code=f"promo_{row.status}")
        await self.session.execute(queries.CANCEL, {"id": promo_id})
        await self._release(row)
        cancelled = await self._row(promo_id)
        await self._log(user, "status_change", f"Promoción flash cancelada: {promo_id}", row, cancelled)
        return promo_of(cancelled)

    async def one(self, user: Principal, promo_id: int) -> Promo:
        return promo_of(await self._row(promo_id, user))

    async def check_may_promote(self, user: Principal) -> None:
        """Raises Forbidden for somebody who is not staff and owns no store."""
        if not user.is_admin and not (await self.session.execute(queries.OWNS_A_STORE, {"user": user.id})).scalar_one():
            raise Forbidden

    async def check_rights(self, user: Principal, promo_id: int) -> None:
        """Raises NotFound, Forbidden."""
        await self._row(promo_id, user)

    async def count(self, user: Principal) -> int:
        return int((await self.session.execute(queries.PROMO_COUNT, _scope(user))).scalar_one())

    async def page(self, user: Principal, limit: int, offset: int) -> list[Promo]:
        """Newest first; for an owner those of the own stores."""
        rows = await self.session.execute(queries.PROMO_PAGE, _scope(user) | {"limit": limit, "offset": offset})
        return [promo_of(PromoRow(*row)) for row in rows]

    async def active(self, user: Principal) -> list[ActivePromo]:
        """What the caller could hold now, nearest first."""
        rows = await self.session.execute(queries.ACTIVE, {"user": user.id})
        return [ActivePromo(*row) for row in rows]

    async def reservation_count(self, user: Principal, promo_id: int) -> int:
        await self._row(promo_id, user)
        return int((await self.session.execute(queries.RESERVATION_COUNT, {"promo": promo_id})).scalar_one())

    async def reservations(self, promo_id: int, limit: int, offset: int) -> Sequence[Reservation]:
        """Newest first, live and finished."""
        values = {"promo": promo_id, "limit": limit, "offset": offset}
        return [Reservation(*row) for row in await self.session.execute(queries.RESERVATION_PAGE, values)]

    async def _store(self, promo_id: int, values: dict[str, Any]) -> None:
        """Change a promotion that has not begun by the clock of this very statement. Raises StateError."""
        unbegun = update(FlashPromo).where(FlashPromo.id == promo_id, FlashPromo.starts_at > func.clock_timestamp())
        if (await self.session.execute(unbegun.values(**values).returning(FlashPromo.id))).first() is None:
            raise StateError("A promotion that is active cannot be changed.", code="promo_active")

    async def _offer(self, user: Principal, store_product: int) -> Any:
        """The store product to promote. Raises Invalid when there is none, Forbidden when it is somebody else's."""
        offer = (await self.session.execute(queries.OFFER, {"id": store_product})).one_or_none()
        if offer is None:
            raise Invalid.field("store_product", f'Invalid pk "{store_product}" - object does not exist.')
        if not user.is_admin and offer.owner_id != user.id:
            raise Forbidden
        return offer

    async def _pool(self, store_pool: int, max_units: int | None, ends_at: datetime) -> int:
        if max_units is None:
            return store_pool
        try:
            return await self.stock.set_aside(store_pool, max_units, closes_at=ends_at, cause="promotion")
        except NotEnough as error:
            message = f"Ensure this value is less than or equal to {error.free}: the store has no more units free."
            raise Invalid.field("max_units", message) from error

    async def _announce(self, row: PromoRow) -> None:
        """At its start its audience is told. A job that finds the promotion moved or cancelled tells nobody."""
        await defer(self.session, "notify_promo", schedule_at=row.starts_at, promo_id=row.id)

    async def _release(self, row: PromoRow) -> None:
        """Close the units set aside, if there are any."""
        if row.pool_id != row.store_pool_id:
            await self.stock.close_at(row.pool_id, None)

    async def _row(self, promo_id: int, user: Principal | None = None, *, lock: bool = False) -> PromoRow:
        """A promotion that the user may manage. Raises NotFound, Forbidden; who owns no store learns of no id."""
        statement = queries.PROMO_FOR_UPDATE if lock else queries.PROMO
        found = (await self.session.execute(statement, {"id": promo_id})).one_or_none()
        if found is None:
            if user is not None:
                await self.check_may_promote(user)
            raise NotFound(UNKNOWN_PROMO)
        if user is not None and not user.is_admin and found.owner_id != user.id:
            raise Forbidden
        return PromoRow(*found)

    async def _log(
        self, user: Principal, action: str, description: str, before: PromoRow | None, after: PromoRow
    ) -> None:
        was = {} if before is None else msgspec.structs.asdict(promo_of(before))
        changes = differences(was, msgspec.structs.asdict(promo_of(after)))
        deed = Deed(object_id=after.id, description=description, changes=changes)
        if changes:
            await self.log.write(user, action, "flashpromo", deed)

    async def _now(self) -> datetime:
        now: datetime = (await self.session.execute(queries.NOW)).scalar_one()
        return now


def _scope(user: Principal) -> dict[str, int | None]:
    return {"owner": None if user.is_admin else user.id}


def _columns(given: dict[str, Any]) -> dict[str, Any]:
    """The contract's names as columns; the segments without repetition, in one order."""
    columns = {("store_product_id" if name == "store_product" else name): value for name, value in given.items()}
    if "segments" in columns:
        columns["segments"] = [segment for segment in ("new", "frequent") if segment in columns["segments"]]
    return columns


def promo_of(row: PromoRow) -> Promo:
    return Promo(
        id=row.id,
        store_product=row.store_product_id,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        status=row.status,
        promo_price=row.promo_price,
        discount_percent=row.discount_percent,
        max_units=row.max_units,
        per_user_limit=row.per_user_limit,
        segments=row.segments,
        radius_m=row.radius_m,
        created_at=row.created_at,
    )
