"""Maintenance: closed to all but staff and those with a token, known without a statement a request."""

import asyncio
import re
import time
from typing import Any

import httpx
import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.hits import Rate
from app.domain.site.rules import fingerprint_of, is_open, leads_past, mint
from app.server import Relampago
from tests.contract.operations import Operation, contract
from tests.factories import make_user
from tests.shop import People

TOGGLE = "/api/maintenance/toggle/"
STATUS = "/api/maintenance/status/"
VALIDATE = "/api/maintenance/validate-bypass/"
CONFIG = "/api/site-config/"
CLOSED = {"error": "maintenance_mode", "message": "Volvemos a las 10"}
BYPASS = "una-clave-de-paso"
OPEN_PREFIXES = (
    "/api/auth/",
    "/api/token/",
    "/api/health/",
    "/api/maintenance/",
    "/api/config/",
    "/api/site-config/",
    "/api/cronjob/",
    "/api/cronjob-sync/",
    "/api/notifications/webhook/",
)


async def close(client: httpx.AsyncClient, people: People, **body: Any) -> None:
    sent = {"maintenance_mode": True, "maintenance_message": CLOSED["message"]} | body
    answer = await client.put(CONFIG, json=sent, headers=people.staff)
    assert answer.status_code == 200


def stays_open(operation: Operation) -> bool:
    """What the contract says: sign-in, health, maintenance, configuration, the schedule and webhooks."""
    return operation.path.startswith(OPEN_PREFIXES) or operation.auth in {"cron_key", "webhook_hmac"}


@pytest.mark.parametrize("operation", contract().values(), ids=lambda each: each.id)
def test_which_routes_stay_open(operation: Operation) -> None:
    assert is_open(operation.path) == stays_open(operation)


async def test_every_closed_route_is_closed(client: httpx.AsyncClient, people: People) -> None:
    await close(client, people)
    for operation in contract().values():
        for headers in (people.nobody, people.shopper):
            answer = await client.request(operation.method, operation.address, headers=headers)
            if stays_open(operation):
                assert answer.status_code != 503 or answer.json() != CLOSED, operation.id
            else:
                assert (answer.status_code, answer.json()) == (503, CLOSED), operation.id
                assert int(answer.headers["retry-after"]) > 0
                assert answer.headers["cache-control"] == "no-store"


