"""An order converts the cart that it names: once, and only its own."""

import asyncio
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.domain.carts.models import Cart
from app.domain.carts.service.conversion import CartConverted, CartService
from tests.factories import make_user

Sessions = async_sessionmaker[AsyncSession]


async def make_cart(db: AsyncSession, **fields: object) -> Cart:
    cart = Cart(anonymous_id=uuid4(), **fields)
    db.add(cart)
    await db.commit()
    await db.refresh(cart)
    db.expunge(cart)
    return cart


async def convert(sessions: Sessions, anonymous_id: str | UUID | None, order_id: int, user_id: int) -> int | None:
    async with sessions() as session, session.begin():
        return await CartService(session).convert(anonymous_id, order_id, user_id)


async def state_of(db: AsyncSession, cart: Cart) -> tuple[str, int | None, int | None]:
    await db.commit()
    row = (await db.execute(select(Cart.status, Cart.converted_order_id, Cart.user_id).where(Cart.id == cart.id))).one()
    return row.status, row.converted_order_id, row.user_id


@pytest.mark.parametrize("owned", [False, True])
async def test_a_cart_becomes_the_buyers_and_the_orders(db: AsyncSession, sessions: Sessions, owned: bool) -> None:
    user = await make_user(db)
    cart = await make_cart(db, user_id=user.id if owned else None)
    assert await convert(sessions, str(cart.anonymous_id), 41, user.id) == cart.id
    assert await state_of(db, cart) == ("converted", 41, user.id)


async def test_a_second_order_of_a_cart_is_refused(db: AsyncSession, sessions: Sessions) -> None:
    user = await make_user(db)
    cart = await make_cart(db)
    await convert(sessions, cart.anonymous_id, 41, user.id)
    with pytest.raises(CartConverted) as refused:
        await convert(sessions, cart.anonymous_id, 42, user.id)
    assert refused.value.order_id == 41
    assert await state_of(db, cart) == ("converted", 41, user.id)


async def test_somebody_elses_cart_is_left_alone(db: AsyncSession, sessions: Sessions) -> None:
    owner, other = await make_user(db), await make_user(db)
    cart = await make_cart(db, user_id=owner.id)
    assert await convert(sessions, cart.anonymous_id, 41, other.id) is None
    assert await state_of(db, cart) == ("active", None, owner.id)
    await convert(sessions, cart.anonymous_id, 41, owner.id)
    assert await convert(sessions, cart.anonymous_id, 42, other.id) is None


@pytest.mark.parametrize(
    "bad", [None, "", "x", "6f1c2b34-e62b-11f0-8000-02fc00000001", "6f1c2b34-0000-4000-8000-000000000000", "a" * 10_000]
)
async def test_an_unknown_cart_is_ignored(db: AsyncSession, sessions: Sessions, bad: str | None) -> None:
    user = await make_user(db)
    assert await convert(sessions, bad, 41, user.id) is None


async def test_of_many_tabs_one_converts(db: AsyncSession, sessions: Sessions) -> None:
    user = await make_user(db)
    cart = await make_cart(db)
    answers = await asyncio.gather(
        *(convert(sessions, cart.anonymous_id, order, user.id) for order in range(1, 9)), return_exceptions=True
    )
    assert answers.count(cart.id) == 1
    assert sum(isinstance(each, CartConverted) for each in answers) == 7
