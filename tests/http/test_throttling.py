"""The scopes of the contract, through the application: who is counted where, what an answer says, what is exempt."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.http.throttling import EXEMPT, THROTTLE, rate_of
from app.server import Relampago
from app.settings import RATES, Settings
from app.wiring import let_go
from tests.factories import bearer, make_staff, make_user
from tests.http.conftest import client_of, offline
from tests.http.limited import ROUTES, Client, limited, statuses


@pytest.fixture(scope="module")
async def made() -> AsyncIterator[list[Relampago]]:
    """The applications of this file's tests."""
    apps: list[Relampago] = []
    yield apps
    for app in apps:
        await let_go(app)


@pytest.fixture
async def throttled(settings: Settings, made: list[Relampago], _clean: None) -> AsyncIterator[Client]:
    async with limited(settings, made) as client:
        yield client


@pytest.mark.parametrize("scope", RATES)
async def test_every_scope_is_exact_over_two_applications(
    throttled: Client, db: AsyncSession, settings: Settings, scope: str
) -> None:
    """From one address and by one user, whichever of them the scope counts."""
    headers = bearer(settings, await make_user(db))
    doors = [throttled(**{scope: "7/hour"}) for _ in range(2)]
    calls = [doors[turn % 2].get(f"/api/throttle/{scope}", headers=headers) for turn in range(40)]
    answers = await asyncio.gather(*calls)
    assert Counter(answer.status_code for answer in answers) == {200: 7, 429: 33}
    left = sorted(int(answer.headers["ratelimit-remaining"]) for answer in answers if answer.status_code == 200)
    assert left == list(range(7))


async def test_a_refusal_is_drfs(throttled: Client) -> None:
    client = throttled(anon="2/minute")
    assert await statuses(client, "anon", 2) == [200, 200]
    answer = await client.get("/api/throttle/anon")
    assert answer.status_code == 429
    seconds = answer.headers["retry-after"]
    assert seconds in {"59", "60"}
    assert answer.json() == {"detail": f"Request was throttled. Expected available in {seconds} seconds."}
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"]


async def test_one_second_is_singular(throttled: Client) -> None:
    client = throttled(anon="1/second")
    assert await statuses(client, "anon", 1) == [200]
    answer = await client.get("/api/throttle/anon")
    if answer.status_code == 429:
        assert answer.json() == {"detail": "Request was throttled. Expected available in 1 second."}
        assert answer.headers["retry-after"] == "1"


async def test_every_answer_says_what_is_left(throttled: Client, db: AsyncSession, settings: Settings) -> None:
    headers = bearer(settings, await make_user(db))
    client = throttled(anon="3/minute", user="5/hour", login="2/minute")

    async def left(path: str, **more: Any) -> tuple[int, ...]:
        answer = await client.get(f"/api/throttle/{path}", **more)
        names = ("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset")
        return answer.status_code, *(int(answer.headers[name]) for name in names)

    assert [await left("anon") for _ in range(4)] == [
        (200, 3, 2, 60),
        (200, 3, 1, 60),
        (200, 3, 0, 60),
        (429, 3, 0, 60),
    ]
    assert await left("user", headers=headers) == (200, 5, 4, 3600)
    assert await left("anyone", headers=headers) == (200, 5, 3, 3600)
    assert await left("login", headers=headers) == (200, 2, 1, 60)


async def test_a_named_scope_replaces_the_general_one(throttled: Client, db: AsyncSession, settings: Settings) -> None:
    headers = bearer(settings, await make_user(db))
    client = throttled(user="2/hour", order_create="3/hour", product_create="1/hour")
    assert await statuses(client, "order_create", 4, headers=headers) == [200, 200, 200, 429]
    assert await statuses(client, "user", 3, headers=headers) == [200, 200, 429]
    assert await statuses(client, "product_create", 2, headers=headers) == [200, 429]


async def test_users_are_counted_by_themselves_and_others_by_address(
    throttled: Client, db: AsyncSession, settings: Settings
) -> None:
    one, other = bearer(settings, await make_user(db)), bearer(settings, await make_user(db))
    client = throttled(anon="1/hour", user="1/hour")
    elsewhere = throttled(("203.0.113.8", 1), anon="1/hour", user="1/hour")
    assert await statuses(client, "anyone", 2) == [200, 429]
    assert await statuses(client, "anyone", 2, headers=one) == [200, 429]
    assert await statuses(client, "anyone", 2, headers=other) == [200, 429]
    assert await statuses(elsewhere, "anyone", 2) == [200, 429]
    assert await statuses(elsewhere, "anyone", 1, headers=one) == [429]


async def test_a_token_at_a_door_is_not_looked_at(throttled: Client, db: AsyncSession, settings: Settings) -> None:
    headers = bearer(settings, await make_user(db))
    client = throttled(login="1/hour")
    assert await statuses(client, "login", 2, headers=headers) == [200, 429]
    assert await statuses(client, "login", 1) == [429]


