"""Limits over two real processes, with forged headers: as many calls as the rate allows, and no more guesses."""

import asyncio
import base64
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from itertools import cycle
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from app.domain.accounts.models import User
from app.settings import RATES, Settings
from tests.conftest import SECRET, empty, fresh_database
from tests.factories import PASSWORD, bearer, make_staff, make_user
from tests.races.servers import api_processes, environment

pytestmark = pytest.mark.races

LIMITS = {
    "anon": 40,
    "user": 130,
    "register": 5,
    "login": 10,
    "change_password": 5,
    "profile_update": 30,
    "product_create": 101,
    "order_create": 50,
}
# What each scope is counted at. A body without sense will do: calls count before their bodies are read.
CALLS = {
    "anon": ("GET", "/api/products/"),
    "user": ("GET", "/api/auth/me/"),
    "register": ("POST", "/api/auth/register/"),
    "login": ("POST", "/api/auth/login/"),
    "change_password": ("POST", "/api/auth/change-password/"),
    "profile_update": ("PUT", "/api/auth/me/"),
    "product_create": ("POST", "/api/products/"),
    "order_create": ("POST", "/api/orders/"),
}
BY_ADDRESS = {"anon", "register", "login"}
Doors = list[httpx.AsyncClient]
Sessions = async_sessionmaker[AsyncSession]


@pytest.fixture(scope="module")
async def database(worker_name: str) -> AsyncIterator[str]:
    async with fresh_database(f"throttles_{worker_name}") as url:
        yield url


@pytest.fixture(scope="module")
async def sessions(database: str) -> AsyncIterator[Sessions]:
    engine = create_async_engine(database.replace("postgresql://", "postgresql+asyncpg://", 1))
    yield async_sessionmaker(engine, expire_on_commit=False)
    await engine.dispose()


@pytest.fixture(scope="module")
async def doors(database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Doors]:
    """Two processes with the contract's kinds of rates, an hour for all of them; neither has anything to complain."""
    folder = tmp_path_factory.mktemp("throttles")
    logs = [folder / "api-1.log", folder / "api-2.log"]
    limits = {f"THROTTLE_{scope.upper()}": f"{LIMITS[scope]}/hour" for scope in RATES}
    async with api_processes(environment(database, SECRET, folder) | limits, logs) as clients:
        yield clients
    assert [log.read_text(encoding="utf-8") for log in logs] == ["", ""]


@pytest.fixture(autouse=True)
async def _fresh(database: str) -> AsyncIterator[None]:
    yield
    await empty(database)


def headers_of(user: User) -> dict[str, str]:
    return bearer(Settings(database_url="", database_admin_url="", secret_key=SECRET), user)


def forged(turn: int) -> dict[str, str]:
    """What a client may say about its address: another one each time."""
    address = f"198.51.{turn // 250}.{turn % 250}"
    return {
        "X-Forwarded-For": f"{address}, 10.0.0.{turn % 250}",
        "X-Real-IP": address,
        "Forwarded": f"for={address}",
        "CF-Connecting-IP": address,
    }


async def together(calls: Sequence[Coroutine[Any, Any, httpx.Response]]) -> Counter[int]:
    return Counter(answer.status_code for answer in await asyncio.gather(*calls))


async def verdict(client: httpx.AsyncClient, method: str, path: str, **more: Any) -> httpx.Response:
    """A call that a process has no time for is refused before it is counted: it comes again, until it is judged."""
    async with asyncio.timeout(60):
        while (answer := await client.request(method, path, **more)).status_code == 503:
            await asyncio.sleep(0.05)
    return answer


@pytest.mark.goal("S9", "limits are exact over two processes and forged headers", "scopes")
@pytest.mark.parametrize("scope", RATES)
async def test_as_many_as_allowed(doors: Doors, sessions: Sessions, scope: str) -> None:
    async with sessions() as session:
        user = await (make_staff if scope == "product_create" else make_user)(session)
    credentials = {} if scope in BY_ADDRESS else headers_of(user)
    method, path = CALLS[scope]
    body = None if method == "GET" else {}
    door = cycle(doors)
    found = await together(
        [
            verdict(next(door), method, path, json=body, headers=forged(turn) | credentials)
            for turn in range(LIMITS[scope] * 2 + 20)
        ]
    )
    assert found[429] == LIMITS[scope] + 20, found
    assert found.total() - found[429] == LIMITS[scope]


def at_login(client: httpx.AsyncClient, name: str, turn: int) -> Coroutine[Any, Any, httpx.Response]:
    body = {"username": name, "password": f"wrong {turn}"}
    return client.post("/api/auth/login/", json=body, headers=forged(turn))


def at_token(client: httpx.AsyncClient, name: str, turn: int) -> Coroutine[Any, Any, httpx.Response]:
    body = {"username": name, "password": f"wrong {turn}"}
    return client.post("/api/token/", json=body, headers=forged(turn))


def at_basic(client: httpx.AsyncClient, name: str, turn: int) -> Coroutine[Any, Any, httpx.Response]:
    credentials = base64.b64encode(f"{name}:wrong {turn}".encode()).decode()
    return client.get("/api/stores/", headers=forged(turn) | {"Authorization": f"Basic {credentials}"})


GUESSES: tuple[Callable[..., Coroutine[Any, Any, httpx.Response]], ...] = (at_basic, at_login, at_token)


@pytest.mark.goal(
    "S9", "limits are exact over two processes and forged headers", "guesses at three doors", quick=600, full=10_000
)
async def test_guesses_are_bounded_over_all_doors(doors: Doors, sessions: Sessions, *, full_rounds: bool) -> None:
    """With forged addresses, in mixed case, at three doors of two processes: ten are looked at."""
    async with sessions() as session:
        user = await make_user(session, username="victim")
    names, door = ("victim", "VICTIM", "Victim", user.email, user.email.upper()), cycle(doors)
    found: Counter[int] = Counter()
    for begin in range(0, 10_000 if full_rounds else 600, 200):
        calls = [GUESSES[turn % 3](next(door), names[turn % 5], turn) for turn in range(begin, begin + 200)]
        found += await together(calls)
    assert set(found) == {401, 429}
    assert found[401] == LIMITS["login"]
    right = await doors[0].post("/api/token/", json={"username": "victim", "password": PASSWORD})
    assert right.status_code == 429


@pytest.mark.goal("S9", "limits are exact over two processes and forged headers", "holds", quick=400)
async def test_a_hold_is_counted_before_it_takes_anything(doors: Doors, sessions: Sessions) -> None:
    """Hundreds at once by one user: as many reach the claim as the user has calls, whatever travels together."""
    async with sessions() as session:
        credentials = headers_of(await make_user(session))
    door = cycle(doors)
    found = await together(
        [next(door).post("/cart/reserve", json={"promo_id": 987654321}, headers=credentials) for _ in range(400)]
    )
    assert found == {404: LIMITS["user"], 429: 400 - LIMITS["user"]}
