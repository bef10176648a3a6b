"""Visits to carts, as a client makes them, and a look behind the curtain."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

import httpx
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.catalog.models import Product

CARTS = "/api/orders/abandoned-carts/"
PUBLIC = f"{CARTS}public/cart/"
CUSTOMER = {"name": "Ana Paz", "email": "ana@example.com", "phone": "+54 11 5555-1234"}
Json = dict[str, Any]


def line(product: Product | int, quantity: int = 1, **fields: Any) -> Json:
    return {"product_id": product if isinstance(product, int) else product.id, "quantity": quantity, **fields}


async def put(
    client: httpx.AsyncClient, *lines: Json, anonymous_id: UUID | str | None = None, customer: Any = None
) -> httpx.Response:
    """A visitor's cart; one of its own unless an id is given."""
    body: Json = {"anonymous_id": str(anonymous_id or uuid4()), "items": list(lines)}
    if customer is not None:
        body["customer_info"] = customer
    return await client.post(PUBLIC, json=body)


async def see(client: httpx.AsyncClient, cart_id: int, headers: Mapping[str, str]) -> Json:
    """A cart as staff see it."""
    answer = await client.get(f"{CARTS}{cart_id}/", headers=dict(headers))
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def silent_for(db: AsyncSession, cart_id: int, span: str) -> None:
    """Let the cart's last visit be so long ago: `5 hours`."""
    move = text("UPDATE cart SET last_activity = clock_timestamp() - CAST(:span AS text)::interval WHERE id = :id")
    await db.execute(move, {"id": cart_id, "span": span})
    await db.commit()


async def row_of(db: AsyncSession, cart_id: int) -> Mapping[str, Any]:
    await db.commit()
    found = await db.execute(text("SELECT * FROM cart WHERE id = :id"), {"id": cart_id})
    row: Mapping[str, Any] = found.mappings().one()
    await db.commit()
    return row
