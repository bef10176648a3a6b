import asyncio
import base64
import time
from typing import Any
from uuid import uuid4

import httpx
import pytest
from litestar import Request
from sqlalchemy import func, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts import tokens
from app.domain.accounts.models import User
from app.domain.accounts.rules.doors import AccessTokenRefused
from app.domain.accounts.service.authenticator import Authenticator
from app.domain.accounts.service.passwords import Passwords
from app.errors import NotAuthenticated
from app.http.principal import Claim
from app.server import Relampago
from app.settings import Settings
from tests.accounts.forgeries import FORGERIES, Forge, good
from tests.factories import PASSWORD, bearer, make_user

ME = "/api/auth/me/"
ANONYMOUS = (401, {"detail": "Authentication credentials were not provided."})
TWO_VALUES = (
    401,
    {
        "detail": "Authorization header must contain two space-delimited values",
        "code": "bad_authorization_header",
    },
)
WRONG_BASIC = (401, {"detail": "Invalid username/password."})


def token_refused(message: str) -> tuple[int, Any]:
    return 401, {
        "detail": "Given token not valid for any token type",
        "code": "token_not_valid",
        "messages": [{"token_class": "AccessToken", "token_type": "access", "message": message}],
    }


def basic(username: str, password: str, scheme: str = "Basic") -> dict[str, str]:
    pair = base64.b64encode(f"{username}:{password}".encode()).decode()
    return {"Authorization": f"{scheme} {pair}"}


async def said(client: httpx.AsyncClient, headers: Any, path: str = ME) -> tuple[int, Any]:
    answer = await client.get(path, headers=headers)
    assert answer.status_code == 200 or answer.headers["www-authenticate"] == 'Bearer realm="api"'
    return answer.status_code, answer.json()


def claims_of(user: User) -> dict[str, Any]:
    now = int(time.time())
    return {
        "token_type": "access",
        "exp": now + 60,
        "iat": now,
        "jti": uuid4().hex,
        "user_id": str(user.id),
        "ver": user.token_version,
    }


@pytest.mark.parametrize("headers", [{}, *({"Authorization": value} for value in ("", "Token abc", "bearer x", "x"))])
async def test_no_header_or_another_scheme_is_anonymous(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    assert await said(client, headers) == ANONYMOUS


@pytest.mark.parametrize("value", ["Bearer", "Bearer a b", "Bearer  "])
async def test_bearer_takes_two_values(client: httpx.AsyncClient, value: str) -> None:
    assert await said(client, {"Authorization": value}) == TWO_VALUES


async def test_two_headers_are_refused(client: httpx.AsyncClient, db: AsyncSession, settings: Settings) -> None:
    one = bearer(settings, await make_user(db))["Authorization"]
    assert await said(client, [("Authorization", one), ("Authorization", one)]) == TWO_VALUES
    assert await said(client, {"Authorization": f"{one}, {one}"}) == TWO_VALUES


async def test_a_good_token_is_let_in_and_two_tokens_are_not(
    client: httpx.AsyncClient, db: AsyncSession, settings: Settings
) -> None:
    headers = bearer(settings, await make_user(db))
    assert (await said(client, headers))[0] == 200
    doubled = headers["Authorization"] + "," + headers["Authorization"].removeprefix("Bearer ")
    assert await said(client, {"Authorization": doubled}) == token_refused("Token is invalid")


async def test_expired_and_refresh_tokens(client: httpx.AsyncClient, db: AsyncSession, settings: Settings) -> None:
    user = await make_user(db)
    expired = good(claims_of(user) | {"exp": int(time.time()) - 1}, settings.secret_key)
    assert await said(client, {"Authorization": f"Bearer {expired}"}) == token_refused("Token is expired")
    other = good(claims_of(user) | {"token_type": "refresh"}, settings.secret_key)
    assert await said(client, {"Authorization": f"Bearer {other}"}) == token_refused("Token has wrong type")


# With the refresh and the logout (test_refresh.py, test_sessions.py) there are six.
DOORS = [
    ("GET", ME, 200),
    # Its guard reads the claim alone; whether its user is there is asked by the statement that holds.
    ("POST", "/cart/reserve", 404),
    # Open to everybody, but not to who shows a bad token.
    ("GET", "/api/categories/", 200),
    ("GET", "/api/auth/customers/", 200),
]


@pytest.mark.goal(
    "S4", "forged, stale and stolen tokens: none is let in", "forgeries at doors of four guards", quick=len(DOORS)
)
@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES.keys())
async def test_forgeries_are_refused(
    client: httpx.AsyncClient, db: AsyncSession, settings: Settings, forge: Forge
) -> None:
    user = await make_user(db, is_superuser=True)
    claims = claims_of(user)
    forged = b"Bearer " + forge(claims, settings.secret_key).encode()
    honest = {"Authorization": f"Bearer {good(claims, settings.secret_key)}"}
    for method, path, status in DOORS:
        body = {"promo_id": 999_999_999} if method == "POST" else None
        answer = await client.request(method, path, headers=[(b"Authorization", forged)], json=body)
        assert (answer.status_code, answer.json()) in (token_refused("Token is invalid"), TWO_VALUES), path
        # Soundness of the test: the same claims, honestly signed, are let in.
        assert (await client.request(method, path, headers=honest, json=body)).status_code == status, path


