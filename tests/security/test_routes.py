"""S2: the application's own route table, by principals; a route without a row breaks the build."""

import re

import httpx
import pytest
from litestar.handlers import HTTPRouteHandler
from sqlalchemy.ext.asyncio import AsyncSession

from app.http import guards
from app.server import Relampago
from app.settings import Settings
from tests.contract.operations import PRINCIPALS_GOAL
from tests.factories import bearer, make_staff, make_user
from tests.security.findings import Findings

pytestmark = pytest.mark.shows("S2")
# For each guard what nobody, a blocked user, two users and staff are told; 0 lets them in. That a route has the guard
# that the contract asks for, and that what one user owns is not the other's, is shown by tests/contract.
ROWS = {
    guards.door: (0, 0, 0, 0, 0),
    guards.anyone: (0, 401, 0, 0, 0),
    guards.signed_in: (401, 401, 0, 0, 0),
    # Whether the caller is blocked is asked by the claim's own statement, after the body.
    guards.claimed: (401, 0, 0, 0, 0),
    guards.staff: (401, 401, 403, 403, 0),
    guards.staff_or_cron: (401, 401, 403, 403, 0),
    guards.cron: (401, 401, 401, 401, 401),
    guards.cron_in_production: (0, 0, 0, 0, 0),
}
# After these a caller's token is a dead one.
ENDS = {("DELETE", "/api/auth/me")}
# Here the handler asks for staff by itself, in words of its own.
BY_HANDLER = re.compile(r"/verify-admin$|/admin/promos|^POST /api/store-products$|/update_status$")
TRICKS = ("{}/", "/{}", "{}//", "{}/.", "{}%2f", "{};a=b", "{}?_method=GET")


def table(app: Relampago) -> list[tuple[str, str, HTTPRouteHandler]]:
    """Each method and path with its handler, the ways that Litestar adds by itself left out."""
    found = []
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            found += [
                (method, route.path, handler)
                for method in sorted(handler.http_methods - {"OPTIONS", "HEAD"})
                if handler.resolve_guards()
            ]
    return found


def test_every_guard_has_a_row(app: Relampago) -> None:
    assert {guards.access_of(handler) for _, _, handler in table(app)} <= set(ROWS)
    assert set(guards.ACCESS) == set(ROWS)


async def make_principals(db: AsyncSession, settings: Settings) -> dict[str, dict[str, str]]:
    """What each sends; a blocked user's token was good when it was made."""
    people = {
        "blocked": await make_user(db, is_active=False),
        "user": await make_user(db),
        "another": await make_user(db),
        "staff": await make_staff(db),
    }
    return {"nobody": {}} | {name: bearer(settings, user) for name, user in people.items()}


@pytest.fixture
async def principals(db: AsyncSession, settings: Settings) -> dict[str, dict[str, str]]:
    return await make_principals(db, settings)


async def test_who_is_let_in(
    app: Relampago, client: httpx.AsyncClient, db: AsyncSession, settings: Settings, findings: Findings
) -> None:
    wrong, tried = [], 0
    principals = await make_principals(db, settings)
    for method, path, handler in table(app):
        address = re.sub(r"\{\w+(:\w+)?\}", "999999999", path)
        row = ROWS[guards.staff if BY_HANDLER.search(f"{method} {path}") else guards.access_of(handler)]
        for (who, headers), status in zip(principals.items(), row, strict=True):
            answer = await client.request(method, address, headers=headers)
            tried += 1
            refused = answer.status_code in {401, 403}
            # A door and a webhook may refuse what is in the body: they look at no token.
            own = status == 0 and guards.access_of(handler) is guards.door and answer.status_code != 403
            if (answer.status_code != status) if status else (refused and not own):
                wrong.append((who, method, path, status, answer.status_code))
        if path.endswith("/maintenance/toggle"):  # without a body it closes the shop
            body = {"maintenance_mode": False}
            assert (await client.post("/api/maintenance/toggle/", json=body, headers=principals["staff"])).is_success
        if (method, path) in ENDS or path.endswith("/logout-all"):
            principals = await make_principals(db, settings)
    findings.add("S2", PRINCIPALS_GOAL, tried, len(wrong), "route and principal")
    assert not wrong, "\n".join(map(str, wrong))


async def test_no_spelling_of_an_address_leads_around_its_guard(
    app: Relampago, client: httpx.AsyncClient, principals: dict[str, dict[str, str]], findings: Findings
) -> None:
    wrong, tried = [], 0
    for method, path, handler in table(app):
        if guards.access_of(handler) is not guards.staff:
            continue
        address = re.sub(r"\{\w+(:\w+)?\}", "999999999", path)
        override = {"X-HTTP-Method-Override": "GET", "X-Original-URL": "/livez", "X-Rewrite-URL": "/livez"}
        spellings = [trick.format(address) for trick in TRICKS] + [address.upper(), address.replace("a", "%61")]
        for spelling in spellings:
            answer = await client.request(method, spelling, headers=principals["user"] | override)
            tried += 1
            if answer.status_code not in {400, 401, 403, 404, 405}:
                wrong.append((method, spelling, answer.status_code))
    findings.add("S2", PRINCIPALS_GOAL, tried, len(wrong), "spellings")
    assert not wrong, "\n".join(map(str, wrong))
