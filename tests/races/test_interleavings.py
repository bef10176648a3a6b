"""Carts, two works at a time, in every order of their statements."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession

from app import registry
from app.domain.accounts.models import User
from app.domain.carts.queries import writing
from app.domain.carts.schemas import CartCustomerInfo, CartInput, CartItemInput
from app.domain.carts.service.conversion import CartConverted, CartService
from app.domain.carts.service.linking import CartLinks
from app.domain.carts.service.staff import NotAbandoned, StaffCartService
from app.domain.carts.service.visitors import VisitorCartService
from app.domain.catalog.models import Product
from app.domain.orders.service.carts import CartDesk
from app.http.principal import Principal
from app.jobs.queue import announce
from app.jobs.schedule import JOBS
from app.settings import Settings
from tests.conftest import fresh_database
from tests.factories import make_user
from tests.factories_catalog import make_product
from tests.races.interleaving import Director, Piece, Scene, directing, every_order
from tests.races.pairs import Pairs

pytestmark = [pytest.mark.races, pytest.mark.shows("R3")]
# What carts, orders and stock are locked and written by; prices are read whenever.
GATED = r"\b(cart|cart_item|orders|order_item|stock_[a-z]+)\b|advisory"
STAFF = Principal(id=0, username="staff", email="", is_staff=True, is_superuser=False)


class Stage:
    """Sets scenes, and looks at what became of them."""

    def __init__(self, director: Director, settings: Settings) -> None:
        self.director, self.settings = director, settings

    async def play(self, scene: Callable[[], Awaitable[Scene]]) -> None:
        """In all orders that there are. Raises what the scene's judge raises."""
        played = await every_order(self.director, scene)
        assert played >= 2
        Pairs.count(scene, played)

    def session(self) -> AsyncSession:
        return AsyncSession(self.director.engine, expire_on_commit=False)

    async def user(self) -> User:
        async with self.session() as session:
            return await make_user(session)

    async def product(self, stock: int = 10) -> Product:
        async with self.session() as session:
            return await make_product(session, stock=stock)

    async def cart(self, *lines: tuple[Product, int], owner: User | None = None) -> tuple[int, UUID]:
        visitor = uuid4()
        async with self.session() as session, session.begin():
            cart_id = await self.put(session, visitor, *lines)
            if owner is not None:
                await CartLinks(self.settings).link(session, owner.id, visitor)
        return cart_id, visitor

    async def put(self, session: AsyncSession, visitor: UUID, *lines: tuple[Product, int]) -> int:
        items = [CartItemInput(product_id=product.id, quantity=quantity) for product, quantity in lines]
        info = CartCustomerInfo(name="Ana", email="ana@example.com")
        data = CartInput(anonymous_id=visitor, items=items, customer_info=info)
        return await VisitorCartService(session, self.settings).store(data)

    def link(self, user: User, visitor: UUID) -> Piece:
        return lambda session: CartLinks(self.settings).link(session, user.id, visitor)

    def update(self, visitor: UUID, *lines: tuple[Product, int]) -> Piece:
        return lambda session: self.put(session, visitor, *lines)

    def convert(self, cart_id: int) -> Piece:
        async def piece(session: AsyncSession) -> int:
            return (await CartDesk(session, self.settings, STAFF).order_of(cart_id))[0]

        return piece

    async def value(self, statement: str, **values: Any) -> Any:
        async with self.session() as session:
            return (await session.execute(text(statement), values)).scalar_one()

    async def content(self, cart_id: int) -> dict[int, int]:
        async with self.session() as session:
            rows = await session.execute(
                text("SELECT product_id, quantity FROM cart_item WHERE cart_id = :id"), {"id": cart_id}
            )
            return {row.product_id: row.quantity for row in rows}

    async def status(self, cart_id: int) -> str:
        return str(await self.value("SELECT status FROM cart WHERE id = :id", id=cart_id))

    async def free(self, product: Product) -> int:
        return int(await self.value("SELECT stock_free(:pool)", pool=product.pool_id))

    async def age(self, cart_id: int) -> None:
        async with self.session() as session, session.begin():
            past = text("UPDATE cart SET last_activity = now() - interval '6 hours' WHERE id = :id")
            await session.execute(past, {"id": cart_id})


@pytest.fixture(scope="module")
async def stage(worker_name: str, settings: Settings) -> AsyncIterator[Stage]:
    registry.load()
    announce(JOBS)
    async with fresh_database(f"orders_{worker_name}") as url, directing(url, GATED) as director:
        yield Stage(director, settings)


async def test_two_logins_of_one_user(stage: Stage) -> None:
    async def scene() -> Scene:
        user, a, b = await stage.user(), await stage.product(), await stage.product()
        older, _ = await stage.cart((a, 2), (b, 1), owner=user)
        newer, visitor = await stage.cart((a, 1))

        async def judge(outcomes: list[Any]) -> None:
            assert outcomes == [newer, newer]
            assert await stage.content(newer) == {a.id: 3, b.id: 1}
            assert (await stage.status(newer), await stage.status(older)) == ("active", "expired")

        return [stage.link(user, visitor), stage.link(user, visitor)], judge

    await stage.play(scene)