async def test_staff_see_nothing_of_it(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    await close(client, people)
    for path in ("/api/products/", "/api/reviews/pending/", "/api/schema/"):
        assert (await client.get(path, headers=people.staff)).status_code == 200
    # A token that is over is told so, for its owner may be staff who only have to refresh it.
    bad = await client.get("/api/products/", headers={"Authorization": "Bearer x.y.z"})
    assert bad.status_code == 401
    assert (await client.get("/api/products/", headers={"Authorization": "Bearer x.y.z"})).status_code == 401
    assert (await client.get("/api/docs/", headers={"Authorization": "Bearer x.y.z"})).status_code == 503
    basic = await make_user(db, is_superuser=True)
    answer = await client.get("/api/products/", auth=(basic.username, "una-clave-larga-2026"))
    assert answer.status_code == 200


async def test_toggle_flips_or_sets(client: httpx.AsyncClient, people: People) -> None:
    off = {"maintenance_mode": False, "maintenance_message": ""}
    assert (await client.get(STATUS)).json() == off
    answer = await client.post(TOGGLE, headers=people.staff)
    on = {"maintenance_mode": True, "maintenance_message": ""}
    assert (answer.status_code, answer.json()) == (200, {"message": "Modo de mantenimiento activado"} | on)
    assert (await client.get(STATUS)).json() == on
    closed = await client.get("/api/products/")
    assert closed.status_code == 503
    assert closed.json()["message"] == "El sitio está en mantenimiento. Volvé a intentar en unos minutos."
    answer = await client.post(TOGGLE, json={"maintenance_message": "x"}, headers=people.staff)
    assert answer.json() == {
        "message": "Modo de mantenimiento desactivado",
        "maintenance_mode": False,
        "maintenance_message": "x",
    }
    assert (await client.get("/api/products/")).status_code == 200
    for _ in range(2):
        answer = await client.post(TOGGLE, json={"maintenance_mode": False}, headers=people.staff)
        assert answer.json()["maintenance_mode"] is False
    bad = await client.post(TOGGLE, json={"maintenance_mode": "x"}, headers=people.staff)
    assert (bad.status_code, bad.json()) == (400, {"maintenance_mode": ["Must be a valid boolean."]})


async def test_toggles_at_once_flip_each(client: httpx.AsyncClient, people: People) -> None:
    answers = await asyncio.gather(*(client.post(TOGGLE, headers=people.staff) for _ in range(6)))
    assert sorted(answer.json()["maintenance_mode"] for answer in answers) == [False] * 3 + [True] * 3
    assert (await client.get(STATUS)).json()["maintenance_mode"] is False


async def test_the_password_gives_a_token_that_leads_past(client: httpx.AsyncClient, people: People) -> None:
    await close(client, people, bypass_password=BYPASS)
    answer = await client.post(VALIDATE, json={"password": BYPASS})
    assert answer.status_code == 200
    given = answer.json()
    assert set(given) == {"valid", "token", "expires_at"}
    assert given["valid"] is True
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", given["expires_at"])
    past = {"X-Maintenance-Bypass": given["token"]}
    assert (await client.get("/api/products/", headers=past)).status_code == 200
    # It opens the door and makes nobody of anyone.
    assert (await client.get("/api/reviews/pending/", headers=past)).status_code == 401
    assert (await client.get("/api/reviews/pending/", headers=past | people.shopper)).status_code == 403
    token = given["token"]
    for forged in (token[:-1] + ("0" if token[-1] != "0" else "1"), "9" + token, token.upper(), "", BYPASS):
        refused = await client.get("/api/products/", headers={"X-Maintenance-Bypass": forged})
        assert refused.status_code == 503, forged
    # A new password ends the tokens of the one before, no password all of them.
    for password in (BYPASS, ""):
        await client.put(CONFIG, json={"bypass_password": password}, headers=people.staff)
        assert (await client.get("/api/products/", headers=past)).status_code == 503
        past = {
            "X-Maintenance-Bypass": (await client.post(VALIDATE, json={"password": BYPASS})).json().get("token", "")
        }


async def test_wrong_and_missing_passwords(client: httpx.AsyncClient, people: People) -> None:
    refused = {"valid": False, "error": "Contraseña incorrecta"}
    answer = await client.post(VALIDATE, json={"password": BYPASS})
    assert (answer.status_code, answer.json()) == (401, refused)
    await close(client, people, bypass_password=BYPASS)
    for wrong in ("x", f"{BYPASS} ", BYPASS.upper()):
        answer = await client.post(VALIDATE, json={"password": wrong})
        assert (answer.status_code, answer.json()) == (401, refused)
    bodies: list[dict[str, Any]] = [{}, {"password": ""}, {"password": None}, {"password": {}}]
    for body in bodies:
        answer = await client.post(VALIDATE, json=body)
        assert (answer.status_code, list(answer.json())) == (400, ["password"])


async def test_guesses_are_throttled(
    client: httpx.AsyncClient, app: Relampago, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    await close(client, people, bypass_password=BYPASS)
    with monkeypatch.context() as patch:
        patch.setitem(app.state.throttle.rates, "login", Rate(3, 60))
        statuses = [(await client.post(VALIDATE, json={"password": f"no {n}"})).status_code for n in range(5)]
    assert statuses == [401, 401, 401, 429, 429]


def test_tokens_are_bound_to_time_secret_and_password() -> None:
    now, secret, mark = int(time.time()), "s" * 32, fingerprint_of("$argon2id$one")
    token = mint(secret, mark, expires_at=now + 10)
    assert leads_past([secret], mark, token, now=now)
    assert leads_past(["n" * 32, secret], mark, token, now=now)
    assert not leads_past([secret], mark, token, now=now + 10)
    assert not leads_past(["n" * 32], mark, token, now=now)
    assert not leads_past([secret], fingerprint_of("$argon2id$two"), token, now=now)
    assert fingerprint_of("") == ""
    assert not leads_past([secret], "", mint(secret, "", expires_at=now + 10), now=now)
    later = f"{now + 99}.{token.partition('.')[2]}"
    assert not leads_past([secret], mark, later, now=now)
    for odd in ("\u0661" + token[1:], f" {token}", f"{token}\n", "." + token, "0." + "0" * 64):
        assert not leads_past([secret], mark, odd, now=now)


async def test_no_statement_is_asked(client: httpx.AsyncClient, app: Relampago, people: People) -> None:
    """Neither while the shop is open nor while it is closed."""
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    event.listen(app.state.engine.sync_engine, "before_cursor_execute", note)
    try:
        await client.get("/api/categories/")
        assert len(asked) == 1
        await close(client, people)
        asked.clear()
        assert (await client.get("/api/categories/")).status_code == 503
        assert asked == []
    finally:
        event.remove(app.state.engine.sync_engine, "before_cursor_execute", note)


async def test_a_change_made_elsewhere_is_heard(
    client: httpx.AsyncClient, db: AsyncSession, app: Relampago, people: People
) -> None:
    """What another process, or a person at the database, commits; and only once it is committed."""
    await db.execute(text("INSERT INTO site_config (maintenance_mode) VALUES (true)"))
    await app.state.maintenance.watch.look()
    assert not app.state.maintenance.closed
    await db.commit()
    await _until(app, closed=True)
    assert (await client.get("/api/products/")).status_code == 503
    await db.execute(text("DELETE FROM site_config"))
    await db.commit()
    await _until(app, closed=False)


async def test_a_cut_line_is_opened_again(db: AsyncSession, app: Relampago) -> None:
    cut = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'relampago-site_config'"
    )
    await db.execute(cut)
    await db.commit()
    await db.execute(text("INSERT INTO site_config (maintenance_mode) VALUES (true)"))
    await db.commit()
    await _until(app, closed=True)


async def _until(app: Relampago, *, closed: bool) -> None:
    async with asyncio.timeout(4):
        while app.state.maintenance.closed is not closed:
            await asyncio.sleep(0.005)
