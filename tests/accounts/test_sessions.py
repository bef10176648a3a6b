"""What ends tokens, and that it ends all of them at the next request."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.domain.accounts.models import RefreshToken, User
from app.domain.accounts.service.recovery import PasswordService
from app.domain.accounts.service.standing import StandingService
from app.domain.activity.models import ActivityLog
from app.server import Relampago
from app.settings import Settings
from tests.accounts.conftest import Mailed, said
from tests.accounts.forgeries import FORGERIES, good
from tests.accounts.test_refresh import BLACKLISTED, INVALID, jti_of, let_grace_pass, states
from tests.factories import PASSWORD, bearer, make_staff, make_user

LOGOUT = "/api/auth/logout/"
LOGOUT_ALL = "/api/auth/logout-all/"
REFRESH = "/api/token/refresh/"
ME = "/api/auth/me/"
NEW = "otra-clave-larga"
ROTATIONS = 5


class Session:
    """A login that was refreshed a few times: the access token and every refresh token it had."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.access = ""
        self.refreshes: list[str] = []

    async def begin(self, user: User, rotations: int = ROTATIONS) -> "Session":
        body = {"username": user.username, "password": PASSWORD}
        self._take(await self.client.post("/api/token/", json=body))
        for _ in range(rotations):
            self._take(await self.client.post(REFRESH, json={"refresh": self.refreshes[-1]}))
        return self

    def _take(self, answer: httpx.Response) -> None:
        assert answer.status_code == 200, answer.text
        self.access = answer.json()["access"]
        self.refreshes.append(answer.json()["refresh"])

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access}"}

    async def statuses(self) -> list[int]:
        """Of the access token, then of every refresh token from the newest on."""
        found = [(await self.client.get(ME, headers=self.headers)).status_code]
        tries = [await self.client.post(REFRESH, json={"refresh": token}) for token in reversed(self.refreshes)]
        return found + [answer.status_code for answer in tries]


@pytest.fixture
async def user(db: AsyncSession) -> User:
    return await make_user(db, username="ana", email="ana@example.com")


Endings = dict[str, Callable[[], Awaitable[Any]]]


@pytest.fixture
def endings(client: httpx.AsyncClient, app: Relampago, user: User, settings: Settings, mailed: Mailed) -> Endings:
    """Everything that ends the tokens of a user."""
    sessions: async_sessionmaker[AsyncSession] = app.state.sessions
    mine = bearer(settings, user)

    async def by_staff(what: str, method: str = "POST") -> httpx.Response:
        async with sessions() as db:
            staff = await make_staff(db)
        return await client.request(method, f"/api/auth/customers/{user.id}/{what}", headers=bearer(settings, staff))

    async def change() -> httpx.Response:
        body = {"old_password": PASSWORD, "new_password": NEW}
        return await client.post("/api/auth/change-password/", headers=mine, json=body)

    async def reset() -> httpx.Response:
        await client.post("/api/auth/request-password-reset/", json={"email": user.email})
        body = {"email": user.email, "code": (await mailed(user)).code, "new_password": NEW}
        return await client.post("/api/auth/verify-password-reset/", json=body)

    async def on_the_command_line(what: str) -> None:
        async with sessions() as db, db.begin():
            standing = StandingService(db, settings)
            match what:
                case "role":
                    await standing.set_role(user.id, "staff", None)
                case "revoke":
                    await standing.end_sessions(user.id, None)
                case _:
                    await PasswordService(db, settings, app.state.passwords).set(user.id, NEW)

    return {
        "change": change,
        "reset": reset,
        "block": lambda: by_staff("block/"),
        "delete": lambda: by_staff("", "DELETE"),
        "logout-all": lambda: client.post(LOGOUT_ALL, headers=mine),
        "delete me": lambda: client.request("DELETE", ME, headers=mine, json={"password": PASSWORD}),
        "role": lambda: on_the_command_line("role"),
        "revoke": lambda: on_the_command_line("revoke"),
        "set": lambda: on_the_command_line("set"),
    }


KINDS = ["change", "reset", "block", "delete", "logout-all", "delete me", "role", "revoke", "set"]


@pytest.mark.parametrize("kind", KINDS)
async def test_none_of_six_refresh_tokens_nor_the_access_token_works(
    client: httpx.AsyncClient, db: AsyncSession, user: User, endings: Endings, kind: str
) -> None:
    """A02, for everything that ends tokens."""
    session = await Session(client).begin(user)
    other = await Session(client).begin(user, 0)
    answer = await endings[kind]()
    assert answer is None or answer.status_code in {200, 204}, answer.text
    assert await session.statuses() == [401] * (ROTATIONS + 2)
    assert await other.statuses() == [401, 401]
    live = select(func.count()).where(RefreshToken.revoked_at.is_(None), RefreshToken.user_id == user.id)
    assert (await db.execute(live)).scalar_one() == (1 if kind in {"change", "reset"} else 0)


@pytest.mark.races
@pytest.mark.parametrize("kind", ["change", "reset", "block", "logout-all", "revoke"])
async def test_a_refresh_that_races_with_the_end_leaves_nothing_alive(
    client: httpx.AsyncClient, user: User, endings: Endings, kind: str
) -> None:
    sessions = [await Session(client).begin(user, 0) for _ in range(5)]
    refreshes = [client.post(REFRESH, json={"refresh": each.refreshes[-1]}) for each in sessions]
    *answers, _ = await asyncio.gather(*refreshes, endings[kind]())
    for session, answer in zip(sessions, answers, strict=True):
        if answer.status_code == 200:
            session._take(answer)
        assert set(await session.statuses()) == {401}


