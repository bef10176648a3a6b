"""Nobody learns from an answer, or from its time, which addresses have an account."""

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher
from sqlalchemy import event, func, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts.models import User
from app.server import Relampago
from tests.factories import PASSWORD, make_user

LOGIN = "/api/auth/login/"
RESEND = "/api/auth/resend-verification/"
REQUEST = "/api/auth/request-password-reset/"
RESET = "/api/auth/verify-password-reset/"
VERIFY = "/api/auth/verify-email/"
KNOWN, UNKNOWN = "known@example.com", "nobody@example.com"
pytestmark = pytest.mark.alone
STATES: dict[str, dict[str, Any]] = {
    "active": {},
    "unverified": {"is_active": False, "email_verified": False},
    "blocked": {"is_active": False, "blocked_at": func.now()},
    "blocked unverified": {"is_active": False, "email_verified": False, "blocked_at": func.now()},
}
WRONG = {"code": "000000", "new_password": "otra-clave-larga", "password": "wrong-password"}
# Differ from one answer to the next whoever asks.
OWN = {"x-request-id", "ratelimit-remaining", "ratelimit-reset"}


@pytest.fixture
async def user(db: AsyncSession) -> User:
    return await make_user(db, username=KNOWN, email=KNOWN, dear=True)


def body_of(email: str) -> dict[str, str]:
    """Good for every one of the operations."""
    return {"email": email, "username": email} | WRONG


@pytest.mark.goal("S6", "who has an account shows in no answer and no time", "pairs of answers")
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("path", [LOGIN, RESEND, REQUEST, RESET, VERIFY])
async def test_the_answer_is_the_same(
    client: httpx.AsyncClient, db: AsyncSession, user: User, path: str, state: str
) -> None:
    await db.execute(update(User).where(User.id == user.id).values({"is_active": True} | STATES[state]))
    await db.commit()
    for sent in (RESEND, REQUEST):
        await client.post(sent, json=body_of(KNOWN))
    known, unknown = [await client.post(path, json=body_of(email)) for email in (KNOWN, UNKNOWN)]
    assert known.status_code == unknown.status_code
    assert known.content == unknown.content
    headers = [{name: value for name, value in each.headers.items() if name not in OWN} for each in (known, unknown)]
    assert headers[0] == headers[1]


@pytest.fixture
def work(app: Relampago, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """How often passwords are hashed and transactions end: what takes milliseconds."""
    done: Counter[str] = Counter()
    for name in ("hash", "verify"):
        honest = getattr(PasswordHasher, name)

        def counted(*given: Any, name: str = name, honest: Any = honest, **more: Any) -> Any:
            done[name] += 1
            return honest(*given, **more)

        monkeypatch.setattr(PasswordHasher, name, counted)

    def committed(_connection: object) -> None:
        done["commit"] += 1

    event.listen(app.state.engine.sync_engine, "commit", committed)
    yield done
    event.remove(app.state.engine.sync_engine, "commit", committed)


@pytest.mark.goal("S6", "who has an account shows in no answer and no time", "pairs of counted work")
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("path", [LOGIN, RESEND, REQUEST, RESET, VERIFY])
async def test_the_work_is_the_same(  # noqa: PLR0917 - fixtures
    client: httpx.AsyncClient, db: AsyncSession, user: User, work: Counter[str], path: str, state: str
) -> None:
    await db.execute(update(User).where(User.id == user.id).values({"is_active": True} | STATES[state]))
    await db.commit()
    for sent in (RESEND, REQUEST, LOGIN):
        await client.post(sent, json=body_of(KNOWN))
    # The first of a process makes what unknown names are compared with.
    await client.post(path, json=body_of("first@example.com"))
    counts = []
    for email in (KNOWN, UNKNOWN):
        work.clear()
        await client.post(path, json=body_of(email))
        counts.append(dict(work))
    assert counts[0] == counts[1]
    assert counts[0].get("verify", 0) == (path == LOGIN)


def area_under_curve(one: list[float], other: list[float]) -> float:
    """How often a time of the first kind is longer than one of the second: 0.5 tells nothing."""
    wins = sum((a > b) + (a == b) / 2 for a in one for b in other)
    return wins / (len(one) * len(other))


Prepare = Callable[[], Awaitable[None]]


@pytest.fixture
def prepare(db: AsyncSession, user: User) -> dict[str, Prepare]:
    """What brings a known account back to where its answer could differ."""

    async def nothing() -> None:
        """The account is as it has to be."""

    async def unverified() -> None:
        await db.execute(text("UPDATE users SET is_active = false, email_verified = false WHERE NOT email_verified"))
        await db.commit()

    async def untried() -> None:
        await db.execute(text("UPDATE verification_codes SET tries = 0 WHERE ended_at IS NULL"))
        await db.commit()

    return {LOGIN: nothing, RESEND: unverified, REQUEST: nothing, RESET: untried, VERIFY: untried}


@pytest.mark.goal("S6", "who has an account shows in no answer and no time", "pairs of times", quick=50, full=200)
@pytest.mark.races
@pytest.mark.parametrize("path", [LOGIN, RESEND, REQUEST, RESET, VERIFY])
async def test_the_time_is_the_same(
    client: httpx.AsyncClient, db: AsyncSession, prepare: dict[str, Prepare], path: str, full_rounds: bool
) -> None:
    """Known and unknown by turns. The bound of few samples is as wide as their scatter."""
    samples, bound = (200, 0.1) if full_rounds else (50, 0.25)
    if path in {RESEND, VERIFY}:
        await db.execute(update(User).values(is_active=False, email_verified=False))
        await db.commit()
    for sent in (RESEND, REQUEST):
        await client.post(sent, json={"email": KNOWN})
    times: dict[str, list[float]] = {KNOWN: [], UNKNOWN: []}
    for number in range(-5, samples):
        for email in (KNOWN, UNKNOWN) if number % 2 else (UNKNOWN, KNOWN):
            await prepare[path]()
            started = time.perf_counter()
            await client.post(path, json=body_of(email))
            if number >= 0:
                times[email].append(time.perf_counter() - started)
    assert area_under_curve(times[KNOWN], times[UNKNOWN]) == pytest.approx(0.5, abs=bound)


def test_the_measure_finds_a_difference() -> None:
    assert area_under_curve([2, 3, 4], [1, 1, 1]) == 1
    assert area_under_curve([1, 2], [1, 2]) == 0.5


async def test_the_right_password_of_an_unverified_account_is_needed_to_learn_its_state(
    client: httpx.AsyncClient, db: AsyncSession, user: User
) -> None:
    await db.execute(update(User).values(STATES["unverified"]))
    await db.commit()
    assert (await client.post(LOGIN, json=body_of(KNOWN))).status_code == 401
    answer = await client.post(LOGIN, json={"username": KNOWN, "password": PASSWORD})
    assert (answer.status_code, answer.json()["error"]) == (403, "email_not_verified")
