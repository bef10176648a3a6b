"""A random walk over everything that moves units, beside a model in plain Python: after every step both agree."""

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from app.domain.inventory.service import NotEnough, StockService, Trade, audit
from app.domain.promos.service.claims import Ask, ClaimEngine
from app.domain.promos.service.holds import HoldService
from app.errors import Conflict
from app.http.principal import Principal
from app.settings import Settings
from tests.promos.market import HOUR, MINUTE, Market, now

BUYERS = 6


@dataclass
class Hold:
    """What the model knows of a reservation; `status` as the API would say it."""

    token: Any
    pool: int
    promo: int
    buyer: int
    units: int
    status: str = "held"


@dataclass
class Promo:
    id: int
    pool: int
    limit: int
    is_on: bool = True


@dataclass
class Model:
    """Units that may be sold, by pool; `home` is the pool that the others came from."""

    home: int
    free: dict[int, int]
    promos: list[Promo] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)

    def open_pool(self, pool: int) -> bool:
        return pool == self.home or any(promo.pool == pool and promo.is_on for promo in self.promos)

    def sellable(self, pool: int) -> int:
        """The store's pool has what its closed children have left."""
        if pool != self.home:
            return self.free[pool]
        return sum(units for each, units in self.free.items() if each == pool or not self.open_pool(each))

    def take(self, pool: int, units: int) -> None:
        """Closed children first are emptied into the store's pool: which of them gives is of no matter to anybody."""
        if pool == self.home:
            self.gather()
        self.free[pool] -= units

    def gather(self) -> None:
        for pool in list(self.free):
            if pool != self.home and not self.open_pool(pool):
                self.free[self.home] += self.free[pool]
                self.free[pool] = 0

    def live(self, promo: Promo, buyer: int) -> Hold | None:
        return next((h for h in self.holds if h.promo == promo.id and h.buyer == buyer and h.status == "held"), None)

    def bought(self, promo: Promo, buyer: int) -> int:
        mine = (hold for hold in self.holds if hold.promo == promo.id and hold.buyer == buyer)
        return sum(hold.units for hold in mine if hold.status == "confirmed")

    def verdict(self, promo: Promo, buyer: int, units: int) -> str:
        if self.live(promo, buyer):
            return "live"
        if not promo.is_on:
            return "not_active"
        if units > promo.limit - self.bought(promo, buyer):
            return "limit"
        return "short" if units > self.sellable(promo.pool) else "new"


