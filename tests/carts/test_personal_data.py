"""A user's carts in the export, and gone with the account."""

import httpx
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.settings import Settings
from tests.carts.test_linking import login
from tests.carts.visiting import CUSTOMER, line, put, row_of
from tests.factories import PASSWORD, bearer, make_user
from tests.factories_catalog import make_product


async def test_carts_are_exported_and_erased(client: httpx.AsyncClient, db: AsyncSession, settings: Settings) -> None:
    user, other = await make_user(db), await make_user(db)
    product = await make_product(db)
    bought, theirs, open_one = [(await put(client, line(product, 2), customer=CUSTOMER)).json() for _ in range(3)]
    await login(client, user, bought["anonymous_id"])
    await db.execute(
        text("UPDATE cart SET status = 'converted', converted_order_id = 7 WHERE id = :id"), {"id": bought["cart_id"]}
    )
    await db.commit()
    await login(client, user, open_one["anonymous_id"])
    await login(client, other, theirs["anonymous_id"])
    kept = await row_of(db, theirs["cart_id"])
    headers = bearer(settings, user)
    exported = (await client.get("/api/auth/me/export/", headers=headers)).json()["carts"]
    assert [(cart["id"], cart["status"]) for cart in exported] == [
        (bought["cart_id"], "converted"),
        (open_one["cart_id"], "active"),
    ]
    assert exported[1]["customer_email"] == CUSTOMER["email"]
    assert exported[1]["items"] == [
        {"product_id": product.id, "quantity": 2, "price": "1500.00", "variants": None, "variants_label": ""}
    ]
    answer = await client.request("DELETE", "/api/auth/me/", headers=headers, json={"password": PASSWORD})
    assert answer.status_code == 204
    row = await row_of(db, bought["cart_id"])
    assert (
        row["user_id"],
        row["anonymous_id"],
        row["customer_name"],
        row["customer_email"],
        row["customer_phone"],
    ) == (
        *(None, None),
        *("", "", ""),
    )
    found = await db.execute(text("SELECT id FROM cart ORDER BY id"))
    assert found.scalars().all() == sorted([bought["cart_id"], theirs["cart_id"]])
    await db.commit()
    assert await row_of(db, theirs["cart_id"]) == kept