async def test_whom_the_guard_turns_away_is_not_counted(
    throttled: Client, db: AsyncSession, settings: Settings
) -> None:
    """As in DRF, whose throttles come after authentication and permissions."""
    user, admin = bearer(settings, await make_user(db)), bearer(settings, await make_staff(db))
    client = throttled(anon="1/hour", user="1/hour")
    bad = {"Authorization": "Bearer x.y.z"}
    assert await statuses(client, "user", 3) == [401] * 3
    assert await statuses(client, "anyone", 3, headers=bad) == [401] * 3
    assert await statuses(client, "staff", 3, headers=user) == [403] * 3
    assert await statuses(client, "anyone", 2) == [200, 429]
    assert await statuses(client, "anyone", 2, headers=user) == [200, 429]
    assert await statuses(client, "staff", 2, headers=admin) == [200, 429]


@pytest.mark.parametrize(
    ("how", "body", "status"),
    [("found", {"number": 1}, 404), ("lost", {"number": 1}, 409), ("crash", {"number": 1}, 500), ("lost", {}, 400)],
)
async def test_what_fails_later_stays_counted(
    throttled: Client, db: AsyncSession, how: str, body: Mapping[str, int], status: int
) -> None:
    """The count is no part of the request's transaction."""
    client = throttled(anon="3/hour")
    answers = [await client.post(f"/api/throttle/fails/{how}", json=body) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [status] * 3 + [429] * 2
    assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["2", "1", "0", "0", "0"]
    assert (await db.execute(text("SELECT count(*) FROM category"))).scalar_one() == 0


async def test_what_is_off_counts_nothing(throttled: Client, db: AsyncSession) -> None:
    client = throttled(anon="off", user="off")
    assert set(await statuses(client, "anon", 30)) == {200}
    answer = await client.get("/api/throttle/anon")
    assert not [name for name in answer.headers if name.startswith("ratelimit")]
    assert (await db.execute(text("SELECT count(*) FROM throttle"))).scalar_one() == 0


async def test_unknown_paths_and_methods_are_not_counted(throttled: Client) -> None:
    client = throttled(anon="1/hour")
    for _ in range(3):
        assert (await client.get("/api/nothing/")).status_code == 404
        assert (await client.delete("/api/throttle/anon")).status_code == 405
        assert (await client.options("/api/throttle/anon")).status_code == 200
    assert await statuses(client, "anon", 2) == [200, 429]


async def test_head_counts_as_get(throttled: Client) -> None:
    client = throttled(anon="2/hour")
    answers = [await client.head("/api/throttle/anon") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]


SCOPES = {
    "auth_login": "login",
    "auth_register": "register",
    "auth_change_password": "change_password",
    "auth_me_update": "profile_update",
    "products_create": "product_create",
    "orders_create": "order_create",
    "maintenance_validate_bypass": "login",
}
# Health, documents, pictures, and the one click by which a mail's reader wants no more of them.
FREE = {"health", "livez", "readyz", "metrics", "schema", "swagger", "redoc", "asset", "picture", "ask", "end"} | {
    # Webhooks: MercadoPago's by both its paths, and Firebase's.
    *("tell", "tell_there", "firebase"),
}


def _handlers(app: Relampago) -> dict[str, HTTPRouteHandler]:
    found = {}
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for method, (handler, _) in route.route_handler_map.items():
                if method != "OPTIONS":
                    found[str(handler.operation_id or handler.handler_name)] = handler
    return found


async def test_the_contracts_scopes() -> None:
    app = offline()
    scopes = {name: handler.opt[THROTTLE] for name, handler in _handlers(app).items() if handler.opt.get(THROTTLE)}
    named = {name: scope for name, scope in scopes.items() if scope != EXEMPT}
    assert named == SCOPES


async def test_what_is_exempt() -> None:
    """The list is short, so that nothing slips into it."""
    app = offline()
    free = {handler.handler_name for handler in _handlers(app).values() if handler.opt.get(THROTTLE) == EXEMPT}
    assert free == FREE


async def test_exempt_paths_do_not_need_the_database() -> None:
    app = offline(THROTTLE_ANON="1/hour")
    async with client_of(app) as client:
        for path in ("/livez", "/api/schema/", "/api/docs/", "/api/redoc/"):
            for _ in range(3):
                answer = await client.get(path)
                assert answer.status_code == 200, path
                assert "ratelimit-limit" not in answer.headers


async def test_without_the_database_nobody_is_let_in_uncounted() -> None:
    """Neither open nor broken: 503."""
    app = offline(THROTTLE_ANON="1000/hour")
    app.register(ROUTES)
    async with client_of(app) as client:
        answer = await client.get("/api/throttle/anon")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.headers["retry-after"] == "1"


async def test_a_lost_connection_is_one_answer(throttled: Client, db: AsyncSession) -> None:
    client = throttled(anon="5/hour")
    assert await statuses(client, "anon", 1) == [200]
    ends = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'relampago-throttles'"
    await db.execute(text(f"{ends} AND datname = current_database()"))
    found = await statuses(client, "anon", 4)
    assert found[1:] == [200] * 3
    assert found[0] in {200, 503}


@pytest.mark.parametrize(
    ("written", "calls", "seconds"),
    [("10/minute", 10, 60), ("1/second", 1, 1), ("1000/hour", 1000, 3600), ("50/day", 50, 86400)],
)
def test_rates_are_read(written: str, calls: int, seconds: int) -> None:
    rate = rate_of(written)
    assert rate is not None
    assert (rate.calls, rate.seconds) == (calls, seconds)
    assert rate_of("off") is None
