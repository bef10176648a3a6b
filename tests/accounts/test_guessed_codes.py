"""Ten thousand guesses at codes from a thousand addresses: five of each code are looked at, none of them is right."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts.models import VerificationCode
from app.domain.accounts.rules.codes import TRIES
from app.settings import Settings
from tests.accounts.conftest import Mailed, wrong
from tests.factories import make_user
from tests.http.limited import Client, limited

TOGETHER = 50
HOME = {"X-Forwarded-For": "10.9.9.9"}
DOORS = {
    "/api/auth/verify-email/": {},
    "/api/auth/verify-password-reset/": {"new_password": "otra-clave-larga", "new_password2": "otra-clave-larga"},
}


@pytest.fixture
async def throttled(settings: Settings, _clean: None) -> AsyncIterator[Client]:
    async with limited(settings) as client:
        yield client


@pytest.mark.goal("S5", "<= 5 guesses of each code are looked at, none is right", "guesses", quick=400, full=10_000)
@pytest.mark.races
async def test_ten_thousand_guesses(db: AsyncSession, throttled: Client, mailed: Mailed, *, full_rounds: bool) -> None:
    """The rates of anonymous calls are the contract's; behind a proxy a guesser has as many addresses as it likes."""
    total = 10_000 if full_rounds else 400
    addresses = total // 10
    user = await make_user(db, username="ana", email="ana@example.com", is_active=False, email_verified=False)
    other = await make_user(db, username="beto", email="beto@example.com")
    async with throttled(proxies=1, anon="100/hour") as client:
        for path, owner in (("resend-verification", user), ("request-password-reset", other)):
            await client.post(f"/api/auth/{path}/", json={"email": owner.email}, headers=HOME)
        codes = {user.email: (await mailed(user)).code, other.email: (await mailed(other)).code}

        async def guess(turn: int) -> int:
            path, email = list(zip(DOORS, codes, strict=True))[turn % 2]
            body = {"email": email, "code": wrong(codes[email], turn + 1), **DOORS[path]}
            address = f"198.{18 + turn % addresses // 250}.0.{turn % addresses % 250}"
            return (await client.post(path, json=body, headers={"X-Forwarded-For": address})).status_code

        found: Counter[int] = Counter()
        for begin in range(0, total, TOGETHER):
            found.update(await asyncio.gather(*(guess(begin + turn) for turn in range(TOGETHER))))
    assert found == {400: total}
    await db.commit()
    tries = (await db.execute(select(func.max(VerificationCode.tries), func.count()))).one()
    assert tuple(tries) == (TRIES, 2)
    # Nor is the right one looked at after that.
    client = throttled()
    for (path, fields), (email, code) in zip(DOORS.items(), codes.items(), strict=True):
        assert (await client.post(path, json={"email": email, "code": code, **fields})).status_code == 400
