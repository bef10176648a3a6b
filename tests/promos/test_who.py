"""Who is calling: both schemes everywhere, and tokens that died between their signature and their use."""

import time
from base64 import b64encode
from typing import Any
from uuid import uuid4

import pytest

from app.domain.accounts import tokens
from app.domain.accounts.models import User
from tests.factories import PASSWORD
from tests.promos.market import Market

OPERATIONS = [
    ("GET", "/promos/active"),
    ("POST", "/cart/reserve"),
    ("PUT", "/cart/checkout"),
    ("PUT", "/cart/cancel"),
    ("GET", "/admin/promos/"),
    ("POST", "/admin/promos/"),
]
INVALID = {
    "detail": "Given token not valid for any token type",
    "code": "token_not_valid",
    "messages": [{"token_class": "AccessToken", "token_type": "access", "message": "Token is invalid"}],
}
EXPIRED = INVALID | {
    "messages": [{"token_class": "AccessToken", "token_type": "access", "message": "Token is expired"}]
}
INACTIVE = {"detail": "User is inactive", "code": "user_inactive"}
UNKNOWN = {"detail": "User not found", "code": "user_not_found"}


def signed(market: Market, kind: tokens.Kind = tokens.ACCESS, **claims: Any) -> dict[str, str]:
    values: dict[str, Any] = {"user_id": 1, "version": 0, "jti": uuid4(), "now": int(time.time())} | claims
    return {"Authorization": f"Bearer {tokens.mint(market.settings.secret_key, kind, **values)}"}


def basic(user: User, password: str = PASSWORD) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{user.username}:{password}".encode()).decode()}


async def bodies(market: Market) -> dict[str, Any]:
    """What each operation would take, so that only the caller is in doubt."""
    holder = await market.buyer()
    promo = await market.promo(await market.item())
    token = await market.hold(holder, promo)
    return {"/cart/reserve": {"promo_id": promo}, "/cart/checkout": {"token": token}, "/cart/cancel": {"token": token}}


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
async def test_dead_tokens(market: Market, method: str, path: str) -> None:
    body = (await bodies(market)).get(path)
    user, blocked = await market.buyer(token_version=3), await market.buyer(is_active=False)
    gone = 987654321
    cases = [
        (signed(market, user_id=user.id, version=2), INVALID),
        (signed(market, user_id=user.id, version=4), INVALID),
        (signed(market, user_id=user.id, version=2**63 - 1), INVALID),
        (signed(market, user_id=blocked.id), INACTIVE),
        (signed(market, user_id=blocked.id, version=7), INACTIVE),
        (signed(market, user_id=gone), UNKNOWN),
        (signed(market, user_id=2**63 - 1), UNKNOWN),
        (signed(market, user_id=user.id, version=3, now=int(time.time()) - 3601), EXPIRED),
        ({"Authorization": "Bearer x.y.z"}, INVALID),
    ]
    before = await market.stored()
    for headers, refusal in cases:
        answer = await market.client.request(method, path, json=body, headers=headers)
        assert (answer.status_code, answer.json()) == (401, refusal)
        assert answer.headers["www-authenticate"] == 'Basic realm="api"'
    assert await market.stored() == before


async def test_a_refresh_token_opens_nothing(market: Market) -> None:
    user = await market.buyer()
    wrong = [{"token_class": "AccessToken", "token_type": "access", "message": "Token has wrong type"}]
    for method, path in OPERATIONS:
        headers = signed(market, tokens.REFRESH, user_id=user.id)
        answer = await market.client.request(method, path, json={}, headers=headers)
        assert (answer.status_code, answer.json()) == (401, INVALID | {"messages": wrong})


async def test_a_dead_token_among_good_ones_in_one_batch(market: Market) -> None:
    """A claim's token is judged in the claim's own statement, which it shares with others."""
    item = await market.item(stock=2)
    promo = await market.promo(item)
    good, stale = await market.buyer(), await market.buyer(token_version=1)
    claim = "SELECT verdict FROM promo_claim(ARRAY[:users], ARRAY[0, 0, 0], ARRAY[:promos], ARRAY[1, 1, 1], 60, false)"
    claim = claim.replace(":users", f"{stale.id}, 987654321, {good.id}").replace(
        ":promos", f"{promo}, {promo}, {promo}"
    )
    assert [verdict for (verdict,) in await market.run(claim)] == ["stale_token", "no_user", "new"]
    assert await market.free(item.pool_id) == 1


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
async def test_anonymous_is_asked_for_basic_first(market: Market, method: str, path: str) -> None:
    body = (await bodies(market)).get(path)
    before = await market.stored()
    for prefix in ("", "/api"):
        answer = await market.client.request(method, prefix + path, json=body)
        assert answer.status_code == 401
        assert answer.json() == {"detail": "Authentication credentials were not provided."}
        assert answer.headers["www-authenticate"] == 'Basic realm="api"'
    assert await market.stored() == before


async def test_the_whole_journey_with_basic(market: Market) -> None:
    user = await market.buyer()
    promo, other = [await market.promo(await market.item()) for _ in range(2)]
    headers = basic(user)
    (first, _) = (await market.client.get("/promos/active", headers=headers)).json()
    assert first["id"] == promo
    held = await market.client.post("/cart/reserve", json={"promo_id": promo}, headers=headers)
    assert (held.status_code, held.json()["user"]) == (201, user.id)
    # What one scheme began, the other ends.
    assert (await market.checkout(user, held.json()["token"])).status_code == 200
    token = await market.hold(user, other)
    cancelled = await market.client.put("/cart/cancel", json={"token": token}, headers=headers)
    assert cancelled.json()["status"] == "cancelled"


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
async def test_wrong_basic_credentials(market: Market, method: str, path: str) -> None:
    user, blocked = await market.buyer(), await market.buyer(is_active=False)
    before = await market.stored()
    for headers in (basic(user, "wrong"), basic(blocked)):
        answer = await market.client.request(method, path, json={}, headers=headers)
        assert (answer.status_code, answer.json()) == (401, {"detail": "Invalid username/password."})
        assert answer.headers["www-authenticate"] == 'Basic realm="api"'
    assert await market.stored() == before
