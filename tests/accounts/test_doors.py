import asyncio
import time
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts import tokens
from app.domain.accounts.models import RefreshToken, User
from app.server import Relampago
from app.settings import Settings
from tests.factories import PASSWORD, bearer, make_user

LOGIN = "/api/auth/login/"
OBTAIN = "/api/token/"
WRONG_LOGIN = (401, {"error": "Credenciales inválidas"})
WRONG_OBTAIN = (401, {"detail": "No active account found with the given credentials"})
BLOCKED = {"is_active": False, "blocked_at": func.now()}
UNVERIFIED = {"is_active": False, "email_verified": False}


async def stored_tokens(db: AsyncSession) -> int:
    return (await db.execute(select(func.count()).select_from(RefreshToken))).scalar_one()


async def set_state(db: AsyncSession, user: User, **values: Any) -> None:
    values = {"is_active": True} | values
    await db.execute(update(User).where(User.id == user.id).values(**values))
    await db.commit()


def said(answer: httpx.Response) -> tuple[int, Any]:
    return answer.status_code, answer.json()


def is_challenged(answer: httpx.Response) -> bool:
    return answer.headers["www-authenticate"] == 'Bearer realm="api"'


@pytest.mark.parametrize("path", [LOGIN, LOGIN.rstrip("/")])
async def test_login_answers_user_pair_and_rights(
    client: httpx.AsyncClient, db: AsyncSession, settings: Settings, path: str
) -> None:
    user = await make_user(
        db, username="ana", email="Ana@example.com", first_name="Ana", last_name="Paz", is_staff=True
    )
    answer = await client.post(path, json={"username": "ana", "password": PASSWORD})
    assert answer.status_code == 200
    body = answer.json()
    access, refresh = body.pop("access"), body.pop("refresh")
    assert body == {
        "user": {
            "id": user.id,
            "username": "ana",
            "email": "Ana@example.com",
            "first_name": "Ana",
            "last_name": "Paz",
            "is_staff": True,
            "is_superuser": False,
        },
        "is_staff": True,
        "is_admin": True,
        "cart_linked": False,
        "cart_id": None,
    }
    me = await client.get("/api/auth/me/", headers={"Authorization": f"Bearer {access}"})
    assert me.status_code == 200
    row = (await db.execute(select(RefreshToken))).scalar_one()
    token = tokens.read([settings.secret_key], refresh, "refresh", now=int(time.time()))
    assert (row.jti, row.family, row.parent, row.user_id) == (UUID(token.jti), row.jti, None, user.id)
    assert (int(row.expires_at.timestamp()), row.rotated_at, row.revoked_at) == (token.expires_at, None, None)


@pytest.mark.parametrize(
    ("flags", "is_staff", "is_admin"),
    [({}, False, False), ({"is_superuser": True}, False, True), ({"is_staff": True}, True, True)],
)
async def test_is_admin_is_staff_or_superuser(
    client: httpx.AsyncClient, db: AsyncSession, flags: dict[str, bool], is_staff: bool, is_admin: bool
) -> None:
    user = await make_user(db, **flags)
    body = (await client.post(LOGIN, json={"username": user.username, "password": PASSWORD})).json()
    assert (body["is_staff"], body["is_admin"]) == (is_staff, is_admin)


@pytest.mark.parametrize("name", ["ana", "Ana@example.com", "ana@EXAMPLE.COM"])
async def test_login_by_username_or_email_in_any_case(client: httpx.AsyncClient, db: AsyncSession, name: str) -> None:
    user = await make_user(db, username="ana", email="Ana@example.com")
    answer = await client.post(LOGIN, data={"username": name, "password": PASSWORD})
    assert (answer.status_code, answer.json()["user"]["id"]) == (200, user.id)


async def test_usernames_are_compared_with_case(client: httpx.AsyncClient, db: AsyncSession) -> None:
    lower, upper = await make_user(db, username="ana"), await make_user(db, username="Ana")
    ids = [
        (await client.post(LOGIN, json={"username": name, "password": PASSWORD})).json()["user"]["id"]
        for name in ("ana", "Ana")
    ]
    assert ids == [lower.id, upper.id]
    assert said(await client.post(LOGIN, json={"username": "ANA", "password": PASSWORD})) == WRONG_LOGIN


