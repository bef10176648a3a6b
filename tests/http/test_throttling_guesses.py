"""Guessed passwords: bounded for each account and each address, over all three doors, however many come at once."""

import asyncio
import base64
from collections import Counter
from collections.abc import Sequence

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts.models import User
from app.domain.accounts.service.passwords import Passwords
from app.settings import Settings
from tests.factories import PASSWORD, bearer, make_user
from tests.http.limited import Client, beside
from tests.promos.market import Market

LIMIT = 6
RATES = {"login": f"{LIMIT}/hour"}


async def at_login(client: httpx.AsyncClient, name: str, password: str, **headers: str) -> int:
    body = {"username": name, "password": password}
    return (await client.post("/api/auth/login/", json=body, headers=headers)).status_code


async def at_token(client: httpx.AsyncClient, name: str, password: str, **headers: str) -> int:
    body = {"username": name, "password": password}
    return (await client.post("/api/token/", json=body, headers=headers)).status_code


async def at_basic(client: httpx.AsyncClient, name: str, password: str, **headers: str) -> int:
    credentials = base64.b64encode(f"{name}:{password}".encode()).decode()
    headers = {**headers, "Authorization": f"Basic {credentials}"}
    return (await client.get("/api/auth/me/", headers=headers)).status_code


DOORS = (at_login, at_token, at_basic)