async def test_a_deleted_user(client: httpx.AsyncClient, db: AsyncSession, settings: Settings) -> None:
    headers = bearer(settings, await make_user(db))
    await db.execute(text("DELETE FROM users"))
    await db.commit()
    assert await said(client, headers) == (401, {"detail": "User not found", "code": "user_not_found"})


async def test_a_blocked_user_is_out_at_the_next_request(
    client: httpx.AsyncClient, db: AsyncSession, settings: Settings
) -> None:
    user = await make_user(db)
    headers, named = bearer(settings, user), basic(user.username, PASSWORD)
    assert [(await said(client, sent))[0] for sent in (headers, named, named)] == [200, 200, 200]
    await db.execute(update(User).values(is_active=False, blocked_at=func.now()))
    await db.commit()
    assert await said(client, headers) == (401, {"detail": "User is inactive", "code": "user_inactive"})
    assert await said(client, named) == WRONG_BASIC


async def test_a_raised_version_ends_the_token_and_not_the_password(
    client: httpx.AsyncClient, db: AsyncSession, settings: Settings
) -> None:
    user = await make_user(db)
    headers = bearer(settings, user)
    await db.execute(update(User).values(token_version=User.token_version + 1))
    await db.commit()
    assert await said(client, headers) == token_refused("Token is invalid")
    assert (await said(client, basic(user.username, PASSWORD)))[0] == 200


async def test_basic_by_username_in_any_case_of_the_scheme(client: httpx.AsyncClient, db: AsyncSession) -> None:
    user = await make_user(db, password="contraseña: con dos puntos")
    for scheme in ("Basic", "basic", "BASIC"):
        status, body = await said(client, basic(user.username, "contraseña: con dos puntos", scheme))
        assert (status, body["id"]) == (200, user.id)


async def test_wrong_basic_credentials(client: httpx.AsyncClient, db: AsyncSession) -> None:
    user = await make_user(db)
    for name, password in (
        (user.username, "x"),
        (user.username, ""),
        (user.email, PASSWORD),
        (user.username.upper(), PASSWORD),
        ("nobody", PASSWORD),
        ("", ""),
        ("a\0b", PASSWORD),
        (user.username, "x" * 100_000),
        ("x" * 100_000, "x"),
    ):
        assert await said(client, basic(name, password)) == WRONG_BASIC


@pytest.mark.parametrize(
    ("value", "detail"),
    [
        ("Basic", "Invalid basic header. No credentials provided."),
        ("Basic a b", "Invalid basic header. Credentials string should not contain spaces."),
        ("Basic !!!!", "Invalid basic header. Credentials not correctly base64 encoded."),
        ("Basic YW5h", "Invalid basic header. Credentials not correctly base64 encoded."),
        ("Basic YW5hOg", "Invalid basic header. Credentials not correctly base64 encoded."),
    ],
)
async def test_malformed_basic(client: httpx.AsyncClient, value: str, detail: str) -> None:
    assert await said(client, {"Authorization": value}) == (401, {"detail": detail})


