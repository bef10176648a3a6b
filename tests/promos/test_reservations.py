"""`GET /admin/promos/{id}/reservations/`: who holds, held or bought; never a token."""

from typing import Any

from tests.promos.market import Market


async def listed(market: Market, promo: int, query: str = "") -> Any:
    answer = await market.client.get(f"/admin/promos/{promo}/reservations/{query}", headers=await market.staff())
    assert answer.status_code == 200
    return answer.json()


async def test_live_and_finished_newest_first(market: Market) -> None:
    promo = await market.promo(await market.item(stock=9), per_user_limit=2)
    other = await market.promo(await market.item())
    names = ({"first_name": "Eva", "last_name": "Luna"}, {"first_name": "", "last_name": "", "username": "evita"})
    buyers = [await market.buyer(**name) for name in (*names, *names[:1] * 3)]
    tokens = [await market.hold(buyer, promo, 1 + place % 2) for place, buyer in enumerate(buyers)]
    await market.hold(buyers[0], other)
    order = (await market.checkout(buyers[1], tokens[1])).json()["order"]
    await market.cancel(buyers[2], tokens[2])
    await market.expire(tokens[3])
    await market.expire(tokens[4])
    await market.cancel(buyers[4], tokens[4])
    page = await listed(market, promo)
    assert (page["count"], page["next"], page["previous"]) == (5, None, None)
    rows = page["results"]
    assert [(row["user"], row["user_name"], row["quantity"], row["status"], row["order"]) for row in rows] == [
        (buyers[4].id, "Eva Luna", 1, "expired", None),
        (buyers[3].id, "Eva Luna", 2, "expired", None),
        (buyers[2].id, "Eva Luna", 1, "cancelled", None),
        (buyers[1].id, "evita", 2, "confirmed", order),
        (buyers[0].id, "Eva Luna", 1, "held", None),
    ]
    assert [row["finished_at"] is None for row in rows] == [False, True, False, False, True]
    assert rows[4].keys() == {
        *("id", "user", "user_name", "quantity", "status", "unit_price", "created_at", "expires_at", "finished_at"),
        "order",
    }
    assert rows[4]["unit_price"] == "1000.00"
    assert rows[4]["created_at"] < rows[4]["expires_at"]
    assert not any(token in str(page) for token in tokens)


async def test_it_is_paged(market: Market) -> None:
    promo = await market.promo(await market.item(stock=12))
    for _ in range(11):
        await market.hold(await market.buyer(), promo)
    first, second = await listed(market, promo), await listed(market, promo, "?page=2")
    assert (first["count"], len(first["results"]), len(second["results"])) == (11, 10, 1)
    assert first["next"] == f"http://testserver/admin/promos/{promo}/reservations/?page=2"
    ids = [row["id"] for row in first["results"] + second["results"]]
    assert ids == sorted(ids, reverse=True)
    assert (await listed(market, promo, "?page_size=1000"))["results"] == first["results"] + second["results"]


async def test_there_may_be_none(market: Market) -> None:
    promo = await market.promo(await market.item())
    assert await listed(market, promo) == {"count": 0, "next": None, "previous": None, "results": []}


async def test_a_holder_who_is_gone_leaves_the_row(market: Market) -> None:
    promo, buyer = await market.promo(await market.item()), await market.buyer()
    await market.cancel(buyer, await market.hold(buyer, promo))
    await market.run("DELETE FROM users WHERE id = :id", id=buyer.id)
    (row,) = (await listed(market, promo))["results"]
    assert (row["user"], row["user_name"], row["status"]) == (buyer.id, "", "cancelled")
