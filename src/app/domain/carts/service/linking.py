"""A visitor signs in, and the cart becomes the user's."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.carts import rules
from app.domain.carts.queries import writing as queries
from app.domain.carts.rules import Line, anonymous_id_of, merged
from app.domain.carts.service.lines import LineService, line_of
from app.domain.carts.service.prices import CartPricer
from app.domain.inventory.service import StockService
from app.settings import Settings

# Tells these locks from other users of advisory locks.
LOCK_SPACE = 7_019


class CartLinks:
    """What accounts ask of carts when somebody logs in or proves an address (`CartLinker`)."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    async def link(self, session: AsyncSession, user_id: int, anonymous_id: UUID) -> int | None:
        """The cart of this id becomes the user's, and takes over what lies in an older one; its id.

        None, and nothing happens, for an id that is unknown or no random UUID, for a cart that has another owner, and
        for one that is over. Asking twice is asking once.
        """
        anonymous = anonymous_id_of(anonymous_id)
        return None if anonymous is None else await _Linking(session, self.settings, user_id).link(anonymous)


class _Linking:
    def __init__(self, session: AsyncSession, settings: Settings, user_id: int) -> None:
        self.session = session
        self.settings = settings
        self.user_id = user_id

    async def link(self, anonymous: UUID) -> int | None:
        values = {"user": self.user_id, "anonymous": anonymous, "days": rules.EXPIRES_AFTER_DAYS}
        await self.session.execute(queries.ONE_LINK_AT_A_TIME, {"space": LOCK_SPACE, "user": self.user_id})
        rows = (await self.session.execute(queries.LINKED, values)).all()
        cart = next((row for row in rows if row.anonymous_id == anonymous), None)
        if cart is None or cart.user_id not in (None, self.user_id) or not _is_open(cart):
            return None
        await self.session.execute(queries.LINK, {"id": cart.id, "user": self.user_id})
        older = [row.id for row in rows if row.id != cart.id]
        if older:
            await self._take_over(cart.id, older)
        return int(cart.id)

    async def _take_over(self, cart_id: int, older: Sequence[int]) -> None:
        """One cart of several: their lines are added to it, and they are over."""
        lines = LineService(self.session)
        stored = await lines.of([cart_id, *older])
        own, others = _lines(stored, [cart_id]), _lines(stored, older)
        await self.session.execute(
            queries.RETIRE, {"ids": list(older), "minutes": self.settings.cart_abandoned_minutes}
        )
        if not others:
            return
        free = await self._free([*own, *others])
        priced = await CartPricer(self.session, self.settings).price(merged(own, others, free))
        await lines.replace(cart_id, priced)
        sums = {"subtotal": priced.subtotal, "discount": priced.discount, "total": priced.total}
        await self.session.execute(queries.PUT_SUMS, {"id": cart_id, **sums})

    async def _free(self, lines: Sequence[Line]) -> dict[Any, int]:
        """How many units of each choice can be sold now; of what cannot be chosen, none."""
        products = sorted({line.product_id for line in lines})
        pools: dict[Any, dict[Any, int]] = defaultdict(dict)
        for row in await self.session.execute(queries.POOLS, {"products": products}):
            if row.has_variants:
                pools[row.product_id][row.variant_name, row.name] = row.option_pool_id
            else:
                pools[row.product_id][None] = row.pool_id
        chosen = {line.choice: _pools_of(line, pools.get(line.product_id, {})) for line in lines}
        units = await StockService(self.session).free({pool for each in chosen.values() for pool in each})
        return {choice: min((units[pool] for pool in each), default=0) for choice, each in chosen.items()}


def _lines(stored: Mapping[int, Sequence[Any]], carts: Sequence[int]) -> list[Line]:
    return [line_of(row) for cart in carts for row in stored.get(cart, ()) if row.product_id is not None]


def _is_open(cart: Any) -> bool:
    return cart.status in rules.LIVE and not (cart.stale and cart.status != "recovered")


def _pools_of(line: Line, pools: dict[Any, int]) -> list[int]:
    """The pools that a unit of this line is taken from; none when the choice does not exist."""
    if None in pools:
        return [pools[None]]
    wanted = list((line.variants or {}).items())
    return [pools[choice] for choice in wanted] if all(choice in pools for choice in wanted) else []
