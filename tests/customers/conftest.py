"""What the tests of customers share: staff, and orders as rows."""

import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts.models import User
from app.domain.orders.models import Order
from app.server import Relampago
from app.settings import Settings
from tests.factories import bearer, make_staff

CUSTOMERS = "/api/auth/customers/"
NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
MakeOrder = Callable[..., Awaitable[Order]]


@pytest.fixture
async def boss(db: AsyncSession) -> User:
    return await make_staff(db, username="boss", email="boss@example.com", first_name="La", last_name="Jefa")


@pytest.fixture
def staff(settings: Settings, boss: User) -> dict[str, str]:
    return bearer(settings, boss)


@pytest.fixture
async def office(app: Relampago, staff: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    """A client that is signed in as staff."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver", headers=staff) as http:
        yield http


@pytest.fixture
def make_order(db: AsyncSession) -> MakeOrder:
    """A committed order of a user; `hours` after noon of a day."""

    async def make(user: User | None, total: str = "100.00", hours: int = 0, **fields: Any) -> Order:
        values = {"recipient_name": "Ana Paz", "customer_email": "ana@example.com", "status": "paid"} | fields
        amounts = {"subtotal": Decimal(total), "total": Decimal(total)}
        order = Order(
            user_id=user.id if user else None, created_at=NOON + dt.timedelta(hours=hours), **(amounts | values)
        )
        db.add(order)
        await db.commit()
        return order

    return make
