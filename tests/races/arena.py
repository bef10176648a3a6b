"""A shop to compete in: buyers beside a store, stock offered at a price, and every request timed.

The same arena stands on two API processes (the races) or on two applications in this process (the mutants).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import cycle
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.domain.accounts import tokens
from app.domain.inventory.service import StockService
from tests.factories_catalog import CENTRE, make_product

BUYERS = 240
FAR = "SRID=4326;POINT(-70 -50)"
PRICE = "1000.00"
DISCOUNTED = "800.00"

_OPEN_SHOP = """
    WITH place AS (
        INSERT INTO store (name, geom) VALUES ('Race', CAST($1 AS geography)) RETURNING id
    ), pool AS (
        INSERT INTO stock_pool DEFAULT VALUES RETURNING id
    ), slots AS (
        INSERT INTO stock_slot (pool_id, n, available)
        SELECT pool.id, n, $2 / $3 + CASE WHEN n < $2 % $3 THEN 1 ELSE 0 END
          FROM pool, generate_series(0, $3 - 1) n
    ), opening AS (
        INSERT INTO stock_ledger (pool_id, delta, kind, cause) SELECT id, $2, 'opening', 'race' FROM pool WHERE $2 > 0
    ), item AS (
        INSERT INTO store_product (store_id, product_id, pool_id, base_price)
        SELECT place.id, $4, pool.id, 1000 FROM place, pool RETURNING id, store_id, pool_id
    )
    SELECT id, store_id, pool_id FROM item
"""
_PROMOTE = """
    INSERT INTO flash_promo (store_product_id, pool_id, starts_at, ends_at, promo_price, per_user_limit)
    SELECT $1, $2, now() - interval '1 hour', now() + interval '1 day', 800, $3
      FROM generate_series(1, $4) RETURNING id
"""
_ENROL = """
    WITH person AS (
        INSERT INTO users (username, email, first_name, password_hash, is_active, email_verified, is_staff)
        SELECT $1 || n, $1 || n || '@example.com', 'Ana', '-', true, true, $4 FROM generate_series(1, $2) n
        RETURNING id
    ), profile AS (
        INSERT INTO profiles (user_id, location) SELECT id, CAST($3 AS geography) FROM person
    )
    SELECT id FROM person ORDER BY id
"""


class Buyer(msgspec.Struct, frozen=True):
    id: int
    headers: dict[str, str]


class Shop(msgspec.Struct, frozen=True):
    """Units of a product in a store of its own, and the promotions that sell them."""

    store_id: int
    store_product_id: int
    pool_id: int
    units: int
    promos: tuple[int, ...]

    @property
    def promo(self) -> int:
        return self.promos[0]


class Answer(msgspec.Struct, frozen=True):
    """What came back; times are seconds since 1970 by this machine's clock."""

    status: int
    body: Any
    sent_at: float
    answered_at: float
    buyer: int = 0
    quantity: int = 0
    # Seconds after which who was refused is to come back; 0 where nothing was said.
    later: int = 0

    @property
    def code(self) -> str:
        return str(self.body.get("code", "")) if isinstance(self.body, dict) else ""

    @property
    def token(self) -> str:
        return str(self.body["token"])