def peers(throttled: Client, count: int) -> list[httpx.AsyncClient]:
    """Clients of as many addresses, at two applications by turns."""
    doors = [throttled(**RATES) for _ in range(2)]
    return [beside(doors[number % 2], f"198.51.100.{number}") for number in range(count)]


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every password that is compared with a hash."""
    seen: list[str] = []
    matches = Passwords.matches

    async def noted(self: Passwords, password: str, stored: str | None) -> bool:
        seen.append(password)
        return await matches(self, password, stored)

    monkeypatch.setattr(Passwords, "matches", noted)
    return seen


def names_of(user: User) -> Sequence[str]:
    """What a login takes for the account; the other doors know the user name alone."""
    return (user.username, user.email, user.email.upper())


async def test_an_account_has_so_many_failures(throttled: Client, db: AsyncSession, compared: list[str]) -> None:
    """From many addresses, by user name and e-mail, through all doors, at once."""
    user = await make_user(db)
    clients = peers(throttled, 12)
    calls = []
    for turn in range(120):
        client, door = clients[turn % 12], DOORS[turn % 3]
        name = names_of(user)[turn // 3 % 3] if door is at_login else user.username
        calls.append(door(client, name, f"wrong {turn}", **{"X-Forwarded-For": f"10.1.1.{turn}"}))
    found = Counter(await asyncio.gather(*calls))
    assert found == {401: LIMIT, 429: 120 - LIMIT}
    assert len(compared) == LIMIT
    assert await at_token(clients[0], user.username, PASSWORD) == 429


async def test_an_address_has_so_many_failures(throttled: Client, db: AsyncSession, compared: list[str]) -> None:
    """For accounts known and unknown, whatever the client says of its address."""
    known = [(await make_user(db)).username for _ in range(10)]
    names = [*known, *(f"nobody{number}" for number in range(10))]
    doors = [throttled(**RATES) for _ in range(2)]
    calls = []
    for turn in range(90):
        forged = {"X-Forwarded-For": f"10.1.1.{turn}", "X-Real-IP": f"10.2.1.{turn}", "Forwarded": f"for=10.3.1.{turn}"}
        calls.append(DOORS[turn % 3](doors[turn % 2], names[turn % 20], "wrong", **forged))
    found = Counter(await asyncio.gather(*calls))
    assert found == {401: LIMIT, 429: 90 - LIMIT}
    assert len(compared) == LIMIT


async def test_a_success_is_no_failure_and_forgives_none(throttled: Client, db: AsyncSession) -> None:
    user = await make_user(db)
    client = throttled(**RATES)
    for _ in range(2 * LIMIT):
        assert await at_token(client, user.username, PASSWORD) == 200
    for _ in range(LIMIT - 1):
        assert await at_token(client, user.username, "wrong") == 401
    assert await at_token(client, user.username, PASSWORD) == 200
    assert await at_token(client, user.username, "wrong") == 401
    assert await at_token(client, user.username, PASSWORD) == 429
    assert await at_basic(client, user.username, PASSWORD) == 429


async def test_names_that_nobody_has_are_counted_alike(throttled: Client) -> None:
    clients = peers(throttled, LIMIT + 2)
    found = [await at_token(client, "NoBody" if turn % 2 else "nobody", "x") for turn, client in enumerate(clients)]
    assert found == [401] * LIMIT + [429] * 2


async def test_any_name_can_be_tried(throttled: Client) -> None:
    client = throttled(login="1000/hour")
    for name in ("a" * 5000, "á" * 200, "\U0001f600", " "):
        assert await at_basic(client, name, "x") == 401


async def test_every_login_counts_in_its_scope(throttled: Client, db: AsyncSession) -> None:
    """Successes and failures alike."""
    user = await make_user(db)
    client = throttled(**RATES)
    found = [await at_login(client, user.username, PASSWORD) for _ in range(LIMIT)]
    assert found == [200] * LIMIT
    assert await at_login(client, user.username, PASSWORD) == 429
    assert await at_token(client, user.username, PASSWORD) == 200


async def test_a_remembered_password_is_no_attempt(throttled: Client, db: AsyncSession) -> None:
    """Clients of Basic send it each time, many at once."""
    user = await make_user(db)
    client = throttled(**RATES)
    assert await at_basic(client, user.username, PASSWORD) == 200
    found = await asyncio.gather(*(at_basic(client, user.username, PASSWORD) for _ in range(30)))
    assert set(found) == {200}


async def test_a_refusal_says_when(throttled: Client, db: AsyncSession) -> None:
    user = await make_user(db)
    client = throttled(login="1/minute")
    assert await at_token(client, user.username, "wrong") == 401
    answer = await client.post("/api/token/", json={"username": user.username, "password": "wrong"})
    assert answer.status_code == 429
    assert answer.headers["retry-after"] in {"59", "60"}
    assert answer.json()["detail"].startswith("Request was throttled. Expected available in ")


async def test_no_name_is_kept(throttled: Client, db: AsyncSession) -> None:
    client = throttled(**RATES)
    await at_token(client, "somebodys-secret-name", "x")
    keys = (await db.execute(text("SELECT key FROM throttle ORDER BY key"))).scalars().all()
    assert len(keys) == 2
    assert not any("secret" in key for key in keys)


async def test_a_dead_token_does_not_use_up_its_users_calls(
    throttled: Client, db: AsyncSession, settings: Settings
) -> None:
    """The hold's claim finds out in its own statement; until then the call has been counted."""
    user = await make_user(db)
    dead = bearer(settings, user)
    await db.execute(text("UPDATE users SET token_version = token_version + 1 WHERE id = :id"), {"id": user.id})
    await db.commit()
    client = throttled(user="3/hour")
    for _ in range(9):
        answer = await client.post("/cart/reserve", json={"promo_id": 1}, headers=dead)
        assert answer.status_code == 401
        assert "ratelimit-limit" not in answer.headers
    await db.refresh(user)
    alive = bearer(settings, user)
    found = [await client.post("/cart/reserve", json={"promo_id": 1}, headers=alive) for _ in range(4)]
    assert [answer.status_code for answer in found] == [404, 404, 404, 429]


async def test_a_refused_hold_takes_nothing(throttled: Client, db: AsyncSession, settings: Settings) -> None:
    client = throttled(user="1/hour")
    market = Market(client, db, settings)
    item, buyer = await market.item(stock=5), await market.buyer()
    promos = [await market.promo(item) for _ in range(3)]
    answers = await asyncio.gather(*(market.reserve(buyer, promo) for promo in promos))
    assert sorted(answer.status_code for answer in answers) == [201, 429, 429]
    assert await market.free(item.pool_id) == 4