async def test_a_username_made_like_a_proven_email_does_not_take_its_place(
    client: httpx.AsyncClient, db: AsyncSession
) -> None:
    victim = await make_user(db, email="victim@example.com", password="la-clave-de-la-victima")
    await make_user(db, username="victim@example.com", password="la-clave-del-atacante")
    answer = await client.post(LOGIN, json={"username": "victim@example.com", "password": "la-clave-de-la-victima"})
    assert (answer.status_code, answer.json()["user"]["id"]) == (200, victim.id)


async def test_an_unproven_email_does_not_take_a_usernames_place(client: httpx.AsyncClient, db: AsyncSession) -> None:
    victim = await make_user(db, username="victim@example.com", password="la-clave-de-la-victima")
    await make_user(db, email="victim@example.com", password="la-clave-del-atacante", **UNVERIFIED)
    answer = await client.post(LOGIN, json={"username": "victim@example.com", "password": "la-clave-de-la-victima"})
    assert (answer.status_code, answer.json()["user"]["id"]) == (200, victim.id)


@pytest.mark.parametrize("state", [{}, BLOCKED, UNVERIFIED], ids=["active", "blocked", "unverified"])
async def test_a_wrong_password_is_401_whatever_the_state(
    client: httpx.AsyncClient, db: AsyncSession, state: dict[str, Any]
) -> None:
    user = await make_user(db)
    await set_state(db, user, **state)
    answer = await client.post(LOGIN, json={"username": user.username, "password": PASSWORD + "x"})
    assert said(answer) == WRONG_LOGIN
    assert is_challenged(answer)
    assert await stored_tokens(db) == 0


async def test_an_unknown_name_is_the_same_401(client: httpx.AsyncClient) -> None:
    assert said(await client.post(LOGIN, json={"username": "nobody", "password": PASSWORD})) == WRONG_LOGIN


async def test_an_unverified_account_is_told_so(client: httpx.AsyncClient, db: AsyncSession) -> None:
    user = await make_user(db, email="new@example.com", **UNVERIFIED)
    answer = await client.post(LOGIN, json={"username": user.username, "password": PASSWORD})
    assert said(answer) == (403, {"error": "email_not_verified", "email": "new@example.com"})
    assert await stored_tokens(db) == 0


@pytest.mark.parametrize("verified", [True, False])
async def test_a_blocked_account_is_told_so(client: httpx.AsyncClient, db: AsyncSession, verified: bool) -> None:
    user = await make_user(db)
    await set_state(db, user, **BLOCKED, email_verified=verified)
    answer = await client.post(LOGIN, json={"username": user.username, "password": PASSWORD})
    assert said(answer) == (403, {"error": "account_blocked"})
    assert await stored_tokens(db) == 0


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, "username: This field is required.; password: This field is required."),
        ({"username": "ana"}, "password: This field is required."),
        ({"username": "", "password": "x"}, "username: This field may not be blank."),
        ({"username": "ana", "password": None}, "password: This field may not be null."),
        ({"username": ["ana"], "password": "x"}, "username: Not a valid string."),
        ({"username": "a\0", "password": "x"}, "username: Null characters are not allowed."),
        ({"username": "ana", "password": "x" * 1025}, "password: Ensure this field has no more than 1024 characters."),
        (["ana"], "non_field_errors: Invalid data. Expected a dictionary, but got list."),
    ],
)
async def test_login_without_good_fields_is_400_under_error(client: httpx.AsyncClient, body: Any, error: str) -> None:
    assert said(await client.post(LOGIN, json=body)) == (400, {"error": error})