async def patient(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """Asks again when it is told that there is no room now, as often as that is said; never without being told when."""
    while (answer := await ask()).status == 503 and answer.later:
        await asyncio.sleep(answer.later)
    return answer


class Arena:
    """Requests go to the two doors by turns."""

    def __init__(
        self,
        doors: Sequence[httpx.AsyncClient],
        pool: asyncpg.Pool,
        sessions: async_sessionmaker[AsyncSession],
        secret: str,
    ) -> None:
        self._doors = cycle(doors)
        self.pool = pool
        self.sessions = sessions
        self._secret = secret
        self.product_id = 0
        self.buyers: list[Buyer] = []
        self.staff = Buyer(0, {})

    async def furnish(self) -> None:
        """People and a product; done once for a database."""
        async with self.sessions() as session:
            self.product_id = (await make_product(session)).id
        self.buyers = await self.enrol(BUYERS)
        (self.staff,) = await self.enrol(1, staff=True)

    async def enrol(self, count: int, *, place: str = CENTRE.ewkt, staff: bool = False) -> list[Buyer]:
        """People with tokens, by default at the store's door."""
        rows = await self.pool.fetch(_ENROL, f"racer{uuid4().hex[:12]}n", count, place, staff)
        return [Buyer(row["id"], self.signed_in(row["id"])) for row in rows]

    def signed_in(self, user_id: int, version: int = 0) -> dict[str, str]:
        token = tokens.mint(
            self._secret, tokens.ACCESS, user_id=user_id, version=version, jti=uuid4(), now=int(time.time())
        )
        return {"Authorization": f"Bearer {token}"}

    async def open_shop(self, units: int, *, promos: int = 1, limit: int = 1, slots: int = 16) -> Shop:
        """A store at the buyers' place with `units` and promotions that sell them, each at most `limit` to a buyer."""
        async with self.pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(_OPEN_SHOP, CENTRE.ewkt, units, slots, self.product_id)
            made = await connection.fetch(_PROMOTE, row["id"], row["pool_id"], limit, promos)
        return Shop(row["store_id"], row["id"], row["pool_id"], units, tuple(each["id"] for each in made))

    async def ask(self, method: str, path: str, who: Buyer, body: Any = None, quantity: int = 0) -> Answer:
        sent_at = time.time()
        answer = await next(self._doors).request(method, path, headers=who.headers, json=body)
        content = answer.json() if answer.content else None
        later = int(answer.headers.get("Retry-After", 0))
        return Answer(answer.status_code, content, sent_at, time.time(), who.id, quantity, later)

    async def reserve(self, who: Buyer, promo: int, quantity: int = 1) -> Answer:
        return await self.ask("POST", "/cart/reserve", who, {"promo_id": promo, "quantity": quantity}, quantity)

    async def check_out(self, who: Buyer, token: str) -> Answer:
        return await self.ask("PUT", "/cart/checkout", who, {"token": token})

    async def cancel(self, who: Buyer, token: str) -> Answer:
        return await self.ask("PUT", "/cart/cancel", who, {"token": token})

    async def reserve_all(self, who: Sequence[Buyer], promo: int, quantity: int = 1) -> list[Answer]:
        return await asyncio.gather(*(self.reserve(each, promo, quantity) for each in who))

    async def promote(self, shop: Shop, **fields: Any) -> Answer:
        """Staff make a promotion that has begun."""
        now = datetime.now(UTC)
        body = {
            "store_product": shop.store_product_id,
            "starts_at": (now - timedelta(hours=1)).isoformat(),
            "ends_at": (now + timedelta(hours=1)).isoformat(),
            "promo_price": DISCOUNTED,
        }
        return await self.ask("POST", "/admin/promos/", self.staff, body | fields)

    async def end_promo(self, promo: int) -> Answer:
        return await self.ask("POST", f"/admin/promos/{promo}/cancel/", self.staff)

    async def write_stock(self, shop: Shop, units: int) -> Answer:
        """Staff say how many units are free."""
        body = {"store": shop.store_id, "product": self.product_id, "stock": units, "base_price": PRICE}
        return await self.ask("PUT", f"/api/store-products/{shop.store_product_id}/", self.staff, body)

    async def listed(self, who: Buyer, promo: int) -> Any:
        """A promotion as the list of active ones shows it to a buyer; None when it is not in there."""
        answer = await self.ask("GET", "/promos/active", who)
        return next((each for each in answer.body if each["id"] == promo), None)

    async def free(self, pool_id: int) -> int:
        """Units that can be sold now."""
        return int(await self.pool.fetchval("SELECT stock_free($1)", pool_id))

    async def held(self, pool_id: int) -> int:
        """Units in live holds."""
        statement = """
            SELECT COALESCE(sum(quantity), 0) FROM reservation
             WHERE pool_id = $1 AND expires_at > clock_timestamp()
        """
        return int(await self.pool.fetchval(statement, pool_id))

    async def sold(self, pool_id: int) -> int:
        statement = "SELECT COALESCE(sum(quantity), 0) FROM reservation_finished WHERE pool_id = $1 AND status = $2"
        return int(await self.pool.fetchval(statement, pool_id, "confirmed"))

    async def begun(self, answers: Sequence[Answer]) -> list[tuple[float, int]]:
        """When the claims behind these holds began, by the database's clock, and their units."""
        ids = [answer.body["id"] for answer in answers]
        statement = """
            SELECT extract(epoch FROM created_at)::float, quantity FROM (
                SELECT id, created_at, quantity FROM reservation
                UNION ALL SELECT id, created_at, quantity FROM reservation_finished) r WHERE id = ANY ($1)
        """
        return [(row[0], row[1]) for row in await self.pool.fetch(statement, ids)]

    async def move_deadline(self, token: str, seconds: float) -> None:
        """A hold's time is over `seconds` from now; below zero it has been over for so long."""
        await self.pool.execute(
            "UPDATE reservation SET expires_at = clock_timestamp() + make_interval(secs => $2) WHERE token = $1",
            UUID(token),
            seconds,
        )

    async def move_window(self, promo: int, **ends: float) -> float:
        """A promotion begins (`starts_at`) or ends (`ends_at`) in so many seconds; returns the instant."""
        ((column, seconds),) = ends.items()
        async with self.pool.acquire() as connection, connection.transaction():
            moved = f"""
                UPDATE flash_promo SET {column} = clock_timestamp() + make_interval(secs => $2) WHERE id = $1
                RETURNING pool_id, ends_at, extract(epoch FROM {column})::float AS instant
            """
            row = await connection.fetchrow(moved, promo, seconds)
            closes = "UPDATE stock_pool SET closes_at = $2 WHERE id = $1 AND parent_id IS NOT NULL"
            await connection.execute(closes, row["pool_id"], row["ends_at"])
        return float(row["instant"])

    async def sweep(self) -> int:
        """What the worker does now and then."""
        async with self.sessions() as session:
            swept = await StockService(session).sweep_expired()
            await session.commit()
        return swept

    async def settle(self) -> int:
        async with self.sessions() as session:
            settled = await StockService(session).settle_closed_pools()
            await session.commit()
        return settled

    async def deadlocks(self) -> int:
        """How often the database had to end a deadlock, also where nobody was told."""
        async with self.sessions() as session:
            statement = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
            return int((await session.execute(text(statement))).scalar_one())