@pytest.mark.races
async def test_a_refresh_that_races_with_a_logout_leaves_nothing_alive(
    client: httpx.AsyncClient, db: AsyncSession, user: User, full_rounds: bool
) -> None:
    for _ in range(50 if full_rounds else 5):
        session = await Session(client).begin(user, 0)
        token = {"refresh": session.refreshes[0]}
        await asyncio.gather(client.post(REFRESH, json=token), client.post(LOGOUT, json=token))
        live = select(func.count()).where(RefreshToken.revoked_at.is_(None))
        await db.commit()
        assert (await db.execute(live)).scalar_one() == 0


@pytest.mark.parametrize("which", [0, -1], ids=["a spent token", "the newest token"])
@pytest.mark.parametrize("path", [LOGOUT, LOGOUT.rstrip("/")])
async def test_a_logout_ends_its_login_alone(client: httpx.AsyncClient, user: User, path: str, which: int) -> None:
    session, other = await Session(client).begin(user, 2), await Session(client).begin(user, 0)
    answer = await client.post(path, json={"refresh": session.refreshes[which]})
    assert said(answer) == (200, {"message": "Sesión cerrada"})
    assert (await session.statuses())[1:] == [401] * 3
    assert await other.statuses() == [200, 200]
    # Once more is no error.
    assert (await client.post(path, json={"refresh": session.refreshes[which]})).status_code == 200


@pytest.mark.parametrize("header", ["Bearer broken", "Basic broken"])
async def test_a_logout_needs_its_refresh_token_and_nothing_else(
    client: httpx.AsyncClient, user: User, header: str
) -> None:
    session = await Session(client).begin(user, 0)
    answer = await client.post(LOGOUT, headers={"Authorization": header}, json={"refresh": session.refreshes[0]})
    assert answer.status_code == 200


@pytest.mark.goal(
    "S4", "forged, stale and stolen tokens: none is let in", "forgeries at the logout", quick=len(FORGERIES)
)
async def test_a_forged_token_logs_nobody_out(
    client: httpx.AsyncClient, db: AsyncSession, user: User, settings: Settings
) -> None:
    session = await Session(client).begin(user, 0)
    jti = jti_of(session.refreshes[0], settings).hex
    claims = {"token_type": "refresh", "exp": 4_000_000_000, "iat": 1, "jti": jti, "user_id": str(user.id), "ver": 0}
    taken = []
    for name, forge in FORGERIES.items():
        answer = await client.post(LOGOUT, json={"refresh": forge(claims, settings.secret_key)})
        refused = said(answer) == INVALID or (answer.status_code, list(answer.json())) == (400, ["refresh"])
        if not refused or await states(db) != [(False, False)]:
            taken.append((name, said(answer)))
    assert taken == []
    assert await session.statuses() == [200, 200]
    # Soundness of the test: the same claims, honestly signed, end the login.
    other = await Session(client).begin(user, 0)
    honest = claims | {"jti": jti_of(other.refreshes[0], settings).hex}
    assert (await client.post(LOGOUT, json={"refresh": good(honest, settings.secret_key)})).status_code == 200
    assert (await other.statuses())[1] == 401


async def test_an_access_token_is_no_refresh_token(client: httpx.AsyncClient, user: User) -> None:
    session = await Session(client).begin(user, 0)
    answer = await client.post(LOGOUT, json={"refresh": session.access})
    assert said(answer) == (401, {"detail": "Token has wrong type", "code": "token_not_valid"})


async def test_logout_everywhere_says_so_and_is_logged(
    client: httpx.AsyncClient, db: AsyncSession, user: User, settings: Settings
) -> None:
    answer = await client.post(LOGOUT_ALL, headers=bearer(settings, user))
    assert said(answer) == (200, {"message": "Se cerraron todas las sesiones"})
    entry = (await db.execute(select(ActivityLog))).scalar_one()
    assert (entry.user_id, entry.action, entry.object_id) == (user.id, "logout_all", str(user.id))
    assert (await client.post(LOGOUT_ALL)).status_code == 401


async def test_a_reused_token_is_logged_once_with_its_family(
    client: httpx.AsyncClient, db: AsyncSession, user: User
) -> None:
    session = await Session(client).begin(user, 1)
    await let_grace_pass(db)
    for _ in range(2):
        assert said(await client.post(REFRESH, json={"refresh": session.refreshes[0]})) == BLACKLISTED
    entries = (await db.execute(select(ActivityLog).where(ActivityLog.action == "token_reuse"))).scalars().all()
    assert [(each.user_id, each.object_id, str(each.ip_address)) for each in entries] == [
        (user.id, str(user.id), "127.0.0.1")
    ]


@pytest.mark.parametrize("door", ["/api/auth/login/", "/api/token/"])
async def test_logins_are_logged(client: httpx.AsyncClient, db: AsyncSession, user: User, door: str) -> None:
    await client.post(door, json={"username": "ana", "password": "x"})
    await client.post(door, json={"username": "ana", "password": PASSWORD})
    entry = (await db.execute(select(ActivityLog))).scalar_one()
    assert (entry.user_id, entry.action, entry.changes, str(entry.ip_address)) == (user.id, "login", {}, "127.0.0.1")