class Walk:
    """One step at a time, each chosen at random; the seed is in the test's name."""

    def __init__(self, market: Market, engine: ClaimEngine, seed: int) -> None:
        self.market, self.engine = market, engine
        self.random = random.Random(seed)
        self.stock = StockService(market.db)

    async def begin(self) -> None:
        self.item = await self.market.item(stock=12)
        self.model = Model(self.item.pool_id, {self.item.pool_id: 12})
        users = [await self.market.buyer() for _ in range(BUYERS)]
        self.buyers = {u.id: Principal(u.id, u.username, u.email, is_staff=False, is_superuser=False) for u in users}
        # A rollback would empty the rows that the session knows.
        self.market.db.expunge_all()
        for _ in range(2):
            await self.promote()

    async def step(self) -> None:
        steps = [self.reserve] * 9 + [self.check_out, self.cancel, self.expire] * 2
        steps += [self.sweep, self.settle, self.write, self.promote, self.end, self.give_back]
        await self.random.choice(steps)()
        # Where the units of closed pools lie is nobody's business: they count as the store's, and are moved at leisure.
        pools = [pool for pool in self.model.free if self.model.open_pool(pool)]
        found = await self.stock.free(pools)
        _, findings = await audit(self.market.db)
        await self.market.db.rollback()
        assert {pool: found[pool] for pool in pools} == {pool: self.model.sellable(pool) for pool in pools}
        assert findings == []

    async def reserve(self) -> None:
        promo, buyer, units = self.any_promo(), self.random.choice(list(self.buyers)), self.units(4)
        expected = self.model.verdict(promo, buyer, units)
        verdict = await self.engine.claim(Ask(buyer, 0, promo.id, units))
        assert verdict.verdict == expected
        if expected == "new":
            self.model.take(promo.pool, units)
            self.model.holds.append(Hold(verdict.grant.token, promo.pool, promo.id, buyer, units))

    async def check_out(self) -> None:
        if hold := self.any_hold():
            try:
                done = await HoldService(self.market.db).check_out(self.buyers[hold.buyer], hold.token, "cash")
            except Conflict as refusal:
                said = refusal.own_code
            else:
                said = f"hold_{done.status}"
                hold.status = "confirmed" if hold.status == "held" else hold.status
            assert said == f"hold_{hold.status}"
            await self.market.db.commit()

    async def cancel(self) -> None:
        if hold := self.any_hold():
            try:
                done = await HoldService(self.market.db).cancel(self.buyers[hold.buyer], hold.token)
                if hold.status == "held":
                    self.model.free[hold.pool] += hold.units
                    hold.status = "cancelled"
                assert done.status == hold.status
            except Conflict:
                assert hold.status == "confirmed"
            await self.market.db.commit()

    async def expire(self) -> None:
        if hold := self.any_hold("held"):
            await self.market.expire(hold.token)
            self.model.free[hold.pool] += hold.units
            hold.status = "expired"

    async def sweep(self) -> None:
        await self.stock.sweep_expired(limit=self.random.choice([1, 1000]))
        await self.market.db.commit()

    async def settle(self) -> None:
        await self.stock.settle_closed_pools()
        await self.market.db.commit()
        self.model.gather()

    async def write(self) -> None:
        units = self.units(15) - 1
        change = await self.stock.set_free(self.item.pool_id, units, cause="walk")
        await self.market.db.commit()
        assert change == units - self.model.sellable(self.item.pool_id)
        self.model.gather()
        self.model.free[self.item.pool_id] = units

    async def promote(self) -> None:
        """At most four are on at a time, some with units of their own."""
        if sum(promo.is_on for promo in self.model.promos) >= 4:
            return
        units, limit = self.random.choice([None, self.units(5)]), self.units(5)
        free = self.model.sellable(self.item.pool_id)
        try:
            promo = await self.market.promo(self.item, max_units=units, per_user_limit=limit)
        except NotEnough as refusal:
            left = refusal.free
            await self.market.db.rollback()
        else:
            left = None
        assert left == (free if units is not None and units > free else None)
        if left is not None:
            return
        pool = await self.market.pool_of(promo)
        if units is not None:
            self.model.take(self.item.pool_id, units)
            self.model.free[pool] = units
        self.model.promos.append(Promo(promo, pool, limit))

    async def end(self) -> None:
        on = [promo for promo in self.model.promos if promo.is_on]
        if len(on) > 1:
            promo = self.random.choice(on)
            await self.market.move(promo.id, starts_at=now() - HOUR, ends_at=now() - MINUTE)
            promo.is_on = False

    async def give_back(self) -> None:
        """What cancelling an order does to the stock, the buyer's limit included."""
        if hold := self.any_hold("confirmed"):
            (left,) = await self.stock.trade([Trade(hold.pool, -hold.units, "walk")])
            home = left.pool_id
            await self.market.run("UPDATE reservation_finished SET returned_at = now() WHERE token = :t", t=hold.token)
            assert home == (hold.pool if self.model.open_pool(hold.pool) else self.item.pool_id)
            self.model.free[home] += hold.units
            self.model.holds.remove(hold)

    def any_promo(self) -> Promo:
        """Mostly one that is on."""
        on = [promo for promo in self.model.promos if promo.is_on]
        return self.random.choice(on if self.random.random() < 0.9 else self.model.promos)

    def any_hold(self, status: str | None = None) -> Hold | None:
        found = [hold for hold in self.model.holds[-20:] if status in {None, hold.status}]
        return self.random.choice(found) if found else None

    def units(self, most: int) -> int:
        return self.random.randint(1, most)


@pytest.fixture
async def engine(settings: Settings) -> AsyncIterator[ClaimEngine]:
    """A hold of this one runs out when the walk says so, not when the walk takes long."""
    made = ClaimEngine(settings.asyncpg_dsn, hold_seconds=86_400)
    yield made
    await made.close()


@pytest.mark.parametrize("seed", range(3))
async def test_no_step_makes_or_loses_a_unit(market: Market, engine: ClaimEngine, full_rounds: bool, seed: int) -> None:
    walk = Walk(market, engine, seed)
    await walk.begin()
    for _ in range(17_000 if full_rounds else 300):
        await walk.step()


async def test_the_walk_would_notice(unchecked_market: Market, engine: ClaimEngine) -> None:
    """One unit that nobody wrote down ends it at once."""
    walk = Walk(unchecked_market, engine, seed=0)
    await walk.begin()
    await walk.step()
    await unchecked_market.run("UPDATE stock_slot SET available = available + 1 WHERE n = 0")
    with pytest.raises(AssertionError):
        await walk.step()