async def test_one_user_with_two_carts(stage: Stage) -> None:
    async def scene() -> Scene:
        user, a = await stage.user(), await stage.product()
        (first, one), (second, two) = await stage.cart((a, 1)), await stage.cart((a, 2))

        async def judge(outcomes: list[Any]) -> None:
            assert outcomes == [first, second]
            found = {await stage.status(first): first, await stage.status(second): second}
            assert set(found) == {"active", "expired"}
            assert await stage.content(found["active"]) == {a.id: 3}

        return [stage.link(user, one), stage.link(user, two)], judge

    await stage.play(scene)


async def test_two_users_and_one_cart(stage: Stage) -> None:
    async def scene() -> Scene:
        first, second, a = await stage.user(), await stage.user(), await stage.product()
        cart, visitor = await stage.cart((a, 1))

        async def judge(outcomes: list[Any]) -> None:
            assert sorted(outcomes, key=str) == [cart, None]
            owner = await stage.value("SELECT user_id FROM cart WHERE id = :id", id=cart)
            assert owner == (first.id if outcomes[0] == cart else second.id)

        return [stage.link(first, visitor), stage.link(second, visitor)], judge

    await stage.play(scene)


async def test_a_login_and_an_update(stage: Stage) -> None:
    async def scene() -> Scene:
        user, a, b = await stage.user(), await stage.product(), await stage.product()
        await stage.cart((a, 2), owner=user)
        cart, visitor = await stage.cart((a, 1))

        async def judge(outcomes: list[Any]) -> None:
            assert outcomes == [cart, cart]
            assert await stage.content(cart) in ({b.id: 4}, {a.id: 2, b.id: 4})

        return [stage.link(user, visitor), stage.update(visitor, (b, 4))], judge

    await stage.play(scene)


async def test_an_update_and_a_conversion(stage: Stage) -> None:
    async def scene() -> Scene:
        a, b = await stage.product(), await stage.product()
        cart, visitor = await stage.cart((a, 2))

        async def judge(outcomes: list[Any]) -> None:
            assert outcomes[0] == cart
            assert isinstance(outcomes[1], int)
            sold = (10 - await stage.free(a), 10 - await stage.free(b))
            assert (await stage.status(cart), sold) in {("active", (2, 0)), ("converted", (0, 3))}

        return [stage.update(visitor, (b, 3)), stage.convert(cart)], judge

    await stage.play(scene)


async def test_two_conversions(stage: Stage) -> None:
    async def scene() -> Scene:
        a = await stage.product()
        cart, _ = await stage.cart((a, 3))

        async def judge(outcomes: list[Any]) -> None:
            assert sorted(type(each).__name__ for each in outcomes) == [CartConverted.__name__, "int"]
            assert await stage.free(a) == 7

        return [stage.convert(cart), stage.convert(cart)], judge

    await stage.play(scene)


async def test_a_login_and_an_order(stage: Stage) -> None:
    """An order that names the cart of a login, and one that takes over its user's older cart."""

    async def scene() -> Scene:
        user, a, b = await stage.user(), await stage.product(), await stage.product()
        older, _ = await stage.cart((b, 1), owner=user)
        cart, visitor = await stage.cart((a, 1))
        order_id = await stage.value("SELECT nextval(pg_get_serial_sequence('orders', 'id'))")

        async def judge(outcomes: list[Any]) -> None:
            assert outcomes[1] == cart
            assert await stage.status(cart) == "converted"
            # A login that came too late links nothing, and leaves what is the user's alone.
            assert outcomes[0] in (cart, None)
            assert await stage.status(older) == ("active" if outcomes[0] is None else "expired")

        return [
            stage.link(user, visitor),
            lambda session: CartService(session).convert(visitor, order_id, user.id),
        ], judge

    await stage.play(scene)


async def test_a_recovery_and_an_update(stage: Stage) -> None:
    async def scene() -> Scene:
        a = await stage.product()
        cart, visitor = await stage.cart((a, 1))
        await stage.age(cart)

        async def judge(outcomes: list[Any]) -> None:
            assert outcomes[0] is None or isinstance(outcomes[0], NotAbandoned)
            assert (outcomes[1], await stage.content(cart)) == (cart, {a.id: 2})
            assert await stage.status(cart) == "active"

        def recover(session: AsyncSession) -> Any:
            return StaffCartService(session, stage.settings).recover(cart, STAFF)

        return [recover, stage.update(visitor, (a, 2))], judge

    await stage.play(scene)


async def test_a_login_without_locks_is_found(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """What these tests are worth: without its locks the merging goes wrong in some order, and that is seen."""
    assert "FOR UPDATE" in writing.LINKED.text
    careless = text(writing.LINKED.text.replace("FOR UPDATE", ""))
    anonymous = bindparam("anonymous", type_=Uuid())
    monkeypatch.setattr(writing, "LINKED", careless.bindparams(anonymous))
    monkeypatch.setattr(writing, "ONE_LINK_AT_A_TIME", text("SELECT CAST(:space AS int), CAST(:user AS bigint)"))
    with pytest.raises(AssertionError):
        await test_two_logins_of_one_user(stage)
