"""Every two works that meet at a coupon, at a product's stock or at a refresh token, in every order of statements."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts.rules.doors import RefreshTokenRefused
from app.domain.accounts.service.token_pairs import TokenPair, TokenPairService
from app.domain.catalog.schemas import ProductInput
from app.domain.catalog.service.products import ProductService, SeenStock
from app.domain.marketing.models import Coupon
from app.domain.marketing.service.coupons import CouponExhausted
from app.domain.orders.rules import Outrun
from app.domain.orders.service.coupons import OrderCoupons
from app.domain.orders.service.creation import Placer
from app.domain.orders.service.drafts import NewOrder
from app.domain.orders.service.life import OrderLife
from app.domain.orders.service.prices import Wanted
from app.errors import PreconditionFailed
from app.http.principal import Principal
from app.settings import Settings
from tests.factories import make_user
from tests.factories_catalog import make_product
from tests.factories_marketing import make_coupon
from tests.races.conftest import stepping_pairs
from tests.races.interleaving import Piece, Scene
from tests.races.pairs import Pairs, kinds

pytestmark = [pytest.mark.races, pytest.mark.shows("R3")]
COUPONS = r"coupon|\borders\b|stock_"
STOCK = r"stock_|\bproduct\b.*FOR"
TOKENS = r"refresh_tokens|\busers\b|activity"
SAMPLE = 12
D = Decimal


@pytest.fixture(scope="module")
async def pairs(worker_name: str, full_rounds: bool) -> AsyncIterator[Pairs]:
    async with stepping_pairs(f"shop_{worker_name}", COUPONS, None if full_rounds else SAMPLE) as opened:
        yield opened


class Buying:
    """Orders that somebody asks for."""

    def __init__(self, pairs: Pairs, settings: Settings) -> None:
        self.pairs, self.settings = pairs, settings

    def user(self, number: int = 0) -> Principal:
        buyer = self.pairs.arena.buyers[number]
        return Principal(buyer.id, "ana", "ana@example.com", is_staff=False, is_superuser=False)

    def order(self, product_id: int, units: int = 1, *, coupon: Coupon | None = None, by: int = 0) -> Piece:
        order = NewOrder(
            user_id=self.user(by).id,
            contact={"recipient_name": "Ana", "customer_email": "ana@example.com", "delivery_type": "pickup"},
            lines=[Wanted(product_id, units)],
            coupon_code=coupon and coupon.code,
        )
        return lambda session: Placer(session, self.settings, self.user(by)).place(order)

    async def placed(self, product_id: int, **what: Any) -> int:
        async with self.pairs.session() as session, session.begin():
            order_id: int = await self.order(product_id, **what)(session)
        return order_id

    def apply(self, coupon_id: UUID, order_id: int, by: int = 0) -> Piece:
        return lambda session: OrderCoupons(session, self.settings, self.user(by)).apply(coupon_id, order_id)

    async def product(self, stock: int = 10) -> Any:
        async with self.pairs.session() as session:
            return await make_product(session, price=D(1000), stock=stock)

    async def coupon(self, **fields: Any) -> Coupon:
        async with self.pairs.session() as session:
            return await make_coupon(session, value=D(10), **fields)

    async def used(self, coupon: Coupon) -> int:
        """As the coupon counts; raises when its uses say otherwise."""
        row = await self.pairs.arena.pool.fetchrow(
            """
            SELECT used, (SELECT count(*) FROM coupon_use u WHERE u.coupon_id = c.id AND given_back_at IS NULL) AS uses,
                   (SELECT count(*) FROM orders o WHERE o.coupon_id = c.id AND o.status <> 'cancelled') AS borne
              FROM coupon c WHERE id = $1
            """,
            coupon.id,
        )
        assert row["used"] == row["uses"] == row["borne"]
        return int(row["used"])


@pytest.fixture
def buying(pairs: Pairs, settings: Settings) -> Buying:
    return Buying(pairs, settings)


async def test_the_last_use_of_a_coupon_and_two_orders(buying: Buying) -> None:
    async def scene() -> Scene:
        product, coupon = await buying.product(), await buying.coupon(max_uses=1)

        async def judge(outcomes: list[Any]) -> None:
            assert len([each for each in outcomes if isinstance(each, int)]) == 1
            # Refused when it is taken, or when it is looked at.
            assert len([each for each in outcomes if isinstance(each, CouponExhausted | Outrun)]) == 1, kinds(outcomes)
            assert await buying.used(coupon) == 1
            assert await buying.pairs.arena.free(product.pool_id) == 9

        return [buying.order(product.id, coupon=coupon, by=number) for number in range(2)], judge

    await buying.pairs.play(COUPONS, scene, at_least=4)


async def test_a_coupon_twice_on_one_order(buying: Buying) -> None:
    async def scene() -> Scene:
        product, coupon = await buying.product(), await buying.coupon()
        order_id = await buying.placed(product.id)

        async def judge(outcomes: list[Any]) -> None:
            assert [each.used for each in outcomes] == [1, 1]
            assert await buying.used(coupon) == 1
            assert await buying.pairs.value("SELECT total FROM orders WHERE id = $1", order_id) == D(900)

        return [buying.apply(coupon.id, order_id), buying.apply(coupon.id, order_id)], judge

    await buying.pairs.play(COUPONS, scene, switches=None)


async def test_a_use_is_given_back_while_it_is_wanted(buying: Buying) -> None:
    async def scene() -> Scene:
        product, coupon = await buying.product(), await buying.coupon(max_uses=1)
        order_id = await buying.placed(product.id, coupon=coupon)

        async def judge(outcomes: list[Any]) -> None:
            assert outcomes[0] is True
            won = isinstance(outcomes[1], int)
            assert won or isinstance(outcomes[1], CouponExhausted | Outrun)
            assert await buying.used(coupon) == won
            assert await buying.pairs.arena.free(product.pool_id) == 10 - won

        return [
            lambda session: OrderLife(session).cancel(order_id, by=None),
            buying.order(product.id, coupon=coupon, by=1),
        ], judge

    await buying.pairs.play(COUPONS, scene, at_least=4, switches=None)


@pytest.mark.parametrize("units", [1, 5])
async def test_an_order_and_an_edit_of_the_stock(buying: Buying, units: int) -> None:
    """Staff say how many there are while two of three are bought."""

    async def scene() -> Scene:
        product = await buying.product(stock=3)

        async def edit(session: AsyncSession) -> None:
            data = msgspec.convert(
                {"name": "Edited", "category": product.category_id, "price": "1000", "stock": units}, ProductInput
            )
            await ProductService(session).change(product.id, data, None)

        async def judge(outcomes: list[Any]) -> None:
            ordered, edited = outcomes
            assert edited is None
            free = await buying.pairs.arena.free(product.pool_id)
            if units == 1:
                # Bought before it was written, or refused: what staff wrote is what there is.
                assert isinstance(ordered, int | Outrun)
                assert free == 1
            else:
                assert isinstance(ordered, int)
                assert free in {units, units - 2}
            assert await buying.pairs.conserved(product.pool_id)

        return [buying.order(product.id, 2), edit], judge

    await buying.pairs.play(STOCK, scene, at_least=4, switches=None)


async def test_an_order_and_an_edit_of_what_was_seen(buying: Buying) -> None:
    """Staff write five where they saw three: whoever bought meanwhile was not seen, and nothing is written."""

    async def scene() -> Scene:
        product = await buying.product(stock=3)

        async def edit(session: AsyncSession) -> None:
            fields = {"name": "Edited", "category": product.category_id, "price": "1000", "stock": 5}
            data = msgspec.convert(fields, ProductInput)
            await ProductService(session).change(product.id, data, None, SeenStock(3, {}))

        async def judge(outcomes: list[Any]) -> None:
            ordered, edited = outcomes
            assert isinstance(ordered, int)
            assert edited is None or isinstance(edited, PreconditionFailed)
            assert await buying.pairs.arena.free(product.pool_id) == (3 if edited is None else 1)
            assert await buying.pairs.conserved(product.pool_id)

        return [buying.order(product.id, 2), edit], judge

    await buying.pairs.play(STOCK, scene, at_least=4, switches=None)


@pytest.mark.parametrize("grace", [10, 0], ids=["within grace", "reuse"])
async def test_refresh_and_refresh(pairs: Pairs, settings: Settings, grace: int) -> None:
    careful = msgspec.structs.replace(settings, refresh_reuse_grace_seconds=grace)

    async def scene() -> Scene:
        async with pairs.session() as session:
            user = await make_user(session)
            pair = await TokenPairService(session, careful).give(user.id, 0)
            await session.commit()

        async def judge(outcomes: list[Any]) -> None:
            assert sorted(map(type, outcomes), key=str) == sorted([TokenPair, RefreshTokenRefused], key=str)
            alive = (
                "SELECT count(*) FROM refresh_tokens WHERE user_id = $1 AND rotated_at IS NULL AND revoked_at IS NULL"
            )
            # A thief's use ends the whole family, the one of two tabs does not.
            assert await pairs.value(alive, user.id) == (1 if grace else 0)

        def refresh(session: AsyncSession) -> Any:
            return TokenPairService(session, careful).rotate(pair.refresh)

        return [refresh, refresh], judge

    await pairs.play(TOKENS, scene, switches=None)
