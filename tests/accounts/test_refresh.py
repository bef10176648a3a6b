import asyncio
import datetime as dt
import time
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts import tokens
from app.domain.accounts.models import RefreshToken, User
from app.settings import Settings
from tests.accounts.forgeries import FORGERIES, Forge, good
from tests.factories import PASSWORD, make_user

REFRESH = "/api/auth/token/refresh/"
BLACKLISTED = (401, {"detail": "Token is blacklisted", "code": "token_not_valid"})
INVALID = (401, {"detail": "Token is invalid", "code": "token_not_valid"})
GONE = (401, {"detail": "No active account found for the given token."})


async def login(client: httpx.AsyncClient, user: User) -> str:
    answer = await client.post("/api/token/", json={"username": user.username, "password": PASSWORD})
    return str(answer.json()["refresh"])


async def refresh(client: httpx.AsyncClient, token: str, path: str = REFRESH) -> httpx.Response:
    return await client.post(path, json={"refresh": token})


async def said(client: httpx.AsyncClient, token: str) -> tuple[int, Any]:
    answer = await refresh(client, token)
    assert answer.status_code == 200 or answer.headers["www-authenticate"] == 'Bearer realm="api"'
    return answer.status_code, answer.json()


async def rotated(client: httpx.AsyncClient, token: str) -> str:
    answer = await refresh(client, token)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["refresh"])


async def states(db: AsyncSession) -> list[tuple[bool, bool]]:
    """(rotated, revoked) of every stored token, oldest first."""
    rows = await db.execute(
        select(RefreshToken.rotated_at.is_not(None), RefreshToken.revoked_at.is_not(None)).order_by(
            RefreshToken.created_at
        )
    )
    return [(bool(spent), bool(dead)) for spent, dead in rows]


async def let_grace_pass(db: AsyncSession) -> None:
    await db.execute(update(RefreshToken).values(rotated_at=RefreshToken.rotated_at - dt.timedelta(seconds=11)))
    await db.commit()


def jti_of(token: str, settings: Settings) -> UUID:
    return UUID(tokens.read([settings.secret_key], token, "refresh", now=int(time.time())).jti)


@pytest.mark.parametrize("path", [REFRESH, "/api/token/refresh/", "/api/token/refresh"])
async def test_a_refresh_gives_a_new_pair_of_the_same_family(
    client: httpx.AsyncClient, db: AsyncSession, settings: Settings, path: str
) -> None:
    user = await make_user(db)
    first = await login(client, user)
    answer = await refresh(client, first, path)
    assert answer.status_code == 200
    assert list(answer.json()) == ["access", "refresh"]
    second = answer.json()["refresh"]
    child = (await db.execute(select(RefreshToken).where(RefreshToken.jti == jti_of(second, settings)))).scalar_one()
    assert (child.family, child.parent, child.user_id) == (jti_of(first, settings), jti_of(first, settings), user.id)
    me = await client.get("/api/auth/me/", headers={"Authorization": f"Bearer {answer.json()['access']}"})
    assert (me.status_code, me.json()["id"]) == (200, user.id)
    assert await states(db) == [(True, False), (False, False)]


async def test_reuse_within_the_grace_time_is_refused_and_the_family_lives(
    client: httpx.AsyncClient, db: AsyncSession
) -> None:
    first = await login(client, await make_user(db))
    second = await rotated(client, first)
    assert await said(client, first) == BLACKLISTED
    assert await states(db) == [(True, False), (False, False)]
    await rotated(client, second)


@pytest.mark.goal("S4", "forged, stale and stolen tokens: none is let in", "reuses")
async def test_reuse_after_the_grace_time_kills_the_family_and_the_kill_survives_the_401(
    client: httpx.AsyncClient, db: AsyncSession
) -> None:
    user = await make_user(db)
    other = await login(client, user)
    first = await login(client, user)
    third = await rotated(client, await rotated(client, first))
    await let_grace_pass(db)
    assert await said(client, first) == BLACKLISTED
    assert await states(db) == [(False, False), (True, True), (True, True), (False, True)]
    assert await said(client, third) == BLACKLISTED
    # Another login of the same user is another family.
    await rotated(client, other)


async def test_a_spent_token_is_spent_in_every_spelling(client: httpx.AsyncClient, db: AsyncSession) -> None:
    """What is known of a token is known by its id: a character more makes no other token of it."""
    first = await login(client, await make_user(db))
    second = await rotated(client, first)
    for spelled in (first, f"{first}=", f"{first}==", f" {first} "):
        assert (await refresh(client, spelled)).status_code in {400, 401}, spelled
    assert await states(db) == [(True, False), (False, False)]
    assert (await client.post("/api/auth/logout/", json={"refresh": second})).status_code == 200
    for spelled in (second, f"{second}=", f"{second}==", f" {second} "):
        assert (await refresh(client, spelled)).status_code in {400, 401}, spelled
    assert await states(db) == [(True, True), (False, True)]


async def test_a_revoked_token_is_refused(client: httpx.AsyncClient, db: AsyncSession) -> None:
    token = await login(client, await make_user(db))
    await db.execute(update(RefreshToken).values(revoked_at=func.now()))
    await db.commit()
    assert await said(client, token) == BLACKLISTED