async def test_basic_in_latin_1(client: httpx.AsyncClient, db: AsyncSession) -> None:
    user = await make_user(db, password="ñandú-largo")
    pair = base64.b64encode(f"{user.username}:ñandú-largo".encode("latin-1")).decode()
    assert (await said(client, {"Authorization": f"Basic {pair}"}))[0] == 200


async def test_basic_hashes_once_a_minute_and_a_new_password_holds_at_once(
    client: httpx.AsyncClient, db: AsyncSession, app: Relampago, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, other = await make_user(db, password="clave-propia-uno"), await make_user(db, password="clave-propia-dos")
    hashed = []
    really_matches = app.state.passwords.matches

    async def matches(password: str, stored: str | None) -> bool:
        hashed.append(password)
        right: bool = await really_matches(password, stored)
        return right

    monkeypatch.setattr(app.state.passwords, "matches", matches)
    for _ in range(3):
        assert (await said(client, basic(user.username, "clave-propia-uno")))[0] == 200
    assert hashed == ["clave-propia-uno"]
    await db.execute(update(User).where(User.id == user.id).values(password_hash=other.password_hash))
    await db.commit()
    assert await said(client, basic(user.username, "clave-propia-uno")) == WRONG_BASIC
    assert (await said(client, basic(user.username, "clave-propia-dos")))[0] == 200
    assert hashed == ["clave-propia-uno", "clave-propia-uno", "clave-propia-dos"]


async def test_a_wrong_password_is_never_remembered(client: httpx.AsyncClient, db: AsyncSession) -> None:
    user = await make_user(db)
    answers = await asyncio.gather(*(said(client, basic(user.username, "x")) for _ in range(4)))
    assert answers == [WRONG_BASIC] * 4


def request_with(app: Relampago | None, headers: dict[str, str]) -> Request[Any, Any, Any]:
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "headers": raw, "litestar_app": app, "state": {}})  # type: ignore[typeddict-item]


async def test_a_claim_is_read_without_the_database(settings: Settings) -> None:
    authenticator = Authenticator(settings, Passwords())
    text = tokens.mint(settings.secret_key, "access", user_id=12, version=5, jti=uuid4(), now=int(time.time()))
    # There is no application behind this request, so no session either.
    assert await authenticator.claim(request_with(None, {"Authorization": f"Bearer {text}"})) == Claim(12, 5)
    assert await authenticator.claim(request_with(None, {})) is None
    with pytest.raises(AccessTokenRefused):
        await authenticator.claim(request_with(None, {"Authorization": f"Bearer {text}x"}))


async def test_a_claim_by_basic_is_checked_in_full(
    client: httpx.AsyncClient, app: Relampago, db: AsyncSession, settings: Settings
) -> None:
    user = await make_user(db, token_version=9)
    authenticator = Authenticator(settings, Passwords())
    claim = await authenticator.claim(request_with(app, basic(user.username, PASSWORD)))
    assert claim == Claim(user.id, 9)
    with pytest.raises(NotAuthenticated):
        await authenticator.claim(request_with(app, basic(user.username, "x")))


async def test_basic_can_be_switched_off(
    client: httpx.AsyncClient, app: Relampago, db: AsyncSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = await make_user(db)
    monkeypatch.setattr(app.state.authenticator, "basic", False)
    assert await said(client, basic(user.username, PASSWORD)) == ANONYMOUS
    assert await said(client, {"Authorization": "Basic"}) == ANONYMOUS


async def test_a_token_of_the_previous_secret_is_read(
    client: httpx.AsyncClient, app: Relampago, db: AsyncSession, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = await make_user(db)
    headers = bearer(settings, user)
    monkeypatch.setattr(
        app.state.authenticator, "secrets", ("a-new-secret-0123456789abcdef-0123456789", settings.secret_key)
    )
    assert (await said(client, headers))[0] == 200
