"""What every loader of the demo gets, and the bulk way to open stock pools."""

import datetime as dt
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import ARRAY, BigInteger, Integer, Text, bindparam, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts.models import User
from app.http.principal import Principal
from app.settings import Settings

_NEW_POOLS = text("INSERT INTO stock_pool (parent_id) SELECT NULL FROM generate_series(1, :count) RETURNING id")
_SLOTS = text("""
    INSERT INTO stock_slot (pool_id, n, available)
    SELECT p.id, n, p.units / :slots + CASE WHEN n < p.units % :slots THEN 1 ELSE 0 END
      FROM unnest(:ids, :units) AS p(id, units) CROSS JOIN generate_series(0, :slots - 1) AS n
""").bindparams(
    bindparam("ids", type_=ARRAY(BigInteger)),
    bindparam("units", type_=ARRAY(Integer)),
    bindparam("slots", type_=Integer),
)
_OPENINGS = text("""
    INSERT INTO stock_ledger (pool_id, delta, kind, cause)
    SELECT p.id, p.units, 'opening', p.cause FROM unnest(:ids, :units, :causes) AS p(id, units, cause) WHERE p.units > 0
""").bindparams(
    bindparam("ids", type_=ARRAY(BigInteger)),
    bindparam("units", type_=ARRAY(Integer)),
    bindparam("causes", type_=ARRAY(Text)),
)


@dataclass
class Stage:
    """One load: a session whose transaction is the whole of it, the database's time, and chance that repeats itself."""

    session: AsyncSession
    settings: Settings
    now: dt.datetime
    users: dict[str, Principal] = field(default_factory=dict)

    @property
    def today(self) -> dt.datetime:
        """The midnight with which the shop's day began."""
        return self.now.astimezone(self.settings.zone).replace(hour=0, minute=0, second=0, microsecond=0)

    def chance(self, purpose: str) -> random.Random:
        """The same throws for the same purpose on the same day."""
        return random.Random(f"{purpose} {self.today:%Y-%m-%d}")  # noqa: S311 - plausible data, no secrets

    async def find_users(self, names: Sequence[str]) -> dict[str, Principal]:
        """The accounts of these names that exist."""
        columns = User.id, User.username, User.email, User.is_staff, User.is_superuser
        rows = await self.session.execute(select(*columns).where(User.username.in_(names)))
        return {row.username: Principal(*row) for row in rows}

    async def open_pools(self, stock: Sequence[tuple[int, str]], slots: int) -> list[int]:
        """A pool for each (units, cause), in their order, with its opening in the ledger; their ids."""
        ids = list((await self.session.execute(_NEW_POOLS, {"count": len(stock)})).scalars())
        units = [count for count, _ in stock]
        await self.session.execute(_SLOTS, {"ids": ids, "units": units, "slots": slots})
        causes = [cause for _, cause in stock]
        await self.session.execute(_OPENINGS, {"ids": ids, "units": units, "causes": causes})
        return ids


Loader = Callable[[Stage], Awaitable[None]]
