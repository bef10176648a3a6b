"""The proof of an e-mail, and asking for another code."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts.models import RefreshToken, User, VerificationCode
from app.server import Relampago
from tests.accounts.conftest import Jobs, Mailed, said, wrong
from tests.factories import PASSWORD, make_user

VERIFY = "/api/auth/verify-email/"
RESEND = "/api/auth/resend-verification/"
SENT = (200, {"message": "Si el email corresponde a una cuenta sin verificar, te enviamos un nuevo código"})
REFUSED = (400, {"error": "Código inválido o expirado"})
EMAIL = "Ana@example.com"


@pytest.fixture
async def user(db: AsyncSession) -> User:
    return await make_user(db, username="ana", email=EMAIL, is_active=False, email_verified=False)


async def code_of(client: httpx.AsyncClient, mailed: Mailed, user: User) -> str:
    assert said(await client.post(RESEND, json={"email": EMAIL})) == SENT
    return (await mailed(user)).code


async def state_of(db: AsyncSession, user: User) -> tuple[bool, bool, int]:
    await db.commit()
    tokens = (await db.execute(select(func.count()).select_from(RefreshToken))).scalar_one()
    row = await db.execute(select(User.is_active, User.email_verified).where(User.id == user.id))
    return *row.one(), tokens


async def verify(client: httpx.AsyncClient, code: Any, email: str = EMAIL, **more: Any) -> httpx.Response:
    return await client.post(VERIFY, json={"code": code, "email": email} | more)


@pytest.mark.parametrize("email", [EMAIL, "ana@example.com", "ANA@EXAMPLE.COM"])
async def test_the_code_activates_and_lets_in(
    client: httpx.AsyncClient, db: AsyncSession, user: User, mailed: Mailed, email: str
) -> None:
    answer = await verify(client, await code_of(client, mailed, user), email)
    assert answer.status_code == 200
    body = answer.json()
    access, refresh = body["access"], body.pop("refresh")
    assert body == {
        "message": "Email verificado exitosamente",
        "token": access,
        "access": access,
        "cart_linked": False,
        "cart_id": None,
    }
    assert await state_of(db, user) == (True, True, 1)
    me = await client.get("/api/auth/me/", headers={"Authorization": f"Bearer {access}"})
    assert (me.status_code, me.json()["id"]) == (200, user.id)
    assert (await client.post("/api/token/refresh/", json={"refresh": refresh})).status_code == 200
    assert (await client.post("/api/auth/login/", json={"username": "ana", "password": PASSWORD})).status_code == 200


async def test_a_wrong_code_activates_nothing_and_counts(
    client: httpx.AsyncClient, db: AsyncSession, user: User, mailed: Mailed
) -> None:
    code = await code_of(client, mailed, user)
    assert said(await verify(client, wrong(code))) == REFUSED
    assert await state_of(db, user) == (False, False, 0)
    assert (await db.execute(select(VerificationCode.tries))).scalar_one() == 1
    assert (await verify(client, code)).status_code == 200


@pytest.mark.races
async def test_five_wrong_codes_in_parallel_void_the_right_one_until_another_is_sent(
    client: httpx.AsyncClient, db: AsyncSession, user: User, mailed: Mailed
) -> None:
    """A03, from as many addresses as there are guesses."""
    code = await code_of(client, mailed, user)
    guesses = [
        client.post(
            VERIFY,
            json={"code": wrong(code, number), "email": EMAIL},
            headers={"X-Forwarded-For": f"203.0.113.{number}"},
        )
        for number in range(1, 31)
    ]
    assert [said(answer) for answer in await asyncio.gather(*guesses)] == [REFUSED] * 30
    assert (await db.execute(select(func.sum(VerificationCode.tries)))).scalar_one() == 5
    assert said(await verify(client, code)) == REFUSED
    assert await state_of(db, user) == (False, False, 0)
    assert (await verify(client, await code_of(client, mailed, user))).status_code == 200


@pytest.mark.races
async def test_of_50_parallel_right_codes_one_lets_in(
    client: httpx.AsyncClient, db: AsyncSession, user: User, mailed: Mailed
) -> None:
    code = await code_of(client, mailed, user)
    answers = await asyncio.gather(*(verify(client, code) for _ in range(50)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 49
    assert await state_of(db, user) == (True, True, 1)


async def test_an_expired_code_is_refused(
    client: httpx.AsyncClient, db: AsyncSession, user: User, mailed: Mailed
) -> None:
    code = await code_of(client, mailed, user)
    await db.execute(update(VerificationCode).values(expires_at=func.now()))
    await db.commit()
    assert said(await verify(client, code)) == REFUSED
    assert await state_of(db, user) == (False, False, 0)


async def test_a_code_of_before_a_change_of_the_address_proves_nothing(
    client: httpx.AsyncClient, db: AsyncSession, user: User, mailed: Mailed
) -> None:
    code = await code_of(client, mailed, user)
    await db.execute(update(User).values(email="other@example.com"))
    await db.commit()
    assert said(await verify(client, code, "other@example.com")) == REFUSED
    assert await state_of(db, user) == (False, False, 0)


async def test_an_unknown_address_and_a_verified_one_are_the_same_refusal(
    client: httpx.AsyncClient, db: AsyncSession, user: User, mailed: Mailed
) -> None:
    code = await code_of(client, mailed, user)
    assert said(await verify(client, code, "nobody@example.com")) == REFUSED
    assert (await verify(client, code)).status_code == 200
    assert said(await verify(client, code)) == REFUSED
    assert said(await verify(client, "000000")) == REFUSED


async def test_a_blocked_account_proves_its_address_and_stays_out(
    client: httpx.AsyncClient, db: AsyncSession, user: User, mailed: Mailed
) -> None:
    code = await code_of(client, mailed, user)
    await db.execute(update(User).values(blocked_at=func.now()))
    await db.commit()
    assert said(await verify(client, wrong(code))) == REFUSED
    assert said(await verify(client, code)) == (403, {"error": "account_blocked"})
    assert await state_of(db, user) == (False, True, 0)


class Carts:
    """Links one known cart."""

    def __init__(self, known: UUID) -> None:
        self.known = known

    async def link(self, _session: AsyncSession, user_id: int, anonymous_id: UUID) -> int | None:
        return user_id + 1000 if anonymous_id == self.known else None


@pytest.fixture
def carts(app: Relampago, monkeypatch: pytest.MonkeyPatch) -> Carts:
    carts = Carts(uuid4())
    monkeypatch.setitem(app.state._state, "cart_linker", carts)
    return carts


@pytest.mark.parametrize("known", [True, False])
async def test_the_anonymous_cart_is_linked(
    client: httpx.AsyncClient, carts: Carts, user: User, mailed: Mailed, known: bool
) -> None:
    code = await code_of(client, mailed, user)
    cart = str(carts.known if known else uuid4())
    body = (await verify(client, code, anonymous_cart_id=cart)).json()
    assert (body["cart_linked"], body["cart_id"]) == (known, user.id + 1000 if known else None)


@pytest.mark.parametrize("cart", [None, "", "x", 5, [], {}, "a\0b"])
async def test_a_bad_cart_stops_nothing(client: httpx.AsyncClient, user: User, mailed: Mailed, cart: Any) -> None:
    code = await code_of(client, mailed, user)
    assert (await verify(client, code, anonymous_cart_id=cart)).status_code == 200


@pytest.mark.parametrize("state", ["unknown", "active", "blocked", "blocked unverified"])
async def test_a_code_is_sent_again_only_where_one_is_waited_for(
    client: httpx.AsyncClient, db: AsyncSession, user: User, jobs: Jobs, state: str
) -> None:
    states: dict[str, dict[str, Any]] = {
        "unknown": {"email": "other@example.com"},
        "active": {"is_active": True, "email_verified": True},
        "blocked": {"email_verified": True, "blocked_at": func.now()},
        "blocked unverified": {"blocked_at": func.now()},
    }
    await db.execute(update(User).values(states[state]))
    await db.commit()
    assert said(await client.post(RESEND, json={"email": EMAIL})) == SENT
    of_users = select(func.count()).where(VerificationCode.user_id.is_not(None))
    assert (await db.execute(of_users)).scalar_one() == 0
    # A job is queued all the same, which will find nothing to send.
    assert [name for name, _ in await jobs()] == ["send_code_mail"]


async def test_another_code_voids_the_first(client: httpx.AsyncClient, user: User, mailed: Mailed) -> None:
    first = await code_of(client, mailed, user)
    second = await code_of(client, mailed, user)
    assert said(await verify(client, first)) == REFUSED
    assert (await verify(client, second)).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "error"),
    [
        (RESEND, {}, "email: This field is required."),
        (RESEND, {"email": "nowhere"}, "email: Enter a valid email address."),
        (RESEND, {"email": ["a@b.com"]}, "email: Not a valid string."),
        (VERIFY, {}, "code: This field is required.; email: This field is required."),
        (VERIFY, {"code": "", "email": EMAIL}, "code: This field may not be blank."),
        (VERIFY, {"code": "1" * 33, "email": EMAIL}, "code: Ensure this field has no more than 32 characters."),
        (VERIFY, {"code": {"$ne": ""}, "email": EMAIL}, "code: Not a valid string."),
        (
            VERIFY,
            {"code": None, "email": None},
            "code: This field may not be null.; email: This field may not be null.",
        ),
        (VERIFY, [], "non_field_errors: Invalid data. Expected a dictionary, but got list."),
    ],
)
async def test_bad_fields_are_said_under_error(client: httpx.AsyncClient, path: str, body: Any, error: str) -> None:
    assert said(await client.post(path, json=body)) == (400, {"error": error})


async def test_a_code_may_come_as_a_number(client: httpx.AsyncClient, user: User, mailed: Mailed) -> None:
    code = await code_of(client, mailed, user)
    while code.startswith("0"):
        code = await code_of(client, mailed, user)
    assert (await verify(client, int(code))).status_code == 200
