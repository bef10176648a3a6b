"""Paths as the contract writes them, with their silent aliases: below /api, with and without the final slash."""

import itertools

import pytest

from tests.promos.market import Market

SPELLINGS = ["{}", "{}/", "/api{}", "/api{}/"]


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_every_operation_at_every_spelling(market: Market, spelling: str) -> None:
    promo, buyer, staff = (
        await market.promo(await market.item(), per_user_limit=2),
        await market.buyer(),
        await market.staff(),
    )
    headers = market.headers(buyer)

    async def call(method: str, path: str, body: object = None, who: dict[str, str] = headers) -> tuple[int, object]:
        answer = await market.client.request(method, spelling.format(path), json=body, headers=who)
        return answer.status_code, answer.json()

    assert [one["id"] for one in (await call("GET", "/promos/active"))[1]] == [promo]  # type: ignore[attr-defined]
    status, held = await call("POST", "/cart/reserve", {"promo_id": promo})
    assert status == 201
    token = held["token"]  # type: ignore[index]
    assert (await call("PUT", "/cart/cancel", {"token": token}))[0] == 200
    token = await market.hold(buyer, promo)
    assert (await call("PUT", "/cart/checkout", {"token": token}))[0] == 200
    assert (await call("GET", "/admin/promos", who=staff))[1]["count"] == 1  # type: ignore[index]
    assert (await call("POST", "/admin/promos", {}, who=staff))[0] == 400
    assert (await call("GET", f"/admin/promos/{promo}", who=staff))[0] == 200
    assert (await call("PATCH", f"/admin/promos/{promo}", {}, who=staff))[0] == 400
    assert (await call("GET", f"/admin/promos/{promo}/reservations", who=staff))[1]["count"] == 2  # type: ignore[index]
    assert (await call("POST", f"/admin/promos/{promo}/cancel", who=staff))[0] == 200


WRONG = [
    ("GET", "/cart/reserve", {"POST", "OPTIONS"}),
    ("PUT", "/cart/reserve", {"POST", "OPTIONS"}),
    ("POST", "/cart/checkout", {"PUT", "OPTIONS"}),
    ("DELETE", "/cart/cancel", {"PUT", "OPTIONS"}),
    ("POST", "/promos/active", {"GET", "HEAD", "OPTIONS"}),
    ("PUT", "/admin/promos/", {"GET", "POST", "HEAD", "OPTIONS"}),
    ("DELETE", "/admin/promos/1/", {"GET", "PATCH", "HEAD", "OPTIONS"}),
    ("GET", "/admin/promos/1/cancel/", {"POST", "OPTIONS"}),
]


@pytest.mark.parametrize(("method", "path", "allowed"), WRONG)
async def test_other_methods(market: Market, method: str, path: str, allowed: set[str]) -> None:
    answer = await market.client.request(method, path, headers=await market.staff())
    assert (answer.status_code, answer.json()) == (405, {"detail": f'Method "{method}" not allowed.'})
    assert set(answer.headers["allow"].split(", ")) == allowed


async def test_head_and_options(market: Market) -> None:
    await market.promo(await market.item())
    headers = market.headers(await market.buyer())
    read = await market.client.get("/promos/active", headers=headers)
    head = await market.client.head("/promos/active", headers=headers)
    assert (head.status_code, head.content, head.headers["content-type"]) == (200, b"", read.headers["content-type"])
    options = await market.client.options("/cart/reserve", headers=headers)
    assert (options.status_code, set(options.headers["allow"].split(", "))) == (200, {"POST", "OPTIONS"})


async def test_answers_are_nobody_elses_to_keep(market: Market) -> None:
    promo, headers = await market.promo(await market.item()), market.headers(await market.buyer())
    requests = (
        market.client.get("/promos/active", headers=headers),
        market.client.post("/cart/reserve", json={"promo_id": promo}, headers=headers),
        market.client.post("/cart/reserve", json={"promo_id": 987654321}, headers=headers),
    )
    answers = [await request for request in requests]
    assert [answer.status_code for answer in answers] == [200, 201, 404]
    for answer, name in itertools.product(answers, ("x-request-id", "x-content-type-options")):
        assert answer.headers[name]
    assert {answer.headers["cache-control"] for answer in answers} == {"no-store"}
