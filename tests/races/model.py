"""A model of the stock, in plain numbers, and the machine that does to both the same and compares after every step.

The model knows accounts: a store's stock, and each promotion's that has units of its own, until it is over; then what
it has, holds included, is the store's. An account has units; live holds take from them; the rest is free.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from app.domain.inventory.service import NotEnough, StockService, Trade
from app.domain.promos.service.claims import Ask, ClaimEngine, Verdict
from app.domain.promos.service.holds import HoldService
from app.errors import Conflict
from app.http.principal import Principal
from tests.races.arena import Arena, Shop

T = TypeVar("T")
BUYERS = 4
LIMIT = 6
FAR_AWAY = datetime.now(UTC) + timedelta(days=30)

_NEW_PROMO = """
    INSERT INTO flash_promo (store_product_id, pool_id, starts_at, ends_at, promo_price, max_units, per_user_limit)
    SELECT store_product_id, $2, starts_at, $3, 800, $4, $5 FROM flash_promo WHERE id = $1 RETURNING id
"""
_STATE = """
    SELECT (SELECT COALESCE(sum(delta), 0) FROM stock_ledger WHERE pool_id = ANY ($1)) AS ledger,
           (SELECT sum(available) FROM stock_slot WHERE pool_id = ANY ($1)) AS slots,
           (SELECT min(available) FROM stock_slot WHERE pool_id = ANY ($1)) AS least,
           (SELECT COALESCE(sum(quantity), 0) FROM reservation WHERE pool_id = ANY ($1)) AS held,
           ARRAY(SELECT stock_free(p) FROM unnest($2::bigint[]) WITH ORDINALITY AS u (p, n) ORDER BY n) AS free
