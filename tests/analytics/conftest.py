"""Orders as rows, and what staff are told of them."""

import datetime as dt
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.settings import Settings
from tests.factories import bearer, make_staff

Sell = Callable[..., Awaitable[int]]
Ask = Callable[..., Awaitable[Any]]
ZONE = ZoneInfo("America/Argentina/Buenos_Aires")
SELL = text("""
    INSERT INTO orders
        (recipient_name, customer_email, status, archived_from, is_temporary, subtotal, total, created_at)
    VALUES ('Ana', 'ana@example.com', :status, :archived_from, :temporary, :total, :total, :at) RETURNING id
""")


def at(moment: str) -> dt.datetime:
    """A moment of the shop's clock."""
    return dt.datetime.fromisoformat(moment).replace(tzinfo=ZONE)


@pytest.fixture
def sell(db: AsyncSession) -> Sell:
    """One order, committed."""

    async def order(
        moment: str,
        total: str,
        status: str = "paid",
        *,
        archived_from: str | None = None,
        temporary: bool = False,
    ) -> int:
        values = {
            "status": status,
            "archived_from": archived_from,
            "temporary": temporary,
            "total": Decimal(total),
            "at": at(moment),
        }
        order_id: int = (await db.execute(SELL, values)).scalar_one()
        await db.commit()
        return order_id

    return order


@pytest.fixture
async def ask(client: httpx.AsyncClient, db: AsyncSession, settings: Settings) -> Ask:
    """`ask("analytics", period="day")` as a member of staff."""
    headers = bearer(settings, await make_staff(db))

    async def statistics(what: str, status: int = 200, **query: str) -> Any:
        answer = await client.get(f"/api/statistics/{what}/", params=query, headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    return statistics