async def test_a_login_that_is_no_json_keeps_the_frameworks_form(client: httpx.AsyncClient) -> None:
    answer = await client.post(LOGIN, content=b"{", headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("JSON parse error - ")


JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
HOSTILE: dict[str, tuple[str, bytes]] = {
    "NUL": (JSON, b'{"username": "a\\u0000", "password": "x"}'),
    "NUL in the password": (JSON, b'{"username": "a", "password": "\\u0000"}'),
    "lone surrogate": (JSON, b'{"username": "\\ud800", "password": "\\udfff"}'),
    "no UTF-8": (JSON, b'{"username": "\xff", "password": "x"}'),
    "overlong UTF-8": (JSON, b'{"username": "\xc0\xaf", "password": "x"}'),
    "1 MB of name": (JSON, b'{"username": "' + b"x" * 1_000_000 + b'", "password": "x"}'),
    "1 MB of password": (JSON, b'{"username": "x", "password": "' + b"x" * 1_000_000 + b'"}'),
    "deep": (JSON, b"[" * 200_000),
    "deep inside": (JSON, b'{"username": ' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b', "password": "x"}'),
    "UTF-16": (JSON, '{"username": "a", "password": "x"}'.encode("utf-16")),
    "BOM": (JSON, b'\xef\xbb\xbf{"username": "a", "password": "x"}'),
    "trailing data": (JSON, b'{"username": "a", "password": "x"} {}'),
    "a number": (JSON, b"5"),
    "empty": (JSON, b""),
    "form with NUL": (FORM, b"username=a%00&password=x"),
    "form without UTF-8": (FORM, b"username=%ff&password=x"),
    "many fields": (FORM, b"&".join(b"f%d=x" % number for number in range(1000))),
    "multipart without a boundary": ("multipart/form-data", b"--x"),
    "another type": ("application/msgpack", b"\x80"),
    "SQL": (JSON, b'{"username": "x\' OR 1=1 --", "password": "x"}'),
}


@pytest.mark.parametrize("path", [LOGIN, OBTAIN, "/api/auth/token/refresh/"])
@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE.keys())
async def test_hostile_bodies_are_refused(
    client: httpx.AsyncClient, db: AsyncSession, path: str, hostile: tuple[str, bytes]
) -> None:
    await make_user(db, username="a")
    media, body = hostile
    answer = await client.post(path, content=body, headers={"Content-Type": media})
    assert answer.status_code in {400, 401, 413, 415}
    assert isinstance(answer.json(), dict)
    assert await stored_tokens(db) == 0


@pytest.mark.parametrize("header", ["Bearer abc", "Bearer", "Basic !!!", "Basic YW5hOnk="])
@pytest.mark.parametrize("path", [LOGIN, OBTAIN])
async def test_the_doors_do_not_look_at_a_header(
    client: httpx.AsyncClient, db: AsyncSession, path: str, header: str
) -> None:
    user = await make_user(db)
    answer = await client.post(
        path, json={"username": user.username, "password": PASSWORD}, headers={"Authorization": header}
    )
    assert answer.status_code == 200


UNKNOWN_CART = "8b9d3a52-6f0e-4d0b-9a55-2f1a3c7e9b10"


class Carts:
    """Links one known cart; notes what it was asked."""

    def __init__(self, known: UUID) -> None:
        self.known = known
        self.asked: list[tuple[int, UUID]] = []

    async def link(self, session: AsyncSession, user_id: int, anonymous_id: UUID) -> int | None:
        assert session.in_transaction()
        self.asked.append((user_id, anonymous_id))
        return 77 if anonymous_id == self.known else None


@pytest.fixture
def carts(app: Relampago, monkeypatch: pytest.MonkeyPatch) -> Carts:
    carts = Carts(uuid4())
    monkeypatch.setitem(app.state._state, "cart_linker", carts)
    return carts


async def test_login_links_the_anonymous_cart(client: httpx.AsyncClient, db: AsyncSession, carts: Carts) -> None:
    user = await make_user(db)
    body = {"username": user.username, "password": PASSWORD, "anonymous_cart_id": str(carts.known)}
    answer = (await client.post(LOGIN, json=body)).json()
    assert (answer["cart_linked"], answer["cart_id"]) == (True, 77)
    assert carts.asked == [(user.id, carts.known)]


@pytest.mark.parametrize(
    "cart", [None, "", "x", 5, [], {}, "a\0b", "f" * 100_000, "8b9d3a52-6f0e-4d0b-9a55-2f1a3c7e9b10"]
)
async def test_a_bad_cart_never_stops_a_login(
    client: httpx.AsyncClient, db: AsyncSession, carts: Carts, cart: Any
) -> None:
    user = await make_user(db)
    body = {"username": user.username, "password": PASSWORD, "anonymous_cart_id": cart}
    answer = await client.post(LOGIN, json=body)
    assert answer.status_code == 200
    assert (answer.json()["cart_linked"], answer.json()["cart_id"]) == (False, None)


