"""A store with something to sell, buyers near it, promotions, and what can be asked about them."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

import httpx
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts.models import User
from app.domain.inventory.service import StockService
from app.domain.promos.models import FlashPromo
from app.domain.stores.models import StoreProduct
from app.settings import Settings
from tests.factories import bearer, make_staff, make_user
from tests.factories_catalog import CENTRE, make_store_product

HERE = (CENTRE.lat, CENTRE.lon)
MINUTE = dt.timedelta(minutes=1)
HOUR = dt.timedelta(hours=1)
TABLES = (
    "flash_promo",
    "store_product",
    "stock_pool",
    "stock_slot",
    "stock_ledger",
    "reservation",
    "reservation_finished",
    "orders",
    "order_item",
    "order_event",
    "profiles",
)
Headers = dict[str, str]


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def wire(instant: dt.datetime) -> str:
    """As the API writes instants."""
    return instant.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


@dataclass
class Market:
    """Everything is committed at once; what is read is read afresh."""

    client: httpx.AsyncClient
    db: AsyncSession
    settings: Settings

    def headers(self, user: User) -> Headers:
        return bearer(self.settings, user)

    async def buyer(self, *, location: tuple[float, float] | None = HERE, **fields: Any) -> User:
        """New, and at the store's door unless said otherwise."""
        return await make_user(self.db, location=location, **fields)

    async def staff(self) -> Headers:
        return self.headers(await make_staff(self.db))

    async def item(self, *, stock: int = 10, **fields: Any) -> StoreProduct:
        """A product in a store at HERE, 1000.00 a unit."""
        return await make_store_product(self.db, stock=stock, **fields)

    async def promo(self, item: StoreProduct, *, max_units: int | None = None, **fields: Any) -> int:
        """A promotion that is on, from a minute ago for an hour, unless said otherwise; returns its id."""
        times = {"starts_at": now() - MINUTE, "ends_at": now() + HOUR} | fields
        pool_id = item.pool_id
        if max_units is not None:
            stock = StockService(self.db)
            pool_id = await stock.set_aside(item.pool_id, max_units, closes_at=times["ends_at"], cause="test")
        values = {"segments": ["new", "frequent"], "per_user_limit": 1} | times
        promo = FlashPromo(store_product_id=item.id, pool_id=pool_id, max_units=max_units, **values)
        self.db.add(promo)
        await self.db.commit()
        return promo.id

    async def move(self, promo_id: int, **instants: dt.datetime) -> None:
        """Write a promotion's own times, its pool's closing with them: as if it had been made so."""
        for name, instant in instants.items():
            await self.run(f"UPDATE flash_promo SET {name} = :at WHERE id = :id", at=instant, id=promo_id)
        await self.run(
            "UPDATE stock_pool p SET closes_at = f.ends_at FROM flash_promo f"
            " WHERE f.id = :id AND p.id = f.pool_id AND p.parent_id IS NOT NULL",
            id=promo_id,
        )

    async def end(self, promo_id: int) -> None:
        """The promotion's last moment has passed."""
        await self.move(promo_id, ends_at=now() - dt.timedelta(seconds=1))

    async def run(self, statement: str, **values: Any) -> Any:
        """A statement of one's own, committed; its rows, if it has any."""
        result = await self.db.execute(text(statement), values)
        rows = result.all() if result.returns_rows else []
        await self.db.commit()
        return rows

    async def value(self, statement: str, **values: Any) -> Any:
        ((found,),) = await self.run(statement, **values)
        return found

    async def reserve(self, user: User, promo_id: int, quantity: int | None = None) -> httpx.Response:
        body = {"promo_id": promo_id} | ({} if quantity is None else {"quantity": quantity})
        return await self.client.post("/cart/reserve", json=body, headers=self.headers(user))

    async def hold(self, user: User, promo_id: int, quantity: int = 1) -> str:
        """A new hold's token."""
        answer = await self.reserve(user, promo_id, quantity)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    async def checkout(self, user: User, token: str, **more: Any) -> httpx.Response:
        return await self.client.put("/cart/checkout", json={"token": token} | more, headers=self.headers(user))

    async def cancel(self, user: User, token: str) -> httpx.Response:
        return await self.client.put("/cart/cancel", json={"token": token}, headers=self.headers(user))

    async def active(self, user: User) -> list[dict[str, Any]]:
        answer = await self.client.get("/promos/active", headers=self.headers(user))
        assert answer.status_code == 200, answer.text
        listed: list[dict[str, Any]] = answer.json()
        return listed

    async def expire(self, token: str) -> None:
        """The hold's time is over; nobody has swept it."""
        await self.run(
            "UPDATE reservation SET expires_at = clock_timestamp() - interval '1 millisecond' WHERE token = :token",
            token=token,
        )

    async def free(self, pool_id: int) -> int:
        """Units that can be sold now."""
        return int(await self.value("SELECT stock_free(:pool)", pool=pool_id))

    async def in_slots(self, pool_id: int) -> int:
        return int(await self.value("SELECT sum(available) FROM stock_slot WHERE pool_id = :pool", pool=pool_id))

    async def pool_of(self, promo_id: int) -> int:
        return int(await self.value("SELECT pool_id FROM flash_promo WHERE id = :id", id=promo_id))

    async def ledger(self, pool_id: int) -> list[tuple[int, str, str]]:
        """(difference, kind, cause) in the order of writing."""
        rows = await self.run("SELECT delta, kind, cause FROM stock_ledger WHERE pool_id = :p ORDER BY id", p=pool_id)
        return [tuple(row) for row in rows]

    async def stored(self) -> dict[str, str | None]:
        """A digest of every row of these domains: equal before and after means that nothing has changed."""
        parts = (f"(SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {name} t)" for name in TABLES)
        (row,) = await self.run(f"SELECT {', '.join(parts)}")
        return dict(zip(TABLES, row, strict=True))