@pytest.mark.goal("S4", "forged, stale and stolen tokens: none is let in", "races of 50 refreshes")
@pytest.mark.races
async def test_of_50_parallel_refreshes_one_gets_the_pair(
    client: httpx.AsyncClient, db: AsyncSession, full_rounds: bool
) -> None:
    user = await make_user(db)
    for _ in range(20 if full_rounds else 3):
        token = await login(client, user)
        answers = await asyncio.gather(*(refresh(client, token) for _ in range(50)))
        winners = [answer for answer in answers if answer.status_code == 200]
        losers = [(answer.status_code, answer.json()) for answer in answers if answer.status_code != 200]
        assert len(winners) == 1
        assert losers == [BLACKLISTED] * 49
        assert await states(db) == [(True, False), (False, False)]
        await rotated(client, winners[0].json()["refresh"])
        await db.execute(delete(RefreshToken))
        await db.commit()


@pytest.mark.races
async def test_a_family_that_dies_while_it_is_refreshed_leaves_no_live_token(
    client: httpx.AsyncClient, db: AsyncSession, full_rounds: bool
) -> None:
    user = await make_user(db)
    for _ in range(100 if full_rounds else 5):
        first = await login(client, user)
        second = await rotated(client, first)
        await let_grace_pass(db)
        answers = await asyncio.gather(refresh(client, second), refresh(client, first))
        assert answers[1].status_code == 401
        live = select(func.count()).where(RefreshToken.rotated_at.is_(None), RefreshToken.revoked_at.is_(None))
        assert (await db.execute(live)).scalar_one() == 0
        await db.execute(delete(RefreshToken))
        await db.commit()


async def test_of_an_inactive_user_nothing_is_spent(client: httpx.AsyncClient, db: AsyncSession) -> None:
    user = await make_user(db)
    token = await login(client, user)
    await db.execute(update(User).values(is_active=False))
    await db.commit()
    assert await said(client, token) == GONE
    assert await states(db) == [(False, False)]


async def test_of_a_deleted_user(client: httpx.AsyncClient, db: AsyncSession) -> None:
    token = await login(client, await make_user(db))
    await db.execute(text("DELETE FROM users"))
    await db.commit()
    assert await said(client, token) == GONE


async def test_a_raised_version_ends_every_refresh_token(client: httpx.AsyncClient, db: AsyncSession) -> None:
    user = await make_user(db)
    family = [await login(client, user)]
    for _ in range(5):
        family.append(await rotated(client, family[-1]))
    await db.execute(update(User).values(token_version=User.token_version + 1))
    await db.commit()
    assert [await said(client, token) for token in family] == [BLACKLISTED] * 6
    assert len(await states(db)) == 6


async def test_an_expired_token_and_an_access_token(
    client: httpx.AsyncClient, db: AsyncSession, settings: Settings
) -> None:
    user = await make_user(db)
    old = tokens.mint(
        settings.secret_key,
        "refresh",
        user_id=user.id,
        version=0,
        jti=uuid4(),
        now=int(time.time()) - tokens.LIFETIME_SECONDS["refresh"],
    )
    assert await said(client, old) == (401, {"detail": "Token is expired", "code": "token_not_valid"})
    access = tokens.mint(settings.secret_key, "access", user_id=user.id, version=0, jti=uuid4(), now=int(time.time()))
    assert await said(client, access) == (401, {"detail": "Token has wrong type", "code": "token_not_valid"})


async def test_a_signed_token_that_nobody_was_given(
    client: httpx.AsyncClient, db: AsyncSession, settings: Settings
) -> None:
    user = await make_user(db)
    claims = {"token_type": "refresh", "exp": int(time.time()) + 60, "user_id": str(user.id), "ver": 0}
    for jti in (uuid4().hex, "no-uuid"):
        assert await said(client, good(claims | {"jti": jti}, settings.secret_key)) == INVALID
    assert await states(db) == []


async def test_a_token_of_one_user_under_the_name_of_another(
    client: httpx.AsyncClient, db: AsyncSession, settings: Settings
) -> None:
    mine, theirs = await make_user(db), await make_user(db)
    jti = jti_of(await login(client, mine), settings)
    forged = tokens.mint(settings.secret_key, "refresh", user_id=theirs.id, version=0, jti=jti, now=int(time.time()))
    assert await said(client, forged) == INVALID
    assert await states(db) == [(False, False)]


@pytest.mark.goal("S4", "forged, stale and stolen tokens: none is let in", "forgeries at the refresh")
@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES.keys())
async def test_forged_refresh_tokens_are_refused_and_spend_nothing(
    client: httpx.AsyncClient, db: AsyncSession, settings: Settings, forge: Forge
) -> None:
    user = await make_user(db)
    jti = jti_of(await login(client, user), settings)
    claims = {
        "token_type": "refresh",
        "exp": int(time.time()) + 60,
        "iat": int(time.time()),
        "jti": jti.hex,
        "user_id": str(user.id),
        "ver": 0,
    }
    status, body = await said_or_400(client, forge(claims, settings.secret_key))
    assert (status, body) == INVALID or (status, list(body)) == (400, ["refresh"])
    assert await states(db) == [(False, False)]
    # Soundness of the test: the same claims, honestly signed, are taken.
    assert (await refresh(client, good(claims, settings.secret_key))).status_code == 200


async def said_or_400(client: httpx.AsyncClient, token: str) -> tuple[int, Any]:
    answer = await refresh(client, token)
    return answer.status_code, answer.json()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "This field is required."),
        ({"refresh": ""}, "This field may not be blank."),
        ({"refresh": None}, "This field may not be null."),
        ({"refresh": ["x"]}, "Not a valid string."),
    ],
)
async def test_without_a_token_it_is_400(client: httpx.AsyncClient, body: Any, message: str) -> None:
    answer = await client.post(REFRESH, json=body)
    assert (answer.status_code, answer.json()) == (400, {"refresh": [message]})