"""


class World:
    """A running event loop with the real thing in it; a model's steps are plain calls."""

    def __init__(self, runner: asyncio.Runner, arena: Arena, engine: ClaimEngine) -> None:
        self._runner = runner
        self.arena = arena
        self.engine = engine

    def do(self, act: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(act)

    async def stock(self, method: str, *arguments: Any, **named: Any) -> Any:
        """One call of the stock's service in a transaction of its own."""
        async with self.arena.sessions() as session, session.begin():
            return await getattr(StockService(session), method)(*arguments, **named)

    async def end(self, method: str, buyer: int, token: UUID, *arguments: Any) -> str:
        """Check out or cancel; what became of the hold, or the code of the refusal."""
        user = Principal(self.arena.buyers[buyer].id, "ana", "ana@example.com", is_staff=False, is_superuser=False)
        async with self.arena.sessions() as session:
            try:
                hold = await getattr(HoldService(session), method)(user, token, *arguments)
            except Conflict as refused:
                return str(refused.own_code)
            await session.commit()
            return str(hold.status)


class Held(msgspec.Struct):
    """A hold as the model has it."""

    buyer: int
    promo: int
    pool: int
    quantity: int
    token: UUID
    over: bool = False
    end: str = "held"


class Promo(msgspec.Struct):
    id: int
    pool: int
    on: bool = True


class StockMachine(RuleBasedStateMachine):
    """Everything that moves units, in any order. Stock of its own for each run."""

    world: World
    shop: Shop
    # How often it was compared, by all runs.
    steps = 0

    @initialize(units=st.integers(0, 25), slots=st.sampled_from([1, 4, 16]))
    def open(self, units: int, slots: int) -> None:
        self.shop = self.world.do(self.world.arena.open_shop(units, promos=2, limit=LIMIT, slots=slots))
        self.root = self.shop.pool_id
        self.units: dict[int, int] = {self.root: units}
        self.pools: list[int] = [self.root]
        self.closed: set[int] = set()
        self.promos = [Promo(promo, self.root) for promo in self.shop.promos]
        self.holds: list[Held] = []

    def account(self, pool: int) -> int:
        return self.root if pool in self.closed else pool

    def free(self, account: int) -> int:
        """Units of an account that no live hold has."""
        live = (h for h in self.holds if h.end == "held" and not h.over and self.account(h.pool) == account)
        return self.units[account] - sum(h.quantity for h in live)

    def live(self, buyer: int, promo: int) -> Held | None:
        found = [h for h in self.holds if (h.buyer, h.promo, h.end, h.over) == (buyer, promo, "held", False)]
        assert len(found) <= 1
        return found[0] if found else None

    def bought(self, buyer: int, promo: int) -> int:
        return sum(h.quantity for h in self.holds if (h.buyer, h.promo, h.end) == (buyer, promo, "confirmed"))

    def foretold(self, buyer: int, promo: Promo, quantity: int) -> str:
        """The verdict that a claim must get."""
        if self.live(buyer, promo.id):
            return "live"
        if not promo.on:
            return "not_active"
        if quantity > LIMIT - self.bought(buyer, promo.id):
            return "limit"
        return "short" if quantity > self.free(self.account(promo.pool)) else "new"

    def ask(self, buyer: int, promo: Promo, quantity: int) -> Ask:
        return Ask(self.world.arena.buyers[buyer].id, 0, promo.id, quantity)

    def write_down(self, buyer: int, promo: Promo, verdict: Verdict) -> None:
        grant = verdict.grant
        assert grant is not None
        for old in self.holds:
            # Whatever was over has been ended to make room.
            if (old.buyer, old.promo, old.over, old.end) == (buyer, promo.id, True, "held"):
                old.end = "expired"
        self.holds.append(Held(buyer, promo.id, promo.pool, grant.quantity, grant.token))

    @rule(buyer=st.integers(0, BUYERS - 1), which=st.integers(0, 9), quantity=st.integers(1, 5))
    def claim(self, buyer: int, which: int, quantity: int) -> None:
        promo = self.promos[which % len(self.promos)]
        expected = self.foretold(buyer, promo, quantity)
        free = self.free(self.account(promo.pool)) if promo.on else 0
        left = LIMIT - self.bought(buyer, promo.id)
        verdict = self.world.do(self.world.engine.claim(self.ask(buyer, promo, quantity)))
        assert verdict.verdict == expected
        if expected == "new":
            self.write_down(buyer, promo, verdict)
        elif expected == "live":
            assert verdict.grant is not None
            assert verdict.grant.token == self.live(buyer, promo.id).token  # type: ignore[union-attr]
        elif expected == "short":
            assert verdict.units_left == min(free, left)

    @rule(
        asks=st.lists(
            st.tuples(st.integers(0, BUYERS - 1), st.integers(0, 9), st.integers(1, 4)), min_size=2, max_size=8
        )
    )
    def claim_together(self, asks: list[tuple[int, int, int]]) -> None:
        """Many at once: in whatever order, nobody is refused while there are units for him."""
        chosen = [(buyer, self.promos[which % len(self.promos)], quantity) for buyer, which, quantity in asks]

        async def all_at_once() -> list[Verdict]:
            return await asyncio.gather(*(self.world.engine.claim(self.ask(*each)) for each in chosen))

        foretold = [self.foretold(*each) for each in chosen]
        verdicts = self.world.do(all_at_once())
        for (buyer, promo, _), verdict in zip(chosen, verdicts, strict=True):
            if verdict.verdict == "new":
                self.write_down(buyer, promo, verdict)
        for (buyer, promo, quantity), verdict, before in zip(chosen, verdicts, foretold, strict=True):
            if verdict.verdict in {"new", "live"}:
                assert self.live(buyer, promo.id), f"a {verdict.verdict} hold that nobody has"
            elif verdict.verdict == "short":
                # Units only left since then: who would be served now was refused falsely.
                assert quantity > self.free(self.account(promo.pool)), f"refused {quantity}"
            else:
                assert verdict.verdict == before

    @precondition(lambda self: self.holds)
    @rule(which=st.integers(0, 99))
    def check_out(self, which: int) -> None:
        hold = self.holds[which % len(self.holds)]
        if hold.end == "held" and not hold.over:
            hold.end = "confirmed"
            self.units[self.account(hold.pool)] -= hold.quantity
        expected = hold.end if hold.end == "confirmed" else f"hold_{'expired' if hold.over else hold.end}"
        if hold.end == "returned":
            expected = "confirmed"
        assert self.world.do(self.world.end("check_out", hold.buyer, hold.token, "cash")) == expected

    @precondition(lambda self: self.holds)
    @rule(which=st.integers(0, 99))
    def cancel(self, which: int) -> None:
        hold = self.holds[which % len(self.holds)]
        if hold.end == "held":
            hold.end = "expired" if hold.over else "cancelled"
        expected = "hold_confirmed" if hold.end in {"confirmed", "returned"} else hold.end
        assert self.world.do(self.world.end("cancel", hold.buyer, hold.token)) == expected

    @precondition(lambda self: any(h.end == "held" and not h.over for h in self.holds))
    @rule(which=st.integers(0, 99))
    def time_passes(self, which: int) -> None:
        live = [h for h in self.holds if h.end == "held" and not h.over]
        hold = live[which % len(live)]
        hold.over = True
        self.world.do(self.world.arena.move_deadline(str(hold.token), -1))

    @rule(limit=st.integers(1, 3))
    def sweep(self, limit: int) -> None:
        self.world.do(self.world.stock("sweep_expired", limit))

    @rule()
    def settle(self) -> None:
        self.world.do(self.world.stock("settle_closed_pools"))

    @rule(units=st.integers(0, 25))
    def staff_write_stock(self, units: int) -> None:
        difference = self.world.do(self.world.stock("set_free", self.root, units, cause="model"))
        assert difference == units - self.free(self.root)
        self.units[self.root] += difference

    @precondition(lambda self: len(self.pools) < 6)
    @rule(units=st.integers(1, 8))
    def set_aside(self, units: int) -> None:
        setting_aside = self.world.stock("set_aside", self.root, units, closes_at=FAR_AWAY, cause="model")
        if units > (free := self.free(self.root)):
            with pytest.raises(NotEnough) as refused:
                self.world.do(setting_aside)
            assert refused.value.free == free
            return
        pool = self.world.do(setting_aside)
        self.pools.append(pool)
        self.units[self.root] -= units
        self.units[pool] = units
        values = (self.shop.promo, pool, FAR_AWAY, units, LIMIT)
        self.promos.append(Promo(self.world.do(self.world.arena.pool.fetchval(_NEW_PROMO, *values)), pool))

    @precondition(lambda self: any(promo.on for promo in self.promos[1:]))
    @rule(which=st.integers(0, 9))
    def end_promo(self, which: int) -> None:
        """The promotion is over; units of its own are the store's, the held ones when their holds end."""
        on = [promo for promo in self.promos[1:] if promo.on]
        promo = on[which % len(on)]
        promo.on = False
        cancel = "UPDATE flash_promo SET cancelled_at = clock_timestamp() WHERE id = $1"
        self.world.do(self.world.arena.pool.execute(cancel, promo.id))
        if promo.pool != self.root:
            self.world.do(self.world.stock("close_at", promo.pool, None))
            self.units[self.root] += self.units.pop(promo.pool)
            self.closed.add(promo.pool)

    @precondition(lambda self: any(h.end == "confirmed" for h in self.holds))
    @rule(which=st.integers(0, 99))
    def give_back(self, which: int) -> None:
        """What the cancellation of an order does: units come home, and count against nobody's limit."""
        sold = [h for h in self.holds if h.end == "confirmed"]
        hold = sold[which % len(sold)]
        (left,) = self.world.do(self.world.stock("trade", [Trade(hold.pool, -hold.quantity, "model")]))
        assert left.pool_id == self.account(hold.pool)
        returned = "UPDATE reservation_finished SET returned_at = clock_timestamp() WHERE token = $1"
        self.world.do(self.world.arena.pool.execute(returned, hold.token))
        hold.end = "returned"
        self.units[left.pool_id] += hold.quantity

    @invariant()
    def nothing_is_lost_or_made(self) -> None:
        if not hasattr(self, "units"):
            return
        StockMachine.steps += 1
        accounts = list(self.units)
        row: Mapping[str, Any] = self.world.do(self.world.arena.pool.fetchrow(_STATE, self.pools, accounts))
        assert row["ledger"] == row["slots"] + row["held"] == sum(self.units.values())
        assert row["least"] >= 0
        assert row["free"] == [self.free(account) for account in accounts]