async def test_a_token_pair_is_given_for_a_username(
    client: httpx.AsyncClient, db: AsyncSession, settings: Settings
) -> None:
    user = await make_user(db, token_version=4)
    answer = await client.post(OBTAIN, json={"username": user.username, "password": PASSWORD})
    assert answer.status_code == 200
    assert list(answer.json()) == ["refresh", "access"]
    for kind in (tokens.ACCESS, tokens.REFRESH):
        token = tokens.read([settings.secret_key], answer.json()[kind], kind, now=int(time.time()))
        assert (token.user_id, token.version) == (user.id, 4)


@pytest.mark.parametrize("state", [BLOCKED, UNVERIFIED], ids=["blocked", "unverified"])
async def test_no_pair_for_an_account_that_is_not_active(
    client: httpx.AsyncClient, db: AsyncSession, state: dict[str, Any]
) -> None:
    user = await make_user(db)
    await set_state(db, user, **state)
    answer = await client.post(OBTAIN, json={"username": user.username, "password": PASSWORD})
    assert said(answer) == WRONG_OBTAIN
    assert is_challenged(answer)
    assert await stored_tokens(db) == 0


async def test_no_pair_for_a_wrong_password_an_unknown_name_or_an_email(
    client: httpx.AsyncClient, db: AsyncSession
) -> None:
    user = await make_user(db)
    for name, password in ((user.username, "x"), ("nobody", PASSWORD), (user.email, PASSWORD)):
        assert said(await client.post(OBTAIN, json={"username": name, "password": password})) == WRONG_OBTAIN


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, {"username": ["This field is required."], "password": ["This field is required."]}),
        (
            {"username": " ", "password": ""},
            {"username": ["This field may not be blank."], "password": ["This field may not be blank."]},
        ),
        (
            {"username": None, "password": None},
            {"username": ["This field may not be null."], "password": ["This field may not be null."]},
        ),
    ],
)
async def test_a_pair_without_good_fields_is_400_by_field(client: httpx.AsyncClient, body: Any, errors: Any) -> None:
    assert said(await client.post(OBTAIN, json=body)) == (400, errors)


class SlowPasswords:
    """Stands in for the hashing: says when it was reached, and goes on when it is told to."""

    def __init__(self, app: Relampago, monkeypatch: pytest.MonkeyPatch) -> None:
        self.waiting = asyncio.Semaphore(0)
        self.go_on = asyncio.Event()
        self._really = app.state.passwords.matches
        monkeypatch.setattr(app.state.passwords, "matches", self.matches)

    async def matches(self, password: str, stored: str | None) -> bool:
        self.waiting.release()
        await self.go_on.wait()
        return bool(await self._really(password, stored))


@pytest.fixture
def slow(app: Relampago, monkeypatch: pytest.MonkeyPatch) -> SlowPasswords:
    return SlowPasswords(app, monkeypatch)


@pytest.mark.parametrize("path", [LOGIN, OBTAIN])
async def test_a_password_that_changes_while_it_is_checked_opens_nothing(
    client: httpx.AsyncClient, db: AsyncSession, slow: SlowPasswords, path: str
) -> None:
    user = await make_user(db)
    attempt = asyncio.create_task(client.post(path, json={"username": user.username, "password": PASSWORD}))
    await slow.waiting.acquire()
    await set_state(db, user, password_hash="!")
    slow.go_on.set()
    assert said(await attempt) == (WRONG_LOGIN if path == LOGIN else WRONG_OBTAIN)
    assert await stored_tokens(db) == 0


async def test_logins_hold_no_connection_while_they_hash(
    client: httpx.AsyncClient, db: AsyncSession, settings: Settings, slow: SlowPasswords
) -> None:
    user = await make_user(db)
    body = {"username": user.username, "password": PASSWORD}
    logins = [asyncio.create_task(client.post(LOGIN, json=body)) for _ in range(settings.db_pool_size * 3)]
    async with asyncio.timeout(20):
        for _ in logins:
            await slow.waiting.acquire()
    assert (await client.get("/api/auth/me/", headers=bearer(settings, user))).status_code == 200
    slow.go_on.set()
    assert [answer.status_code for answer in await asyncio.gather(*logins)] == [200] * len(logins)
