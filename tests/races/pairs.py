"""Stages for pairs of works that meet: the shop with its stock, and the till with MercadoPago beside it.

Works are the real services with the transactions that they have; a claim's and a provider's calls wait for their turns
like statements do.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar
from uuid import UUID

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.clients.mercadopago import MercadoPagoClient
from app.domain.inventory.service import StockService
from app.domain.payments.service.desk import PaymentDesk
from app.domain.promos.service.claims import Ask, ClaimEngine
from app.domain.promos.service.holds import HoldService
from app.errors import Conflict
from app.http.principal import Principal
from app.settings import Settings
from tests.races.arena import Arena, Buyer, Shop
from tests.races.interleaving import PROVIDER, UNKNOWN, Act, Director, Kind, Orders, Piece, Scene, every_order, step

# Works of a dozen statements and more have up to millions of orders. Of those, the ones in which nobody is interrupted
# more often than this: what is read and then written shows at the first interruption. Of the transactions' own
# statements, all of them.
SWITCHES = 2
# In the quick form, of the orders that are all played in the full one.
COARSE_SAMPLE = 3
_CONSERVED = """
    SELECT (SELECT COALESCE(sum(delta), 0) FROM stock_ledger WHERE pool_id = $1)
         = (SELECT sum(available) FROM stock_slot WHERE pool_id = $1)
         + (SELECT COALESCE(sum(quantity), 0) FROM reservation WHERE pool_id = $1)
       AND (SELECT min(available) FROM stock_slot WHERE pool_id = $1) >= 0
"""


class ActorsLine:
    """What a claim engine asks the database through, in its turn and on its actor's connection."""

    def __init__(self, connection: asyncpg.Connection, act: Act = UNKNOWN) -> None:
        self.connection, self.act = connection, act

    async def fetch(self, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        await step(self.act)
        rows: list[asyncpg.Record] = await self.connection.fetch(statement, *arguments)
        return rows


async def driver_of(session: AsyncSession) -> asyncpg.Connection:
    """The session's connection without SQLAlchemy, and without a transaction until the session begins one."""
    raw = await (await session.connection()).get_raw_connection()
    return raw.driver_connection


class Pairs:
    """Plays scenes, each in all orders or a sample of them, and counts the orders."""

    # By the name of the test.
    played: ClassVar[Counter[str]] = Counter()

    def __init__(self, director: Director, arena: Arena, sample: int | None) -> None:
        self.director, self.arena, self.sample = director, arena, sample

    async def play(
        self,
        gated: str,
        scene: Callable[[], Awaitable[Scene]],
        *,
        at_least: int = 2,
        switches: int | None = SWITCHES,
        once: bool = False,
    ) -> None:
        """Raises what the scene's judge raises, with the order that led to it.

        All orders of the transactions' statements, with `once` of those that are all one only one; and with the
        statements inside of functions those of at most so many interruptions, or all when that is None.
        """
        played = await self._orders(gated, scene, Orders(self.sample, switches))
        assert played >= min(at_least, self.sample or at_least)
        if switches is not None:
            all_of_them = Orders(self.sample and COARSE_SAMPLE, once=once)
            played += await self._orders(gated, scene, all_of_them, within=False)
        self.count(scene, played)

    async def _orders(
        self, gated: str, scene: Callable[[], Awaitable[Scene]], orders: Orders, *, within: bool = True
    ) -> int:
        self.director.gated, self.director.within = gated, within
        played = await every_order(self.director, scene, orders)
        assert played >= 2
        return played

    @staticmethod
    def count(scene: Callable[[], Awaitable[Scene]], played: int) -> None:
        """For the goal's figure."""
        name = scene.__qualname__.partition(".")[0]
        Pairs.played[name] += played
        print(f"\n{name}: {played} orders, {Pairs.played.total()} in all")  # noqa: T201 - with -s: what was played

    def session(self) -> AsyncSession:
        return AsyncSession(self.director.engine, expire_on_commit=False)

    async def value(self, statement: str, *values: Any) -> Any:
        return await self.arena.pool.fetchval(statement, *values)

    async def conserved(self, pool_id: int) -> bool:
        return bool(await self.value(_CONSERVED, pool_id))

    def claim(self, buyer: Buyer, shop: Shop, quantity: int = 1) -> Piece:
        async def piece(session: AsyncSession) -> tuple[str, UUID | None]:
            engine = ClaimEngine("", hold_seconds=60)
            engine._quick = engine._slow = ActorsLine(await driver_of(session))  # type: ignore[assignment]
            verdict = await engine.claim(Ask(buyer.id, 0, shop.promo, quantity))
            return verdict.verdict, verdict.grant.token if verdict.grant else None

        return piece

    async def held(self, buyer: Buyer, shop: Shop, quantity: int = 1) -> UUID:
        """A hold that is there before the scene begins."""
        async with self.session() as session:
            verdict, token = await self.claim(buyer, shop, quantity)(session)
        assert verdict == "new"
        assert token is not None
        return token

    def end(self, method: str, buyer: Buyer, token: UUID, *arguments: Any) -> Piece:
        """Check out or cancel; the hold's status and order, or the code of the refusal."""

        async def piece(session: AsyncSession) -> tuple[str, int | None]:
            user = Principal(buyer.id, "ana", "ana@example.com", is_staff=False, is_superuser=False)
            try:
                hold = await getattr(HoldService(session), method)(user, token, *arguments)
            except Conflict as refused:
                return str(refused.own_code), None
            return str(hold.status), hold.order

        return piece

    def pass_and_sweep(self, token: UUID | None = None) -> Piece:
        """The time of a hold passes, if one is named; then the worker sweeps."""

        async def piece(session: AsyncSession) -> int:
            if token is not None:
                over = "UPDATE reservation SET expires_at = clock_timestamp() - interval '1 s' WHERE token = :token"
                await session.execute(text(over), {"token": token})
                await session.commit()
            return await StockService(session).sweep_expired()

        return piece


class SteppingClient(MercadoPagoClient):
    """The real client; each call is a step."""

    async def _call(self, method: str, *arguments: Any, **options: Any) -> Any:
        await step(Act(Kind.READ if method == "GET" else Kind.ANYTHING, PROVIDER))
        return await super()._call(method, *arguments, **options)


def desk_of(session: AsyncSession, client: MercadoPagoClient, settings: Settings) -> PaymentDesk:
    """A desk whose transactions are on the actor's connection."""
    return PaymentDesk(async_sessionmaker(session.bind, expire_on_commit=False), client, settings)


def kinds(outcomes: Sequence[Any]) -> list[str]:
    """Classes of what came of it, in any order."""
    return sorted(type(each).__name__ for each in outcomes)
