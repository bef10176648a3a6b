"""Errors have the contract's forms, whatever raised them."""

from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import (
    AppError,
    Conflict,
    Forbidden,
    Invalid,
    NotAuthenticated,
    NotFound,
    PreconditionFailed,
    Refused,
    Throttled,
    TooLarge,
    Unavailable,
    UnsupportedMediaType,
)
from app.settings import Settings
from tests.factories import PASSWORD, bearer, make_staff, make_user
from tests.http.conftest import client_of, offline

NO_CREDENTIALS = {"detail": "Authentication credentials were not provided."}


@pytest.mark.parametrize(
    ("error", "status", "body"),
    [
        (AppError(), 500, {"detail": "A server error occurred."}),
        (Invalid({"name": ["Bad."], "price": ["Worse."]}), 400, {"name": ["Bad."], "price": ["Worse."]}),
        (Invalid.field("name", "Bad."), 400, {"name": ["Bad."]}),
        (Invalid.whole("Bad."), 400, {"non_field_errors": ["Bad."]}),
        (Invalid("JSON parse error - x"), 400, {"detail": "JSON parse error - x"}),
        (Refused("No.", code="rate_missing"), 400, {"error": "No.", "code": "rate_missing"}),
        (NotAuthenticated(), 401, NO_CREDENTIALS),
        (Forbidden(), 403, {"detail": "You do not have permission to perform this action."}),
        (NotFound(), 404, {"detail": "Not found."}),
        (
            Conflict("Gone.", code="insufficient_stock", left=2),
            409,
            {"detail": "Gone.", "code": "insufficient_stock", "left": 2},
        ),
        (PreconditionFailed(), 412, {"detail": "The object has changed since it was read."}),
        (TooLarge(), 413, {"detail": "The request body is too large."}),
        (UnsupportedMediaType(), 415, {"detail": "Unsupported media type in request."}),
        (Throttled(1), 429, {"detail": "Request was throttled. Expected available in 1 second."}),
        (Throttled(30), 429, {"detail": "Request was throttled. Expected available in 30 seconds."}),
        (Unavailable(), 503, {"detail": "Service temporarily unavailable, try again later.", "code": "unavailable"}),
    ],
)
def test_errors_say_status_and_body(error: AppError, status: int, body: dict[str, Any]) -> None:
    assert (error.status, error.body()) == (status, body)


def test_errors_that_pass_by_themselves_say_when() -> None:
    assert Throttled(30).headers == {"Retry-After": "30"}
    assert Unavailable(retry_after=5).headers == {"Retry-After": "5"}


@pytest.mark.parametrize(("path", "scheme"), [("/api/probe/mine", "Bearer"), ("/api/probe/mine-basic", "Basic")])
async def test_no_credentials_is_401_with_the_contracts_first_scheme(
    http: httpx.AsyncClient, path: str, scheme: str
) -> None:
    answer = await http.get(path)
    assert (answer.status_code, answer.json()) == (401, NO_CREDENTIALS)
    assert answer.headers.get_list("www-authenticate") == [f'{scheme} realm="api"']


async def test_without_basic_the_challenge_is_bearer() -> None:
    async with client_of(offline(AUTH_BASIC_ENABLED="false")) as http:
        answer = await http.get("/api/probe/mine-basic")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="api"')


async def test_both_schemes_open_both_kinds_of_path(
    http: httpx.AsyncClient, db: AsyncSession, settings: Settings
) -> None:
    user = await make_user(db)
    for path in ("/api/probe/mine", "/api/probe/mine-basic", "/api/probe/anyone"):
        for given in ({"headers": bearer(settings, user)}, {"auth": (user.username, PASSWORD)}):
            answer = await http.get(path, **given)
            assert (answer.status_code, answer.json()) == (200, {"id": user.id})
            assert answer.headers["cache-control"] == "no-store"


async def test_a_bad_token_is_401_on_public_paths_too_but_not_at_a_door(http: httpx.AsyncClient) -> None:
    bad = {"Authorization": "Bearer abc.def.ghi"}
    for path in ("/api/probe/mine", "/api/probe/anyone", "/api/probe/staff"):
        answer = await http.get(path, headers=bad)
        assert answer.status_code == 401
        assert answer.json()["code"] == "token_not_valid"
        assert answer.json()["detail"] == "Given token not valid for any token type"
        assert answer.headers["www-authenticate"] == 'Bearer realm="api"'
    assert (await http.post("/api/probe/everything", json={"name": "a", "price": 1}, headers=bad)).status_code == 201
    assert (await http.get("/api/health/", headers=bad)).status_code == 200


async def test_staff_paths_tell_nobody_from_a_user(
    http: httpx.AsyncClient, db: AsyncSession, settings: Settings
) -> None:
    answer = await http.get("/api/probe/staff", headers=bearer(settings, await make_user(db)))
    assert (answer.status_code, answer.json()) == (403, Forbidden().body())
    assert "www-authenticate" not in answer.headers
    assert (await http.get("/api/probe/staff")).status_code == 401
    for made in (await make_staff(db), await make_user(db, is_superuser=True)):
        assert (await http.get("/api/probe/staff", headers=bearer(settings, made))).status_code == 200


async def test_rights_come_before_the_body(http: httpx.AsyncClient, db: AsyncSession, settings: Settings) -> None:
    """Who may not write is told so, whatever was sent."""
    user = bearer(settings, await make_user(db))
    headers = {**user, "Content-Type": "application/json"}
    assert (await http.post("/api/categories/", content=b"{", headers=headers)).status_code == 403
    assert (await http.post("/api/categories/", content=b"{")).status_code == 401
