"""Orders that are asked for at once, by anybody, in one transaction: one commit and one wait for a hot product's units.

Only what is plainly an order goes along: what has to be refused, waited for or looked at closely is nobody's, and its
buyer has it placed alone. See docs/decisions/0010-orders-and-keys.md.
"""

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

import msgspec
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.db.coalesce import Coalescer
from app.db.failures import app_error_of
from app.domain.inventory.service import StockService, TooFew, Trade
from app.domain.orders import rules
from app.domain.orders.queries import creation as queries
from app.domain.orders.queries import lists
from app.domain.orders.schemas import orders as schemas
from app.domain.orders.service.creation import Placer
from app.domain.orders.service.drafts import Draft, NewOrder, write
from app.domain.orders.service.placed import placed_of
from app.domain.orders.service.prices import OrderPricer, risen, units_of
from app.domain.orders.service.reading import OrderReader, media_url_of
from app.domain.storefront.service.quotes import Quote
from app.errors import AppError
from app.http.principal import Principal
from app.settings import Settings

BATCH = 32
# For so many seconds after a batch its buyers may come again, and others with them: half a batch costs nearly as much.
PATIENCE = 0.005
# Whoever holds a lock that one of them needs must not keep the others waiting.
WAIT = "250ms"
# After these nothing is stored.
UNDONE = (AppError, SQLAlchemyError, TooFew, OSError, TimeoutError)


class Unsure(Exception):
    """The commit failed: there may be orders or none."""


class Buyer(msgspec.Struct, frozen=True):
    """Somebody with an order."""

    user: Principal
    order: NewOrder


class OrderCrowd:
    """The orders of one process, one transaction at a time."""

    def __init__(self, sessions: async_sessionmaker[AsyncSession], settings: Settings) -> None:
        self.sessions = sessions
        self.settings = settings
        self.media_url = media_url_of(settings)
        # Whether there was too little of something a moment ago: only then it is looked at before.
        self._scarce = False
        # What failed for all is tried alone by everybody, at the same time.
        self._crowd: Coalescer[Buyer, schemas.Order | None] = Coalescer(
            self._place, limit=BATCH, splits=lambda _error: False, patience=PATIENCE
        )

    @staticmethod
    def takes(user: Principal, order: NewOrder) -> bool:
        """Whether an order may go along: nothing else than stock is taken for it, and it is shown as buyers see it."""
        return order.coupon_code is None and order.anonymous_id is None and not user.is_admin

    async def place(self, user: Principal, order: NewOrder) -> schemas.Order:
        """A committed order. Raises as `Placer.place_and_read` does, and AppError when the database cannot be asked.

        It opens its own transaction: the caller has none open.
        """
        buyer = Buyer(user, order)
        try:
            placed = await self._crowd.submit(buyer)
        except Unsure as error:
            cause = error.__cause__ or error
            raise app_error_of(cause) or cause from error
        except UNDONE:
            placed = None
        return placed or await self._alone(buyer)

    async def _alone(self, buyer: Buyer) -> schemas.Order:
        async with self.sessions.begin() as session:
            reader, own = OrderReader(session, self.settings), lists.own(buyer.user.id)
            return await Placer(session, self.settings, buyer.user).place_and_read(
                buyer.order, lambda order_id: reader.one(order_id, own, timeline=False)
            )

    async def _place(self, buyers: Sequence[Buyer]) -> list[schemas.Order | None]:
        """Their orders, committed; None for who goes alone."""
        complete = False
        try:
            async with self.sessions.begin() as session:
                drafts = await self._drafts(session, buyers)
                together = [draft for draft in drafts if draft is not None]
                placed = await self._written(session, together) if together else {}
                complete = True
        except Exception as error:
            if complete:
                raise Unsure from error
            raise
        return [None if draft is None else placed[draft.id] for draft in drafts]

    async def _drafts(self, session: AsyncSession, buyers: Sequence[Buyer]) -> list[Draft | None]:
        values = {"count": len(buyers), "wait": WAIT}
        ids, minimum, *_ = (await session.execute(queries.NUMBERS, values)).one()
        orders = [buyer.order for buyer in buyers]
        quotes = await OrderPricer(session, self.settings).quote_each([order.lines for order in orders])
        plain = [
            quote if quote is not None and _is_plain(order, quote, minimum) else None
            for order, quote in zip(orders, quotes, strict=True)
        ]
        fitting = await self._fitting(StockService(session), plain)
        return [
            None if quote is None else Draft(order_id, buyer.order, quote, buyer.user)
            for order_id, buyer, quote in zip(ids, buyers, fitting, strict=True)
        ]

    async def _fitting(self, stock: StockService, quotes: Sequence[Quote | None]) -> list[Quote | None]:
        """Those for which there are units, first come first served; None in the place of the others."""
        if not self._scarce:
            return list(quotes)
        wanted = [units_of(quote.lines) if quote is not None else {} for quote in quotes]
        free = Counter(await stock.free({pool for units in wanted for pool in units}))
        found: list[Quote | None] = []
        for quote, units in zip(quotes, wanted, strict=True):
            fits = all(free[pool] >= each for pool, each in units.items())
            if fits:
                free.subtract(units)
            found.append(quote if fits else None)
        self._scarce = found != quotes
        return found

    async def _written(self, session: AsyncSession, drafts: Sequence[Draft]) -> dict[int, schemas.Order]:
        """Their stock is locked last, as in `Placer.place_and_read`."""
        placed = placed_of(drafts, await write(session, drafts), self.media_url)
        trades = [
            Trade(pool_id, units, f"order {draft.id}")
            for draft in drafts
            for pool_id, units in units_of(draft.quote.lines).items()
        ]
        try:
            await StockService(session).trade(trades)
        except TooFew:
            self._scarce = True
            raise
        return placed


def _is_plain(order: NewOrder, quote: Quote, minimum: Decimal) -> bool:
    """Whether nothing is to be said against it, and it is not for nothing."""
    sums = 0 < quote.total <= quote.subtotal <= rules.LARGEST
    return sums and quote.subtotal >= minimum and not risen(order.lines, quote.lines)
